"""A plan as bars: one row for each instrument and person, one colour and mark for each plate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from platectl.domain.run import CompiledRun
from platectl.planning.overview import clock_of
from platectl.report.picture import COLOURS, GREY, INK, PALE

WIDTH, LEFT, ROW, TOP = 1200.0, 150.0, 24.0, 26.0
#: ticks are so far apart, in seconds; the first that gives few enough is taken
TICKS_S = (900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0)
TICKS_MOST, DATES_MOST = 14, 10
DAY_S = 43200.0
NAMED_PX = 26.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Work of one plate on one row."""

    row: str
    plate: str
    title: str
    begin_s: float
    end_s: float


def bars_of(run: CompiledRun) -> list[Bar]:
    """Bars of all planned steps, on the row of every instrument that they use."""
    return [
        Bar(resource, step.plate, step.title, step.planned_start_s, step.planned_end_s)
        for step in run.steps
        if step.kind != "wait"
        for resource in step.resources
        if resource in run.lab.instruments
    ]


def rows_of(bars: Sequence[Bar]) -> list[str]:
    """Rows in the order in which they are needed first."""
    return list(dict.fromkeys(bar.row for bar in sorted(bars, key=lambda b: b.begin_s)))


def tick_s(end_s: float) -> float:
    """Distance of the ticks of a time axis; those of days have dates, and need more room."""
    return next(
        (t for t in TICKS_S if end_s / t <= (TICKS_MOST if t < DAY_S else DATES_MOST)), TICKS_S[-1]
    )


def gantt_svg(run: CompiledRun, *, zone: str | None) -> str:
    """The plan as an `<svg>` element; every bar names its step and times when it is pointed at.

    When a person is not there is grey.
    """
    bars = bars_of(run)
    rows, end_s = rows_of(bars), max(run.planned_end_s, 1.0)
    height = TOP + ROW * len(rows) + 8
    scale = (WIDTH - LEFT - 10) / end_s
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
        f'width="100%" role="img" aria-label="Plan of the night by instrument" '
        f'font-family="sans-serif" font-size="10">'
    )
    parts = [head]
    parts += _axis(run, end_s, scale, height, zone)
    for number, row in enumerate(rows):
        y = TOP + ROW * number
        parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(row)}</text>')
        parts += [
            f'<rect x="{LEFT + a * scale:.1f}" y="{y + 1}" height="{ROW - 2}" '
            f'width="{(min(b, end_s) - a) * scale:.1f}" fill="{PALE}"><title>'
            f"{escape(row)} is not there</title></rect>"
            for a, b in run.absences.get(row, ())
            if a < end_s
        ]
    order = {plate.name: n for n, plate in enumerate(run.plates)}
    at = clock_of(run, zone=zone)
    parts += [_bar(bar, order, rows, scale, at) for bar in bars]
    return "".join([*parts, "</svg>"])


def _axis(
    run: CompiledRun, end_s: float, scale: float, height: float, zone: str | None
) -> Iterator[str]:
    step, at = tick_s(end_s), clock_of(run, zone=zone)
    for number in range(int(end_s // step) + 1):
        x = LEFT + number * step * scale
        label = escape(at(number * step))
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height}" stroke="{PALE}"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 10}" text-anchor="middle" fill="{GREY}">{label}</text>'


def _bar(
    bar: Bar,
    order: Mapping[str, int],
    rows: Sequence[str],
    scale: float,
    at: Callable[[float], str],
) -> str:
    x, width = LEFT + bar.begin_s * scale, max((bar.end_s - bar.begin_s) * scale, 1.0)
    y, number = TOP + ROW * rows.index(bar.row) + 3, order.get(bar.plate, 0)
    colour = COLOURS[number % (len(COLOURS) - 1)]
    times = f"{at(bar.begin_s)} to {at(bar.end_s)}"
    text = (
        f'<text x="{x + width / 2:.1f}" y="{y + 12}" text-anchor="middle" fill="white" '
        f'pointer-events="none">{escape(bar.plate)}</text>'
        if width > NAMED_PX
        else ""
    )
    return (
        f"<g><title>{escape(f'{bar.plate}: {bar.title}, {times}')}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}" '
        f'stroke="{INK}" stroke-width="0.3"/>{text}</g>'
    )


def gantt_text(run: CompiledRun, *, width: int) -> list[tuple[str, list[tuple[str, str]]]]:
    """The plan for a terminal: rows of (name, cells of character and plate)."""
    bars, end_s = bars_of(run), max(run.planned_end_s, 1.0)
    signs = signs_of(run)
    lines = []
    for row in rows_of(bars):
        cells = [("·", "")] * width
        for bar in bars:
            if bar.row != row:
                continue
            first = min(int(bar.begin_s / end_s * width), width - 1)
            last = max(first, min(int(bar.end_s / end_s * width), width) - 1)
            for place in range(first, last + 1):
                cells[place] = (signs.get(bar.plate, OTHERS), bar.plate)
        lines.append((row, cells))
    return lines


def signs_of(run: CompiledRun) -> dict[str, str]:
    """A character for each plate; no two plates have the same, and `#` is for those that have none."""
    names = [plate.name for plate in run.plates]
    return {**dict.fromkeys(names, OTHERS), **dict(zip(names, SIGNS, strict=False))}


def legend(run: CompiledRun) -> str:
    """Which plates the characters of `gantt_text` stand for; the first nine are plain to see."""
    signs = list(signs_of(run).items())[len("123456789") :]
    named = [f"{sign} {name}" for name, sign in signs if sign != OTHERS]
    rest = [name for name, sign in signs if sign == OTHERS]
    return ", ".join(named + ([f"{OTHERS} {rest[0]} to {rest[-1]}"] if rest else []))


SIGNS = (
    "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩбгджзийлпфцчшщъыьэюяБГДЖЗИЙЛЦЧШЩЪЫЬЭЮЯ"
)
OTHERS = "#"
