"""Rehearsed nights with jitter and faults, and what the audit of their ledgers finds.

python -m benchmarks.rehearsals --nights 200 --json

Mixed nights of binding and calcium plates: durations vary (instruments 5 %, people 40 %), and the
lines fail at random. nights, status: how they ended. windows_broken: hard windows of plates that
went on. unsound: what must never be (a position used twice, labware on labware, a plate lost, a
window that broke unannounced, a step before its time), with the seed of the night. stuck: nights
that ended neither as done nor as held for a person (one whose instruments do not answer at the
start is not begun, and nothing was moved). dropped: plates given up, with reasons.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import structlog

from platectl.app.outlook import outlook
from platectl.app.prepare import Options, prepare
from platectl.app.rehearse import NOT_BEGUN, Conditions, rehearse

NIGHT = """platectl: 1
night: rehearsal
starts: "2026-01-05 18:00"
plates:
  - {{protocol: sigma1-binding, priority: 1, copies: {binding}}}
  - {{protocol: fura2-calcium, priority: 2, copies: {calcium}}}
"""


def measure(
    *, nights: int, faults: int, seed: int, jobs: int, plates: tuple[int, int]
) -> dict[str, Any]:
    """Rehearse and sum up."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "night.yaml"
        path.write_text(NIGHT.format(binding=plates[0], calcium=plates[1]), encoding="utf-8")
        night = prepare(Options(str(path)))
    conditions = Conditions(faults, instruments_sd=0.05, people_sd=0.4)
    found = list(rehearse(night, nights=nights, conditions=conditions, seed=seed, jobs=jobs))
    summary = outlook(found)
    return {
        "nights": nights,
        "plates": sum(plates),
        "faults": faults,
        "status": dict(Counter(n.status for n in found)),
        "windows_broken": sum(n.broken_windows for n in found),
        "all_windows_kept": summary.all_windows_kept and summary.all_windows_kept.share,
        "dropped": sum(len(n.dropped) for n in found),
        "replanned": sum(n.replanned for n in found),
        "unsound": {n.seed: list(n.unsound) for n in found if n.unsound},
        "stuck": [n.seed for n in found if n.status not in {"done", "held", NOT_BEGUN}],
        "wall_s": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--faults", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plates", default="1,2", help="binding and calcium plates of each night")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    binding, calcium = map(int, asked.plates.split(","))
    found = measure(nights=asked.nights, faults=asked.faults, seed=asked.seed, jobs=asked.jobs,
                    plates=(binding, calcium))  # fmt: skip
    print(json.dumps(found) if asked.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
