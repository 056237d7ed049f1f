"""Whole nights with PyLabRobot between the engine and some instruments, against the truth.

python -m benchmarks.bridge_nights [--plates 1] [--json | --lab FILE]

The bundled lab, with the instruments of `bridged-lab.yaml` in place of its own: liquid handler,
shakers, sealer, incubator and arm. PyLabRobot 0.2.2 runs in the simulators, with its own simulated backends; each call that
reaches a backend happens in the simulated world, and the readings come from there. `error` is the
difference of a constant's logarithm (pKi, pEC50) to that of the truth, the largest of all compounds.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import structlog
import yaml

from benchmarks.night import invented, write_sheet, write_truth
from platectl.app.night import Finished, execute
from platectl.app.prepare import Options, prepare
from platectl.app.truth import load_truth
from platectl.cli.run import log_to
from platectl.files.lab import load_lab
from platectl.files.protocol import bundled
from platectl.simkit.world import Truth

#: how far a logarithm may be from the truth
WITHIN: Final = 0.2
ASSAYS: Final = {"sigma1-binding": "pKi", "fura2-calcium": "pEC50"}
REPLACED: Final = Path(__file__).with_name("bridged-lab.yaml")


def bridged_lab(path: Path, *, only: tuple[str, ...] = (), handler: str = "") -> None:
    """Write the bundled lab with bridges, all of them without `only`; `handler` is another backend."""
    lab = yaml.safe_load(bundled("simulated-lab.yaml").read_text(encoding="utf-8"))
    given = yaml.safe_load(REPLACED.read_text(encoding="utf-8"))
    taught = lab["instruments"]["arm"]["settings"]["stations"]
    given["instruments"]["arm"]["settings"]["stations"] = {
        name: {"at": [100.0 * number, 0.0, 50.0, 0.0, 90.0, 180.0]}
        for name, number in taught.items()
    }
    if handler:
        given["instruments"]["flex"]["settings"]["backend"] = handler
    names = only or tuple(given["instruments"])
    lab["instruments"] |= {name: given["instruments"][name] for name in names}
    lab["workplace"] |= given["workplace"]
    path.write_text(yaml.safe_dump(lab, sort_keys=False), encoding="utf-8")


def bridged_night(assay: str, plates: int, folder: Path, **how: Any) -> Finished:
    """Pass one night."""
    samples, like = invented(assay, plates)
    sheet, truth, lab = folder / "samples.csv", folder / "truth.yaml", folder / "lab.yaml"
    write_sheet(sheet, samples)
    write_truth(truth, like)
    bridged_lab(lab, **how)
    return execute(prepare(Options(assay, samples=sheet, truth=truth, lab=lab)), folder / "run")


def constants(assay: str, finished: Finished) -> list[dict[str, Any]]:
    """Each compound's negative logarithm, the true one, and the difference."""
    truth, rows = load_truth(None), []
    for plate in finished.plates:
        for found in plate.result.compounds if plate.result else ():
            compound = re.sub(r" \d+$", "", found.compound)
            true = -math.log10(_true_molar(truth, assay, compound))
            value = -math.log10(found.value_molar) if found.value_molar else math.nan
            rows.append({
                "plate": plate.plan.name, "compound": found.compound, "found": round(value, 3),
                "true": round(true, 3), "error": round(value - true, 3),
            })  # fmt: skip
    return rows


def _true_molar(truth: Truth, assay: str, compound: str) -> float:
    """Ki at sigma-1, or EC50."""
    if ASSAYS[assay] == "pKi":
        return truth.ligands[compound].sites["sigma1"]
    return truth.agonists[compound].ec50


def measure(assay: str, plates: int, folder: Path, **how: Any) -> dict[str, Any]:
    """One night, and how far its constants are from the truth."""
    began, logging = time.perf_counter(), structlog.get_config()
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        log_to(log)
        finished = bridged_night(assay, plates, folder, **how)
    structlog.configure(**logging)
    done = finished.outcome.status == "done"
    rows = constants(assay, finished)
    lab, _ = load_lab(folder / "lab.yaml")
    devices = {
        n: e.settings["backend"] for n, e in lab.instruments.items() if "backend" in e.settings
    }
    return {
        "assay": assay, "plates": len(finished.plates), "bridge": devices, "done": done,
        "states": [plate.result.state if plate.result else "none" for plate in finished.plates],
        "actions": Counter(
            event.data["instrument"] for event in finished.events
            if event.kind == "action.sent" and event.data.get("instrument") in devices
        ),
        ASSAYS[assay]: rows, "wall_s": round(time.perf_counter() - began, 1),
        "error": max((abs(row["error"]) for row in rows), default=math.inf),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--plates", type=int, default=1)
    parser.add_argument(
        "--lab", type=Path, help="only write the lab file there, for other programs"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.lab is not None:
        bridged_lab(given.lab)
        return
    nights = []
    for assay in ASSAYS:
        with tempfile.TemporaryDirectory() as folder:
            nights.append(measure(assay, given.plates, Path(folder)))
    if given.json:
        print(json.dumps({"nights": nights}))
    for night in nights if not given.json else ():
        print(
            f"{night['assay']}: {night['plates']} plates, {'done' if night['done'] else 'NOT DONE'}, "
            f"{ASSAYS[night['assay']]} off by {night['error']:.3f} at most, in {night['wall_s']} s"
        )
        for name, backend in night["bridge"].items():
            print(f"  {name}: {backend}, {night['actions'][name]} actions")
    sys.exit(not all(night["done"] and night["error"] <= WITHIN for night in nights))


if __name__ == "__main__":
    main()
