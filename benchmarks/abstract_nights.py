"""Nights without a lab: plates as chains of visits, carried by an arm or a person.

The kinds of night are those of the study that chose the planner's formulation (A binding, B
calcium, AB both with a common reader, Abal with more counters, ABE with an ELISA as third assay,
Aop carried by a person, E bound by its arm). Its durations are not published; those here are ours,
so that makespans can be compared between methods, not with the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay at a device: work, longest stay afterwards, and the span since the work before ended.

    `places` above 1 are those of a hotel, dryer or incubator. `by` carries the plate there.
    """

    device: str
    work_s: float
    stay_s: float | None = None
    span_s: tuple[float, float] | None = None
    places: int = 1


def _visits(*rows: tuple[str, float, float | None, tuple[float, float] | None, int]) -> list[Visit]:
    return [
        Visit(d, w * MINUTE_S, None if s is None else s * MINUTE_S,
              None if p is None else (p[0] * MINUTE_S, p[1] * MINUTE_S), n)
        for d, w, s, p, n in rows
    ]  # fmt: skip


def binding(counter: str = "counter", harvester: str = "harvester") -> list[Visit]:
    """Prepare, incubate 60 min, harvest, dry, rest in the dark, count 53 min."""
    return _visits(
        ("deck", 20, 5, None, 1), ("dispenser", 1, 5, None, 1), ("shaker", 60, 4, (0, 12), 4),
        (harvester, 4, 10, (0, 10), 1), ("dryer", 60, None, None, 4), ("sealer", 2, None, None, 1),
        ("dark", 30, None, (0, 60), 40), (counter, 53, None, None, 1),
    )  # fmt: skip


def calcium(reader: str = "reader") -> list[Visit]:
    """Load dye 45 min, wash, de-esterify, read 14 min soon after the wash."""
    return _visits(
        ("washer", 2, 5, None, 1), ("incubator", 45, 10, (0, 10), 8), ("washer", 3, 3, (0, 5), 1),
        ("rest", 15, 10, (0, 5), 8), (reader, 14, None, (0, 25), 1),
    )  # fmt: skip


def elisa() -> list[Visit]:
    """Four washes with incubations between them, substrate, read on the minute."""
    rows: list[tuple[str, float, float | None, tuple[float, float] | None, int]] = []
    for minutes in (10.0, 8.0, 6.0):
        rows += [("dispenser2", 1, 2, None, 1), ("shaker2", minutes, 3, (0, 4), 3), ("washer2", 2, 2, (0, 5), 1)]  # fmt: skip
    return _visits(*rows, ("dispenser2", 1, 1, None, 1), ("reader2", 2, None, (0, 6), 1))


def night(assays: Sequence[list[Visit]], *, mover: str = "arm", move_s: float = 40.0) -> Problem:
    """A problem with one plate for each entry."""
    tasks: list[Task] = []
    lags: list[Lag] = []
    stays: list[Occupation] = []
    capacities: dict[str, int] = {}
    for number, visits in enumerate(assays, 1):
        plate = f"P{number}"
        for k, visit in enumerate(visits):
            move, work, out = f"{plate}.m{k}", f"{plate}.w{k}", f"{plate}.m{k + 1}"
            uses = {visit.device: 1} if visit.places > 1 else {}
            capacities.update(dict.fromkeys(uses, visit.places))
            tasks += [Task(move, plate, move_s), Task(work, plate, visit.work_s)]
            stays.append(Occupation(mover, plate, move, move))
            if uses:
                stay = f"{plate}.s{k}"
                tasks.append(Task(stay, plate, visit.work_s + 2 * move_s, uses, elastic=True))
                lags += [Lag(Moment(move), Moment(stay), 0.0, 0.0),
                         Lag(Moment(out, 1.0), Moment(stay, 1.0), 0.0, 0.0)]  # fmt: skip
            else:
                stays.append(Occupation(visit.device, plate, move, out))
            lags.append(Lag(Moment(move, 1.0), Moment(work), 0.0, 0.0))
            lags.append(Lag(Moment(work, 1.0), Moment(out), 0.0, visit.stay_s, f"stay{k}" if visit.stay_s is not None else ""))  # fmt: skip
            if visit.span_s and k:
                lags.append(Lag(Moment(f"{plate}.w{k - 1}", 1.0), Moment(work), *visit.span_s, f"window{k}"))  # fmt: skip
        last = f"{plate}.m{len(visits)}"
        tasks.append(Task(last, plate, move_s))
        stays.append(Occupation(mover, plate, last, last))
    plates = tuple(Plate(f"P{n}") for n in range(1, len(assays) + 1))
    return Problem(tuple(tasks), tuple(lags), tuple(stays), plates, capacities)


def named(kind: str, plates: int) -> Problem:
    """A night by its letter."""
    two, three = plates // 2, plates // 3
    a, b, e = binding(), calcium(), elisa()
    nights = {
        "A": lambda: night([a] * plates),
        "B": lambda: night([b] * plates),
        "AB": lambda: night([binding(counter="reader")] * two + [b] * (plates - two)),
        "Abal": lambda: night([binding(counter=f"counter{n % 2}") for n in range(plates)]),
        "ABE": lambda: night([a] * three + [b] * three + [e] * (plates - 2 * three)),
        "Aop": lambda: night([binding(harvester="person")] * plates, mover="person", move_s=60.0),
        "E": lambda: night([e] * plates),
    }
    return nights[kind]()
