"""Stands for `platectl run` and `resume` where only the daemon is looked at.

Each run has a ledger like a real one, and writes down in a common file what it does to the world.
One in five dies in the middle of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from platectl.domain.events import Event, EventKind
from platectl.store.ledger import Ledger

WORLD = "world.log"
SLOW_S = 2.0


def main() -> int:
    """Do what was asked."""
    words = sys.argv[1:]
    if "--needs" in words:
        print(json.dumps({"lab": "stub", "instruments": instruments(words[1]), "planned_s": 1.0}))
        return 0
    store = Path(words[words.index("--store") + 1])
    if words[0] == "resume":
        return finish(store, words[1])
    name = words[words.index("--name") + 1]
    say(store, "begin", name)
    ledger = Ledger(store / name / "ledger.db")
    ledger.claim("stub", now())
    note(ledger, "run.started", {"clock_s": 0.0, "epoch": 1})
    time.sleep(SLOW_S if name.startswith("slow") else 0.02 + (crc32(name.encode()) % 10) / 50)
    if not name.startswith("slow") and crc32(name.encode()) % 5 == 0:
        say(store, "end", name)
        os._exit(9)
    return finish(store, name)


def finish(store: Path, name: str) -> int:
    """Do the one thing that must be done once, and end."""
    ledger = Ledger(store / name / "ledger.db")
    say(store, "deed", name)
    note(ledger, "run.finished", {})
    ledger.close()
    say(store, "end", name)
    return 0


def instruments(title: str) -> list[str]:
    """What a run uses: one of three instruments, or two of them."""
    number = crc32(title.encode())
    return sorted({f"i{number % 3}", f"i{number // 3 % 3}"})


def note(ledger: Ledger, kind: EventKind, data: dict[str, object]) -> None:
    """Add an entry."""
    ledger.append(Event(kind, "", now(), 0.0, data))


def say(store: Path, what: str, name: str) -> None:
    """Write down what is done to the world; one write, so that nothing is torn."""
    with (store / WORLD).open("ab", buffering=0) as world:
        world.write(f"{time.monotonic():.6f} {what} {name}\n".encode())


def now() -> str:
    """Wall time."""
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    sys.exit(main())
