"""Rehearses nights in virtual time through the real engine and drivers: jitter, and faults of the lines."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import structlog

from platectl.app.audit import audit
from platectl.app.drive import Finished, used_instruments
from platectl.app.evaluation import EvaluatedPlate
from platectl.app.night import execute
from platectl.app.prepare import Night
from platectl.app.run_report import deviations
from platectl.domain.errors import LinkError, UserInputError
from platectl.domain.events import Event
from platectl.engine.ending import RunOutcome
from platectl.report.rows import result_rows
from platectl.simkit.line_faults import random_line_fault
from platectl.simkit.world.truth import LINE, FaultEntry, Timing

#: sends of a wire among which a fault strikes
SENDS = 120
#: status of a night whose instruments did not answer at the start; nothing was moved
NOT_BEGUN = "not begun"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rehearsed night is put to: faults of the lines, and the spread of durations."""

    faults: int = 0
    instruments_sd: float = 0.0
    people_sd: float = 0.0


@dataclass(frozen=True, slots=True)
class WindowSeen:
    """A hard window as it went; `left_s` is what was left of it, negative when it was broken."""

    plate: str
    window: str
    left_s: float
    broken: bool


@dataclass(frozen=True, slots=True)
class ResultSeen:
    """A constant of a plate; `fold` is the 95 % interval as upper over lower, None when open."""

    plate: str
    compound: str
    quantity: str
    value: float | None
    fold: float | None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How one rehearsed night went.

    `struck` are its faults, `asked` the questions to people, `unsound` what the audit found.
    """

    seed: int
    struck: tuple[str, ...]
    status: str
    error: str
    end_s: float
    asked: tuple[str, ...]
    dropped: tuple[str, ...]
    lost_wells: int
    broken_windows: int
    plates_with_result: int
    replanned: int
    deviations: tuple[str, ...]
    windows: tuple[WindowSeen, ...]
    results: tuple[ResultSeen, ...]
    z_prime: tuple[tuple[str, float], ...]
    unsound: tuple[str, ...]


def rehearse(
    night: Night, *, nights: int, conditions: Conditions, seed: int, jobs: int = 1
) -> Iterator[Rehearsed]:
    """Run seeded nights, `jobs` at a time; the same seed is the same night.

    Raises:
        UserInputError: The night was prepared for a real lab, not for its simulated twin.
    """
    if night.truth is None:
        raise UserInputError("a real lab is rehearsed as its simulated twin only")
    one = partial(rehearse_one, night, conditions)
    numbers = range(seed, seed + nights)
    if jobs == 1:
        yield from map(one, numbers)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_hush) as pool:
        yield from pool.map(one, numbers)


def _hush() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def rehearse_one(night: Night, conditions: Conditions, seed: int) -> Rehearsed:
    """Run one night; one whose instruments do not answer at the start is not begun."""
    struck = _faults(night, conditions.faults, random.Random(seed))
    try:
        finished = play(night, conditions, seed, struck)
    except LinkError as error:
        finished = Finished(RunOutcome("failed", str(error)), [], [], "", "")
    return _rehearsed(night, seed, struck, finished)


def play(
    night: Night, conditions: Conditions, seed: int, struck: tuple[FaultEntry, ...]
) -> Finished:
    """Run one night and give back everything that came of it.

    Raises:
        LinkError: Instruments did not answer at the start; nothing was moved.
    """
    if night.truth is None:
        raise UserInputError("a real lab is rehearsed as its simulated twin only")
    timing = Timing(instruments_sd=conditions.instruments_sd, people_sd=conditions.people_sd)
    truth = night.truth.model_copy(
        update={"faults": (*night.truth.faults, *struck), "timing": timing}
    )
    with tempfile.TemporaryDirectory(prefix="platectl-rehearsal-") as folder:
        return execute(
            replace(night, truth=truth, seed=seed), Path(folder) / "night",
            record_wire=False, ledger_path=":memory:",
        )  # fmt: skip


def _faults(night: Night, number: int, rng: random.Random) -> tuple[FaultEntry, ...]:
    lab = night.compiled.lab
    wired = [
        n
        for n in used_instruments(night.compiled)
        if not lab.instruments[n].address.startswith(("drop:", "none:"))
    ]
    entries = []
    for _ in range(number):
        fault = asdict(random_line_fault(rng, sends=SENDS))
        kind, after, times = f"{LINE}{fault.pop('kind')}", fault.pop("after"), fault.pop("times")
        entries.append(
            FaultEntry(
                instrument=rng.choice(wired), kind=kind, after=after, times=times, data=fault
            )
        )
    return tuple(entries)


def _rehearsed(
    night: Night, seed: int, struck: tuple[FaultEntry, ...], finished: Finished
) -> Rehearsed:
    events = finished.events
    windows = tuple(_windows(night, events))
    return Rehearsed(
        seed=seed,
        struck=tuple(
            f"{f.instrument} {f.kind.removeprefix(LINE)} at send {f.after}" for f in struck
        ),
        status=finished.outcome.status if events else NOT_BEGUN,
        error=finished.outcome.error,
        end_s=events[-1].monotonic_s if events else 0.0,
        asked=tuple(str(e.data["text"]) for e in events if e.kind == "question.asked"),
        dropped=tuple(finished.outcome.dropped),
        lost_wells=sum(len(e.data["wells"]) for e in events if e.kind == "wells.dropped"),
        broken_windows=sum(w.broken for w in windows),
        plates_with_result=sum(plate.result is not None for plate in finished.plates),
        replanned=sum(e.kind == "plan.changed" for e in events),
        deviations=tuple(deviations(night.compiled, events)),
        windows=windows,
        results=tuple(_results(finished.plates)),
        z_prime=tuple(_z_primes(finished.plates)),
        unsound=tuple(audit(night.compiled, events)),
    )


def _windows(night: Night, events: list[Event]) -> Iterator[WindowSeen]:
    """Hard windows with an end, as long as their plate went on."""
    limits = {(w.plate, w.name): w for w in night.compiled.windows if w.hard}
    given_up: set[str] = set()
    for event in events:
        if event.kind == "plate.dropped":
            given_up.add(event.data["plate"])
        if event.kind not in {"window.kept", "window.broken"} or not event.data["hard"]:
            continue
        if event.data["plate"] in given_up:
            continue
        window = limits[event.data["plate"], event.data["window"]]
        broken = event.kind == "window.broken"
        if window.at_most_s is not None or broken:
            most_s = window.at_most_s if window.at_most_s is not None else float("inf")
            left_s = most_s - event.data["elapsed_s"]
            yield WindowSeen(window.plate, window.name, left_s, broken)


def _results(plates: list[EvaluatedPlate]) -> Iterator[ResultSeen]:
    shown = [p.report() for p in plates]
    for row in result_rows(shown):
        lower, upper = row["lower"], row["upper"]
        fold = upper / lower if lower and upper else None
        yield ResultSeen(row["plate"], row["compound"], row["quantity"], row["value"], fold)


def _z_primes(plates: list[EvaluatedPlate]) -> Iterator[tuple[str, float]]:
    for plate in plates:
        for metric in getattr(plate.result, "qc", ()):
            if metric.name == "z_prime" and metric.value is not None:
                yield plate.plan.name, float(metric.value)
