"""Layouts drawn by lot under constraints: replicates apart, controls as even as the wells allow."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from platectl.domain.errors import UserInputError
from platectl.domain.layout import PLATE, Block, Layout, Randomise, Series
from platectl.domain.wells import parse_well

_STARTS, _MOVES = 6, 6000
#: chance of a move that makes matters worse, so that the search leaves dead ends
_NOISE = 0.01
_SHOWN = 3
#: (what, position -> line or region) over which a control is spread
_REGIONS = (
    ("rows", lambda place: f"row {chr(ord('A') + place[0])}"),
    ("columns", lambda place: f"column {place[1] + 1}"),
    ("halves", lambda place: "the left half" if place[1] < PLATE.columns // 2 else ""),
    ("halves", lambda place: "the upper half" if place[0] < PLATE.rows // 2 else ""),
    ("edges", lambda place: "the edge" if _outer(place) else ""),
)

Place = tuple[int, int]
Group = tuple[str, int]
"""A slot and its dilution step, or a control role and -1."""


class CannotRandomiseError(UserInputError):
    """No layout keeps the constraints, or none was found; the message says which and why."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is moved as one: a series, or a single well; with the group of each of its wells."""

    owner: int
    groups: tuple[Group, ...]


def randomised(layout: Layout, terms: Randomise, plate: str) -> Layout:
    """Draw a layout of the same wells and the same content; seed and plate give the same one again.

    With `scatter: series` whole series change their lines, which keeps pipetting by columns, and
    controls their places among each other; with `wells` every well goes anywhere.

    Raises:
        CannotRandomiseError: No layout can keep the constraints, or none was found.
    """
    _refuse_tied(layout)
    draw = _Draw(
        layout, terms, random.Random(f"{terms.seed}/{plate}")
    )  # to be repeated, not to be secret
    if impossible := list(draw.impossible()):
        raise CannotRandomiseError("; ".join(impossible))
    return draw.layout(draw.search())


def broken(layout: Layout, terms: Randomise, of: Layout) -> list[str]:
    """Constraints that a layout does not keep, in words; `of` is the one that it was drawn from."""
    draw = _Draw(of, terms, random.Random(0))  # nothing is drawn
    members: dict[Group, list[Place]] = defaultdict(list)
    for series in layout.series:
        for step, well in enumerate(series.wells):
            members[series.slot, step].append(parse_well(well))
    for block in layout.controls:
        members[block.role, -1] += [parse_well(well) for well in block.wells]
    return [text for group, places in members.items() for text in draw.complaints(group, places)]


def _refuse_tied(layout: Layout) -> None:
    tied = [b.role for b in layout.controls if isinstance(b.level, str) or isinstance(b.time, str)]
    if tied:
        message = f"the {tied[0]} wells of this layout have their level or time from their row"
        raise CannotRandomiseError(f"{message}; number levels and times well by well")


class _Draw:
    """The units of a layout, the places they can have, and the search among them."""

    def __init__(self, layout: Layout, terms: Randomise, lot: random.Random) -> None:
        self._of = layout
        self._terms = terms
        self._lot = lot
        self._units: list[_Unit] = []
        self._places: list[tuple[Place, ...]] = []
        whole = terms.scatter == "series"
        for number, series in enumerate(layout.series):
            groups = [(series.slot, step) for step in range(len(series.wells))]
            places = [parse_well(well) for well in series.wells]
            if whole:
                self._add(number, groups, places)
            else:
                for group, place in zip(groups, places, strict=True):
                    self._add(number, [group], [place])
        self._series = len(self._units)
        for number, block in enumerate(layout.controls):
            for well in block.wells:
                self._add(len(layout.series) + number, [(block.role, -1)], [parse_well(well)])
        self._shares = _shares([p for i, ps in enumerate(self._places) for p in ps
                                if not whole or i >= self._series])  # fmt: skip
        self._wells = Counter(g for u in self._units for g in u.groups)

    def _add(self, owner: int, groups: Sequence[Group], places: Sequence[Place]) -> None:
        self._units.append(_Unit(owner, tuple(groups)))
        self._places.append(tuple(places))

    def impossible(self) -> Iterator[str]:
        """Why no layout can keep the constraints, where a count is enough to see it."""
        apart, whole = self._terms.apart, self._terms.scatter == "series"
        most = math.ceil(PLATE.rows / apart) * math.ceil(PLATE.columns / apart)
        for (slot, step), count in self._wells.items():
            if step != 0:
                continue
            if whole:
                lines = self._lines(slot)
                needed = (count - 1) * apart + 1
                if count > 1 and lines and needed > lines:
                    yield (f"{count} series of {slot} that lie {apart} apart take {needed} lines, "
                           f"and there are {lines}: lower apart")  # fmt: skip
            elif count > most:
                yield (f"{count} replicates of {slot} cannot lie {apart} apart: a plate of "
                       f"{PLATE.size} has {most} such wells")  # fmt: skip
            elif self._terms.lines and count > min(PLATE.rows, PLATE.columns):
                yield f"{count} replicates of {slot} cannot all have rows and columns of their own"

    def _lines(self, slot: str) -> int:
        """Span of the parallel lines that series as long as those of a slot can take; 0 if mixed."""
        length = next(len(s.wells) for s in self._of.series if s.slot == slot)
        places = [p for p in self._places[: self._series] if len(p) == length]
        rows = {tuple(r for r, _ in p) for p in places}
        columns = {tuple(c for _, c in p) for p in places}
        if len(columns) == 1:
            tops = [p[0][0] for p in places]
        elif len(rows) == 1:
            tops = [p[0][1] for p in places]
        else:
            return 0
        return max(tops) - min(tops) + 1

    def search(self) -> list[int]:
        """Unit of each place.

        Raises:
            CannotRandomiseError: None was found; the message names what stands in the way.
        """
        best: list[str] = []
        for _ in range(_STARTS):
            order = self._shuffled()
            complaints = self._settle(order)
            if not complaints:
                return order
            if not best or len(complaints) < len(best):
                best = complaints
        shown = "; ".join(best[:_SHOWN])
        message = f"no layout was found in {_STARTS} x {_MOVES} tries; the nearest breaks: {shown}"
        raise CannotRandomiseError(message)

    def _shuffled(self) -> list[int]:
        """A random order of the units among places of their size; controls among each other."""
        order = list(range(len(self._units)))
        kinds: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for place in order:
            kinds[self._kind(place)].append(place)
        for places in kinds.values():
            units = list(places)
            self._lot.shuffle(units)
            for place, unit in zip(places, units, strict=True):
                order[place] = unit
        return order

    def _kind(self, place: int) -> tuple[int, bool]:
        mixed = self._terms.scatter == "wells"
        return len(self._places[place]), mixed or place < self._series

    def _settle(self, order: list[int]) -> list[str]:
        """Swap units until nothing is broken, or the moves are used up; returns what is broken."""
        members = self._members(order)
        costs = {group: self._cost(group, places) for group, places in members.items()}
        kinds = [self._kind(place) for place in range(len(order))]
        peers: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for place, kind in enumerate(kinds):
            peers[kind].append(place)
        for _ in range(_MOVES):
            bad = [p for p, u in enumerate(order) if any(costs[g] for g in self._units[u].groups)]
            if not bad:
                return []
            first = self._lot.choice(bad)
            second = self._lot.choice(peers[kinds[first]])
            self._try(order, first, second, members, costs)
        return [
            text for group, places in members.items() for text in self.complaints(group, places)
        ]

    def _try(
        self, order: list[int], first: int, second: int, members: dict[Group, list[Place]],
        costs: dict[Group, int],
    ) -> None:  # fmt: skip
        """Swap two units if that is no worse."""
        units = [self._units[order[place]] for place in (first, second)]
        if units[0].groups == units[1].groups:
            return
        touched = dict.fromkeys((*units[0].groups, *units[1].groups))
        moved = {group: list(members[group]) for group in touched}
        for unit, here, there in ((units[0], first, second), (units[1], second, first)):
            for index, group in enumerate(unit.groups):
                moved[group].remove(self._places[here][index])
            for index, group in enumerate(unit.groups):
                moved[group].append(self._places[there][index])
        after = {group: self._cost(group, places) for group, places in moved.items()}
        worse = sum(after.values()) - sum(costs[group] for group in touched)
        if worse <= 0 or self._lot.random() < _NOISE:
            order[first], order[second] = order[second], order[first]
            members |= moved
            costs |= after

    def _members(self, order: Sequence[int]) -> dict[Group, list[Place]]:
        found: dict[Group, list[Place]] = defaultdict(list)
        for place, unit in enumerate(order):
            for index, group in enumerate(self._units[unit].groups):
                found[group].append(self._places[place][index])
        return dict(found)

    def _cost(self, group: Group, places: Sequence[Place]) -> int:
        return sum(1 for _ in self.complaints(group, places))

    def complaints(self, group: Group, places: Sequence[Place]) -> Iterator[str]:
        """What the wells of one group break."""
        slot, step = group
        if step >= 0:
            yield from self._replicates(slot, step, places)
        elif self._terms.balanced:
            yield from self._uneven(slot, places)

    def _replicates(self, slot: str, step: int, places: Sequence[Place]) -> Iterator[str]:
        lines = self._terms.lines and self._terms.scatter == "wells"
        for (r0, c0), (r1, c1) in combinations(places, 2):
            distance = max(abs(r0 - r1), abs(c0 - c1))
            if distance < self._terms.apart:
                yield f"replicates of {slot}, step {step + 1}, lie {distance} apart"
            elif lines and (r0 == r1 or c0 == c1):
                yield f"replicates of {slot}, step {step + 1}, share a line"

    def _uneven(self, role: str, places: Sequence[Place]) -> Iterator[str]:
        for number, (what, region) in enumerate(_REGIONS):
            counts = Counter(map(region, places))
            for name, share in self._shares[number].items():
                wanted = len(places) * share
                if name and abs(counts[name] - wanted) >= 1.0 - 1e-9:
                    yield f"{role} is not even over {what}: {counts[name]} in {name}"

    def layout(self, order: Sequence[int]) -> Layout:
        """The layout of an order, with everything else as it was."""
        wells: dict[int, dict[Group, list[str]]] = defaultdict(lambda: defaultdict(list))
        for place, number in enumerate(order):
            unit = self._units[number]
            for index, group in enumerate(unit.groups):
                row, column = self._places[place][index]
                wells[unit.owner][group].append(f"{chr(ord('A') + row)}{column + 1}")
        first = len(self._of.series)
        series = [
            Series(slot=s.slot, replicate=s.replicate,
                   wells=tuple(wells[n][s.slot, step][0] for step in range(len(s.wells))))
            for n, s in enumerate(self._of.series)
        ]  # fmt: skip
        controls = [_moved(block, wells[first + n][block.role, -1])
                    for n, block in enumerate(self._of.controls)]  # fmt: skip
        said = (
            f"{self._of.description}; {self._terms}" if self._of.description else str(self._terms)
        )
        return Layout(description=said, series=tuple(series), controls=tuple(controls))


def _moved(block: Block, wells: Sequence[str]) -> Block:
    return block.model_copy(update={"wells": tuple(sorted(wells, key=PLATE.index))})


def _outer(place: Place) -> bool:
    return place[0] in {0, PLATE.rows - 1} or place[1] in {0, PLATE.columns - 1}


def _shares(places: Sequence[Place]) -> list[dict[str, float]]:
    """Share of the places that each region has, for each way to part a plate."""
    return [
        {name: count / len(places) for name, count in Counter(map(region, places)).items()}
        for _, region in _REGIONS
    ]
