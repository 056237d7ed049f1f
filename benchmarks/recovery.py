"""Does the analysis give the truth back? Many seeded nights through drivers, simulators and engine.

python -m benchmarks.recovery sigma1-binding --runs 100 --json

For each compound: bias (mean error of pKi), rmse (log10 units) and coverage (nights whose 95 %
interval holds the truth, of `runs`). The ledger is kept in memory here: this measures the answer,
not the disk.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from platectl.app.night import Night, Options, execute, prepare


def one_night(protocol: str, seed: int) -> list[dict[str, Any]]:
    """Run one seeded night and return value and interval of each compound beside the truth."""
    night = _prepared(protocol)
    night.seed = seed
    assert night.truth is not None
    site = night.compiled.protocol.of_binding.site
    with tempfile.TemporaryDirectory() as folder:
        finished = execute(night, Path(folder), record_wire=False, ledger_path=":memory:")
    rows = []
    for plate in finished.plates:
        for compound in plate.result.compounds if plate.result else ():
            ligand = night.truth.ligand(compound.compound)
            assert ligand is not None
            rows.append({
                "compound": compound.compound, "truth": ligand.sites[site], "value": compound.value_molar,
                "lower": compound.lower_molar, "upper": compound.upper_molar, "qualifier": compound.qualifier,
            })  # fmt: skip
    return rows


_CACHE: dict[str, Night] = {}


def _prepared(protocol: str) -> Night:
    if protocol not in _CACHE:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        _CACHE[protocol] = prepare(Options(protocol))
    return _CACHE[protocol]


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Bias, root-mean-square error and coverage for each compound."""
    result: dict[str, dict[str, float]] = {}
    for name in sorted({row["compound"] for row in rows}):
        mine = [row for row in rows if row["compound"] == name]
        errors = [
            math.log10(row["truth"]) - math.log10(row["value"]) for row in mine if row["value"]
        ]
        covered = sum(
            bool(row["value"]) and row["lower"] <= row["truth"] <= row["upper"] for row in mine
        )
        result[name] = {
            "bias": sum(errors) / len(errors),
            "rmse": math.sqrt(sum(e * e for e in errors) / len(errors)),
            "coverage": covered,
            "nights": len(mine),
            "without_value": len(mine) - len(errors),
        }
    return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocol", nargs="?", default="sigma1-binding")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    began = time.perf_counter()
    seeds = range(options.first_seed, options.first_seed + options.runs)
    with ProcessPoolExecutor() as pool:
        nights = pool.map(one_night, [options.protocol] * options.runs, seeds, chunksize=5)
        rows = [row for night in nights for row in night]
    report = {"protocol": options.protocol, "runs": options.runs, "compounds": summarise(rows),
              "wall_s": round(time.perf_counter() - began, 1)}  # fmt: skip
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for name, row in report["compounds"].items():
        print(
            f"{name:20} bias {row['bias']:+.4f}  rmse {row['rmse']:.4f}  coverage {row['coverage']:.0f}/{row['nights']}"
        )
    print(f"{options.runs} nights in {report['wall_s']} s")


if __name__ == "__main__":
    main()
