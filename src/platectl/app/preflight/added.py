"""Whether what a running night needs with further plates is there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from platectl.app.preflight.model import NO_STOCK, Check, Preflight
from platectl.app.preflight.supplies import misnamed, slot_checks, supply_checks
from platectl.app.preflight.surroundings import Surroundings, surrounding_checks
from platectl.app.preflight.used import left_of, used_since
from platectl.domain.run import CompiledRun
from platectl.domain.stock import Stock
from platectl.engine.ports import Situation
from platectl.files.lab import load_catalogue
from platectl.planning.demand import demand
from platectl.planning.slots import slot_demands


def added_checks(
    run: CompiledRun, new: Collection[str], situation: Situation, began: datetime,
    stock: Stock | None, around: Surroundings,
) -> Preflight:  # fmt: skip
    """Check a run with further plates: supplies for all that is still to be loaded, places, disk, barcodes.

    Args:
        run: With the plates.
        new: Their names.
        situation: Where the run stands.
        began: When it began.
        stock: What is on hand. One that says when it was counted has lost what runs loaded since, this
            one too; of any other it is taken that it was counted before this run began.
        around: The computer and the store.
    """
    kinds = load_catalogue(run.lab)
    mine = part_of(run, set(new))
    counted = stock is not None and stock.counted is not None
    loaded = {
        s.plate for s in run.steps
        if s.kind == "load" and situation.begun.get(s.id, (0.0, None))[1] is not None
    }  # fmt: skip
    left = {p.name for p in run.plates} - situation.dropped - (loaded if counted else set())
    needed = demand(part_of(run, left | set(new)), began, kinds)
    checks: list[Check] = []
    if stock is None:
        checks.append(NO_STOCK)
    else:
        if stock.counted is not None:
            stock = left_of(stock, used_since(around.runs, stock.counted, run, kinds))
        checks += supply_checks(run, needed, stock)
    checks += slot_checks(slot_demands(run))
    disk = demand(mine, began, kinds).disk_bytes
    checks += surrounding_checks(
        mine, around, disk_bytes=disk, zone=run.bounds.zone if run.bounds else None
    )
    odd = misnamed(needed, stock) if stock else ()
    return Preflight(tuple(checks), needed, tuple(odd))


def part_of(run: CompiledRun, plates: set[str]) -> CompiledRun:
    """A run with some of its plates only."""
    steps = tuple(step for step in run.steps if step.plate in plates)
    ids = {step.id for step in steps}
    return run.model_copy(update={
        "steps": steps,
        "plates": tuple(plate for plate in run.plates if plate.name in plates),
        "holds": tuple(hold for hold in run.holds if hold.first in ids),
        "windows": tuple(window for window in run.windows if window.plate in plates),
    })  # fmt: skip
