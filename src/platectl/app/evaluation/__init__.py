"""From readings and ledger times to analysed plates: one module for each family of assays."""

from __future__ import annotations

from collections.abc import Sequence

from platectl.app.evaluation.binding import evaluate_binding
from platectl.app.evaluation.plate import EvaluatedPlate
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun

__all__ = ["EvaluatedPlate", "evaluate_run"]


def evaluate_run(run: CompiledRun, events: Sequence[Event]) -> list[EvaluatedPlate]:
    """Analyse every plate of a run from what its ledger holds."""
    return [evaluate_binding(run, plate, events) for plate in run.plates]
