"""Nights that are killed again and again, at every ledger transition and at random bytes of the wire.

python -m benchmarks.kill --kills 100 --json
python -m benchmarks.kill --kills 2000 --json     # the long one

Two-plate nights of both assays. The instruments are simulated in a process of their own and go on
when the engine process is killed (SIGKILL). Each night is killed many times, every life of its
engine at another point; after each kill `resume` goes on. A person is there who looks at the plates
and answers truthfully what no instrument can say; one answer in eight is left to the clock.

kills: engines killed. repeated: consuming deeds that reached the world more often than in a night
without kills. lost: acknowledged entries, and results of what was not given up, that are missing
afterwards. unverified: ledgers whose chain is broken. held: kills after which a person had to be asked. finished: kills whose night ended as done,
with or without dropped wells and plates. waiting: nights that ended as held, because nobody came to
take a plate out of the way. untrue: questions about actions that were never sent. unfinished:
nights that ended otherwise, with the reason. transitions_killed_at: how many of the `transitions` of an
undisturbed night of each assay were the last entry before a kill; each kill looks for one that was none.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from benchmarks.kill_lab import Lab
from benchmarks.kill_life import Point, key_of, live
from platectl.app.prepare import Night, Options, prepare
from platectl.store.ledger import Ledger

BINDING = """compound,stock_concentration,top_concentration,plate,slot,barcode
(+)-igmesine,10 mM,10 uM,1,,
SA4503,10 mM,10 uM,2,,
"""
CALCIUM = """compound,stock_concentration,top_concentration,plate,slot,barcode
oxotremorine-M,20 mM,30 uM,1,,OXO-0001
bradykinin,1 mM,1 uM,2,,BRA-0001
"""
NIGHTS = {"sigma1-binding": BINDING, "fura2-calcium": CALCIUM}
#: entries that a life may write, on average, before it is killed
STRIDE = 45
LIVES_MOST = 80
#: entries after which results may be missing for a reason that is told
GIVEN_UP = ("plate.dropped", "wells.dropped", "step.skipped")


@dataclass
class Told:
    """What came of one night."""

    protocol: str
    kills: int = 0
    repeated: list[str] = field(default_factory=list)
    lost: int = 0
    unverified: int = 0
    held: int = 0
    untrue: int = 0
    finished: bool = False
    waiting: bool = False
    ending: str = ""
    dropped: int = 0
    points: list[Point] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)


class Course:
    """Nights of one assay: prepared once, and what an undisturbed one does to the world."""

    def __init__(self, protocol: str, folder: Path, lab_file: Path | None = None) -> None:
        sheet = folder / f"{protocol}.csv"
        sheet.write_text(NIGHTS[protocol])
        self.protocol = protocol
        self.night: Night = prepare(Options(protocol, samples=sheet, lab=lab_file))
        with Lab(self.night, folder / f"{protocol}-reference", random.Random(0)) as lab:
            code = live(self.night, lab, None, first=True, truthful=True)
            self.deeds = lab.deeds()
            lines = entries(lab.folder)[0]
            self.results, self.transitions = results(lines), transitions(lines)
        self.killed_at: set[str] = set()
        if code != 0:
            raise SystemExit(f"the undisturbed night of {protocol} ended with {code}")

    def killed(self, folder: Path, seed: int, most: int) -> Told:
        """One night, killed up to `most` times."""
        rng = random.Random(seed)
        told = Told(self.protocol)
        before: list[str] = []
        with Lab(self.night, folder, rng) as lab:
            for life in range(LIVES_MOST):
                point = _point(rng, self.killed_at) if told.kills < most else None
                code = live(self.night, lab, point, first=not before, truthful=rng.random() < 7 / 8)
                now, whole = entries(folder)
                told.lost += sum(a != b for a, b in zip(before, now, strict=False))
                told.lost += max(0, len(before) - len(now))
                told.unverified += not whole
                told.held += any('"question.asked"' in line for line in now[len(before) :])
                told.untrue += untrue(now)
                before = now
                if point is not None and code < 0:
                    told.kills += 1
                    told.points.append(point)
                    told.reached |= transitions(now[-1:]) & self.transitions
                    self.killed_at |= told.reached
                    continue
                told.ending = f"exit {code} in life {life}"
                break
            told.repeated = repeated(lab.deeds(), self.deeds)
            told.finished = '"run.finished"' in before[-1]
            told.waiting = '"run.held"' in before[-1]
            if told.finished and not any(
                f'"{kind}"' in line for line in before for kind in GIVEN_UP
            ):
                told.lost += len(self.results - results(before))
            told.dropped = sum('"plate.dropped"' in line for line in before)
            if not told.finished and not told.waiting:
                told.ending += f" after {told.points}: {lab.complaint()}"
        return told


def _point(rng: random.Random, known: set[str]) -> Point:
    if rng.random() < 1 / 3:
        return Point("byte", int(rng.expovariate(1 / 9000)) + 1)
    kind = "before entry" if rng.random() < 1 / 2 else "after entry"
    return Point(kind, 1 + int(rng.random() * 2 * STRIDE), frozenset(known))


def entries(folder: Path) -> tuple[list[str], bool]:
    """All entries of a ledger as text, and whether its chain is whole."""
    path = folder / "ledger.db"
    if not path.exists():
        return [], True
    ledger = Ledger(path)
    try:
        lines = [json.dumps([e.kind, e.step, e.wall, dict(e.data)]) for e in ledger.events()]
        return lines, ledger.verify() is None
    finally:
        ledger.close()


def results(lines: list[str]) -> set[str]:
    """What was measured: each well that was counted, each frame that was read."""
    found = set()
    for kind, step, _, data in map(json.loads, lines):
        if kind == "reading.taken":
            found.add(f"{step} {data['labware']} {data['well']}")
        elif kind == "frame.taken":
            found.add(f"{step} {data['index']} {data['channel']} {data['wells'][0]}")
    return found


def transitions(lines: list[str]) -> set[str]:
    """The transitions of a night."""
    return {key_of(kind, step, data) for kind, step, _, data in map(json.loads, lines)}


def untrue(lines: list[str]) -> int:
    """Questions whose step sent nothing before."""
    sent, wrong = set[str](), 0
    for kind, step, _, _ in map(json.loads, lines):
        if kind == "action.sent":
            sent.add(step)
        wrong += kind == "question.asked" and step not in sent
    return wrong


def repeated(deeds: Counter[str], once: Counter[str]) -> list[str]:
    """Deeds that were done more often than in an undisturbed night."""
    return [f"{deed} x{n} instead of {once[deed]}" for deed, n in deeds.items() if n > once[deed]]


#: filled before workers are forked
COURSES: list[Course] = []


def one_night(number: int, folder: Path, most: int) -> Told:
    """One night of the courses in turn, in a worker."""
    return COURSES[number % len(COURSES)].killed(folder, number, most)


def run(
    kills: int, folder: Path, *, per_night: int, jobs: int, lab: Path | None = None
) -> list[Told]:
    """Kill until there are enough."""
    courses = [Course(protocol, folder, lab) for protocol in NIGHTS]
    tolds: list[Told] = []
    number = 0
    COURSES.extend(courses)
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        while (done := sum(t.kills for t in tolds)) < kills:
            missing = kills - done
            wave = max(1, min(jobs * 2, -(-missing // per_night)))
            futures = []
            for _ in range(wave):
                most = min(per_night, missing)
                futures.append(pool.submit(one_night, number, folder / f"n{number}", most))
                number += 1
            tolds += [future.result() for future in futures]
    return tolds


def summary(tolds: list[Told], seconds: float) -> dict[str, Any]:
    """The figures."""
    return {
        "kills": sum(t.kills for t in tolds),
        "repeated": sum(len(t.repeated) for t in tolds),
        "lost": sum(t.lost for t in tolds),
        "unverified": sum(t.unverified for t in tolds),
        "held": sum(t.held for t in tolds),
        "finished": sum(t.kills for t in tolds if t.finished),
        "untrue": sum(t.untrue for t in tolds),
        "nights": len(tolds),
        "dropped_plates": sum(t.dropped for t in tolds),
        "points": dict(Counter(point.kind for t in tolds for point in t.points)),
        "transitions_killed_at": sum(
            len(set[str]().union(*(t.reached for t in tolds if t.protocol == name)))
            for name in NIGHTS
        ),
        "transitions": sum(len(course.transitions) for course in COURSES),
        "waiting": sum(t.waiting for t in tolds),
        "unfinished": [
            f"{t.protocol}: {t.ending}" for t in tolds if not t.finished and not t.waiting
        ],
        "repetitions": [text for t in tolds for text in t.repeated][:20],
        "seconds": round(seconds, 1),
    }


def main() -> int:
    """Run, print, and say whether anything was doubled, lost or broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-night", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--lab", type=Path, help="a simulated lab; default: the bundled one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="platectl-kill-") as folder:
        tolds = run(
            asked.kills, Path(folder), per_night=asked.per_night, jobs=asked.jobs, lab=asked.lab
        )
    found = summary(tolds, time.perf_counter() - began)
    if asked.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:>15}: {value}")
    bad = found["repeated"] or found["lost"] or found["unverified"] or found["untrue"]
    return 1 if bad or found["unfinished"] else 0


if __name__ == "__main__":
    sys.exit(main())
