"""Run events: the vocabulary of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal[
    "preflight.held", "preflight.overridden",
    "run.started", "run.resumed", "run.paused", "run.continued", "run.held", "run.finished", "run.stopped",
    "run.failed", "run.aborted",
    "step.claimed", "step.note", "step.done", "step.failed", "step.in_doubt", "step.skipped",
    "action.sent", "action.acked", "action.failed", "action.in_doubt", "action.resolved",
    "question.asked", "question.answered", "plate.added", "plate.dropped", "wells.dropped",
    "data.viewed", "wells.excluded", "wells.readmitted", "analysis.made", "analysis.signed",
    "names.revealed",
    "instrument.lost", "plate.judged", "gate.closed", "gate.opened",
    "window.kept", "window.broken", "plan.changed", "reading.taken", "frame.taken", "addition.seen",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `wall` is ISO 8601 UTC, `monotonic_s` counts from the start of the run."""

    kind: EventKind
    step: str = ""
    wall: str = ""
    monotonic_s: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)
