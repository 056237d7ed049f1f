"""Writes text exports as SoftMax Pro does (shared/instruments-readers.md 1.10)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from platectl.domain.wells import PlateFormat

PLATE: Final = PlateFormat.of(96)
#: cut-off filter for an emission of 510 nm
CUTOFF_NM: Final = 495


@dataclass(frozen=True, slots=True)
class Style:
    """How the person has set the export."""

    layout: Literal["PlateFormat", "TimeFormat"] = "PlateFormat"
    encoding: Literal["utf-16-le", "utf-8", "mac-roman"] = "utf-16-le"
    date_line: bool = True
    reduced: bool = False


@dataclass(slots=True)
class Section:
    """One plate section; `values` maps point, wavelength and well to counts, inf when saturated."""

    name: str
    wavelengths: tuple[tuple[float, float], ...]
    points: int
    interval_s: float
    bottom: bool
    columns: tuple[int, ...]
    temperature_c: float
    values: dict[tuple[int, int, str], float] = field(default_factory=dict)


def write_export(sections: list[Section], document: str, saved: datetime, style: Style) -> bytes:
    """Write a whole file."""
    lines = [f"##BLOCKS= {len(sections) + 1}", "Note:", "Fura-2 ratio", "~End"]
    for section in sections:
        write = _plate_format if style.layout == "PlateFormat" else _time_format
        lines += [_header(section, style), *write(section)]
        if style.reduced:
            lines += _reduced(section)
        lines.append("~End")
    if style.date_line:
        hour = saved.hour % 12 or 12
        half = "AM" if saved.hour < 12 else "PM"  # noqa: PLR2004  # noon
        lines.append(
            f"Original Filename: {document}; Date Last Saved: "
            f"{saved.month}/{saved.day}/{saved.year} {hour}:{saved:%M:%S} {half}"
        )
    if style.encoding == "utf-16-le":
        return b"\xff\xfe" + "".join(f"{line}\r\n" for line in lines).encode("utf-16-le")
    return "".join(f"{line}\n" for line in lines).encode(style.encoding)


def _header(section: Section, style: Style) -> str:
    count = len(section.wavelengths)
    excitation = "".join(f"{x:g} " for x, _ in section.wavelengths)
    emission = "".join(f"{m:g} " for _, m in section.wavelengths)
    first, columns = min(section.columns), max(section.columns) - min(section.columns) + 1
    fields = [
        "Plate:", section.name, "1.3", style.layout, "Kinetic", "Fluorescence",
        "TRUE" if section.bottom else "FALSE", "Raw", "FALSE", str(section.points),
        f"{(section.points - 1) * section.interval_s:g}", f"{section.interval_s:g}", "", "", "",
        str(count), emission, str(first), str(columns), str(PLATE.size), excitation, "Manual",
        f"{CUTOFF_NM} " * count, "", "", "6", "Medium", "", "", "1", str(PLATE.rows), "", "",
    ]  # fmt: skip
    return "\t".join(fields)


def _plate_format(section: Section) -> list[str]:
    """A table for each point, with the wavelengths side by side and a blank line below."""
    numbers = [str(column) for column in range(1, PLATE.columns + 1)]
    blocks = [*numbers, ""] * len(section.wavelengths)
    lines = ["\t".join(["", "Temperature(°C)", *blocks])]
    for point in range(section.points):
        for row, letter in enumerate("ABCDEFGH"):
            head = [_time(section, point), f"{section.temperature_c:g}"] if row == 0 else ["", ""]
            cells = [
                [_cell(section.values, (point, channel, well)) for well in PLATE.row(letter)]
                for channel in range(len(section.wavelengths))
            ]
            lines.append("\t".join([*head, *(cell for part in cells for cell in (*part, ""))]))
        lines.append("")
    return lines


def _time_format(section: Section) -> list[str]:
    """A line for each point, and a blank line between the wavelengths."""
    wells = PLATE.by_row()
    lines = ["\t".join(["", "Temperature(°C)", *wells])]
    for channel in range(len(section.wavelengths)):
        for point in range(section.points):
            head = [_time(section, point), f"{section.temperature_c:g}"]
            cells = [_cell(section.values, (point, channel, well)) for well in wells]
            lines.append("\t".join([*head, *cells]))
        lines.append("")
    return lines


def _reduced(section: Section) -> list[str]:
    """The mean of each well's first wavelength, as a person may have set the reduction."""
    lines = ["\t".join(["", "", *(str(column) for column in range(1, PLATE.columns + 1))])]
    for letter in "ABCDEFGH":
        cells = []
        for well in PLATE.row(letter):
            read = [section.values.get((point, 0, well)) for point in range(section.points)]
            numbers = [value for value in read if value is not None and math.isfinite(value)]
            cells.append(f"{sum(numbers) / len(numbers):.12g}" if numbers else "")
        lines.append("\t".join(["", "", *cells]))
    return lines


def _time(section: Section, point: int) -> str:
    seconds = int(point * section.interval_s)
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds % 60:02d}"
    return f"{minutes}:{seconds % 60:02d}"


def _cell(values: Mapping[tuple[int, int, str], float], key: tuple[int, int, str]) -> str:
    value = values.get(key)
    if value is None:
        return ""
    return "#SAT" if math.isinf(value) else f"{value:.3f}"
