"""The text export of SoftMax Pro: strict reading of its fluorescence plate sections.

Source: plate export formats of the SoftMax Pro user guide and the shapes of public files
(shared/instruments-readers.md 1.10). Read are `PlateFormat` and `TimeFormat`, endpoint, kinetic and
Flex reads, raw data of any number of wavelengths; reduced data below the raw data are passed over.
Other read modes, spectra and well scans are refused.

A section states one time for each point, in whole seconds as far as is known, and the temperature
with it (0 stands for an incubator that is off). What stands for a saturated well is not public;
`#SAT`, as on the reader's serial line, is taken for it in any case of letters. Any other text in
place of a number condemns the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from platectl.domain.errors import MalformedReplyError, UserInputError
from platectl.domain.wells import PlateFormat
from platectl.hal.reading import Channel, ReadFlag
from platectl.transport.codec import integer, number
from platectl_drivers.softmax_file.export_text import Encoding, Line, read_envelope

OTHER_BLOCKS: Final = ("Note:", "Group:", "Cuvette:")
READ_TYPES: Final = ("Endpoint", "Kinetic", "Flex")
HEADER_FIELDS: Final = 31
FIRST_VALUE: Final = 2

_TEMPERATURE: Final = re.compile(r"Temperature\(.?C\)")
_TIME: Final = re.compile(r"(?:(\d+):)?(\d+):([0-5]\d(?:\.\d+)?)")
_NOTHING: Final = frozenset({"", "NaN", '"NaN"'})


@dataclass(frozen=True, slots=True)
class Reading:
    """One time point of a section at one wavelength.

    `values` has every well of the section; NaN where `flags` says why there is no number.
    `time_s` is None in an endpoint read. `line` is where the reading begins in the file.
    """

    point: int
    channel: int
    time_s: float | None
    temperature_c: float | None
    values: Mapping[str, float]
    flags: Mapping[str, ReadFlag]
    line: int


@dataclass(frozen=True, slots=True)
class PlateSection:
    """One plate section: what its header says, and its readings by point, then by wavelength.

    `wells` are those with at least one entry, by row; the others were not read.
    """

    name: str
    layout: str
    read_type: str
    bottom: bool
    points: int
    interval_s: float | None
    channels: tuple[Channel, ...]
    plate: PlateFormat
    wells: tuple[str, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class SoftmaxExport:
    """A whole file. `saved_at` is local to the instrument's computer, ISO, None if not stated."""

    plates: tuple[PlateSection, ...]
    encoding: Encoding
    original_filename: str | None
    saved_at: str | None


@dataclass(frozen=True, slots=True)
class _Header:
    line: Line
    section: PlateSection
    area: frozenset[str]


def parse_export(data: bytes, name: str = "export") -> SoftmaxExport:
    """Read a whole file; `name` is what errors call it.

    Raises:
        MalformedReplyError: Not this format, not whole, or of a kind that is not read; names the
            file and the line.
    """
    envelope = read_envelope(data, name)
    plates = []
    for block in envelope.blocks:
        kind = block[0].field(0)
        if kind == "Plate:":
            plates.append(_plate(block))
        elif not kind.startswith(OTHER_BLOCKS):
            raise block[0].error(f"a block of unknown kind {kind[:40]!r}")
    return SoftmaxExport(
        tuple(plates), envelope.encoding, envelope.original_filename, envelope.saved_at
    )


def _plate(block: Sequence[Line]) -> PlateSection:
    header = _header(block[0])
    lines = iter(block[1:])
    read = _plate_tables if header.section.layout == "PlateFormat" else _time_tables
    readings = list(read(lines, header))
    _only_reduced(lines)
    times = [reading.time_s or 0.0 for reading in readings]
    if times != sorted(times):
        raise header.line.error("the times of this section go back")
    return _without_unread(header.section, readings)


# Header -------------------------------------------------------------------------------------
def _header(line: Line) -> _Header:
    if len(line.fields) < HEADER_FIELDS:
        raise line.error(f"{len(line.fields)} fields are no header of a fluorescence read")
    layout, read_type = line.field(3), line.field(4)
    for what, found, known in (
        ("export version", line.field(2), ("1.3",)),
        ("layout", layout, ("PlateFormat", "TimeFormat")),
        ("read type", read_type, READ_TYPES),
        ("read mode", line.field(5), ("Fluorescence",)),
        ("bottom read", line.field(6), ("TRUE", "FALSE")),
        ("data type", line.field(7), ("Raw",)),
    ):
        if found not in known:
            raise line.error(f"{what} {found[:40]!r} is not read; only {', '.join(known)}")
    points = _count(line, 9, "kinetic points")
    wells = _count(line, 19, "wells of the plate")
    try:
        plate = PlateFormat.of(wells)
    except UserInputError as error:
        raise line.error(str(error)) from None
    section = PlateSection(
        name=line.fields[1],
        layout=layout,
        read_type=read_type,
        bottom=line.field(6) == "TRUE",
        points=points,
        interval_s=_number(line, line.field(11)) if read_type != "Endpoint" else None,
        channels=_channels(line),
        plate=plate,
        wells=(),
        readings=(),
    )
    return _Header(line, section, _area(line, plate))


def _channels(line: Line) -> tuple[Channel, ...]:
    count = _count(line, 15, "number of wavelengths")
    emission, excitation = (
        [_number(line, text) for text in line.field(index).split()] for index in (16, 20)
    )
    if len(emission) != count or len(excitation) != count:
        raise line.error(f"{count} wavelengths, but not so many excitations and emissions")
    return tuple(Channel(x, m) for x, m in zip(excitation, emission, strict=True))


def _area(line: Line, plate: PlateFormat) -> frozenset[str]:
    """Wells that were read: a block of columns and rows."""
    column, columns = _count(line, 17, "first column"), _count(line, 18, "number of columns")
    row, rows = _count(line, 29, "first row"), _count(line, 30, "number of rows")
    if column + columns - 1 > plate.columns or row + rows - 1 > plate.rows:
        raise line.error(f"the wells that were read lie outside a {plate.size}-well plate")
    return frozenset(
        well
        for number in range(column, column + columns)
        for well in plate.column(number)[row - 1 : row - 1 + rows]
    )


def _count(line: Line, index: int, what: str) -> int:
    try:
        value = integer(line.field(index))
    except MalformedReplyError as error:
        raise line.error(f"{what}: {error}") from None
    if value < 1:
        raise line.error(f"{what} is {value}")
    return value


# Tables -------------------------------------------------------------------------------------
def _plate_tables(lines: Iterator[Line], header: _Header) -> Iterator[Reading]:
    """Read one table for each point; the wavelengths stand side by side."""
    plate, channels = header.section.plate, header.section.channels
    title = _next(lines, header)
    starts = [FIRST_VALUE + channel * (plate.columns + 1) for channel in range(len(channels))]
    wanted = [str(column) for column in range(1, plate.columns + 1)]
    _check_title(title, [wanted] * len(channels))
    for point in range(header.section.points):
        rows = [_next(lines, header, blank=row > 0) for row in range(plate.rows)]
        time_s, temperature_c = _stamp(rows[0], header.section)
        for row in rows[1:]:
            if row.field(0) or row.field(1):
                raise row.error("a time or temperature below the first row of a table")
        for row in rows:
            _check_between(row, [range(start, start + plate.columns) for start in starts])
        for channel, start in enumerate(starts):
            cells = {
                well: (rows[index // plate.columns], start + index % plate.columns)
                for index, well in enumerate(plate.by_row())
            }
            yield _reading(point, channel, (time_s, temperature_c), cells, header, rows[0])
        _gap(lines)


def _time_tables(lines: Iterator[Line], header: _Header) -> Iterator[Reading]:
    """Read one line for each point; the wavelengths stand one below the other."""
    section = header.section
    title = _next(lines, header)
    wells = [field.strip() for field in title.fields[FIRST_VALUE:]]
    while wells and not wells[-1]:
        wells.pop()
    unknown = set(wells) - set(section.plate.by_row())
    if unknown or len(set(wells)) != len(wells):
        raise title.error(f"not the wells of a {section.plate.size}-well plate, each once")
    _check_title(title, [wells])
    readings = []
    for channel in range(len(section.channels)):
        for point in range(section.points):
            row = _next(lines, header)
            _check_between(row, [range(FIRST_VALUE, FIRST_VALUE + len(wells))])
            cells = {well: (row, FIRST_VALUE + index) for index, well in enumerate(wells)}
            readings.append(_reading(point, channel, _stamp(row, section), cells, header, row))
        _gap(lines)
    yield from sorted(readings, key=lambda reading: (reading.point, reading.channel))


def _reading(
    point: int,
    channel: int,
    stamp: tuple[float | None, float | None],
    cells: Mapping[str, tuple[Line, int]],
    header: _Header,
    first: Line,
) -> Reading:
    values: dict[str, float] = {}
    flags: dict[str, ReadFlag] = {}
    for well, (row, index) in cells.items():
        text = row.field(index)
        if well not in header.area:
            if text not in _NOTHING:
                raise row.error(f"{well} has {text[:20]!r}, but the header says it was not read")
            continue
        if index >= len(row.fields):
            raise row.error(f"the line ends before {well}")
        values[well] = math.nan
        if text in _NOTHING:
            flags[well] = "missing"
        elif text.upper() == "#SAT":
            flags[well] = "saturated"
        else:
            values[well] = _number(row, text)
    return Reading(point, channel, *stamp, values, flags, first.number)


def _stamp(row: Line, section: PlateSection) -> tuple[float | None, float | None]:
    """Time since the first point, and temperature with 0 for an incubator that is off."""
    time_s = None
    if section.read_type == "Endpoint":
        if row.field(0):
            raise row.error(f"an endpoint read has no time {row.field(0)[:20]!r}")
    elif match := _TIME.fullmatch(row.field(0)):
        time_s = 3600.0 * int(match[1] or 0) + 60.0 * int(match[2]) + float(match[3])
    else:
        raise row.error(f"{row.field(0)[:20]!r} is not a time like 0:04 or 0:00:04")
    temperature_c = _number(row, row.field(1)) if row.field(1) else 0.0
    return time_s, temperature_c or None


def _check_title(title: Line, blocks: Sequence[Sequence[str]]) -> None:
    if not _TEMPERATURE.fullmatch(title.field(1)):
        raise title.error(f"expected 'Temperature(°C)', not {title.field(1)[:20]!r}")
    wanted = [field for block in blocks for field in (*block, "")][:-1]
    found = [field.strip() for field in title.fields[FIRST_VALUE:]]
    if found[: len(wanted)] != wanted or any(found[len(wanted) :]):
        raise title.error(f"{len(found)} columns do not fit the plate and its wavelengths")


def _check_between(row: Line, blocks: Sequence[range]) -> None:
    """Check that nothing stands between and beyond the blocks of values."""
    used = {index for block in blocks for index in block}
    for index in range(FIRST_VALUE, len(row.fields)):
        if index not in used and row.field(index):
            raise row.error(f"{row.field(index)[:20]!r} stands outside the columns of values")


def _gap(lines: Iterator[Line]) -> None:
    """Pass the blank line below a table; the last one may lack it."""
    line = next(lines, None)
    if line is not None and not line.blank:
        raise line.error("a table has more lines than the header says")


def _only_reduced(lines: Iterator[Line]) -> None:
    """Pass over reduced data, which have neither times nor temperatures."""
    for line in lines:
        if line.field(0) or line.field(1):
            raise line.error("more tables than the header says")


def _next(lines: Iterator[Line], header: _Header, *, blank: bool = False) -> Line:
    """The next line of values; it may be blank where a whole row of a plate was not read."""
    line = next(lines, None)
    if line is None:
        raise header.line.error("the section ends before the points that its header says")
    if line.blank and not blank:
        raise line.error("a blank line where values are expected")
    return line


def _number(line: Line, text: str) -> float:
    try:
        return number(text)
    except MalformedReplyError as error:
        raise line.error(str(error)) from None


def _without_unread(section: PlateSection, readings: Sequence[Reading]) -> PlateSection:
    """Drop wells that have no entry at all."""
    read = {
        well
        for reading in readings
        for well in reading.values
        if reading.flags.get(well) != "missing"
    }
    kept = tuple(
        replace(
            reading,
            values={well: value for well, value in reading.values.items() if well in read},
            flags={well: flag for well, flag in reading.flags.items() if well in read},
        )
        for reading in readings
    )
    wells = tuple(well for well in section.plate.by_row() if well in read)
    return replace(section, wells=wells, readings=kept)
