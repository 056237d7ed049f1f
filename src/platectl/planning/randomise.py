"""Layouts drawn by lot under constraints: replicates apart, controls as even as the wells allow."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from platectl.domain.layout import PLATE, Block, Layout, Randomise, Series
from platectl.domain.wells import parse_well, well_name
from platectl.planning.evenness import (
    COLUMNS,
    EDGE,
    EVERYWHERE,
    LEFT,
    UPPER,
    Place,
    shares_of,
    uneven,
)
from platectl.planning.ties import (
    CannotRandomiseError,
    Cell,
    Ties,
    cells_of,
    drawn_rows,
    told,
)

#: searches and their moves, and the chance of one that makes matters worse, so that it leaves dead ends
_STARTS, _MOVES, _NOISE = 6, 6000, 0.01
#: the same where wells have levels or times, of which much more is asked; what is worse by one is rarer by e^-4
_DESIGN_STARTS, _DESIGN_MOVES, _DESIGN_COLD = 10, 15_000, 4.0
_SHOWN = 3

Home = tuple[str, int, int, int | None]
"""Series and dilution step, or control block with level and time, that a well belongs to."""


class Group(NamedTuple):
    """Wells that something is asked of together.

    `regions` are those over which they are even; `own_row` whether each can have a row of its own;
    `wanted` how many aliquots tell a level.
    """

    kind: Literal["replicates", "control", "aliquots"]
    name: str
    regions: tuple[int, ...] = ()
    own_row: bool = True
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is moved as one: a series, a column or a single well; home and groups of each well."""

    homes: tuple[Home, ...]
    groups: tuple[tuple[Group, ...], ...]


def randomised(layout: Layout, terms: Randomise, plate: str, ties: Ties = Ties()) -> Layout:  # noqa: B008 frozen
    """Draw a layout of the same wells and the same content; seed and plate give the same one again.

    With `scatter: series` whole series change their lines, which keeps pipetting by columns, and
    controls their places among each other; with `wells` every well goes anywhere. Wells that have
    their level or time from their row move as whole columns with `series`, and rows draw what they
    have; with `wells` rows still draw their times, and wells with a time stay in the row that has it.

    Raises:
        CannotRandomiseError: No layout can keep the constraints, none was found, or nothing is free.
    """
    lot = random.Random(f"{terms.seed}/{plate}")  # to be repeated, not to be secret
    before = cells_of(layout, terms)
    cells = drawn_rows(layout, before, terms, ties, lot)
    draw = _Draw(layout, cells, terms, lot, ties)
    if cells == before and draw.settled():
        tie = "each row has its level or time, of which there is one, and " * any(
            c.strip is not None or c.time is not None for c in cells
        )
        raise CannotRandomiseError(
            f"nothing of this layout can change places: {tie}what can is alike"
        )
    if impossible := list(draw.impossible()):
        raise CannotRandomiseError("; ".join(impossible))
    return draw.layout(draw.search())


def broken(layout: Layout, terms: Randomise, of: Layout, ties: Ties = Ties()) -> list[str]:  # noqa: B008 frozen
    """Constraints that a layout does not keep, in words; `of` is the one that it was drawn from."""
    asked = cells_of(of, terms)
    draw = _Draw(of, asked, terms, random.Random(0), ties)  # nothing is drawn
    members: dict[Group, list[Place]] = defaultdict(list)
    for series in layout.series:
        for step, well in enumerate(series.wells):
            members[_of_series(series, step)].append(parse_well(well))
    whole = {cell.role for cell in asked if cell.strip is not None}
    for cell in cells_of(layout, terms):
        for group in draw.groups_of(cell, whole=cell.role in whole):
            members[group].append((cell.row, cell.column))
    return [text for group, places in members.items() for text in draw.complaints(group, places)]


def _of_series(series: Series, step: int) -> Group:
    return Group("replicates", f"{series.slot}, step {step + 1}")


class _Draw:
    """The units of a layout, the places they can have, and the search among them."""

    def __init__(
        self, layout: Layout, cells: Sequence[Cell], terms: Randomise, lot: random.Random, ties: Ties
    ) -> None:  # fmt: skip
        self._of = layout
        self._terms = terms
        self._lot = lot
        self._ties = ties
        self._units: list[_Unit] = []
        self._places: list[tuple[Place, ...]] = []
        self._kinds: list[tuple[object, ...]] = []
        self._designed = {c.role for c in cells
                          if {(o.level, o.time) for o in cells if o.role == c.role} != {(c.level, c.time)}}  # fmt: skip
        self._starts = _DESIGN_STARTS if self._designed else _STARTS
        self._moves = _DESIGN_MOVES if self._designed else _MOVES
        self._wanted = Counter[int]()
        for cell in cells:
            self._wanted[cell.level] += ties.aliquots.get(cell.column + 1, 0)
        whole = terms.scatter == "series"
        for number, series in enumerate(layout.series):
            homes: list[Home] = [
                ("series", number, step, None) for step in range(len(series.wells))
            ]
            groups = [(_of_series(series, step),) for step in range(len(series.wells))]
            places = [parse_well(well) for well in series.wells]
            if whole:
                self._add((len(places), "series"), homes, groups, places)
            else:
                for home, group, place in zip(homes, groups, places, strict=True):
                    self._add(("well", None), [home], [group], [place])
        self._series = len(self._units)
        self._add_cells(cells)
        self._shares = shares_of([p for i, ps in enumerate(self._places) for p in ps
                                if not whole or i >= self._series])  # fmt: skip
        self._wells = Counter(g for u in self._units for gs in u.groups for g in gs)

    def _add_cells(self, cells: Sequence[Cell]) -> None:
        strips: dict[tuple[int, int], list[Cell]] = defaultdict(list)
        for cell in cells:
            if cell.strip is not None:
                strips[cell.block, cell.strip].append(cell)
                continue
            self._add_wells(("well", None if cell.time is None else cell.row), [cell])
        for wells in strips.values():
            self._add_wells(("strip", *(cell.row for cell in wells)), wells)

    def _add_wells(self, kind: tuple[object, ...], cells: Sequence[Cell]) -> None:
        homes: list[Home] = [("control", c.block, c.level, c.time) for c in cells]
        groups = [self.groups_of(c, whole=c.strip is not None) for c in cells]
        self._add(kind, homes, groups, [(c.row, c.column) for c in cells])

    def _add(
        self, kind: tuple[object, ...], homes: Sequence[Home],
        groups: Sequence[tuple[Group, ...]], places: Sequence[Place],
    ) -> None:  # fmt: skip
        self._units.append(_Unit(tuple(homes), tuple(groups)))
        self._places.append(tuple(places))
        self._kinds.append(kind)

    def groups_of(self, cell: Cell, *, whole: bool) -> tuple[Group, ...]:
        """What a control well belongs to; `whole` if it moves with its column."""
        regions = tuple(r for r in EVERYWHERE if r != COLUMNS) if whole else EVERYWHERE
        groups = [Group("control", cell.role, regions)]
        if cell.role in self._designed:
            free = not whole and cell.time is None
            name = f"{cell.role}, level {cell.level + 1}"
            if cell.time is not None:
                name += f", time {cell.time + 1}"
            regions = (LEFT, UPPER, EDGE) if free else (LEFT,)
            groups.append(Group("replicates", name, regions, own_row=free))
        if self._ties.aliquots:
            wanted = self._wanted[cell.level]
            groups.append(Group("aliquots", f"level {cell.level + 1}", wanted=wanted))
        return tuple(groups)

    def settled(self) -> bool:
        """Whether no two units of different content could change places."""
        content: dict[tuple[object, ...], set[object]] = defaultdict(set)
        for kind, unit in zip(self._kinds, self._units, strict=True):
            content[kind].add(unit.groups)
        return all(len(found) == 1 for found in content.values())

    def impossible(self) -> Iterator[str]:
        """Why no layout can keep the constraints, where a count is enough to see it."""
        slots = dict.fromkeys(s.slot for s in self._of.series)
        for slot in slots:
            count = sum(s.slot == slot for s in self._of.series)
            yield from self._too_many(slot, count)
        apart = self._terms.apart
        for group, count in self._wells.items():
            if group.kind == "replicates" and not group.own_row and "time" in group.name:
                needed = (count - 1) * apart + 1
                if needed > PLATE.columns:
                    yield (f"{count} replicates of {group.name}, share the row of that time and take {needed} "
                           f"wells to lie {apart} apart; a row has {PLATE.columns}: lower apart")  # fmt: skip
                    return

    def _too_many(self, slot: str, count: int) -> Iterator[str]:
        apart = self._terms.apart
        most = math.ceil(PLATE.rows / apart) * math.ceil(PLATE.columns / apart)
        if self._terms.scatter == "series":
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
        for _ in range(self._starts):
            order = self._shuffled()
            complaints = self._settle(order)
            if not complaints:
                return order
            if not best or len(complaints) < len(best):
                best = complaints
        shown = "; ".join(best[:_SHOWN])
        message = f"no layout was found in {self._starts} x {self._moves} tries; the nearest breaks: {shown}"
        raise CannotRandomiseError(message)

    def _shuffled(self) -> list[int]:
        """A random order of the units among places of their kind."""
        order = list(range(len(self._units)))
        kinds: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for place, kind in enumerate(self._kinds):
            kinds[kind].append(place)
        for places in kinds.values():
            units = list(places)
            self._lot.shuffle(units)
            for place, unit in zip(places, units, strict=True):
                order[place] = unit
        return order

    def _settle(self, order: list[int]) -> list[str]:
        """Swap units until nothing is broken, or the moves are used up; returns what is broken."""
        members = self._members(order)
        costs = {group: self._cost(group, places) for group, places in members.items()}
        peers: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for place, kind in enumerate(self._kinds):
            peers[kind].append(place)
        for _ in range(self._moves):
            bad = [
                p
                for p, u in enumerate(order)
                if any(costs[g] for gs in self._units[u].groups for g in gs)
            ]
            if not bad:
                return []
            first = self._lot.choice(bad)
            second = self._lot.choice(peers[self._kinds[first]])
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
        touched = dict.fromkeys(g for unit in units for gs in unit.groups for g in gs)
        moved = {group: list(members[group]) for group in touched}
        for unit, here, there in ((units[0], first, second), (units[1], second, first)):
            for index, groups in enumerate(unit.groups):
                for group in groups:
                    moved[group].remove(self._places[here][index])
            for index, groups in enumerate(unit.groups):
                for group in groups:
                    moved[group].append(self._places[there][index])
        after = {group: self._cost(group, places) for group, places in moved.items()}
        worse = sum(after.values()) - sum(costs[group] for group in touched)
        chance = math.exp(-_DESIGN_COLD * worse) if self._designed else _NOISE
        if worse <= 0 or self._lot.random() < chance:
            order[first], order[second] = order[second], order[first]
            members |= moved
            costs |= after

    def _members(self, order: Sequence[int]) -> dict[Group, list[Place]]:
        found: dict[Group, list[Place]] = defaultdict(list)
        for place, unit in enumerate(order):
            for index, groups in enumerate(self._units[unit].groups):
                for group in groups:
                    found[group].append(self._places[place][index])
        return dict(found)

    def _cost(self, group: Group, places: Sequence[Place]) -> int:
        return sum(1 for _ in self.complaints(group, places))

    def complaints(self, group: Group, places: Sequence[Place]) -> Iterator[str]:
        """What the wells of one group break."""
        if group.kind == "replicates":
            yield from self._replicates(group, places)
        if group.kind == "aliquots":
            found = sum(self._ties.aliquots.get(column + 1, 0) for _, column in places)
            if found != group.wanted:
                yield f"{group.name} has {found} aliquots instead of {group.wanted}"
        elif self._terms.balanced:
            for where in uneven(places, group.regions, self._shares):
                yield f"{group.name} is not even over {where}"

    def _replicates(self, group: Group, places: Sequence[Place]) -> Iterator[str]:
        lines = self._terms.lines and self._terms.scatter == "wells"
        for (r0, c0), (r1, c1) in combinations(places, 2):
            distance = max(abs(r0 - r1), abs(c0 - c1))
            if distance < self._terms.apart:
                yield f"replicates of {group.name}, lie {distance} apart"
            elif lines and (c0 == c1 or (group.own_row and r0 == r1)):
                yield f"replicates of {group.name}, share a line"

    def layout(self, order: Sequence[int]) -> Layout:
        """The layout of an order, with everything else as it was."""
        wells: dict[Home, list[str]] = defaultdict(list)
        for place, number in enumerate(order):
            for home, (row, column) in zip(
                self._units[number].homes, self._places[place], strict=True
            ):
                wells[home].append(well_name(row, column))
        series = [
            Series(slot=s.slot, replicate=s.replicate,
                   wells=tuple(wells["series", n, step, None][0] for step in range(len(s.wells))))
            for n, s in enumerate(self._of.series)
        ]  # fmt: skip
        parts = sorted(
            (h for h in wells if h[0] == "control"), key=lambda h: (h[1], h[2], h[3] or 0)
        )
        controls = [_moved(self._of.controls[h[1]], h, wells[h]) for h in parts]
        said, was = told(self._of, self._terms), self._of.description
        description = f"{said}; drawn from: {was}" if was else said
        return Layout(description=description, series=tuple(series), controls=tuple(controls))


def _moved(block: Block, home: Home, wells: Sequence[str]) -> Block:
    _, _, level, time = home
    ordered = tuple(sorted(wells, key=PLATE.index))
    return block.model_copy(update={"wells": ordered, "level": level, "time": time})
