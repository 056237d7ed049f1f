"""Random labs and assays: chains of visits carried by an arm, with windows, absences and deadlines."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import strategies as st

from platectl.planning.problem import Lag, Moment, Occupation, Plate, Problem, Task

ARM_S = 10.0


@dataclass(frozen=True)
class Visit:
    """A stay at a device: least length, longest stay, and a window to the visit before."""

    device: str
    work_s: float
    stay_s: float | None
    window: tuple[float, float] | None = None


def problem_of_visits(
    assays: list[list[Visit]], *, capacities: dict[str, int] | None = None,
    absences: dict[str, tuple[tuple[float, float], ...]] | None = None,
    deadlines: list[float | None] | None = None,
) -> Problem:  # fmt: skip
    """One plate for each entry; moves between visits by the arm, devices held from move to move."""
    tasks: list[Task] = []
    lags: list[Lag] = []
    stays: list[Occupation] = []
    plates: list[Plate] = []
    for number, visits in enumerate(assays, 1):
        name = f"P{number}"
        plates.append(Plate(name, not_after_s=deadlines[number - 1] if deadlines else None))
        for k, visit in enumerate(visits):
            move, work, out = f"{name}.m{k}", f"{name}.w{k}", f"{name}.m{k + 1}"
            tasks += [Task(move, name, ARM_S), Task(work, name, visit.work_s, elastic=visit.stay_s is None)]  # fmt: skip
            stays.append(Occupation("arm", name, move, move))
            used = capacities and capacities.get(visit.device, 1) > 1
            if not used:
                stays.append(Occupation(visit.device, name, move, out))
            lags.append(Lag(Moment(move, 1.0), Moment(work), 0.0, 0.0))
            longest = None if visit.stay_s is None else visit.stay_s
            lags.append(Lag(Moment(work, 1.0), Moment(out), 0.0, longest, f"stay{k}" if longest is not None else ""))  # fmt: skip
            if used:
                tasks[-1] = Task(work, name, visit.work_s, {visit.device: 1}, visit.stay_s is None)
            if visit.window is not None and k:
                lags.append(Lag(Moment(f"{name}.w{k - 1}", 1.0), Moment(work), *visit.window, f"window{k}"))  # fmt: skip
        last = f"{name}.m{len(visits)}"
        tasks.append(Task(last, name, ARM_S))
        stays.append(Occupation("arm", name, last, last))
    return Problem(
        tuple(tasks), tuple(lags), tuple(stays), tuple(plates), capacities or {}, absences or {}
    )


def random_problem(seed: int, *, plates: int = 4, capacity: bool = False, away: bool = False) -> Problem:  # fmt: skip
    """A problem that has a plan: windows fit the visits, and no deadline."""
    dice = random.Random(seed)
    assays = []
    for _ in range(dice.randint(1, 2)):
        visits = []
        for k in range(dice.randint(2, 5)):
            work_s = float(dice.randrange(10, 200, 5))
            stay_s = dice.choice([None, 0.0, 60.0, 300.0])
            window = (0.0, ARM_S + 300.0 + dice.randrange(0, 100)) if k and dice.random() < 0.5 else None  # fmt: skip
            visits.append(Visit(dice.choice("ABCD"), work_s, stay_s, window))
        assays.append(_passable(visits))
    capacities = {"C": 2} if capacity else {}
    absences = {dice.choice(["arm", "A"]): ((300.0, 500.0), (1200.0, 1500.0))} if away else {}
    return problem_of_visits(
        [dice.choice(assays) for _ in range(dice.randint(2, plates))],
        capacities=capacities, absences=absences,
    )  # fmt: skip


def _passable(visits: list[Visit]) -> list[Visit]:
    """No device twice in a row, which would wait for itself."""
    found = [visits[0]]
    for visit in visits[1:]:
        if visit.device != found[-1].device:
            found.append(visit)
    return found


problems = st.builds(
    random_problem, st.integers(0, 10**6), capacity=st.booleans(), away=st.booleans()
)
