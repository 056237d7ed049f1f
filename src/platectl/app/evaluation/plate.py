"""One plate with what was measured on it and what came of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.domain.events import Event
from platectl.domain.run import PlatePlan
from platectl.report.model import AnyResult


@dataclass(frozen=True, slots=True)
class EvaluatedPlate:
    """One plate: its map, its readings by well, and the result or why there is none."""

    plan: PlatePlan
    counts: Mapping[str, Mapping[str, Any]]
    result: AnyResult | None
    problem: str = ""
    broken_windows: tuple[str, ...] = ()


def broken_windows(plate: PlatePlan, events: Sequence[Event]) -> tuple[str, ...]:
    """Windows of a plate that were broken: the hard ones, or the soft ones if no hard one was."""
    broken = [e.data for e in events if e.kind == "window.broken" and e.data["plate"] == plate.name]
    hard = [data for data in broken if data["hard"]]
    return tuple(f"{data['window']}: {data['verdict']}" for data in hard or broken)
