"""All checks of a night."""

from __future__ import annotations

from platectl.app.preflight.instruments import instrument_checks
from platectl.app.preflight.model import Check, Preflight
from platectl.app.preflight.supplies import slot_checks, supply_checks
from platectl.app.preflight.surroundings import Surroundings, surrounding_checks
from platectl.app.prepare import Night
from platectl.domain.night import SIMULATED_START
from platectl.files.lab import load_catalogue
from platectl.planning.demand import demand


def perform(night: Night, around: Surroundings, *, instruments: bool) -> Preflight:
    """Check a prepared night against its stock, the computer and, if wanted, the instruments.

    Without a stock file nothing is said about supplies.
    """
    run = night.compiled
    at = run.starts or (SIMULATED_START if run.lab.simulated else around.now)
    found = demand(run, at, load_catalogue(run.lab))
    if night.stock is None:
        nothing = Check("stock", "a stock file", "none given", "unknown", "give one with --stock")
        checks = [nothing]
    else:
        checks = list(supply_checks(run, found, night.stock))
    checks += slot_checks(found.slots)
    checks += surrounding_checks(run, around, disk_bytes=found.disk_bytes, zone=night.zone)
    if instruments:
        checks += instrument_checks(night)
    return Preflight(tuple(checks), found)
