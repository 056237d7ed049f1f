"""The run that a ledger holds: as it was frozen, and with the plates that joined it."""

from __future__ import annotations

from collections.abc import Iterable

from platectl.domain.events import Event
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.units import FROZEN
from platectl.store.ledger import Ledger


def run_of(ledger: Ledger) -> CompiledRun:
    """Read the run of a ledger.

    Raises:
        StoreError: It holds none.
    """
    run = CompiledRun.model_validate_json(ledger.frozen("run"), context=FROZEN)
    return with_added(run, ledger.of_kind("plate.added"))


def with_added(run: CompiledRun, events: Iterable[Event]) -> CompiledRun:
    """A run with the plates of which its ledger says that they joined it; those that it has stay."""
    for event in events:
        if event.kind == "plate.added":
            found = Addition.model_validate(event.data["addition"], context=FROZEN)
            if not {plate.name for plate in found.plates} & {plate.name for plate in run.plates}:
                run = run.with_plates(found)
    return run
