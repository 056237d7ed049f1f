"""Whole nights with PyLabRobot between the engine and some instruments, against the truth.

python -m benchmarks.bridge_nights [--plates 1] [--json]

The bundled lab, with the instruments of `bridged-lab.yaml` in place of its own: liquid handler, shakers, sealer and
incubator. PyLabRobot 0.2.2 runs in the simulators, with its own simulated backends; each call that
reaches a backend happens in the simulated world, and the readings come from there. `error` is the
difference of a constant's logarithm (pKi, pEC50) to that of the truth, the largest of all compounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import structlog
import yaml

from benchmarks.night import invented, write_sheet, write_truth
from platectl.app.night import Finished, execute
from platectl.app.prepare import Options, prepare
from platectl.app.truth import default_truth_path
from platectl.cli.run import log_to
from platectl.files.protocol import bundled

ASSAYS: Final = {"sigma1-binding": "pKi", "fura2-calcium": "pEC50"}
REPLACED: Final = Path(__file__).with_name("bridged-lab.yaml")


def bridged_lab(path: Path, *, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Write the bundled lab with bridges (all of them without `only`); their names."""
    lab = yaml.safe_load(bundled("simulated-lab.yaml").read_text(encoding="utf-8"))
    given = yaml.safe_load(REPLACED.read_text(encoding="utf-8"))
    names = only or tuple(given["instruments"])
    lab["instruments"] |= {name: given["instruments"][name] for name in names}
    lab["workplace"] |= given["workplace"]
    path.write_text(yaml.safe_dump(lab, sort_keys=False), encoding="utf-8")
    return names


def bridged_night(assay: str, plates: int, folder: Path, **how: Any) -> Finished:
    """Pass one night."""
    samples, like = invented(assay, plates)
    sheet, truth, lab = folder / "samples.csv", folder / "truth.yaml", folder / "lab.yaml"
    write_sheet(sheet, samples)
    write_truth(truth, like)
    bridged_lab(lab, **how)
    return execute(prepare(Options(assay, samples=sheet, truth=truth, lab=lab)), folder / "run")


def true_constants() -> dict[str, float]:
    """pKi at sigma-1 and pEC50 of the compounds in the bundled truth."""
    truth = yaml.safe_load(default_truth_path().read_text(encoding="utf-8"))
    return truth


def measure(assay: str, plates: int, folder: Path) -> dict[str, Any]:
    """One night, and how far its constants are from the truth."""
    began = time.perf_counter()
    logging = structlog.get_config()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        log_to(log)
        finished = bridged_night(assay, plates, folder)
    structlog.configure(**logging)
    return {
        "assay": assay,
        "status": finished.outcome.status,
        "wall_s": time.perf_counter() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--plates", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for assay in ASSAYS:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(assay, given.plates, Path(folder)))


if __name__ == "__main__":
    main()
