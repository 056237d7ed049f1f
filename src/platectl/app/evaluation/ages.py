"""How old each well was when it was filtered or read, from the times in the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from platectl.domain.assay import AssayProtocol
from platectl.domain.events import Event
from platectl.domain.layout import PLATE
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.step_docs import (
    DispenseDoc,
    FillDoc,
    HarvestDoc,
    ReadDoc,
    StaggerDoc,
    StampDoc,
)
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
    starts = _arrivals(steps, _membrane_docs(run.protocol), events)
    return {well: (end - start) / 60.0 for well, start in starts.items()}


def exposures_min(
    run: CompiledRun, plate: PlatePlan, events: Sequence[Event], until_s: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """How long each well of cells had its dye, and its compound, when the read came to it, min.

    Args:
        run: The run.
        plate: A plate of cells.
        events: Of the ledger.
        until_s: On the ledger's clock, when the addition reached a well, or its first reading was taken.

    Returns:
        Age of the dye, since it came onto the cells, and the time that a compound was there before
        the addition. Wells that got none, or without both moments in the ledger, are missing.
    """
    steps = {s.id: s for s in run.steps if s.plate == plate.name}
    dyes, compounds = (
        _arrivals(steps, docs, events)
        for docs in (_dye_docs(run.protocol), _compound_docs(run.protocol))
    )
    dye, compound = (
        {
            well: (until_s[well] - at) / 60.0
            for well, at in starts.items()
            if until_s.get(well, at) > at
        }
        for starts in (dyes, compounds)
    )
    return dye, compound


def _arrivals(
    steps: Mapping[str, Step], docs: Collection[str], events: Sequence[Event]
) -> dict[str, float]:
    """When what some steps of the protocol add reached each well."""
    starts: dict[str, float] = {}
    for name, step in steps.items():
        if _doc(name) in docs:
            starts |= _starts(step, [e for e in events if e.step == name])
    return starts


def _cells(protocol: AssayProtocol) -> set[str]:
    """Labware that is read."""
    return {doc.labware for doc in protocol.steps.values() if isinstance(doc, ReadDoc)}


def _dye_docs(protocol: AssayProtocol) -> list[str]:
    """Steps that put the dye onto the cells."""
    dye = _letters(protocol.of_calcium.dye)
    dyed = {
        name for name, liquid in protocol.liquids.items()
        if any(_letters(component).startswith(dye) for component in liquid.contents)
    }  # fmt: skip
    found = []
    for name, doc in protocol.steps.items():
        if isinstance(doc, DispenseDoc):
            liquid: str | None = doc.liquid
        elif isinstance(doc, (FillDoc, StampDoc)):
            liquid = protocol.labware[doc.source].liquid
        else:
            continue
        if liquid in dyed and doc.into in _cells(protocol):
            found.append(name)
    return found


def _compound_docs(protocol: AssayProtocol) -> list[str]:
    """Steps that put compounds onto the cells before the read."""
    return [
        name for name, doc in protocol.steps.items()
        if isinstance(doc, StampDoc) and doc.into in _cells(protocol) and name not in _dye_docs(protocol)
    ]  # fmt: skip


def _letters(name: str) -> str:
    """A name of a dye without what is written one way or another: `Fura-2`, `fura2_am`."""
    return "".join(c for c in name.lower() if c.isalnum())


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
