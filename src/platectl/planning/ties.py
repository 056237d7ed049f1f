"""What holds wells of a layout together, and the lots that rows of such a layout draw.

Wells of saturation and kinetics plates have their level or their time from their row. A time is tied to
its row by the handler, which adds a row at once; the rows draw their times. Levels are tied by whoever
prepares them column by column; with `scatter: series` the rows of each lot of columns draw their levels.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import UserInputError
from platectl.domain.layout import PLATE, Block, Layout, Randomise, number_along
from platectl.domain.standards import copied_columns
from platectl.domain.wells import parse_well

_TRIES = 20_000
#: rank correlation with the row that levels or times may have, and the rows below which it is not asked
_TREND, _TREND_ROWS = 0.15, 4
_LETTERS = "ABCDEFGHIJKLMNOP"


class CannotRandomiseError(UserInputError):
    """No layout keeps the constraints, or none was found; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Ties:
    """What an assay says of the numbers of a layout.

    Attributes:
        levels: Radioligand levels by number, molar.
        times: Time points by number, s.
        aliquots: Column -> how often each of its wells is copied, to tell its level by.
    """

    levels: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    aliquots: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """A control well: its place, its block, and what it has from its row.

    `strip` is the column that it moves with; None if it moves alone.
    """

    row: int
    column: int
    block: int
    role: str
    level: int
    time: int | None
    lot: int
    strip: int | None


def ties_of(protocol: AssayProtocol) -> Ties:
    """The ties of an assay."""
    binding = protocol.binding
    copies = {source: len(targets) for source, targets in copied_columns(protocol)}
    if binding is None:
        return Ties(aliquots=copies)
    return Ties(tuple(binding.levels), tuple(binding.times), copies)


def cells_of(layout: Layout, terms: Randomise) -> list[Cell]:
    """The control wells of a layout as they stand.

    Raises:
        CannotRandomiseError: Wells of one row have different times.
    """
    cells = []
    for number, block in enumerate(layout.controls):
        tied = isinstance(block.level, str) or isinstance(block.time, str)
        for well in block.wells:
            row, column = parse_well(well)
            level = number_along(block.level, block, well)
            time = None if block.time is None else number_along(block.time, block, well)
            strip = column if tied and terms.scatter == "series" else None
            cells.append(Cell(row, column, number, block.role, level, time, block.lot, strip))
    times: dict[int, int] = {}
    for cell in cells:
        if cell.time is not None and times.setdefault(cell.row, cell.time) != cell.time:
            message = (
                f"row {_LETTERS[cell.row]} has times {times[cell.row] + 1} and {cell.time + 1}, "
                "and a row gets its membranes at once, so that nothing can change places"
            )
            raise CannotRandomiseError(message)
    return cells


def drawn_rows(
    layout: Layout, cells: Sequence[Cell], terms: Randomise, ties: Ties, lot: random.Random
) -> list[Cell]:
    """The same wells after the rows have drawn their times and, of whole columns, their levels.

    Raises:
        CannotRandomiseError: No draw keeps levels or times from following the rows.
    """
    timed = {c.row: c.time for c in cells if c.time is not None}
    if timed:
        (drawn,) = _draw([timed], ties.times, terms, lot, "times")
        cells = [c if c.time is None else replace(c, time=drawn[c.row]) for c in cells]
    lanes: dict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
    for cell in cells:
        if (key := _lane(layout.controls[cell.block], cell)) is not None:
            lanes[key][cell.row] = cell.level
    if lanes:
        levels = dict(zip(lanes, _draw(list(lanes.values()), ties.levels, terms, lot, "levels"), strict=True))  # fmt: skip
        keys = [(c, _lane(layout.controls[c.block], c)) for c in cells]
        cells = [c if key is None else replace(c, level=levels[key][c.row]) for c, key in keys]
    return list(cells)


def told(layout: Layout, terms: Randomise) -> str:
    """How a layout is drawn, and what of that its ties do not allow, with the reason."""
    said, blocks = [str(terms)], layout.controls
    if any(b.time is not None for b in blocks):
        said.append("replicates of a time share its row, since a row gets its membranes at once")
    tied = any(isinstance(b.level, str) or isinstance(b.time, str) for b in blocks)
    if tied and terms.scatter == "series":
        said.append("controls fill whole columns, since columns are moved as one")
    return "; ".join(said)


def _lane(block: Block, cell: Cell) -> tuple[object, ...] | None:
    """Columns that have their levels from the same draw; None if the level is not from the row."""
    if cell.strip is None or not isinstance(block.level, str):
        return None
    return block.lot, block.level, *sorted({parse_well(well)[0] for well in block.wells})


def _draw(
    lanes: Sequence[Mapping[int, int]], values: Sequence[float], terms: Randomise,
    lot: random.Random, what: str,
) -> list[dict[int, int]]:  # fmt: skip
    """For each lane its rows with the numbers they have drawn; rows of a number apart where that can be.

    Raises:
        CannotRandomiseError: None was found that is balanced.
    """
    rank = {v: i for i, v in enumerate(sorted(set(values)))}
    ranks = [rank[v] for v in values]

    def even(drawn: Sequence[Mapping[int, int]]) -> bool:
        return not terms.balanced or (_halved(drawn) and _trend(drawn, ranks) <= _TREND)

    def apart(drawn: Sequence[Mapping[int, int]]) -> bool:
        rows: dict[int, list[int]] = defaultdict(list)
        for lane in drawn:
            for row, number in lane.items():
                rows[number].append(row)
        return all(abs(a - b) >= terms.apart for own in rows.values() for a, b in combinations(own, 2))  # fmt: skip

    for wanted in ((even, apart), (even,)) if len(lanes) > 1 else ((even,),):
        if (found := _first(lanes, lot, wanted)) is not None:
            return found
    message = f"no draw of the {what} of rows was found that does not follow the rows; ask for balanced=no"
    raise CannotRandomiseError(message)


def _first(
    lanes: Sequence[Mapping[int, int]], lot: random.Random,
    wanted: Iterable[Callable[[Sequence[Mapping[int, int]]], bool]],
) -> list[dict[int, int]] | None:  # fmt: skip
    for _ in range(_TRIES):
        drawn = []
        for lane in lanes:
            numbers = list(lane.values())
            lot.shuffle(numbers)
            drawn.append(dict(zip(lane, numbers, strict=True)))
        if all(holds(drawn) for holds in wanted):
            return drawn
    return None


def _halved(drawn: Sequence[Mapping[int, int]]) -> bool:
    """Whether each number is in as many upper rows as lower ones, or one more or less where that is odd."""
    upper: dict[int, int] = defaultdict(int)
    times: dict[int, int] = defaultdict(int)
    for lane in drawn:
        for row, number in lane.items():
            times[number] += 1
            upper[number] += row < PLATE.rows // 2
    in_upper = sum(upper.values()) / sum(times.values())
    return all(abs(upper[n] - in_upper * count) < 1.0 - 1e-9 for n, count in times.items())


def _trend(drawn: Sequence[Mapping[int, int]], ranks: Sequence[int]) -> float:
    """Size of the rank correlation of row and number; 0 where too few rows could be without."""
    pairs = [
        (float(row), float(ranks[number] if number < len(ranks) else number))
        for lane in drawn
        for row, number in lane.items()
    ]
    if len({row for row, _ in pairs}) < _TREND_ROWS:
        return 0.0
    x, y = ([p[i] - sum(q[i] for q in pairs) / len(pairs) for p in pairs] for i in (0, 1))
    spread = sum(a * a for a in x) * sum(b * b for b in y)
    return abs(sum(a * b for a, b in zip(x, y, strict=True))) / spread**0.5 if spread else 0.0
