"""What a loading that was left out should have taken away falls to the next one."""

from __future__ import annotations

from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.engine.state import RunState


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
