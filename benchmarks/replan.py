"""Half of a night is done and one step is late: how soon is there a plan, and how good is it?

python -m benchmarks.replan --plates 32 --json

`first_s` is the time to the repaired old plan, `wall_s` that of the whole re-planning.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.abstract_nights import named
from benchmarks.planner import ASSAYS, night_of
from platectl.planning.problem import Interval, Problem
from platectl.planning.repair import repair
from platectl.planning.replan import replan, softened
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows, violations


def halfway(
    problem: Problem, times: Mapping[str, Interval], now_s: float, late_s: float
) -> Problem:
    """The problem at a moment of its plan; the step that has run longest is late."""
    elastic = {task.id for task in problem.tasks if task.elastic}
    running = {
        name: (begin, now_s if name in elastic else end)
        for name, (begin, end) in times.items()
        if begin < now_s < end
    }
    busy = sorted((span, name) for name, span in running.items() if name not in elastic)
    if busy:
        (begin, end), name = busy[0]
        running[name] = (begin, end + late_s)
    fixed = {name: span for name, span in times.items() if span[1] <= now_s}
    return replace(problem, fixed=fixed, running=running, now_s=now_s)


def measured(kind: str, plates: int, late_s: float, limit_s: float) -> dict[str, Any]:
    """Re-plan a night in its middle."""
    problem, template = night_of(kind, plates) if kind in ASSAYS else (named(kind, plates), None)
    old = solve(problem, template=template, limit_s=limit_s)
    half = halfway(problem, old.times, old.makespan_s / 2, late_s)
    began = time.perf_counter()
    first = repair(half, old.times)
    first_s = time.perf_counter() - began
    began = time.perf_counter()
    plan = replan(half, old.times, limit_s=limit_s)
    wall_s = time.perf_counter() - began
    broken = [b for b in broken_windows(half, plan.times) if b[3].hard]
    return {
        "night": kind, "plates": plates, "late_s": late_s, "begun": len(half.fixed),
        "first_s": round(first_s, 3), "first_makespan_s": None if first.broken else round(first.makespan_s, 1),
        "wall_s": round(wall_s, 2), "makespan_s": round(plan.makespan_s, 1),
        "bound_s": round(plan.bound_s, 1), "gap": round(plan.gap, 5), "method": plan.method,
        "broken_windows": len(broken), "plates_hit": sorted({b[0] for b in broken}),
        "violations": len(violations(softened(half), plan.times)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", default="32")
    parser.add_argument("--kinds", default="binding,calcium,mixed,A,B,AB,ABE")
    parser.add_argument("--late", default="300,1800", help="seconds")
    parser.add_argument("--limit", type=float, default=4.0, help="of the solver, in seconds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for kind in options.kinds.split(","):
        for plates in (int(n) for n in options.plates.split(",")):
            for late_s in (float(s) for s in options.late.split(",")):
                rows.append(measured(kind, plates, late_s, options.limit))
                if not options.json:
                    print(rows[-1], flush=True)
    if options.json:
        json.dump({"nights": rows}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
