"""Plans of whole nights against their bound and against how most labs plan; and public instances.

python -m benchmarks.planner --plates 32,64 --json

Nights of the bundled lab are compiled from the bundled protocols (`copies` of one plate); abstract
nights are those of `benchmarks.abstract_nights`. Windows are counted by the independent checker.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.abstract_nights import named
from benchmarks.rivals import dispatch, fixed_cycle
from platectl.app.prepare import Options, prepare
from platectl.domain.findings import InputRefusedError
from platectl.planning.problem import Interval, Lag, Moment, Occupation, Plan, Plate, Problem, Task
from platectl.planning.seating import reseated
from platectl.planning.solve import solve
from platectl.planning.verify import broken_windows, violations

INSTANCES = Path(__file__).parent / "instances"
#: proved optimum as it is, and best known without waiting
KNOWN = {"ft06": (55, None), "la01": (666, 971), "la02": (655, 961), "la05": (593, 781)}
ASSAYS = {"binding": ["sigma1-binding"], "calcium": ["fura2-calcium"], "mixed": ["sigma1-binding", "fura2-calcium"]}  # fmt: skip


class _CaughtError(Exception):
    """The problem, on its way out of the compiler."""

    def __init__(self, problem: Problem, template: Mapping[str, Interval]) -> None:
        super().__init__()
        self.problem, self.template = problem, template


def night_of(kind: str, plates: int) -> tuple[Problem, Mapping[str, Interval]]:
    """Problem and template of a night of the bundled lab, with half of each assay if mixed."""
    assays = ASSAYS[kind]
    shares = [plates // len(assays)] * len(assays)
    shares[0] += plates - sum(shares)
    entries = "".join(f"  - {{protocol: {a}, copies: {n}}}\n" for a, n in zip(assays, shares, strict=True))  # fmt: skip

    def catch(problem: Problem, template: Mapping[str, Interval]) -> Plan:
        raise _CaughtError(problem, template)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "night.yaml"
        file.write_text(
            f'platectl: 1\nnight: bench\nstarts: "2026-01-05 18:00"\nplates:\n{entries}'
        )
        try:
            prepare(Options(str(file)), planner=catch)
        except _CaughtError as caught:
            return caught.problem, caught.template
        except InputRefusedError as error:
            raise SystemExit(str(error)) from error
    raise SystemExit("the night was not planned")


def measured(
    name: str,
    plates: int,
    problem: Problem,
    template: Mapping[str, Interval] | None,
    limit_s: float,
) -> dict[str, Any]:
    began = time.perf_counter()
    plan = solve(problem, template=template, limit_s=limit_s)
    wall_s = time.perf_counter() - began
    problem = reseated(problem, plan.seats)
    found = violations(problem, plan.times)
    return {
        "night": name, "plates": plates, "wall_s": round(wall_s, 2),
        "makespan_s": round(plan.makespan_s, 1), "bound_s": round(plan.bound_s, 1),
        "gap": round(plan.gap, 5), "violations": len(found),
        "broken_windows": sum(b[3].hard for b in broken_windows(problem, plan.times)),
        "method": plan.method,
        "rivals": {"list_scheduling": dispatch(problem), "fixed_cycle": fixed_cycle(problem)},
    }  # fmt: skip


def job_shop(text: str, *, waiting: bool) -> Problem:
    """A job shop; without waiting a job is on its next machine at once."""
    rows = [[int(x) for x in line.split()] for line in text.splitlines() if line.strip()]
    (jobs, machines), tasks, lags, stays = rows[0], [], [], []
    for j, row in enumerate(rows[1 : jobs + 1]):
        for k in range(machines):
            task = Task(f"J{j}.{k}", f"J{j}", float(row[2 * k + 1]))
            tasks.append(task)
            stays.append(Occupation(f"M{row[2 * k]}", task.plate, task.id, task.id))
            if k:
                before = Moment(f"J{j}.{k - 1}", 1.0)
                lags.append(Lag(before, Moment(task.id), 0.0, None if waiting else 0.0, "" if waiting else "at once"))  # fmt: skip
    plates = tuple(Plate(f"J{j}") for j in range(jobs))
    return Problem(tuple(tasks), tuple(lags), tuple(stays), plates)


def instances(limit_s: float) -> list[dict[str, Any]]:
    results = []
    for name, known in KNOWN.items():
        text = (INSTANCES / f"{name}.jss").read_text(encoding="utf-8")
        for waiting, best in zip((True, False), known, strict=True):
            problem = job_shop(text, waiting=waiting)
            began = time.perf_counter()
            plan = solve(problem, limit_s=limit_s)
            results.append(
                {"instance": name if waiting else f"{name} without waiting", "known": best,
                 "known_is": "optimum" if waiting else "upper bound",
                 "makespan": round(plan.makespan_s, 3), "bound": round(plan.bound_s, 3),
                 "violations": len(violations(problem, plan.times)), "method": plan.method,
                 "wall_s": round(time.perf_counter() - began, 2)}
            )  # fmt: skip
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", default="4,8,16,32,64")
    parser.add_argument("--kinds", default="binding,calcium,mixed,A,B,AB,Abal,ABE,Aop,E")
    parser.add_argument("--limit", type=float, default=8.0, help="of the solver, in seconds")
    parser.add_argument("--no-instances", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    nights = []
    for kind in options.kinds.split(","):
        for plates in (int(n) for n in options.plates.split(",")):
            problem, template = night_of(kind, plates) if kind in ASSAYS else (named(kind, plates), None)  # fmt: skip
            limit_s = options.limit * (2.5 if plates > 32 else 1)
            row = measured(kind, plates, problem, template, limit_s)
            nights.append(row)
            if not options.json:
                print({k: v for k, v in row.items() if k != "rivals"}, row["rivals"], flush=True)
    known = [] if options.no_instances else instances(options.limit)
    if options.json:
        json.dump({"nights": nights, "instances": known}, sys.stdout, indent=2)
        print()
    else:
        for line in known:
            print(line)


if __name__ == "__main__":
    main()
