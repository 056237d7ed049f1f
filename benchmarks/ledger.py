"""What durability of the ledger costs against raw SQLite on the same disk, in one run.

python -m benchmarks.ledger --folder /var/lib/platectl --json

Both append events of 200 bytes, each synced to the disk (WAL, synchronous=FULL). They take turns,
so that a disk that changes its pace changes it for both. `ratio_to_sqlite` is the median over turns.
`overhead_us` is what the engine adds to one action of a driver when the disk need not be waited for:
two entries, two hashes, owner check, gate, state; `bare_call_us` is the same call without the engine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from platectl.domain.events import Event
from platectl.domain.steps import Step
from platectl.engine.bench import StepBench
from platectl.engine.control import Control
from platectl.engine.journal import Journal
from platectl.engine.state import RunState
from platectl.engine.times import StepTimes
from platectl.store.ledger import Ledger
from platectl.transport.wall_clock import WallClock

PAYLOAD = {"action": "a" * 36, "hash": "0" * 64, "bytes": "b" * 60}


def raw_per_s(path: Path, count: int) -> float:
    """Appends per second of SQLite with nothing around it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, data TEXT NOT NULL)")
    text = json.dumps(PAYLOAD)
    began = time.perf_counter()
    for _ in range(count):
        db.execute("INSERT INTO events (data) VALUES (?)", (text,))
    taken_s = time.perf_counter() - began
    db.close()
    return count / taken_s


def ledger_per_s(path: Path, count: int, *, sync: bool) -> float:
    """Appends per second of the ledger."""
    ledger = Ledger(path)
    ledger.claim("benchmark", "now")
    wall = "2026-01-05T18:00:00.000000+00:00"
    began = time.perf_counter()
    for number in range(count):
        ledger.append(Event("action.sent", f"P1.B{number}", wall, 0.5 * number, PAYLOAD), sync=sync)
    taken_s = time.perf_counter() - began
    ledger.close()
    return count / taken_s


class _Unsynced:
    """A ledger that never waits for the disk."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.ledger.claim("benchmark", "now")

    def append(self, event: Event, *, sync: bool = True) -> int:
        """Append without sync, whatever was asked."""
        del sync
        return self.ledger.append(event, sync=False)

    def settle(self) -> None:
        """Leave it to the operating system."""


async def _call() -> None:
    """A driver's verb that has nothing to do."""


async def call_s(count: int) -> float:
    """Seconds for so many bare calls."""
    began = time.perf_counter()
    for _ in range(count):
        await _call()
    return time.perf_counter() - began


async def act_s(path: Path, count: int) -> float:
    """Seconds for so many actions of one step through the engine's bench."""
    sink, state = _Unsynced(path), RunState()
    journal = Journal(sink, clock=WallClock(), state=state, began_s=time.monotonic())
    step = Step(id="P1.B1", kind="dispense", plate="P1", title="", effect="consume", duration_s=1.0)
    bench = StepBench(
        step, journal=journal, instruments={}, times=StepTimes(), gate=Control(),
        bytes_sent=lambda _: "",
    )  # fmt: skip
    began = time.perf_counter()
    for _ in range(count):
        await bench.act("combi", "dispense_columns", _call, volumes_ul={"1": 50.0}, labware="P1")
    taken_s = time.perf_counter() - began
    sink.ledger.close()
    return taken_s


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appends", type=int, default=500, help="of each, in a turn")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk in question")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raw, own, free = [], [], []
    bare, acts = [], []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for turn in range(options.turns):
            raw.append(raw_per_s(folder / "raw.db", options.appends))
            own.append(ledger_per_s(folder / "own.db", options.appends, sync=True))
            free.append(ledger_per_s(folder / "free.db", options.appends, sync=False))
            bare.append(asyncio.run(call_s(options.appends)) / options.appends)
            acts.append(
                asyncio.run(act_s(folder / f"{turn}.db", options.appends)) / options.appends
            )
    report = {
        "sqlite_per_s": round(statistics.median(raw)),
        "ledger_per_s": round(statistics.median(own)),
        "ratio_to_sqlite": round(
            statistics.median(o / r for o, r in zip(own, raw, strict=True)), 3
        ),
        "without_sync_us": round(1e6 / statistics.median(free), 1),
        "bare_call_us": round(1e6 * statistics.median(bare), 2),
        "overhead_us": round(1e6 * (statistics.median(acts) - statistics.median(bare)), 1),
    }
    if options.json:
        print(json.dumps(report))
        return
    print(
        f"{report['ledger_per_s']} durable appends per second, {report['ratio_to_sqlite']} of raw SQLite "
        f"({report['sqlite_per_s']}); without sync {report['without_sync_us']} us each, "
        f"{report['overhead_us']} us for one action of a driver"
    )


if __name__ == "__main__":
    main()
