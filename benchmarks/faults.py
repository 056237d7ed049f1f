"""What does each driver say when its line fails? Every instrument by every fault of a line.

python -m benchmarks.faults [--json] [--instrument NAME] [--everywhere]

For each driver a clean rehearsal of one verb shows what goes over the line; then each fault strikes
at several places of that conversation: the first send (`first`), the command that does it (`act`:
without what comes after it the world changes, without it not), half of it (`half`), the answer to it
(`answer`), the send just before the world changes (`wait`), the last send (`last`) and answer (`end`).
The cell is the class of what the verb raised, or `ok` if it succeeded and the world is as after
the rehearsal. Then the driver, and one of a new process, are asked what became of it (`not_done*`: it
remembers, doing it again finishes it); what is not done is done, otherwise a second verb follows on
the same line. A driver that waits for files has the faults of their folder. A defect is an error without a type, a verb that does not end, a
success that is none, something done twice, and a verdict that is wrong. Exit code 1 if there is one.
With `--everywhere` faults strike at every send and every answer, which takes a minute.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from platectl import registry
from platectl.conformance.strikes import SHORT, Found, defects_of, row_of
from platectl.domain.policy import ErrorKind
from platectl.files.policy import load_policy


def decision(found: Found) -> str:
    """What the engine does next: by the instrument's own word, else by the bundled night orders."""
    if found.outcome == "ok":
        return "go on"
    word = found.verdicts[0] if found.verdicts else ""
    if word == "done":
        return "taken as done"
    if word == "running":
        return "followed to its end"
    if word.startswith("not_done") or word.endswith("*"):
        return "done again"
    kind: ErrorKind = {"RefusedError": "refused", "InstrumentFaultError": "fault"}.get(
        found.outcome, "in_doubt"
    )  # type: ignore[assignment]  # all three are kinds
    rule = load_policy(None).rule_for(error=kind, effect="consume", kind="", code="", attempt=9)
    return f"ask a person, else {rule.default}" if rule.then == "ask" else rule.then


def summary(rows: Mapping[str, Mapping[str, Mapping[str, Found]]]) -> dict[str, Any]:
    """What is printed with `--json`; a cell is a fault of an instrument, with all its places."""
    matrix = {
        name: {
            kind: {
                place: {"outcome": found.outcome, "decision": decision(found)}
                | ({"verdict": found.verdicts} if found.verdicts else {})
                | ({"again": found.again} if found.again else {})
                for place, found in cells.items()
            }
            for kind, cells in row.items()
        }
        for name, row in rows.items()
    }
    return {
        "cells": sum(len(row) for row in rows.values()),
        "strikes": sum(len(cells) for row in rows.values() for cells in row.values()),
        "decisions": Counter(
            decision(f) for row in rows.values() for cells in row.values() for f in cells.values()
        ),
        "defects": [line for name, row in rows.items() for line in defects_of(name, row)],
        "matrix": matrix,
    }


def show(rows: Mapping[str, Mapping[str, Mapping[str, Found]]]) -> None:
    """Print the matrix: in each cell what was raised at its places, `!` marks a defect."""
    width = max(map(len, rows), default=0) + 1
    for name, row in rows.items():
        print(name)
        for kind, cells in row.items():
            words = [
                f"{place} {SHORT.get(found.outcome, found.outcome)}{'!' if found.defects else ''}"
                + (f" ({'/'.join(found.verdicts)})" if found.verdicts else "")
                for place, found in cells.items()
            ]
            print(f"{'':{width}}{kind:12}{', '.join(words)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instrument", choices=registry.names(registry.SCENES))
    parser.add_argument("--everywhere", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    without = set(registry.names()) - set(registry.names(registry.SCENES))
    if without:
        sys.exit(
            f"no scene for {', '.join(sorted(without))}; enrol one in the group platectl.scenes"
        )
    begun_s = time.perf_counter()
    chosen = [name for name in registry.names(registry.SCENES) if given.instrument in {None, name}]
    rows = {name: row_of(name, all_places=given.everywhere) for name in chosen}
    result = summary(rows)
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        show(rows)
        for line in result["defects"]:
            print("DEFECT", line)
        for what, times in result["decisions"].most_common():
            print(f"{times:5} x {what}")
        print(
            f"{result['cells']} cells, {result['strikes']} strikes, {len(result['defects'])} defects"
            f" in {time.perf_counter() - begun_s:.1f} s"
        )
    sys.exit(1 if result["defects"] else 0)


if __name__ == "__main__":
    main()
