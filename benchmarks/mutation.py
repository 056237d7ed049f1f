"""Do the tests of a driver see a bug in it? Six kinds of bugs are seeded into each driver.

python -m benchmarks.mutation [--json] [--driver NAME] [--jobs 2]

Bugs are found in the source (the ends of lines, strict numbers, checks of lengths, codes of faults,
prefixes) or declared (`benchmarks/mutant_table.py`, which also says where a kind does not exist). Each is
applied alone to a copy of the drivers, and the driver's own tests, its simulator's and its conformance are
run on the copy until one fails. A bug that none of them sees survives: exit code 1. A few edits that are
found change nothing; they are listed with the reason, and not run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from benchmarks import instrument_table
from benchmarks.mutants import KINDS, Mutant, absent, equal, mutants_of
from platectl import registry

ROOT: Final = Path(__file__).parents[1]
LIMIT_S: Final = 120.0
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a bug: `killed` by a test, `survived`, or `broken` if nothing could run."""

    mutant: Mutant
    fate: str
    by: str

    def told(self) -> dict[str, Any]:
        """For JSON."""
        mutant = self.mutant
        where = f"{mutant.file}:{mutant.line}"
        return {"driver": mutant.driver, "kind": mutant.kind, "where": where, "bug": mutant.text,
                "fate": self.fate, "by": self.by}  # fmt: skip


def tests_of(driver: str) -> list[str]:
    """What pytest is told."""
    files = [str(path.relative_to(ROOT)) for path in instrument_table.files_of(driver)]
    if driver in registry.names(registry.SCENES):
        files += ["src/platectl/conformance", "--driver", driver]
    return files


def run_tests(driver: str, drivers: Path) -> tuple[int, str]:
    """Run the tests of a driver on a copy of the drivers: exit code, and which failed first."""
    roots = [drivers, *(ROOT / name for name in ("src", "simulators", "protocols"))]
    path = os.pathsep.join([*map(str, roots), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {
        **os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(drivers / "hypothesis"),
    }  # fmt: skip
    words = ("-x", "-q", "-rfE", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--no-header")
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *words, *tests_of(driver)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"no end within {LIMIT_S:g} s"
    failed = _FAILED.findall(ran.stdout)
    return ran.returncode, failed[-1] if failed else ran.stdout[-300:]


class Copies:
    """Copies of the drivers, one for each worker."""

    def __init__(self, folder: Path, number: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for index in range(number):
            copy = folder / str(index)
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "drivers", copy, ignore=ignored)
            self._free.put(copy)

    @contextmanager
    def one(self) -> Iterator[Path]:
        """Take one, and give it back."""
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)

    def judge(self, mutant: Mutant) -> Outcome:
        """Seed one bug and run the tests."""
        with self.one() as copy:
            file = copy / mutant.file
            source = file.read_text()
            try:
                file.write_text(mutant.applied(source))
                code, by = run_tests(mutant.driver, copy)
            finally:
                file.write_text(source)
        fate = {0: "survived", 1: "killed"}.get(code, "broken")
        return Outcome(mutant, fate, "" if fate == "survived" else by)

    def is_sound(self, driver: str) -> bool:
        """Whether all tests pass without a bug."""
        with self.one() as copy:
            return run_tests(driver, copy)[0] == 0


def table(drivers: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, dict[str, str]]:
    """By driver and kind: killed of all, or why there is none."""
    found: dict[str, dict[str, str]] = {}
    for driver in drivers:
        reasons = absent(driver)
        found[driver] = {}
        for kind in KINDS:
            mine = [o for o in outcomes if (o.mutant.driver, o.mutant.kind) == (driver, kind)]
            killed = sum(o.fate == "killed" for o in mine)
            found[driver][kind] = f"{killed}/{len(mine)}" if mine else reasons.get(kind, "equal")
    return found


def measure(drivers: Sequence[str], jobs: int) -> dict[str, Any]:
    """Seed every bug of these drivers."""
    source = ROOT / "drivers"
    every = [m for driver in drivers for m in mutants_of(driver, source)]
    same = [(m, why) for m in every if (why := equal(m, source))]
    mutants = [m for m in every if not equal(m, source)]
    begun_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies = Copies(Path(folder), jobs)
        sound = dict(zip(drivers, pool.map(copies.is_sound, drivers), strict=True))
        judged = [m for m in mutants if sound[m.driver]]
        outcomes = list(pool.map(copies.judge, judged))
        outcomes += [Outcome(m, "unjudged", "") for m in mutants if not sound[m.driver]]
    return {
        "drivers": len(drivers),
        "mutants": len(outcomes),
        "killed": sum(o.fate == "killed" for o in outcomes),
        "survived": [o.told() for o in outcomes if o.fate == "survived"],
        "broken": [o.told() for o in outcomes if o.fate == "broken"],
        "equal": [Outcome(m, "equal", why).told() for m, why in same],
        "tests_fail_without_a_bug": [driver for driver, ok in sound.items() if not ok],
        "table": table(drivers, outcomes),
        "took_s": round(time.perf_counter() - begun_s, 1),
        "outcomes": [o.told() for o in outcomes],
    }


def show(report: Mapping[str, Any]) -> None:
    """Print the table."""
    width = max(map(len, report["table"])) + 1
    for driver, row in report["table"].items():
        print(driver)
        for kind, told in row.items():
            print(f"{'':{width}}{kind:28} {told}")
    for fate in ("equal", "survived", "broken"):
        for told in report[fate]:
            print(
                f"{fate.upper()} {told['driver']}: {told['kind']}, {told['where']}: {told['bug']} {told['by']}"
            )
    for driver in report["tests_fail_without_a_bug"]:
        print(f"the tests of {driver} fail without a bug")
    print(f"{report['killed']} of {report['mutants']} bugs were seen, in {report['took_s']} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--driver", choices=registry.names(), action="append")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    report = measure(given.driver or registry.names(), given.jobs)
    if given.json:
        print(json.dumps(report))
    else:
        show(report)
    good = report["killed"] == report["mutants"] and not report["tests_fail_without_a_bug"]
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
