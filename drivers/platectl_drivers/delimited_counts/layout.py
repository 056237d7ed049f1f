"""The declared layout of delimited counts, and strict reading by it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.errors import MalformedReplyError
from platectl.domain.wells import PlateFormat
from platectl.hal.counting import CountReading
from platectl.transport.codec import integer, number
from platectl.transport.drop_watch import Look, States

Column = Literal[
    "plate", "well", "cpm", "cps", "dpm", "counts", "count_s", "count_min", "ended_at", "ignore"
]
RATES: Final = ("cpm", "cps", "counts")
TIMES: Final = ("count_s", "count_min")
ANY_LINE: Final = "*"
MINUTE_S: Final = 60.0
#: normalisation of a detector stays within this factor of one; beyond it a column was mistaken
WIDEST_FACTOR: Final = 2.0
#: how far a stated counting time may be from the one asked for
TIME_WITHIN_S: Final = 0.5
_WELLS: Final = {
    "A1": re.compile(r"([A-P])([1-9]|1\d|2[0-4])"),
    "A01": re.compile(r"([A-P])(0[1-9]|1\d|2[0-4])"),
}


class Settings(BaseModel):
    """The layout that this counter's software is set to write, and patience.

    `columns` are the items of a line from left to right; their names carry the unit. `header` and `footer` are
    the lines before and after the counts, each as it stands in the file; `*` is any line. With `last_line_ends`
    off a last line without its end is taken once it has stopped growing. `well_form` is how
    wells are written: `A1`, `A01`, or a number from 1 that counts along rows or down columns. `states` says
    what a file states of its plate: the title in the column `plate`, the bar-code in front of the title's last
    dash there, or the title as the name of the file. `time_format` is that of `ended_at`, as for strptime.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    separator: str = Field(min_length=1, max_length=1, description="between items; a tab is \\t")
    columns: tuple[Column, ...] = Field(min_length=2)
    header: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    line_end: Literal["crlf", "lf", "cr"] = "crlf"
    encoding: Literal["ascii", "utf-8", "utf-8-sig", "latin-1", "utf-16"] = "ascii"
    decimal: Literal[".", ","] = "."
    last_line_ends: bool = True
    well_form: Literal["A1", "A01", "by_row", "by_column"] = "A1"
    plate_wells: Literal[24, 96, 384] = 96
    states: States = "title"
    time_format: str = ""
    detectors: int = Field(default=1, ge=1, le=12)
    overhead_s: float = Field(default=5.0, ge=0)
    poll_s: float = Field(default=30.0, gt=0)
    margin_s: float = Field(default=3600.0, ge=0)

    @model_validator(mode="after")
    def _columns_make_sense(self) -> Self:
        named = [column for column in self.columns if column != "ignore"]
        rates = [column for column in named if column in RATES]
        problems = {
            "a column is listed twice": len(set(named)) != len(named),
            "a column `well` is needed": "well" not in named,
            f"one of the columns {', '.join(RATES)} is needed": not rates,
            "cpm and cps, or count_s and count_min, are the same twice": {"cpm", "cps"} <= {*named}
            or {*TIMES} <= {*named},
            "the separator is also the decimal sign": self.separator == self.decimal,
            "`ended_at` needs a `time_format`": ("ended_at" in named) != bool(self.time_format),
        }  # fmt: skip
        if found := [text for text, so in problems.items() if so]:
            raise ValueError("; ".join(found))
        return self

    @property
    def end(self) -> str:
        """What ends a line."""
        return {"crlf": "\r\n", "lf": "\n", "cr": "\r"}[self.line_end]

    @property
    def plate(self) -> PlateFormat:
        """The plate that is counted."""
        return PlateFormat.of(self.plate_wells)


@dataclass(frozen=True, slots=True)
class Line:
    """One line and where it stands."""

    name: str
    number: int
    text: str

    def error(self, what: str) -> MalformedReplyError:
        """An error that names the place."""
        return MalformedReplyError(f"{self.name}:{self.number}: {what}")


@dataclass(frozen=True, slots=True)
class Counted:
    """One line of counts: what it states of its plate, and the reading."""

    plate: str
    reading: CountReading


def cut(data: bytes, name: str, layout: Settings) -> tuple[list[Line], bool]:
    """Lines of a file, and whether the last one has its end.

    Raises:
        MalformedReplyError: Another encoding, or other line ends than declared.
    """
    even = len(data) // 2 * 2 if layout.encoding == "utf-16" else len(data)
    try:
        text = data[:even].decode(layout.encoding)
    except UnicodeError as error:
        raise MalformedReplyError(f"{name} is not {layout.encoding}: {error}") from error
    pieces = text.split(layout.end)
    ended = not pieces[-1]
    lines = [Line(name, n, piece) for n, piece in enumerate(pieces, start=1)][
        : -1 if ended else None
    ]
    for line in lines:
        growing = line is lines[-1] and not ended
        text = line.text.removesuffix("\r") if growing else line.text
        if "\r" in text or "\n" in text:
            raise line.error(f"another line end than {layout.line_end}, which is declared")
    return lines, ended


def check_header(lines: Sequence[Line], layout: Settings) -> None:
    """Compare the lines before the counts with those that are declared, as far as they are there.

    Raises:
        MalformedReplyError: A line is another.
    """
    for index, wanted in enumerate(layout.header[: len(lines)]):
        line = lines[index]
        if wanted not in {ANY_LINE, line.text}:
            raise line.error(f"the header is {line.text[:60]!r}, declared is {wanted[:60]!r}")


def look(data: bytes, layout: Settings, wells: Sequence[str]) -> Look:
    """Say how far a file has grown; whole is one with so many lines of counts and its footer.

    A bar-code may be that of several labware of a plate: a file of other wells is then another's.
    """
    try:
        lines, ended = cut(data, "line", layout)
        check_header(lines if ended else lines[:-1], layout)
        body = lines[len(layout.header) : None if ended else -1]
        stated = {take(line, layout).plate for line in body[:1]}
        if layout.states == "barcode" and not _wells_of(body, layout) <= set(wells):
            return Look((), whole=True, said="of other wells")
    except MalformedReplyError as error:
        return Look(None, whole=False, said="", wrong=str(error))
    counted, asked = len(body) - len(layout.footer), len(wells)
    said = f"has {max(0, counted)} of {asked} lines of counts"
    complete = (
        counted + (not ended) >= asked if not layout.last_line_ends else ended and counted >= asked
    )
    return Look(tuple(stated) or None, complete, said)


def _wells_of(body: Sequence[Line], layout: Settings) -> set[str]:
    """The wells that can be read by now; damaged lines are told when the file is whole."""
    found = set()
    for line in body:
        with contextlib.suppress(MalformedReplyError):
            found.add(take(line, layout).reading.well)
    return found


def parse_lines(data: bytes, name: str, layout: Settings, count_s: float) -> tuple[Counted, ...]:
    """Read a whole file; `count_s` holds where no column states a time.

    Raises:
        MalformedReplyError: Anything that is not as declared; names file and line.
    """
    lines, _ = cut(data, name, layout)
    check_header(lines, layout)
    last = len(lines) - len(layout.footer)
    if last < len(layout.header):
        raise MalformedReplyError(f"{name}: shorter than its header and its last lines")
    body = lines[len(layout.header) : last]
    for index, wanted in enumerate(layout.footer):
        line = lines[last + index]
        if wanted not in {ANY_LINE, line.text}:
            raise line.error(f"the last lines are {line.text[:60]!r}, declared is {wanted[:60]!r}")
    return tuple(take(line, layout, count_s) for line in body)


def take(line: Line, layout: Settings, count_s: float = MINUTE_S) -> Counted:
    """Read one line of counts.

    Raises:
        MalformedReplyError: Other columns than declared, a unit or text in a number, or no well.
    """
    cells = line.text.split(layout.separator)
    if len(cells) != len(layout.columns):
        raise line.error(
            f"{len(cells)} items between {layout.separator!r}, declared are {len(layout.columns)}: "
            f"{line.text[:60]!r}"
        )
    fields: dict[str, str] = {
        column: cells[index].strip(" ")
        for index, column in enumerate(layout.columns)
        if column != "ignore"
    }
    try:
        return Counted(fields.get("plate", ""), _reading(line, fields, layout, count_s))
    except MalformedReplyError as error:
        raise line.error(str(error)) from error


def _reading(
    line: Line, fields: Mapping[str, str], layout: Settings, count_s: float
) -> CountReading:
    live_s = count_s
    if stated := next((column for column in TIMES if column in fields), ""):
        live_s = _number(fields, stated, layout) * (MINUTE_S if stated == "count_min" else 1.0)
    if live_s <= 0:
        raise MalformedReplyError("the counting time is zero")
    cpm, counts = _rate(fields, layout, live_s)
    return CountReading(
        well=_well(fields["well"], layout), cpm=cpm, counts=counts, live_s=live_s,
        ended_at=_time(fields.get("ended_at", ""), layout),
        dpm=_number(fields, "dpm", layout) if "dpm" in fields else None,
        source=f"{line.name}:{line.number}",
        flags=("count_time",) if abs(live_s - count_s) > TIME_WITHIN_S else (),
    )  # fmt: skip


def _rate(fields: Mapping[str, str], layout: Settings, live_s: float) -> tuple[float, int]:
    """Counts per minute and counts; what no column gives follows from the other and the time."""
    rates = [_number(fields, column, layout) for column in ("cpm", "cps") if column in fields]
    if "counts" not in fields:
        cpm = rates[0] * (1.0 if "cpm" in fields else MINUTE_S)
        return cpm, round(cpm * live_s / MINUTE_S)
    counts = integer(fields["counts"])
    plain_cpm = counts * MINUTE_S / live_s
    if counts < 0:
        raise MalformedReplyError(f"counts are {counts}")
    if not rates:
        return plain_cpm, counts
    cpm = rates[0] * (1.0 if "cpm" in fields else MINUTE_S)
    rounding = MINUTE_S / live_s
    if not plain_cpm / WIDEST_FACTOR - rounding <= cpm <= plain_cpm * WIDEST_FACTOR + rounding:
        raise MalformedReplyError(
            f"{cpm:g} cpm do not go with {counts} counts in {live_s:g} s; is a column mistaken for another?"
        )
    return cpm, counts


def _number(fields: Mapping[str, str], column: str, layout: Settings) -> float:
    field = fields[column]
    if layout.decimal == "," and "." in field:
        raise MalformedReplyError(
            f"{column} is {field[:30]!r}; the decimal sign is declared as a comma"
        )
    try:
        value = number(field.replace(layout.decimal, "."))
    except MalformedReplyError:
        raise MalformedReplyError(
            f"{column} is {field[:30]!r}, which is no number; units stand in no cell"
        ) from None
    if value < 0:
        raise MalformedReplyError(f"{column} is {field[:30]!r}, which is below zero")
    return value


def _well(field: str, layout: Settings) -> str:
    plate = layout.plate
    if layout.well_form in {"by_row", "by_column"}:
        index = integer(field) - 1
        wells = plate.by_row() if layout.well_form == "by_row" else plate.by_column()
        if not 0 <= index < len(wells):
            raise MalformedReplyError(f"position {field!r} is none of {len(wells)}")
        return wells[index]
    match = _WELLS[layout.well_form].fullmatch(field)
    well = f"{match[1]}{int(match[2])}" if match else ""
    if well not in plate.by_row():
        raise MalformedReplyError(
            f"{field[:20]!r} is no well of {layout.plate_wells} written like {layout.well_form}"
        )
    return well


def _time(field: str, layout: Settings) -> str:
    if not layout.time_format:
        return ""
    try:
        ended = datetime.strptime(field, layout.time_format)  # noqa: DTZ007  # the counter states no zone
    except ValueError:
        raise MalformedReplyError(
            f"{field[:30]!r} is no time of the form {layout.time_format}"
        ) from None
    return ended.isoformat()


def read_file(
    data: bytes, name: str, layout: Settings, *, count_s: float, plate: str | None
) -> tuple[CountReading, ...]:
    """Read the counts of one plate of a whole file, in the order of the file.

    Raises:
        MalformedReplyError: Anything that is not as declared, a well twice, or several plates of which none is named.
    """
    counted = parse_lines(data, name, layout, count_s)
    plates = list(dict.fromkeys(item.plate for item in counted))
    wanted = plate if plate is not None else plates[0] if len(plates) == 1 else None
    if wanted not in plates:
        raise MalformedReplyError(
            f"{name} is of {', '.join(map(repr, plates)) or 'no plate'}; name one of them"
        )
    mine = [item for item in counted if item.plate == wanted]
    return in_order(mine, list(dict.fromkeys(item.reading.well for item in mine)), name)


def in_order(
    counted: Iterable[Counted], wells: Sequence[str], name: str
) -> tuple[CountReading, ...]:
    """The readings in the order of the wells asked for.

    Raises:
        MalformedReplyError: Wells are missing, there twice, or were not asked for.
    """
    by_well: dict[str, CountReading] = {}
    for item in counted:
        well = item.reading.well
        if well in by_well:
            raise MalformedReplyError(
                f"{item.reading.source}: well {well} is there already, from {by_well[well].source}"
            )
        by_well[well] = item.reading
    missing = [well for well in wells if well not in by_well]
    extra = [well for well in by_well if well not in set(wells)]
    if missing or extra:
        raise MalformedReplyError(
            f"{name}: wells missing: {', '.join(missing) or 'none'}; not asked for: "
            f"{', '.join(extra) or 'none'}"
        )
    return tuple(by_well[well] for well in wells)
