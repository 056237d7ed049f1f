"""Does the analysis give the truth back? Many seeded nights through drivers, simulators and engine.

python -m benchmarks.recovery sigma1-binding --runs 100 --json
python -m benchmarks.recovery fura2-calcium --mode modulator --runs 100 --json

For each compound: bias (mean error of pKi or pEC50), rmse (log10 units) and coverage (nights whose
95 % interval holds the truth, of `runs`). For calcium at rest and at the peak the interval is 10 %. The ledger is kept in memory here: this measures the answer,
not the disk.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from platectl.analysis.calcium import CalciumPlateResult
from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.simkit.world import World


def one_night(protocol: str, seed: int) -> list[dict[str, Any]]:
    """Run one seeded night and return value and interval of each compound beside the truth."""
    night = _prepared(protocol)
    night.seed = seed
    with tempfile.TemporaryDirectory() as folder:
        finished = execute(night, Path(folder), record_wire=False, ledger_path=":memory:")
    rows = []
    for plate in finished.plates:
        result = plate.result
        rows += [
            {"compound": c.compound, "truth": true_value(night, c.compound, c.role),
             "value": c.value_molar, "lower": c.lower_molar, "upper": c.upper_molar,
             "qualifier": c.qualifier, "model": getattr(c, "model", "")}
            for c in getattr(result, "compounds", ())
        ]  # fmt: skip
        if isinstance(result, CalciumPlateResult) and finished.world is not None:
            rows += calcium_rows(plate.plan.name, result, finished.world)
    return rows


def true_value(night: Night, compound: str, role: str) -> float | None:
    """The constant that an analysis should give back; None where there is nothing to find."""
    truth, protocol = night.truth, night.compiled.protocol
    assert truth is not None
    if protocol.is_binding:
        ligand = truth.ligand(compound)
        return ligand.sites[protocol.of_binding.site] if ligand else None
    agonist = truth.agonists.get(compound)
    if protocol.mode == "agonist" or role == "reference":
        return agonist.ec50 if agonist else None
    if protocol.mode == "modulator":
        modulator = truth.modulators.get(compound)
        return modulator.ec50 if modulator else None
    antagonist = truth.antagonists.get(compound)
    stimulus = protocol.of_calcium.stimulus or 0.0
    shift = 1.0 + stimulus / truth.agonists[protocol.compounds.reference].ec50
    return antagonist.kb * shift if antagonist else None


def calcium_rows(plate: str, result: CalciumPlateResult, world: World) -> list[dict[str, Any]]:
    """Calcium at rest and at the peak of the positive control, mean over wells, beside the truth."""
    held = world.true_features(f"{plate}.cells")
    wells = [t.trace.well for t in result.traces if t.trace.role == "positive"]
    found = {f.well: f for f in result.features}
    rows = []
    for name in ("calcium_baseline", "calcium_peak"):
        pairs = [(getattr(found[w], f"{name}_molar"), held[w][name]) for w in wells]
        pairs = [(value, true) for value, true in pairs if math.isfinite(value)]
        if pairs:
            value, true = (statistics.fmean(column) for column in zip(*pairs, strict=True))
            rows.append({"compound": name, "truth": true, "value": value, "lower": value / 1.1,
                         "upper": value * 1.1, "qualifier": "=", "model": ""})  # fmt: skip
    return rows


MODES = {
    "agonist": "fura2-calcium",
    "modulator": "fura2-modulator",
    "antagonist": "fura2-antagonist",
}
_CACHE: dict[str, Night] = {}


def _prepared(protocol: str) -> Night:
    if protocol not in _CACHE:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        _CACHE[protocol] = prepare(Options(protocol))
    return _CACHE[protocol]


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Bias, root-mean-square error and coverage for each compound."""
    result: dict[str, dict[str, Any]] = {}
    for name in sorted({row["compound"] for row in rows}):
        mine = [row for row in rows if row["compound"] == name]
        valued = [row for row in mine if row["value"] and row["truth"]]
        errors = [math.log10(row["truth"]) - math.log10(row["value"]) for row in valued]
        covered = sum(
            (row["lower"] or 0.0) <= row["truth"] <= (row["upper"] or math.inf) for row in valued
        )
        result[name] = {
            "bias": sum(errors) / len(errors) if errors else None,
            "rmse": math.sqrt(sum(e * e for e in errors) / len(errors)) if errors else None,
            "coverage": covered,
            "nights": len(mine),
            "without_value": len(mine) - sum(bool(row["value"]) for row in mine),
            "no_response": sum(row["qualifier"] == "none" for row in mine),
            "bell_shaped": sum(row["model"].startswith("Bell") for row in mine),
        }
    return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocol", nargs="?", default="sigma1-binding")
    parser.add_argument("--mode", choices=sorted(MODES), help="of fura2-calcium")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    protocol = MODES[options.mode] if options.mode else options.protocol
    began = time.perf_counter()
    seeds = range(options.first_seed, options.first_seed + options.runs)
    with ProcessPoolExecutor() as pool:
        nights = pool.map(one_night, [protocol] * options.runs, seeds, chunksize=5)
        rows = [row for night in nights for row in night]
    report = {"protocol": protocol, "mode": options.mode, "runs": options.runs, "compounds": summarise(rows),
              "wall_s": round(time.perf_counter() - began, 1)}  # fmt: skip
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for name, row in report["compounds"].items():
        if row["bias"] is None:
            print(f"{name:20} no response in {row['no_response']} of {row['nights']}")
            continue
        print(
            f"{name:20} bias {row['bias']:+.4f}  rmse {row['rmse']:.4f}  coverage {row['coverage']:.0f}/{row['nights']}"
        )
    print(f"{options.runs} nights in {report['wall_s']} s")


if __name__ == "__main__":
    main()
