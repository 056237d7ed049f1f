"""Whether the counts of a file can be those of the plate that the map, the sheet and the protocol describe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from itertools import chain
from pathlib import Path

from platectl.analysis.competition import ABOVE_ADDED
from platectl.app.evaluation.binding import (
    FEWEST_ALIQUOTS,
    conditions_of,
    measure_ligands,
)
from platectl.app.imports import Readings
from platectl.domain.assay import AssayProtocol
from platectl.domain.codes import Code
from platectl.domain.findings import Finding
from platectl.domain.layout import PLATE
from platectl.domain.run import PlatePlan
from platectl.domain.standards import aliquots_of
from platectl.domain.wells import expand_wells

_SHOWN = 8
_EARLY_D, _TOO_EARLY_D = 31, 366
"""Half a percent, and 6 %, of tritium."""


def caution(code: Code, message: str, file: Path, where: str, fix: str) -> Finding:
    """A finding that is said beside a result."""
    return Finding(message, str(file), None, where, fix, "warning", code)


def wells_of(path: Path, plate: PlatePlan, readings: Readings) -> list[Finding]:
    """Wells that are on the map or in the counts alone."""
    planned = [w.well for w in plate.wells if w.role != "empty"]
    absent = [well for well in planned if well not in readings]
    known = {w.well for w in plate.wells}
    strange = [well for well in readings if well not in known]
    unassigned = [w.well for w in plate.wells if w.role == "empty" and w.well in readings]
    fix = "choose the layout with --layout, or give a plate map"
    found = []
    if len(absent) == len(planned):
        message = "holds none of the wells of the plate map"
        found.append(Finding(message, str(path), None, "", fix, code=Code.WELL_UNKNOWN))
    elif absent:
        message = f"has no counts of {_list(absent)}; they are left out"
        found.append(caution(Code.WELL_MISSING, message, path, absent[0], "count them"))
    if strange:
        message = f"has wells that the plate map does not know: {_list(strange)}"
        found.append(Finding(message, str(path), None, strange[0], fix, code=Code.WELL_UNKNOWN))
    if unassigned:
        message = f"has counts of wells without a compound: {_list(unassigned)}; they are left out"
        fix = "name the compound on the sample sheet"
        found.append(caution(Code.WELL_UNASSIGNED, message, path, unassigned[0], fix))
    return found


def above_added(
    path: Path, protocol: AssayProtocol, plate: PlatePlan, readings: Readings, counted_on: date
) -> list[Finding]:
    """Wells with clearly more counts than the radioactivity that was pipetted into them."""
    conditions = conditions_of(protocol, None, counted_on)
    found = [
        plan.well
        for plan in plate.wells
        if plan.well in readings
        and readings[plan.well]["cpm"] - conditions.background_cpm
        > ABOVE_ADDED * (plan.radioligand_molar or conditions.radioligand_molar) * conditions.cpm_per_molar
    ]  # fmt: skip
    if not found:
        return []
    message = f"has more counts than the radioactivity that was added to {_list(found)}"
    fix = "check the numbers, their unit (cpm) and the protocol"
    return [caution(Code.COUNT_ABOVE_ADDED, message, path, found[0], fix)]


def day_of_counting(
    path: Path, stated: date, *, reference: date, today: date, by_hand: bool
) -> list[Finding]:
    """A day that cannot be, or for which the specific activity would be reckoned far backwards.

    Args:
        path: The file of counts.
        stated: Day of counting.
        reference: Day for which the specific activity is stated.
        today: Of the operator.
        by_hand: Whether a person gave the day; what a counter's clock says is no more than warned of.
    """
    early = (reference - stated).days
    fix = "correct --counted-on, or set specific_activity_date"
    if stated > today:
        message, refused = f"was counted on {stated}, which is in the future", by_hand
    elif early > _EARLY_D:
        message = f"was counted on {stated}, {early} days before the specific activity was stated ({reference})"
        refused = by_hand and early > _TOO_EARLY_D
    else:
        return []
    if refused:
        where = "--counted-on"
        return [Finding(message, str(path), None, where, fix, code=Code.DAY_IMPOSSIBLE)]
    return [caution(Code.DAY_IMPOSSIBLE, message, path, "", fix)]


def idle(path: Path, given: Mapping[str, object], used: Collection[str]) -> list[Finding]:
    """Options that were given and do nothing for this kind of file.

    Args:
        path: The file.
        given: Option -> its value, None if it was not given.
        used: Those that have an effect.
    """
    fix = "leave it out"
    return [
        Finding("has no effect on a file of this kind", str(path), None, option, fix, code=Code.OPTION_IDLE)
        for option, value in given.items()
        if value is not None and option not in used
    ]  # fmt: skip


def aliquots(
    path: Path, protocol: AssayProtocol, plate: PlatePlan, readings: Readings, counted_on: date
) -> list[Finding]:
    """Aliquots that cannot tell the concentration of the radioligand, although they were given for that."""
    levels, blanks = aliquots_of(protocol, plate.wells), protocol.analysis.blank_wells
    needed = [*chain.from_iterable(levels), *expand_wells(blanks, PLATE)]
    absent = [well for well in needed if well not in readings]
    fix = f"count {_list(needed)} (aliquots and blanks), or leave --standards out"
    if not measure_ligands(protocol, list(readings.values()), levels, counted_on):
        message = (
            f"cannot tell the radioligand: {FEWEST_ALIQUOTS} aliquots above the blanks are needed"
        )
        return [Finding(message, str(path), None, needed[0], fix, code=Code.ALIQUOTS_FEW)]
    if absent:
        message = f"has no counts of {_list(absent)}"
        return [caution(Code.WELL_MISSING, message, path, absent[0], "count them")]
    return []


def _list(wells: Iterable[str]) -> str:
    names = list(wells)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
