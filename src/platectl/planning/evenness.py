"""Whether wells are as even over lines, halves and the edge of a plate as all wells are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from platectl.domain.layout import PLATE
from platectl.domain.wells import well_name

Place = tuple[int, int]
"""Row and column of a well, from 0."""
ROWS, COLUMNS, LEFT, UPPER, EDGE = EVERYWHERE = tuple(range(5))
_WHAT = ("rows", "columns", "halves", "halves", "edges")


def _regions(place: Place) -> tuple[str, ...]:
    """Line or region of a well for each way to part a plate; empty outside of the named one."""
    row, column = place
    outer = row in {0, PLATE.rows - 1} or column in {0, PLATE.columns - 1}
    return (
        f"row {well_name(row, 0)[:-1]}",
        f"column {column + 1}",
        "the left half" if column < PLATE.columns // 2 else "",
        "the upper half" if row < PLATE.rows // 2 else "",
        "the edge" if outer else "",
    )


_PLACES = tuple(product(range(PLATE.rows), range(PLATE.columns)))
_OF = tuple({place: _regions(place)[number] for place in _PLACES} for number in EVERYWHERE)


def shares_of(places: Sequence[Place]) -> list[dict[str, float]]:
    """Share of the places that each region has, for each way to part a plate."""
    return [
        {name: count / len(places) for name, count in Counter(map(of.__getitem__, places)).items()}
        for of in _OF
    ]


def uneven(
    places: Sequence[Place], ways: Sequence[int], shares: Sequence[dict[str, float]]
) -> Iterator[str]:
    """Regions that have a whole well more or less than their share, in words."""
    for way in ways:
        counts = Counter(map(_OF[way].__getitem__, places))
        for name, share in shares[way].items():
            if name and abs(counts[name] - len(places) * share) >= 1.0 - 1e-9:
                yield f"{_WHAT[way]}: {counts[name]} in {name}"
