"""From readings and ledger times to analysed plates: one module for each family of assays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from platectl.app.evaluation.binding import evaluate_binding
from platectl.app.evaluation.calcium import evaluate_calcium
from platectl.app.evaluation.plate import EvaluatedPlate, given_up, passed_gates
from platectl.app.evaluation.terms import BUNDLED_TERMS, Terms
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun, PlatePlan

__all__ = ["BUNDLED_TERMS", "EvaluatedPlate", "Terms", "evaluate_plate", "evaluate_run"]


def evaluate_run(
    run: CompiledRun, events: Sequence[Event], terms: Terms = BUNDLED_TERMS
) -> list[EvaluatedPlate]:
    """Analyse every plate of a run from what its ledger holds."""
    of_plate: dict[str, list[Event]] = {plate.name: [] for plate in run.plates}
    for event in events:
        if not event.step:
            for mine in of_plate.values():
                mine.append(event)
        elif (name := event.step.partition(".")[0]) in of_plate:
            of_plate[name].append(event)
    return [evaluate_plate(run, plate, of_plate[plate.name], terms) for plate in run.plates]


def evaluate_plate(
    run: CompiledRun, plate: PlatePlan, events: Sequence[Event], terms: Terms = BUNDLED_TERMS
) -> EvaluatedPlate:
    """Analyse one plate from the events of its steps and of the run.

    One that was given up has no result.
    """
    view = run.seen_by(plate)
    evaluate = evaluate_binding if view.protocol.is_binding else evaluate_calcium
    found = evaluate(view, plate, events, terms)
    found = replace(found, gates=passed_gates(plate, events))
    if reason := given_up(plate, events):
        return replace(found, result=None, problem=f"given up: {reason}")
    return found
