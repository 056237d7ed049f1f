"""How old each well was when it was filtered, from the times in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platectl.domain.assay import AssayProtocol
from platectl.domain.events import Event
from platectl.domain.layout import PLATE
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.step_docs import DispenseDoc, HarvestDoc, StaggerDoc
from platectl.domain.steps import Step
from platectl.domain.wells import parse_well
from platectl.steps import kind_of
from platectl.steps.dispense import Dispense
from platectl.steps.transfer import Transfer


def well_ages_min(run: CompiledRun, plate: PlatePlan, events: Sequence[Event]) -> dict[str, float]:
    """True age of each well: from the membranes' arrival in it to its filtration.

    Wells without both moments in the ledger are missing.
    """
    steps = {s.id: s for s in run.steps if s.plate == plate.name}
    ends = [_filtered(events, s) for s in steps if _doc(s) in _harvests(run.protocol)]
    end = next((e for e in ends if e is not None), None)
    if end is None:
        return {}
    starts: dict[str, float] = {}
    for doc in _membrane_docs(run.protocol):
        for name, step in steps.items():
            if _doc(name) == doc:
                starts |= _starts(step, [e for e in events if e.step == name])
    return {well: (end - start) / 60.0 for well, start in starts.items()}


def _doc(step: str) -> str:
    """The protocol step that a compiled step `P1.B6` or `P1.B6.2` belongs to."""
    return step.split(".")[1]


def _harvests(protocol: AssayProtocol) -> set[str]:
    return {name for name, doc in protocol.steps.items() if isinstance(doc, HarvestDoc)}


def _membrane_docs(protocol: AssayProtocol) -> list[str]:
    with_membranes = {
        name
        for name, liquid in protocol.liquids.items()
        if any(component.startswith("membranes:") for component in liquid.contents)
    }
    found = []
    for name, doc in protocol.steps.items():
        if isinstance(doc, DispenseDoc):
            liquid: str | None = doc.liquid
        elif isinstance(doc, StaggerDoc):
            liquid = protocol.labware[doc.source].liquid
        else:
            continue
        if liquid in with_membranes:
            found.append(name)
    return found


def _filtered(events: Iterable[Event], harvest: str) -> float | None:
    """When filtration began: at the first draw, or midway of what a person did unwatched."""
    begun = ended = None
    for event in events:
        if event.step != harvest:
            continue
        if event.kind == "action.sent" and event.data["verb"] == "transfer":
            return event.monotonic_s
        if event.kind == "action.sent" and event.data["verb"] == "harvest":
            begun = event.monotonic_s
        if event.kind == "step.done":
            ended = event.monotonic_s
    return None if begun is None or ended is None else 0.5 * (begun + ended)


def _starts(step: Step, events: Sequence[Event]) -> dict[str, float]:
    """When each well of one membrane addition was reached; columns of a stroke in equal shares."""
    kind = kind_of(step)
    sent = {e.data["action"]: e for e in events if e.kind == "action.sent"}
    begun = next((e.monotonic_s for e in reversed(sent.values())), None)
    ended = next((e.monotonic_s for e in events if e.kind == "step.done"), None)
    if begun is None or ended is None:
        return {}
    if isinstance(kind, Dispense):
        columns = sorted(kind.volumes_ul)
        share = (ended - begun) / len(columns)
        return {
            well: begun + share * (columns.index(parse_well(well)[1] + 1) + 0.5)
            for well in PLATE.by_row()
            if parse_well(well)[1] + 1 in columns
        }
    if not isinstance(kind, Transfer):
        return {}  # priming, or the plate's way there
    moments = [e.monotonic_s for e in sent.values() if e.data["verb"] == "transfer"]
    starts = {}
    moves = [(use, move) for use in kind.uses for move in use.moves]
    for (use, move), start, after in zip(moves, moments, [*moments[1:], ended], strict=False):
        for _, well in use.wells(move.target):
            starts[well] = 0.5 * (start + after)
    return starts
