r"""The time sequence that an export template of ScreenWorks has to write for platectl.

What ScreenWorks exports is not public, so the layout is defined here. Text in ASCII, lines with LF
or CR LF throughout, fields with tabs between them, times in seconds since the start of the run::

    FLIPR time sequence	1
    Data file	C:\platectl\P1.fmd
    Protocol	C:\protocols\fura2.fmp
    Wells	A1	A2	…	H12
    Addition (s)	20.800	20.800	…	20.800
    Excitation (nm)	340	Emission (nm)	510
    0.000	2188.2	2190.1	…
    1.500	…
    Excitation (nm)	380	Emission (nm)	510
    0.400	5231.0	…
    End

`Wells` names all wells of the plate by row. `Addition (s)` may be missing; a well to which nothing
was added has an empty field. There is one block for each pair of wavelengths, with a line for each
frame. A well without a value has an empty field, a saturated one `SAT`. The last line is `End`, or
`Stopped` when the run did not come to its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError, UserInputError
from platectl.domain.wells import PlateFormat
from platectl.hal.reading import Channel, ReadFlag
from platectl.transport.codec import number

TITLE: Final = "FLIPR time sequence\t1"
ENDS: Final = ("End", "Stopped")
#: of a file, within which its last line lies
LAST_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class SequenceFrame:
    """One exposure: time since the start of the run, and every well's value, NaN where flagged."""

    time_s: float
    values: Mapping[str, float]
    flags: Mapping[str, ReadFlag]
    line: int


@dataclass(frozen=True, slots=True)
class TimeSequence:
    """A time sequence. `frames` go by channel; `addition_s` is None when the file says nothing.

    `ended` is false for a run that was stopped and for a file that is not whole.
    """

    data_file: str
    protocol: str
    wells: tuple[str, ...]
    addition_s: Mapping[str, float] | None
    frames: Mapping[Channel, tuple[SequenceFrame, ...]]
    ended: bool


def is_whole(data: bytes) -> bool:
    """Whether a file has its last line."""
    lines = data[-LAST_BYTES:].replace(b"\r\n", b"\n").rsplit(b"\n", 2)
    return len(lines) > 1 and not lines[-1] and lines[-2] in {end.encode() for end in ENDS}


def data_file_of(data: bytes) -> str | None:
    """The data file that a growing export belongs to; None as long as that is not there."""
    for line in data.split(b"\n", 3)[:-1]:
        key, tab, value = line.removesuffix(b"\r").partition(b"\t")
        if key == b"Data file" and tab:
            return value.decode("latin-1")
    return None


def parse_time_sequence(data: bytes, name: str, *, partial: bool = False) -> TimeSequence:
    """Read an export; `name` is what errors call it.

    With `partial` a file that has stopped growing in the middle is read as far as whole lines go.

    Raises:
        MalformedReplyError: Not this layout, or not whole; names the file and the line.
    """
    lines = _lines(data, name, partial=partial)
    if not lines or "\t".join(lines[0].fields) != TITLE:
        raise MalformedReplyError(f"{name}:1: expected {TITLE!r}")
    data_file, protocol = (
        _headed(lines, index, key)[0] for index, key in ((1, "Data file"), (2, "Protocol"))
    )
    wells = tuple(_headed(lines, 3, "Wells"))
    _check_plate(wells, lines[3])
    body = lines[4:]
    addition_s = None
    if body and body[0].fields[0] == "Addition (s)":
        addition_s = _additions(body.pop(0), wells)
    ended = False
    if body and body[-1].fields in {(end,) for end in ENDS}:
        ended = body.pop().fields == ("End",)
    elif not partial:
        raise MalformedReplyError(f"{name}: not whole: the last line is neither End nor Stopped")
    return TimeSequence(data_file, protocol, wells, addition_s, _blocks(body, wells), ended)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    number: int
    fields: tuple[str, ...]

    def error(self, what: str) -> MalformedReplyError:
        return MalformedReplyError(f"{self.name}:{self.number}: {what}")


def _lines(data: bytes, name: str, *, partial: bool) -> list[_Line]:
    try:
        text = data.decode("ascii").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MalformedReplyError(f"{name}: byte {error.start} is not ASCII") from None
    rows = text.split("\n")
    if rows.pop() and not partial:
        raise MalformedReplyError(f"{name}: not whole: the last line has no end")
    return [_Line(name, n, tuple(row.split("\t"))) for n, row in enumerate(rows, start=1)]


def _headed(lines: Sequence[_Line], index: int, key: str) -> Sequence[str]:
    """Fields of a header line after its key."""
    if index >= len(lines):
        raise lines[-1].error(f"expected a line {key!r} after this")
    fields = lines[index].fields
    if fields[0] != key or len(fields) < 2 or not fields[1]:  # noqa: PLR2004  # a key and a value
        raise lines[index].error(f"expected {key!r} and its value, not {fields[0][:40]!r}")
    return fields[1:]


def _check_plate(wells: Sequence[str], line: _Line) -> None:
    try:
        expected = PlateFormat.of(len(wells)).by_row()
    except UserInputError as error:
        raise line.error(str(error)) from None
    if tuple(wells) != expected:
        raise line.error("the wells are not those of a whole plate by row")


def _additions(line: _Line, wells: Sequence[str]) -> Mapping[str, float]:
    cells = line.fields[1:]
    if len(cells) != len(wells):
        raise line.error(f"{len(cells)} additions for {len(wells)} wells")
    return {
        well: _number(line, cell) for well, cell in zip(wells, cells, strict=True) if cell.strip()
    }


def _blocks(
    body: Sequence[_Line], wells: Sequence[str]
) -> Mapping[Channel, tuple[SequenceFrame, ...]]:
    frames: dict[Channel, list[SequenceFrame]] = {}
    current: list[SequenceFrame] | None = None
    for line in body:
        if line.fields[0] == "Excitation (nm)":
            channel = _channel(line)
            if channel in frames:
                raise line.error("a second block for these wavelengths")
            current = frames[channel] = []
        elif current is None:
            raise line.error("expected a block with its wavelengths")
        else:
            frame = _frame(line, wells)
            if current and frame.time_s <= current[-1].time_s:
                raise line.error("the times of this block do not go on")
            current.append(frame)
    return {channel: tuple(block) for channel, block in frames.items()}


def _channel(line: _Line) -> Channel:
    match line.fields:
        case (_, excitation, "Emission (nm)", emission):
            return Channel(_number(line, excitation), _number(line, emission))
        case _:
            raise line.error("expected 'Excitation (nm)' and 'Emission (nm)' with their values")


def _frame(line: _Line, wells: Sequence[str]) -> SequenceFrame:
    if len(line.fields) != 1 + len(wells):
        raise line.error(f"{len(line.fields) - 1} values for {len(wells)} wells")
    values: dict[str, float] = {}
    flags: dict[str, ReadFlag] = {}
    for well, cell in zip(wells, line.fields[1:], strict=True):
        values[well] = math.nan
        if not cell:
            flags[well] = "missing"
        elif cell == "SAT":
            flags[well] = "saturated"
        else:
            values[well] = _number(line, cell)
    return SequenceFrame(_number(line, line.fields[0]), values, flags, line.number)


def _number(line: _Line, cell: str) -> float:
    try:
        return number(cell)
    except MalformedReplyError as error:
        raise line.error(str(error)) from None
