"""Reads a ledger against what must always hold: nothing used twice, nothing lost, every loss explained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Anchor, Step
from platectl.engine.stand_ins import as_it_was
from platectl.planning.overview import people_of
from platectl.planning.zones import unclean

TOLERANCE_S = 1e-3
#: between the end of a step and its entry
LATE_S = 5.0


def audit(run: CompiledRun, events: Sequence[Event]) -> list[str]:
    """Everything that must not be, in plain words; empty for a sound night."""
    run = as_it_was(run, events)
    return [
        *_double_use(run, events),
        *_double_standing(run, events),
        *_unexplained(run, events),
        *_out_of_order(run, events),
        *_zones(run, events),
        *_unjudged(run, events),
        *_held(run, events),
    ]


def _spans(events: Sequence[Event]) -> dict[str, tuple[float, float]]:
    """When each step was under way, from its first claim to its end."""
    begun: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    for event in events:
        if event.kind == "step.claimed":
            begun.setdefault(event.step, event.monotonic_s)
        elif event.kind in {"step.done", "step.skipped"} and event.step in begun:
            spans[event.step] = (begun[event.step], event.monotonic_s)
    return spans


def _double_use(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Two steps on one resource at the same time."""
    spans = _spans(events)
    on = defaultdict[str, list[tuple[float, float, str]]](list)
    for step in run.steps:
        if step.id in spans:
            for resource in step.resources:
                on[resource].append((*spans[step.id], step.id))
    for resource, uses in on.items():
        uses.sort()
        reached, by = float("-inf"), ""
        for begin, end, step_id in uses:
            if begin < reached - TOLERANCE_S:
                yield f"{resource} was used by {by} and {step_id} at once"
            if end > reached:
                reached, by = end, step_id


def _double_standing(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Two labware on one position, lids apart."""
    steps = {step.id: step for step in run.steps}
    lids = {item["labware"] for s in run.steps if s.kind == "load"
            for item in s.params["place"] if item["kind"].startswith("lid")}  # fmt: skip
    standing: dict[str, str] = {}
    cleared: set[str] = set()
    for event in events:
        if event.kind == "plate.dropped" and event.data["cleared"]:
            cleared.add(str(event.data["plate"]))
            standing = {p: n for p, n in standing.items() if n.split(".")[0] not in cleared}
        if event.kind != "step.done":
            continue
        for labware, target in _moved(steps[event.step]):
            if labware in lids or labware.split(".")[0] in cleared:
                continue
            standing = {place: name for place, name in standing.items() if name != labware}
            other = standing.get(target) if target else None
            if other is not None and other != labware:
                yield f"{labware} was put onto {other} at {target} by {event.step}"
            if target:
                standing[target] = labware


def _moved(step: Step) -> list[tuple[str, str | None]]:
    """What a step carries, and to where; what a person takes away goes to no place."""
    if step.kind == "load":
        gone = [(name, None) for name in step.params["remove"]]
        return [*gone, *((i["labware"], i["position"]) for i in step.params["place"])]
    if step.kind == "move":
        return [(step.params["labware"], step.params["target"])]
    return []


def _unexplained(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Plates that neither came to their end nor were given up; broken windows nobody decided about."""
    if not any(event.kind == "run.finished" for event in events):
        return
    over = {e.step for e in events if e.kind in {"step.done", "step.skipped"}}
    dropped = {e.data["plate"] for e in events if e.kind == "plate.dropped"}
    for plate in run.plates:
        left = [s.id for s in run.steps if s.plate == plate.name and s.id not in over]
        if left:
            yield f"{plate.name} was lost: {left[0]} never ended"
    for event in events:
        if event.kind == "plate.dropped" and not event.data["reason"]:
            yield f"{event.data['plate']} was given up without a reason"
        if event.kind == "step.skipped" and not event.data["reason"]:
            yield f"{event.step} was left out without a reason"
    told = {text for e in events if e.kind == "question.asked" for text in [str(e.data["text"])]}
    late = {
        (str(name), str(window))
        for e in events
        if e.kind == "plan.changed"
        for name, window in e.data["broken"]
    }
    for event in events:
        if event.kind != "window.broken" or not event.data["hard"]:
            continue
        key = (str(event.data["plate"]), str(event.data["window"]))
        known = key[0] in dropped or key in late or any(key[0] in text for text in told)
        if not known:
            yield f"window {key[1]} of {key[0]} broke unannounced: {event.data['verdict']}"


def _zones(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Plates without activity in a radioactive zone, and clean labware handled after activity."""
    active = {p.name for p in run.plates if run.protocols[p.assay].is_radioactive}
    lab, steps = run.lab, {step.id: step for step in run.steps}
    zone = {name for name, entry in lab.positions.items() if entry.radioactive}
    zone |= {name for name, entry in lab.instruments.items() if entry.radioactive}
    carries = unclean(lab, people_of(run))
    met: dict[str, str] = {}
    for event in events:
        if event.kind != "step.claimed":
            continue
        step = steps[event.step]
        for name in step.resources:
            if name in zone and step.plate not in active:
                yield f"{name} is for radioactive plates only and was used by {step.id}"
            if name in carries and step.radioactive:
                met.setdefault(name, step.id)
            elif name in carries and step.clean and name in met:
                yield f"{name} handled clean labware in {step.id} after activity in {met[name]}"


def _unjudged(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Windows that were not kept, light among them, and of which the ledger does not say so."""
    done = {event.step for event in events if event.kind == "step.done"}
    said = {(e.data["plate"], e.data["window"]) for e in events if e.kind == "window.broken"}
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}
    spans = _spans(events)

    def at(anchor: Anchor) -> float:
        begin, end = spans[anchor.step]
        return begin + share[anchor.edge] * (end - begin) + anchor.offset_s

    for window in run.windows:
        if {window.start.step, window.end.step} <= done and (window.plate, window.name) not in said:
            verdict = window.verdict(at(window.end) - at(window.start), tolerance_s=LATE_S)
            if verdict:
                yield f"window {window.name} of {window.plate} broke unseen: {verdict}"


def _held(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Plates that were begun although they waited for a word about one before them."""
    plates = {step.id: step.plate for step in run.steps}
    begun: set[str] = set()
    held: dict[str, set[str]] = {}
    for event in events:
        if event.kind == "gate.closed":
            held[event.data["plate"]] = set(event.data["waiting"]) - begun
        elif event.kind == "gate.opened":
            held = {bad: held[bad] for bad in held if bad not in event.data["after"]}
        elif event.kind == "step.claimed":
            plate = plates[event.step]
            for bad, waiting in held.items():
                if plate in waiting:
                    yield f"{plate} was begun with {event.step} while it was held after {bad}"
            begun.add(plate)


def _out_of_order(run: CompiledRun, events: Sequence[Event]) -> Iterator[str]:
    """Steps that began before those they wait for were over."""
    after = {step.id: step.after for step in run.steps}
    over: set[str] = set()
    for event in events:
        if event.kind == "step.claimed":
            early = [name for name in after[event.step] if name not in over]
            if early:
                yield f"{event.step} began before {early[0]} was over"
        elif event.kind in {"step.done", "step.skipped"}:
            over.add(event.step)
