"""Run events: the vocabulary of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal[
    "run.started", "run.finished", "run.failed", "run.aborted",
    "step.claimed", "step.sent", "step.progress", "step.done", "step.failed", "step.in_doubt",
    "step.resolved", "step.skipped",
    "window.kept", "window.broken", "reading.taken", "frame.taken", "addition.seen", "prompt.asked", "prompt.answered",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `wall` is ISO 8601 UTC, `monotonic_s` counts from the start of the run."""

    kind: EventKind
    step: str = ""
    wall: str = ""
    monotonic_s: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)
