"""Turns a parsed export into frames and additions on the host's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.hal.reading import Addition, Frame, KineticRead
from platectl_drivers.softmax_file.export_file import PlateSection, Reading, SoftmaxExport

#: what the export states in whole seconds may be rounded or cut off
STATED_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """When a column's read began on the host's clock, and what the export does not state."""

    first_s: float
    column_period_s: float
    channel_s: float
    transfer_lag_s: float


def columns_of(read: KineticRead) -> tuple[int, ...]:
    """Columns in the order of reading: as asked for, or those of the wells from left to right."""
    return read.columns or tuple(sorted({int(well[1:]) for well in read.wells}))


def sections_of(
    export: SoftmaxExport, read: KineticRead, *, per_column: bool, name: str
) -> dict[int, PlateSection]:
    """The section of each column, checked against what was asked for.

    Raises:
        MalformedReplyError: A section is missing or there twice, or was read otherwise.
    """
    found: dict[int, PlateSection] = {}
    for column in read.columns:
        wanted = f"{read.title} {column}" if per_column else read.title
        matching = [plate for plate in export.plates if plate.name == wanted]
        if len(matching) != 1:
            raise MalformedReplyError(
                f"{name}: {len(matching)} plate sections are called {wanted!r}, not one"
            )
        _check(matching[0], read, name)
        found[column] = matching[0]
    return found


def _check(section: PlateSection, read: KineticRead, name: str) -> None:
    asked = {
        "wavelengths": (set(section.channels), set(read.channels)),
        "interval": (section.interval_s, read.interval_s),
        "points": (section.points, read.passes),
        "bottom read": (section.bottom, read.bottom),
        "wells of the plate": (section.plate.size, 96),
    }
    for what, (has, wanted) in asked.items():
        if has != wanted:
            raise MalformedReplyError(
                f"{name}: plate {section.name!r} was read with other settings: "
                f"{what} {has}, not {wanted}"
            )


def items_of(
    sections: dict[int, PlateSection], read: KineticRead, timing: Timing, name: str
) -> Iterator[Frame | Addition]:
    """Frames and additions of each column that was read, in the order in which they happened.

    Raises:
        InstrumentFaultError: `incomplete`: a column has no entry at all; what came is valid.
    """
    unread = []
    for turn, (column, section) in enumerate(sections.items()):
        wells = tuple(well for well in read.wells if well[1:] == str(column))
        if not set(wells) & set(section.wells):
            unread.append(str(column))
            continue
        began_s = timing.first_s + turn * timing.column_period_s
        yield from _column(section, wells, read, began_s, timing, name)
    if unread:
        raise InstrumentFaultError(
            f"{name}: nothing was read in column {', '.join(unread)}; the read was broken off",
            code="incomplete",
        )


def _column(
    section: PlateSection,
    wells: tuple[str, ...],
    read: KineticRead,
    began_s: float,
    timing: Timing,
    name: str,
) -> Iterator[Frame | Addition]:
    added_s = began_s + read.baseline_s + timing.transfer_lag_s
    addition = Addition(
        dict.fromkeys(wells, added_s),
        f"{name}: {read.baseline_s:g} s baseline and {timing.transfer_lag_s:g} s as set; "
        "the export does not state it",
    )
    to_come = read.injection is not None
    for reading in section.readings:
        at_s = began_s + _time_s(reading, section) + reading.channel * timing.channel_s
        if to_come and at_s > added_s:
            to_come = False
            yield addition
        yield Frame(
            index=reading.point,
            channel=read.channels.index(section.channels[reading.channel]),
            wells=wells,
            at_s=(at_s,) * len(wells),
            values=tuple(reading.values.get(well, float("nan")) for well in wells),
            flags={well: reading.flags.get(well, "missing") for well in wells
                   if well in reading.flags or well not in reading.values},
            temperature_c=reading.temperature_c,
            source=f"{name}:{reading.line}",
        )  # fmt: skip
    if to_come:
        yield addition


def _time_s(reading: Reading, section: PlateSection) -> float:
    """Time since the column's first point."""
    assert section.interval_s is not None  # noqa: S101  # checked against the read
    first_s = section.readings[0].time_s or 0.0
    stated_s = (reading.time_s or 0.0) - first_s
    nominal_s = reading.point * section.interval_s
    return nominal_s if abs(stated_s - nominal_s) < STATED_WITHIN_S else stated_s
