"""Why there is no plan: the fewest demands that cannot be kept together.

Most often arithmetic shows it. Otherwise CP-SAT is asked: each demand hangs on a literal. The solver names literals that suffice for the contradiction; then
one after another is dropped as long as the rest still contradicts itself. What remains is necessary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platectl.domain.errors import NoPlanError
from platectl.planning.contradiction import contradictory, demands_of, only, shrunk, with_order_kept
from platectl.planning.model import longer, shorter
from platectl.planning.network import Cause, Network, Stay, network_of
from platectl.planning.problem import Problem
from platectl.planning.solve import has_solver, solve

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

#: steps of the grid; coarser than for plans, because proofs of contradiction grow with it
STEPS = 20_000
#: demands of nature; nobody can drop them
FACTS = frozenset({"duration", "begun"})


@dataclass(frozen=True, slots=True)
class Conflict:
    """Demands that contradict one another; `minimal` if dropping any one of them helps."""

    causes: tuple[Cause, ...]
    minimal: bool


def find_conflict(problem: Problem, *, limit_s: float = 10.0) -> Conflict | None:
    """The demands behind an infeasible problem; None if it has a plan, or time was too short.

    A cause is ("window", number of the lag), ("not_after" or "not_before", plate), ("absence",
    resource) or ("resource", resource).
    """
    problem = with_order_kept(problem)
    demands = demands_of(problem)
    if contradictory(problem):
        kept = shrunk(demands, lambda some: contradictory(only(problem, some)))
        return Conflict(tuple(kept), _necessary(problem, kept))
    return _searched(problem, limit_s) if has_solver() else None


def _necessary(problem: Problem, causes: Sequence[Cause]) -> bool:
    """Whether there is a plan as soon as any one cause is dropped."""
    for cause in causes:
        try:
            solve(only(problem, [c for c in causes if c != cause]), limit_s=1.0, effort=0)
        except NoPlanError:
            return False
    return True


def _searched(problem: Problem, limit_s: float) -> Conflict | None:
    """What the solver finds."""
    demands = _Demands(problem, limit_s)
    causes = demands.contradiction(demands.all)
    if causes is None:
        return None
    kept, minimal = list(causes), True
    for cause in list(causes):
        rest = [c for c in kept if c != cause]
        again = demands.contradiction(rest)
        if again is not None:
            kept = [c for c in rest if c in again]
        minimal = minimal and demands.sure
    return Conflict(tuple(kept), minimal)


class _Demands:
    """The model with a literal for each demand."""

    def __init__(self, problem: Problem, limit_s: float) -> None:
        from ortools.sat.python import cp_model

        self.problem, self.limit_s, self.sure = problem, limit_s, True
        self.model = cp_model.CpModel()
        self.net = network_of(problem)
        horizon_s = _horizon(problem, self.net)
        self.grid_s = float(max(1, longer(horizon_s, STEPS)))
        self.latest = longer(horizon_s, self.grid_s)
        zero = self.model.new_constant(0)
        self.at = [
            zero,
            *(self.model.new_int_var(0, self.latest, f"x{k}") for k in range(1, self.net.size)),
        ]
        self.literals: dict[Cause, cp_model.IntVar] = {}
        for (i, j, least_s), cause in zip(self.net.arcs, self.net.causes, strict=True):
            demand = self.model.add(self.at[j] - self.at[i] >= shorter(least_s, self.grid_s))
            name = self._cause(cause)
            if name is not None:
                demand.only_enforce_if(self._literal(name))
        by_resource: dict[str, list[Stay]] = defaultdict(list)
        for stay in self.net.stays:
            by_resource[stay.resource].append(stay)
        for resource, stays in by_resource.items():
            self._watch(resource, stays)
        self.all = list(self.literals)

    def _cause(self, cause: Cause) -> Cause | None:
        kind, name = cause
        if kind in FACTS or (kind == "not_before" and not self._released(name)):
            return None
        if kind == "lag":
            return ("window", name) if self.problem.lags[int(name)].window else None
        return cause

    def _released(self, plate: str) -> bool:
        return any(p.name == plate and p.not_before_s > 0 for p in self.problem.plates)

    def _literal(self, cause: Cause) -> cp_model.IntVar:
        if cause not in self.literals:
            self.literals[cause] = self.model.new_bool_var(f"{cause[0]}:{cause[1]}")
        return self.literals[cause]

    def _watch(self, resource: str, stays: Sequence[Stay]) -> None:
        capacity = self.problem.capacities.get(resource, 1)
        spans = [(stay, self._span(stay, k)) for k, stay in enumerate(stays)]
        kept = [(stay, *span) for stay, span in spans if span is not None]
        if sum(stay.units for stay in stays) > capacity and len({s.plate for s in stays}) > 1:
            here = self._literal(("resource", resource))
            guarded = [
                self.model.new_optional_interval_var(first, size, last, here, f"o{resource}{k}")
                for k, (_, first, size, last) in enumerate(kept)
            ]
            if capacity == 1:
                self.model.add_no_overlap(guarded)
            else:
                units = [stay.units for stay, *_ in kept]
                self.model.add_cumulative(guarded, units, capacity)
        for k, (gone, back) in enumerate(self.problem.absences.get(resource, ())):
            begin, end = longer(gone, self.grid_s), shorter(back, self.grid_s)
            if end <= begin or begin > self.latest:
                continue
            literal = self._literal(("absence", resource))
            for m, (_, first, size, last) in enumerate(kept):
                away = self.model.new_optional_fixed_size_interval_var(
                    begin, end - begin, literal, f"a{resource}{k}"
                )
                stay = self.model.new_interval_var(first, size, last, f"i{resource}{k}{m}")
                self.model.add_no_overlap([stay, away])

    def _span(
        self, stay: Stay, number: int
    ) -> tuple[cp_model.LinearExpr, cp_model.LinearExpr | int, cp_model.LinearExpr] | None:
        first = self.at[stay.begin[0]] + longer(stay.begin[1], self.grid_s)
        last = self.at[stay.end[0]] + shorter(stay.end[1], self.grid_s)
        if stay.begin[0] == stay.end[0]:
            length = shorter(stay.end[1], self.grid_s) - longer(stay.begin[1], self.grid_s)
            return (first, length, last) if length > 0 else None
        size = self.model.new_int_var(0, self.latest, f"l{stay.resource}{number}")
        return first, size, last

    def contradiction(self, causes: Sequence[Cause]) -> list[Cause] | None:
        """Causes among these that suffice for a contradiction; None if there is a plan, or no proof."""
        from ortools.sat.python import cp_model

        from platectl.planning.search import solver_of

        self.model.clear_assumptions()
        self.model.add_assumptions([self.literals[c] for c in causes])
        solver = solver_of(self.limit_s)
        status = solver.solve(self.model)
        self.sure = status != cp_model.UNKNOWN
        if status != cp_model.INFEASIBLE:
            return None
        indices = set(solver.sufficient_assumptions_for_infeasibility())
        found = [c for c in causes if self.literals[c].index in indices]
        return found or list(causes)


def _horizon(problem: Problem, net: Network) -> float:
    """Time enough for everything one after another, and for every absence and release."""
    away = sum(b - a for spans in problem.absences.values() for a, b in spans if b < 7 * 86400)
    last = max((b for spans in problem.absences.values() for _, b in spans if b < 7 * 86400), default=0.0)  # fmt: skip
    begins = max((plate.not_before_s for plate in problem.plates), default=0.0)
    work = sum(max(0.0, least) for _, _, least in net.arcs if least > 0)
    work += sum(max(0.0, end[1] - net.begin[name][1]) for name, end in net.end.items())
    return problem.now_s + begins + min(away, last) + last + work + 1.0
