"""All checks of a night."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from platectl.app.preflight.instruments import instrument_checks
from platectl.app.preflight.model import NO_STOCK, Check, Preflight
from platectl.app.preflight.supplies import misnamed, slot_checks, supply_checks
from platectl.app.preflight.surroundings import Surroundings, surrounding_checks
from platectl.app.preflight.used import left_of, used_since
from platectl.app.prepare import Night
from platectl.domain.labware import LabwareKind
from platectl.domain.night import SIMULATED_START
from platectl.domain.stock import Stock
from platectl.files.lab import load_catalogue
from platectl.planning.demand import demand


def perform(night: Night, around: Surroundings, *, instruments: bool) -> Preflight:
    """Check a prepared night against its stock, the computer and, if wanted, the instruments.

    Without a stock file nothing is said about supplies.
    """
    run = night.compiled
    at = run.starts or (SIMULATED_START if run.lab.simulated else around.now)
    at = at.astimezone(ZoneInfo(night.zone or "UTC"))  # what expires does so by the lab's calendar
    kinds = load_catalogue(run.lab)
    found = demand(run, at, kinds)
    if night.stock is None:
        checks = [NO_STOCK]
    else:
        stock, taken = _on_hand(night.stock, night, around, kinds)
        checks = [*taken, *supply_checks(run, found, stock)]
    checks += slot_checks(found.slots)
    checks += surrounding_checks(run, around, disk_bytes=found.disk_bytes, zone=night.zone)
    if instruments:
        checks += instrument_checks(night)
    odd = misnamed(found, night.stock) if night.stock else ()
    return Preflight(tuple(checks), found, tuple(odd))


def _on_hand(
    stock: Stock, night: Night, around: Surroundings, kinds: Mapping[str, LabwareKind]
) -> tuple[Stock, list[Check]]:
    """The stock without what runs have loaded since it was counted, and a line that says so."""
    if stock.counted is None:
        return stock, []
    used = used_since(around.runs, stock.counted, night.compiled, kinds)
    taken = ", ".join(f"{one.run} ({len(one.plates)} plates)" for one in used) or "nothing"
    since = f"counted {stock.counted.isoformat(timespec='minutes')}"
    return left_of(stock, used), [Check("stock", since, f"less {taken}", "yes")]
