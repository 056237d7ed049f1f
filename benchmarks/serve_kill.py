"""The daemon is killed (SIGKILL) again and again; runs go on, and a new daemon takes over.

python -m benchmarks.serve_kill --kills 50 --json

The daemon is the real one, with its book, its scheduler and its child processes; what it begins is
a small program with a ledger (benchmarks/serve_stub.py), of which one in five dies in mid-run. Each
life of the daemon ends before or after one of its commits, before or after it makes a process, or
at any time. Between lives somebody submits more, by hand and by schedule.

kills: daemons killed. submissions, runs: what was asked for, and what began. doubled: runs begun
twice, or whose one deed was done twice. lost: submissions and starts of schedules that did not come
to their end, or nobody was told of. overlaps: runs that had an instrument at the same time. points:
how the lives ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.serve_stub import WORLD, instruments
from platectl.app import processes
from platectl.app.serve import Service
from platectl.nights.book import Book
from platectl.nights.calendar import Once
from platectl.nights.daemon import Manners
from platectl.nights.queue import Queue
from platectl.nights.schedules import Schedule, Schedules
from platectl.nights.submission import Subject

STUB = (sys.executable, str(Path(__file__).with_name("serve_stub.py")))
KINDS = ("before commit", "after commit", "before process", "after process", "any time")
LONGEST_LIFE_S = 3.0
STANDSTILL_S = 30.0


def live(store: Path, kind: str, number: int) -> int:
    """Begin one life of a daemon that ends at its n-th event of a kind; returns its process."""
    pid = os.fork()
    if pid:
        return pid
    left = [number]

    def strike(where: str) -> None:
        if where == kind:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    class MortalBook(Book):
        def commit(self) -> None:
            strike("before commit")
            super().commit()
            strike("after commit")

    class MortalPopen(subprocess.Popen[bytes]):
        def __init__(self, words: list[str], **more: Any) -> None:
            strike("before process")
            super().__init__(words, **more)
            strike("after process")

    processes.subprocess.Popen = MortalPopen  # type: ignore[misc, attr-defined]  # the killer's own
    code = 1
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        Service(store, STUB, manners=Manners(every_s=0.1), open_book=MortalBook).run()
        code = 0
    finally:
        os._exit(code)


def submit(store: Path, number: int, rng: random.Random) -> int:
    """More work, by hand and by schedule; returns how much."""
    now = datetime.now(UTC)
    with Book(store) as book:
        queue = Queue(book)
        queue.submit(Subject((f"hand-{number}",)), now, priority=rng.randrange(3))
        at = now + timedelta(seconds=rng.randrange(1, 4))
        timing = Once(local=at.replace(tzinfo=None), zone="UTC")
        Schedules(book, queue).add(
            Schedule(f"s{number}", timing, Subject((f"clock-{number}",)), "late", 3600), now
        )
    return 2


def wait(pid: int, seconds: float) -> bool:
    """Whether a life ends by itself in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    return False


def kill(store: Path, kills: int, rng: random.Random) -> tuple[Counter[str], int]:
    """Lives that are killed; returns how they ended, and how much was submitted."""
    points: Counter[str] = Counter()
    asked = 0
    for number in range(kills):
        asked += submit(store, number, rng)
        kind = rng.choice(KINDS)
        pid = live(store, kind, 1 + rng.randrange(2 if "process" in kind else 12))
        life_s = rng.random() if kind == "any time" else LONGEST_LIFE_S
        if not wait(pid, life_s):
            kind = "any time"
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        points[kind] += 1
    return points, asked


def last_life(store: Path, asked: int) -> int:
    """A life that is not killed, while it comes to something; returns the exit code after SIGTERM."""
    pid = live(store, "", 0)
    done, since = 0, time.monotonic()
    with Book(store) as book:
        queue = Queue(book)
        while done < asked and time.monotonic() < since + STANDSTILL_S:
            if (now := len(queue.all("done"))) > done:
                done, since = now, time.monotonic()
            time.sleep(0.1)
        time.sleep(0.3)
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def judge(store: Path, asked: int) -> dict[str, Any]:
    """What the world and the book say."""
    said = [line.split() for line in (store / WORLD).read_text().splitlines()]
    counts = Counter((what, name) for _, what, name in said)
    with Book(store) as book:
        queue = Queue(book)
        submissions = queue.all()
        starts = Schedules(book, queue).starts("submitted", "missed", "asked", "skipped")
        told = {row["mark"] for row in book.read("SELECT mark FROM notices WHERE sent IS NOT NULL")}
        lent = queue.leases.all()
    done = {str(s.run): s for s in submissions if s.state == "done"}
    begun = {name for what, name in counts if what == "begin"}
    lost = [f"submission {s.id} is {s.state}: {s.reason}" for s in submissions if s.state != "done"]
    lost += [f"{s.id} is {s.state}" for s in starts if s.state != "submitted"]
    lost += [f"nobody heard of {s.run}" for s in done.values() if f"end:{s.id}" not in told]
    lost += [f"{run} did nothing" for run in done if counts["deed", run] == 0]
    lost += [f"{asked - len(submissions)} submissions"] * (asked > len(submissions))
    lost += [f"{key} is still lent" for key in lent]
    doubled = [f"{what} {name} x{n}" for (what, name), n in counts.items()
               if what in {"begin", "deed"} and n > 1]  # fmt: skip
    doubled += [f"{run} belongs to nothing" for run in begun - done.keys()]
    doubled += [f"{len(submissions) - asked} submissions"] * (asked < len(submissions))
    return {
        "submissions": len(submissions), "runs": len(begun), "resumed": sum(
            s.tries > 1 for s in submissions), "doubled": doubled, "lost": lost,
        "overlaps": overlaps(said, {run: s.subject.title for run, s in done.items()}),
    }  # fmt: skip


def overlaps(said: list[list[str]], titles: dict[str, str]) -> list[str]:
    """Runs that began while another had one of their instruments."""
    holders: dict[str, str] = {}
    found = []
    for _, what, name in sorted(said, key=lambda line: float(line[0])):
        for instrument in instruments(titles.get(name, name)):
            other = holders.get(instrument)
            if what == "begin" and other not in {None, name}:
                found.append(f"{name} and {other} on {instrument}")
            if what in {"begin", "deed"}:
                holders[instrument] = name
            elif other == name:
                del holders[instrument]
    return found


def main() -> int:
    """Run, print, and say whether anything was doubled or lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="platectl-serve-") as folder:
        store = Path(folder)
        points, asked = kill(store, options.kills, random.Random(options.seed))
        code = last_life(store, asked)
        found = judge(store, asked)
    found = {"kills": sum(points.values()), **found, "points": dict(points), "exit_code": code,
             "seconds": round(time.perf_counter() - began, 1)}  # fmt: skip
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:>12}: {value}")
    return 1 if found["doubled"] or found["lost"] or found["overlaps"] or code else 0


if __name__ == "__main__":
    sys.exit(main())
