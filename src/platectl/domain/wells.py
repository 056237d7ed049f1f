"""Wells, plate formats and well ranges (ANSI/SLAS 4-2004: letters are rows, numbers columns)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from platectl.domain.errors import UserInputError

_WELL = re.compile(r"([A-Z]{1,2})([1-9]\d?)")
_SHAPES = {1: (1, 1), 6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlateFormat:
    """A rectangular grid of wells; shape is (rows, columns), A1 first."""

    rows: int
    columns: int

    @classmethod
    def of(cls, wells: int) -> PlateFormat:
        """Return the standard format with this many wells.

        Raises:
            UserInputError: No standard plate has that number of wells.
        """
        if wells not in _SHAPES:
            raise UserInputError(f"no plate format has {wells} wells; use one of {sorted(_SHAPES)}")
        return cls(*_SHAPES[wells])

    @property
    def size(self) -> int:
        """Number of wells."""
        return self.rows * self.columns

    def by_row(self) -> tuple[str, ...]:
        """All wells, A1, A2, … H12."""
        return _by_row(self.rows, self.columns)

    def by_column(self) -> tuple[str, ...]:
        """All wells, A1, B1, … H12."""
        return tuple(well_name(r, c) for c, r in product(range(self.columns), range(self.rows)))

    def column(self, number: int) -> tuple[str, ...]:
        """Wells of one column (1-based), top to bottom."""
        return tuple(well_name(row, number - 1) for row in range(self.rows))

    def row(self, letter: str) -> tuple[str, ...]:
        """Wells of one row, left to right."""
        return tuple(f"{letter}{column + 1}" for column in range(self.columns))

    def index(self, well: str) -> int:
        """Row-major index of a well.

        Raises:
            UserInputError: Not a well of this format.
        """
        row, column = parse_well(well)
        if row >= self.rows or column >= self.columns:
            raise UserInputError(
                f"well {well} is outside a {self.size}-well plate "
                f"(A1 to {well_name(self.rows - 1, self.columns - 1)})"
            )
        return row * self.columns + column


@lru_cache(maxsize=16)
def _by_row(rows: int, columns: int) -> tuple[str, ...]:
    return tuple(well_name(r, c) for r, c in product(range(rows), range(columns)))


def well_name(row: int, column: int) -> str:
    """Name a well from zero-based row and column; rows go on with AA after Z."""
    letters = chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)  # noqa: PLR2004
    return f"{letters}{column + 1}"


@lru_cache(maxsize=4096)
def parse_well(name: str) -> tuple[int, int]:
    """Return zero-based (row, column).

    Raises:
        UserInputError: Not of the form `A1`; zero padding and lower case are refused.
    """
    match = _WELL.fullmatch(name)
    if not match:
        raise UserInputError(
            f"{name!r} is not a well; write a row letter and a column, like A1 or H12"
        )
    letters, digits = match.groups()
    row = 0
    for letter in letters:
        row = row * 26 + ord(letter) - ord("A") + 1
    return row - 1, int(digits) - 1


def expand_wells(text: str, plate: PlateFormat) -> tuple[str, ...]:
    """Expand `A1`, `A1:H1`, `B2:D11` or a comma-separated list of them, by row within a block.

    Raises:
        UserInputError: A well or a block is malformed, reversed or outside the plate.
    """
    wells: list[str] = []
    for part in (piece.strip() for piece in text.split(",")):
        first, _, last = part.partition(":")
        (r0, c0), (r1, c1) = parse_well(first), parse_well(last or first)
        plate.index(last or first)
        if r1 < r0 or c1 < c0:
            raise UserInputError(f"block {part!r} runs backwards; give the top left well first")
        wells += [well_name(r, c) for r, c in product(range(r0, r1 + 1), range(c0, c1 + 1))]
    return tuple(wells)
