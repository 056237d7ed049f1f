"""What is left out of a plate that was given up; what its loading should have taken away falls to the next one."""

from __future__ import annotations

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.state import RunState
from platectl.steps import CLEARING, SHARED


def take_over_removals(step: Step, run: CompiledRun, state: RunState) -> Step:
    """Give a loading step what earlier loadings of plates that were given up did not remove."""
    if step.kind != "load":
        return step
    known = state.steps
    loads = [s for s in run.steps if s.kind == "load" and s.id in known and s.id != step.id]
    skipped = [s for s in loads if known[s.id].status == "skipped"]
    if not skipped:
        return step
    gone = {name for s in loads if s not in skipped for name in s.params["remove"]}
    params = dict(step.params)
    for field in ("remove", "off_deck"):
        left = [name for s in skipped for name in s.params[field] if name not in gone]
        params[field] = list(dict.fromkeys([*params[field], *left]))
    return step.model_copy(update={"params": params})


def is_left_out(step: Step, run: CompiledRun, state: RunState) -> bool:
    """Whether a step of a plate that was given up is left out; what clears the way is done all the same."""
    if step.plate not in state.dropped_plates:
        return False
    if step.plate in state.cleared_plates:
        return step.kind not in SHARED
    loads = [s.id for s in run.steps if s.plate == step.plate and s.kind == "load"]
    known = state.steps
    loaded = all(name in known and known[name].status == "done" for name in loads)
    return step.kind not in SHARED and not (loaded and step.kind in CLEARING)
