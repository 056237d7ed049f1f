"""The night as a model for CP-SAT: when the decisions of all plates fall, on a grid."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from platectl.planning.network import Place
from platectl.planning.problem import Interval, Problem
from platectl.planning.shape import Shape, per_resource

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

#: differences below this many seconds do not cost a step of the grid
CLOSE_S = 1e-4
#: seconds from a decision of one group to that of another: group and place, twice
Crossing = tuple[tuple[int, Place], tuple[int, Place], float]
#: on a resource: group, number of the stay in its shape, interval, units, first and last moment
Entry = tuple[int, int, "cp_model.IntervalVar", int, "cp_model.LinearExpr", "cp_model.LinearExpr"]


@dataclass(slots=True)
class NightModel:
    """Decisions `at[group][point]` in steps of the grid, the end of all, and the price of soft lags."""

    model: cp_model.CpModel
    grid_s: float
    at: list[list[cp_model.IntVar]]
    end: cp_model.IntVar
    cost: cp_model.LinearExpr | int
    shapes: Sequence[Shape]
    latest: int
    short: list[tuple[cp_model.IntVar, int, int, int, int]] = field(default_factory=list)

    def hint(self, decisions: Sequence[Sequence[float]], end_s: float) -> None:
        """Tell the solver a plan."""
        self.model.clear_hints()  # type: ignore[no-untyped-call]  # OR-Tools has no types here
        steps = [[round(x / self.grid_s) for x in row] for row in decisions]
        for variables, values in zip(self.at, steps, strict=True):
            for variable, value in zip(variables[1:], values[1:], strict=True):
                self.model.add_hint(variable, value)
        self.model.add_hint(self.end, math.ceil(end_s / self.grid_s))
        for variable, group, i, j, least in self.short:
            row = steps[group]
            self.model.add_hint(variable, max(0, least - row[j] + row[i]))


def shorter(seconds: float, grid_s: float) -> int:
    """A distance on the grid, no longer than it is: the model allows all that reality does."""
    return math.floor((seconds + CLOSE_S) / grid_s)


def longer(seconds: float, grid_s: float) -> int:
    """A distance on the grid, no shorter than it is."""
    return math.ceil((seconds - CLOSE_S) / grid_s)


def build(
    problem: Problem, shapes: Sequence[Shape], families: Sequence[int], *, horizon_s: float,
    bound_s: float, grid_s: float, overtaking: bool = False, crossings: Sequence[Crossing] = (),
) -> NightModel:  # fmt: skip
    """State the night; no plan of the model ends after `horizon_s`, none can before `bound_s`.

    Plates of a family go through every point in their order, because plans in which they do not
    only swap their names. All distances are rounded down, so that what the model proves to be
    impossible is impossible; the order of a solution is then timed in full seconds.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    latest = longer(horizon_s, grid_s)
    end = model.new_int_var(min(latest, math.floor(bound_s / grid_s)), latest, "end")
    zero = model.new_constant(0)
    at = [
        [zero, *(model.new_int_var(0, latest, f"x{g}_{k}") for k in range(1, shape.size))]
        for g, shape in enumerate(shapes)
    ]
    night = NightModel(model, grid_s, at, end, 0, shapes, latest)
    prices = []
    for g, shape in enumerate(shapes):
        for i, j, least_s in shape.arcs:
            model.add(at[g][j] - at[g][i] >= shorter(least_s, grid_s))
        for k, tail_s in shape.tails:
            model.add(end - at[g][k] >= shorter(tail_s, grid_s))
        for (i, j, least_s), weight in shape.soft:
            least = shorter(least_s, grid_s)
            most = max(0, latest + abs(least))
            short = model.new_int_var(0, most, f"short{g}_{i}_{j}")
            model.add(short >= least - at[g][j] + at[g][i])
            night.short.append((short, g, i, j, least))
            prices.append(short * max(1, round(weight * 10)))
    night.cost = sum(prices) if prices else 0
    for (g, (i, a)), (h, (j, b)), least_s in crossings:
        model.add(at[h][j] - at[g][i] >= shorter(least_s + a - b, grid_s))
    _order(night, families, overtaking=overtaking)
    _resources(night, problem, families, horizon_s, overtaking=overtaking)
    return night


def _order(night: NightModel, families: Sequence[int], *, overtaking: bool) -> None:
    if overtaking:
        return
    for mine in _members(families):
        for p, q in pairwise(mine):
            for k in range(1, night.shapes[p].size):
                night.model.add(night.at[p][k] <= night.at[q][k])


def _members(families: Sequence[int]) -> Iterable[list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for group, family in enumerate(families):
        members[family].append(group)
    return members.values()


def _resources(
    night: NightModel,
    problem: Problem,
    families: Sequence[int],
    horizon_s: float,
    *,
    overtaking: bool,
) -> None:
    model = night.model
    for resource, stays in per_resource(night.shapes).items():
        capacity = problem.capacities.get(resource, 1)
        entries: list[Entry] = []
        for g, k, begin, end, units in stays:
            entry = _entry(night, g, k, begin, end, units)
            if entry is not None:
                entries.append(entry)
        away = [
            _away(model, span, night.grid_s)
            for span in problem.absences.get(resource, ())
            if span[0] < horizon_s
        ]
        if capacity > 1:
            model.add_cumulative(
                [*(e[2] for e in entries), *away],
                [*(e[3] for e in entries), *([capacity] * len(away))],
                capacity,
            )
            continue
        if not overtaking:
            _in_turn(night, entries, families)
        kinds = {(families[e[0]], e[1]) for e in entries}
        if len(kinds) > 1 or away or overtaking:
            model.add_no_overlap([*(e[2] for e in entries), *away])


def _in_turn(night: NightModel, entries: Sequence[Entry], families: Sequence[int]) -> None:
    """The same stay of a family's plates: one after another."""
    alike: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        alike[families[entry[0]], entry[1]].append(entry)
    for mine in alike.values():
        for before, after in pairwise(mine):
            night.model.add(before[5] <= after[4])


def _entry(
    night: NightModel, group: int, number: int, begin: Place, end: Place, units: int
) -> Entry | None:
    model, grid_s = night.model, night.grid_s
    name = f"s{group}_{number}"
    first = night.at[group][begin[0]] + longer(begin[1], grid_s)
    last = night.at[group][end[0]] + shorter(end[1], grid_s)
    if begin[0] == end[0]:
        length = shorter(end[1], grid_s) - longer(begin[1], grid_s)
        if length <= 0:
            return None
        fixed = model.new_fixed_size_interval_var(first, length, name)
        return group, number, fixed, units, first, last
    size = model.new_int_var(0, night.latest, f"l{group}_{number}")
    return group, number, model.new_interval_var(first, size, last, name), units, first, last


def _away(model: cp_model.CpModel, span: Interval, grid_s: float) -> cp_model.IntervalVar:
    begin, end = longer(span[0], grid_s), shorter(span[1], grid_s)
    return model.new_fixed_size_interval_var(begin, max(0, end - begin), "away")
