"""Every number of a reference folder against the analysis, within the folder's tolerances.

python -m benchmarks.reference ../shared/reference --json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks import reference_exact as exact
from benchmarks import reference_fits as fits
from benchmarks.reference_rows import Row


def compare(folder: Path) -> Iterator[Row]:
    """All rows, file by file."""
    plates = fits.Plates(folder)
    yield from fits.nist(folder)
    yield from fits.expected_fits(folder, plates)
    yield from fits.derived_numbers(folder, plates)
    yield from fits.drc_prints(folder, plates)
    yield from fits.published(folder, plates)
    for family in (
        exact.mass_action,
        exact.ki_corrections,
        exact.competitive_kinetics,
        exact.counting,
        exact.fura2_calibration,
        exact.sampled_trace,
        exact.real_transients,
    ):
        yield from family(folder)


def main() -> None:
    """Compare and print; the exit code is 1 if a number fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = list(compare(options.folder))
    failed = [row for row in rows if not row.passed]
    if options.json:
        report = {
            "passed": len(rows) - len(failed),
            "failed": len(failed),
            "rows": [row.as_json() for row in rows],
        }
        print(json.dumps(report))
    else:
        for row in failed:
            print(f"{row.file}: {row.case}: {row.quantity}: {row.found!r}, not {row.expected!r} "
                  f"({row.deviation:.3g} {row.unit}, allowed {row.tolerance:g})")  # fmt: skip
        for file in dict.fromkeys(row.file for row in rows):
            own = [row for row in rows if row.file == file]
            print(f"{file:46} {sum(row.passed for row in own):5} of {len(own)}")
        print(f"{len(rows) - len(failed)} passed, {len(failed)} failed")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
