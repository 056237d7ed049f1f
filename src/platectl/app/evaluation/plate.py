"""One plate with what was measured on it and what came of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.app.evaluation.terms import Terms
from platectl.domain.codes import Code
from platectl.domain.events import Event
from platectl.domain.run import PlatePlan
from platectl.report.model import AnyResult, PlateReport


@dataclass(frozen=True, slots=True)
class EvaluatedPlate:
    """One plate: its map, its readings by well, and the result or why there is none."""

    plan: PlatePlan
    counts: Mapping[str, Mapping[str, Any]]
    result: AnyResult | None
    problem: str = ""
    broken_windows: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    code: Code | None = None
    """Name of the finding that `problem` is."""

    def report(self) -> PlateReport:
        """What a report shows of it."""
        plan = self.plan
        return PlateReport(
            plan.name, plan.barcode, plan.wells, self.counts, self.result, self.problem,
            self.broken_windows, self.gates,
        )  # fmt: skip


def given_up(plate: PlatePlan, events: Sequence[Event]) -> str:
    """Why a plate was given up during the run; empty if it was not."""
    dropped = (e.data for e in events if e.kind == "plate.dropped")
    return next((str(d["reason"]) for d in dropped if d["plate"] == plate.name), "")


def passed_gates(plate: PlatePlan, events: Sequence[Event]) -> tuple[str, ...]:
    """Plates of the assay that were no good while this one went on, `name: why`."""
    closed = (e.data for e in events if e.kind == "gate.closed" and plate.name in e.data["going"])
    return tuple(dict.fromkeys(f"{data['plate']}: {data['reason']}" for data in closed))


def left_out(plate: PlatePlan, events: Sequence[Event], terms: Terms) -> dict[str, str]:
    """Wells that were given up during the run or excluded by a person, with the reason."""
    lost = dict(terms.excluded.get(plate.name, {}))
    for event in events:
        if event.kind == "wells.dropped" and event.data["plate"] == plate.name:
            lost |= dict.fromkeys(event.data["wells"], str(event.data["reason"]))
    return lost


def broken_windows(plate: PlatePlan, events: Sequence[Event]) -> tuple[str, ...]:
    """Windows of a plate that were broken: the hard ones, or the soft ones if no hard one was."""
    broken = [e.data for e in events if e.kind == "window.broken" and e.data["plate"] == plate.name]
    hard = [data for data in broken if data["hard"]]
    return tuple(f"{data['window']}: {data['verdict']}" for data in hard or broken)
