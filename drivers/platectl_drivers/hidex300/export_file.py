"""The export file of a Hidex 300 SL: strict reading, and the relations that its numbers keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import sqrt
from statistics import median
from typing import Final

from platectl.domain.errors import ForeignExportError, MalformedReplyError
from platectl.hal.counting import CountReading
from platectl.transport.codec import integer, number

HEADER_LINES: Final = 4
BLOCK_LINES: Final = 1079
CHANNELS: Final = 1024
#: repetitions of a sample whose spectrum adds up; the counter freezes it afterwards
LAST_FRESH_SPECTRUM: Final = 18

_ROI: Final = b"- ROI1 Free Channel Limits 1 - 1023, Type Beta"
_KEYS: Final = (
    b"Samp.", b"Repe.", b"Vial", b"WName", b"CPM", b"DPM", b"TDCR", b"Chemi", b"Counts", b"DTime",
    b"Time", b"EndTime", b"QPE", b"QPI", b"LumiCPS", b"Temp",
    b"Column 17", b"Column 18", b"Column 19", b"Column 20",
)  # fmt: skip
_FIELDS_END: Final = 1 + len(_KEYS)
_SPECTRUM_END: Final = _FIELDS_END + 1 + CHANNELS
_SPECTRUM_TITLE: Final = b"Spectrum:;Alpha;Beta;Alpha Triple;Beta Triple"
_SPECTRUM_COLUMNS: Final = 5
_CHANNEL_NUMBERS: Final = [b"%d" % channel for channel in range(1, CHANNELS + 1)]
_EMPTY_CHANNELS: Final = [b"%s;0;0;0;0" % channel for channel in _CHANNEL_NUMBERS]
_PARTS: Final = [slice(start, start + 32) for start in range(0, CHANNELS, 32)]
_PLOT_COLUMNS: Final = 64
_EMPTY_PLOT_LINE: Final = b";".join([b"0"] * _PLOT_COLUMNS)
_WELL: Final = re.compile(r"([A-P])(0[1-9]|[1-9]\d)")
_END_TIME: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)")

# Half a unit of the last digit that is written; counts and DPM may be rounded or cut off.
_HALF_CPM: Final = 0.005
_HALF_3_DECIMALS: Final = 0.00051
_ONE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has grown. `title` is None while the first line has no end yet."""

    title: str | None
    readings: int
    further_lines: int

    @property
    def whole(self) -> bool:
        """Whether the file ends where a reading ends."""
        return self.title is not None and self.readings > 0 and not self.further_lines


@dataclass(frozen=True, slots=True)
class _Place:
    """A file and a zero-based line, for messages and sources."""

    name: str
    index: int

    def __str__(self) -> str:
        return f"{self.name}:{self.index + 1}"

    def error(self, what: str) -> MalformedReplyError:
        return MalformedReplyError(f"{self}: {what}")


@dataclass(frozen=True, slots=True)
class _Block:
    place: _Place
    repetition: int
    well: str
    cpm: float
    dpm: int
    tdcr: float
    counts: int
    dead_time_factor: float
    time_s: int
    ended_at: str
    beta: int
    beta_triple: int


def progress(data: bytes) -> Progress:
    """Say how far a file has grown, without reading it; any prefix of a file has an answer."""
    end = data.find(b"\n")
    title = None if end < 0 else data[:end].removesuffix(b"\r").decode("latin-1")
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    readings, further = divmod(max(0, lines - HEADER_LINES), BLOCK_LINES)
    return Progress(title, readings, further)


def parse_file(data: bytes, name: str) -> tuple[CountReading, ...]:
    """Read a whole file; `name` is what errors and sources call it.

    Flags: `tdcr_zero` (no triple coincidence at all, as with a dead photomultiplier),
    `tdcr_low` (less than half of what is usual in this file, beyond chance), `no_counts`.

    Raises:
        ForeignExportError: Not this format.
        MalformedReplyError: Not whole, or a relation that the format guarantees is broken; names
            file, line and relation.
    """
    if _ROI not in data and b"Sample start" not in data:
        raise ForeignExportError(f"{name}: no export of a Hidex 300 SL")
    lines = _lines(data, name)
    _check_header(lines, name)
    if len(lines) == HEADER_LINES or (len(lines) - HEADER_LINES) % BLOCK_LINES:
        raise _Place(name, len(lines) - 1).error(
            f"not whole: {len(lines) - HEADER_LINES} lines after the header are no multiple of "
            f"{BLOCK_LINES}"
        )
    blocks = [_block(lines, start, name) for start in range(HEADER_LINES, len(lines), BLOCK_LINES)]
    for block in blocks:
        _check_relations(block)
    return _flag_low_tdcr([_reading(block) for block in blocks])


def _lines(data: bytes, name: str) -> list[bytes]:
    returns = data.count(b"\r")
    if returns:
        if returns != data.count(b"\r\n") or returns != data.count(b"\n"):
            raise MalformedReplyError(f"{name}: line ends are mixed")
        data = data.replace(b"\r\n", b"\n")
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _check_header(lines: Sequence[bytes], name: str) -> None:
    if len(lines) < HEADER_LINES:
        raise MalformedReplyError(f"{name}: shorter than the header")
    expected = ((1, b"Start Time "), (2, _ROI), (3, b"Counting type: "))
    for index, start in expected:
        if not lines[index].startswith(start) or (start is _ROI and lines[index] != _ROI):
            raise _Place(name, index).error(
                f"expected {start.decode()!r}, not {lines[index][:60]!r}"
            )


def _block(lines: Sequence[bytes], start: int, name: str) -> _Block:
    place = _Place(name, start)
    if lines[start] != b"Sample start":
        raise place.error(f"expected 'Sample start', not {lines[start][:60]!r}")
    spectrum = start + _FIELDS_END
    if lines[spectrum] != _SPECTRUM_TITLE:
        raise _Place(name, spectrum).error("expected the title line of the spectrum")
    if lines[start + _SPECTRUM_END] != b"Alpha:":
        raise _Place(name, start + _SPECTRUM_END).error("expected 'Alpha:'")
    for index in range(start + _SPECTRUM_END + 1, start + BLOCK_LINES):
        if lines[index] != _EMPTY_PLOT_LINE:
            _integers(lines[index], _PLOT_COLUMNS, _Place(name, index))
    beta, triple = _spectrum_sums(lines, spectrum + 1, name)
    fields = _fields(lines, start + 1, name)
    try:
        return _Block(
            place=place,
            repetition=integer(fields[b"Repe."]),
            well=_well(fields[b"WName"]),
            cpm=number(fields[b"CPM"]),
            dpm=integer(fields[b"DPM"]),
            tdcr=number(fields[b"TDCR"]),
            counts=integer(fields[b"Counts"]),
            dead_time_factor=number(fields[b"DTime"]),
            time_s=integer(fields[b"Time"]),
            ended_at=_end_time(fields[b"EndTime"]),
            beta=beta,
            beta_triple=triple,
        )
    except MalformedReplyError as error:
        raise place.error(f"in the reading that starts here: {error}") from error


def _fields(lines: Sequence[bytes], first: int, name: str) -> Mapping[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for index, key in enumerate(_KEYS, start=first):
        found, _, value = lines[index].partition(b";")
        if found != key or b";" in value:
            raise _Place(name, index).error(f"expected {key.decode()!r} and one value")
        fields[key] = value
    return fields


def _spectrum_sums(lines: Sequence[bytes], first: int, name: str) -> tuple[int, int]:
    """Sums of the columns `Beta` and `Beta Triple`; most channels are empty and skipped."""
    rows = lines[first : first + CHANNELS]
    parts = [part for part in _PARTS if rows[part] != _EMPTY_CHANNELS[part]]
    if not parts:
        return 0, 0
    text = b";|;".join([row for part in parts for row in rows[part]])
    channels = [channel for part in parts for channel in _CHANNEL_NUMBERS[part]]
    fields = text.split(b";")
    apart = _SPECTRUM_COLUMNS + 1
    in_columns = fields[_SPECTRUM_COLUMNS::apart] == [b"|"] * (len(channels) - 1)
    in_order = fields[::apart] == channels
    digits = text.translate(None, b";|").isdigit() and b"" not in fields
    if not (in_columns and in_order and digits):
        raise _wrong_channel(rows, first, name)
    return sum(map(int, fields[2::apart])), sum(map(int, fields[4::apart]))


def _wrong_channel(rows: Sequence[bytes], first: int, name: str) -> MalformedReplyError:
    """Say which line of a spectrum is not as it must be."""
    for index, row in enumerate(rows):
        place = _Place(name, first + index)
        try:
            channel = _integers(row, _SPECTRUM_COLUMNS, place)[0]
        except MalformedReplyError as error:
            return error
        if channel != index + 1:
            return place.error(f"expected channel {index + 1}")
    return _Place(name, first).error("the spectrum is not in its columns")


def _integers(row: bytes, columns: int, place: _Place) -> list[int]:
    fields = row.split(b";")
    if len(fields) != columns or b"" in fields or not b"".join(fields).isdigit():
        raise place.error(f"expected {columns} whole numbers, not {row[:60]!r}")
    return list(map(int, fields))


def _well(field: bytes) -> str:
    match = _WELL.fullmatch(field.decode("latin-1"))
    if not match:
        raise MalformedReplyError(f"WName {field[:20]!r} is not of the form A08")
    return f"{match[1]}{int(match[2])}"


def _end_time(field: bytes) -> str:
    match = _END_TIME.fullmatch(field.decode("latin-1"))
    if not match:
        raise MalformedReplyError(f"EndTime {field[:30]!r} is not of the form 04/12/2023 12:45:30")
    day, month, year, clock = match.groups()
    local = f"{year}-{month}-{day}T{clock}"
    try:
        datetime.fromisoformat(local)
    except ValueError as error:
        raise MalformedReplyError(f"EndTime {field[:30]!r} is no date") from error
    return local


def _check_relations(block: _Block) -> None:
    """Check what holds in every captured reading.

    Raises:
        MalformedReplyError: Names the relation and its two sides.
    """
    place = block.place
    if block.time_s <= 0 or block.dead_time_factor < 1 or min(block.cpm, block.counts) < 0:
        raise place.error("Time, DTime, CPM or Counts is out of range")
    if not 0 <= block.tdcr <= 1:
        raise place.error(f"TDCR {block.tdcr} is no ratio")
    live_min_s = block.time_s / (block.dead_time_factor + _HALF_3_DECIMALS)
    live_max_s = block.time_s / (block.dead_time_factor - _HALF_3_DECIMALS)
    least = (block.cpm - _HALF_CPM) / 60 * live_min_s - _ONE
    most = (block.cpm + _HALF_CPM) / 60 * live_max_s + _ONE
    if not least <= block.counts <= most:
        raise place.error(
            f"broken relation Counts = CPM / 60 * Time / DTime: {block.counts} is not within "
            f"{least:.1f} and {most:.1f}"
        )
    if block.tdcr > _HALF_3_DECIMALS:
        least = (block.cpm - _HALF_CPM) / (block.tdcr + _HALF_3_DECIMALS) - _ONE
        most = (block.cpm + _HALF_CPM) / (block.tdcr - _HALF_3_DECIMALS) + _ONE
        if not least <= block.dpm <= most:
            raise place.error(
                f"broken relation DPM = CPM / TDCR: {block.dpm} is not within "
                f"{least:.1f} and {most:.1f}"
            )
    if 1 <= block.repetition <= LAST_FRESH_SPECTRUM:
        _check_spectrum(block)


def _check_spectrum(block: _Block) -> None:
    if block.repetition == 1 and block.beta > block.counts:
        raise block.place.error(
            f"broken relation sum of Beta <= Counts: {block.beta} against {block.counts}"
        )
    if block.repetition > 1 and block.beta != block.counts:
        raise block.place.error(
            f"broken relation sum of Beta = Counts: {block.beta} against {block.counts}"
        )
    ratio = block.beta_triple / block.counts if block.counts else 0.0
    if abs(ratio - block.tdcr) > _HALF_3_DECIMALS:
        raise block.place.error(
            f"broken relation sum of Beta Triple / Counts = TDCR: {ratio:.4f} against {block.tdcr}"
        )


def _reading(block: _Block) -> CountReading:
    flags = ("no_counts",) if not block.counts else ("tdcr_zero",) if not block.tdcr else ()
    return CountReading(
        well=block.well,
        cpm=block.cpm,
        counts=block.counts,
        live_s=block.time_s / block.dead_time_factor,
        ended_at=block.ended_at,
        dpm=float(block.dpm) if block.tdcr else None,
        tdcr=block.tdcr,
        source=str(block.place),
        flags=flags,
    )


def _flag_low_tdcr(readings: Sequence[CountReading]) -> tuple[CountReading, ...]:
    """Flag ratios below half the median of the file by more than three standard errors."""
    ratios = [reading.tdcr for reading in readings if reading.tdcr]
    limit = median(ratios) / 2 if ratios else 0.0
    flagged = []
    for reading in readings:
        ratio = reading.tdcr or 0.0
        margin = 3 * sqrt(limit * (1 - limit) / reading.counts) if reading.counts else 1.0
        low = not reading.flags and ratio + margin < limit
        flagged.append(replace(reading, flags=("tdcr_low",)) if low else reading)
    return tuple(flagged)
