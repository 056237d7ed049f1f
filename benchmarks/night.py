"""How fast whole nights pass: many plates in virtual time, byte by byte, with physics and ledger.

python -m benchmarks.night --plates 40 --json
python -m benchmarks.night --assay sigma1-binding --plates 40 --folder /var/lib/platectl

Every plate carries invented compounds, each known to the simulated lab. `wall_s` is the execution, from
the empty folder to the last entry: engine, drivers, bytes on the wires and their record, simulators,
world, and the ledger on the disk of `--folder`; `cpu_s` is the processor's share of it. A lab that is
simulated in the same process does not outlive a power cut, so that its ledger does not wait for the
disk either; a real run adds about `sync_us` for each action. Not in `wall_s` are `prepare_s`, which is
reading, compiling and checking before it, `judge_s`, the judge of each plate while others have not
begun (in a real run that is another process), and `analyse_s`: the ledger read back afterwards and
every plate analysed. `hours` are those of the virtual night, `exchanges` the requests that drivers
sent, `transitions` the entries of the ledger.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import yaml

from platectl.app import judge
from platectl.app.night import execute
from platectl.app.prepare import Night, Options, own_samples, prepare
from platectl.app.truth import default_truth_path
from platectl.cli.run import log_to
from platectl.domain.events import Event
from platectl.domain.samples import Sample
from platectl.files.protocol import load_protocol
from platectl.files.samples import COLUMNS, load_samples

ASSAYS = ("sigma1-binding", "fura2-calcium")
KINDS_OF_COMPOUND = ("ligands", "agonists", "antagonists", "modulators")


def invented(assay: str, plates: int) -> tuple[list[Sample], dict[str, str]]:
    """Compounds for so many plates, and which known compound each of them behaves like."""
    protocol, _ = load_protocol(assay)
    models = load_samples(own_samples(protocol, assay))
    samples, like = [], {}
    for plate in range(1, plates + 1):
        for model in models:
            name = f"{model.compound} {plate}"
            like[name] = model.compound
            tube = {"compound": name, "plate": plate, "barcode": f"T{plate:02}-{model.barcode}"}
            samples.append(model.model_copy(update=tube))
    return samples, like


def write_sheet(path: Path, samples: list[Sample]) -> None:
    """Write a sample sheet as an operator would."""
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(COLUMNS)
        for s in samples:
            stock, top = f"{1e3 * s.stock_molar:g} mM", f"{1e6 * s.top_molar:g} uM"
            sheet.writerow((s.compound, stock, top, s.plate, s.slot, s.barcode))


def write_truth(path: Path, like: dict[str, str]) -> None:
    """Write the bundled truth with further compounds, each like one that is in it."""
    truth = yaml.safe_load(default_truth_path().read_text(encoding="utf-8"))
    for kind in KINDS_OF_COMPOUND:
        known = truth[kind]
        known |= {name: known[model] for name, model in like.items() if model in known}
    path.write_text(yaml.safe_dump(truth), encoding="utf-8")


def prepared(assay: str, plates: int, folder: Path) -> tuple[Night, float]:
    """A compiled night of so many plates, and the seconds that took from the files on."""
    samples, like = invented(assay, plates)
    sheet, truth = folder / "samples.csv", folder / "truth.yaml"
    write_sheet(sheet, samples)
    write_truth(truth, like)
    began = time.perf_counter()
    night = prepare(Options(assay, samples=sheet, truth=truth))
    return night, time.perf_counter() - began


def exchanges(run: Path) -> int:
    """Requests in the record of all wires."""
    return sum(
        line.split(" ", 2)[1] == ">"
        for path in (run / "wire").iterdir()
        for line in path.read_text(encoding="ascii").splitlines()
        if line.startswith("@")
    )


def sync_us(folder: Path) -> float:
    """Median time of a sync of four kilobytes on the disk of a folder."""
    taken = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(1e6 * (time.perf_counter() - began))
    return statistics.median(taken)


@dataclass(slots=True)
class Stopwatch:
    """Wall and processor seconds so far, without those of the judge."""

    judged_s: float = 0.0
    judged_cpu_s: float = 0.0

    def read(self) -> tuple[float, float]:
        """Seconds on both clocks."""
        return time.perf_counter() - self.judged_s, time.process_time() - self.judged_cpu_s

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Take what the judge needs out of both."""
        real = judge.JudgeHere.__call__

        async def timed(here: judge.JudgeHere, plate: str) -> str:
            wall_s, cpu_s = self.read()
            said = await real(here, plate)
            after_s, after_cpu_s = self.read()
            self.judged_s += after_s - wall_s
            self.judged_cpu_s += after_cpu_s - cpu_s
            return said

        judge.JudgeHere.__call__ = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            judge.JudgeHere.__call__ = real  # type: ignore[method-assign]


def measure(assay: str, plates: int, folder: Path) -> dict[str, Any]:
    """Pass one night in a folder."""
    night, prepare_s = prepared(assay, plates, folder)
    clocks, ends = Stopwatch(), []

    def watch(event: Event) -> None:
        if event.kind == "run.finished":
            ends.append(clocks.read())

    run, logging, one_sync_us = folder / "run", structlog.get_config(), sync_us(folder)
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log, clocks.judging():
        log_to(log)
        began = clocks.read()
        finished = execute(night, run, watch=watch)
        over = clocks.read()
    structlog.configure(**logging)
    if finished.outcome.status != "done":
        raise SystemExit(f"{assay}: {finished.outcome.status}: {finished.outcome.error}")
    wall_s, cpu_s = (end - start for end, start in zip(ends[0], began, strict=True))
    requests = exchanges(run)
    return {
        "assay": assay,
        "plates": len(finished.plates),
        "results": sum(plate.result is not None for plate in finished.plates),
        "hours": round((finished.events[-1].monotonic_s - finished.events[0].monotonic_s) / 3600, 2),
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "sync_us": round(one_sync_us, 1),
        "prepare_s": round(prepare_s, 3),
        "judge_s": round(clocks.judged_s, 3),
        "analyse_s": round(over[0] - ends[0][0], 3),
        "exchanges": requests,
        "transitions": len(finished.events),
        "per_exchange_us": round(1e6 * wall_s / requests, 1),
        "per_plate_s": round(wall_s / plates, 4),
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plates", type=int, default=40, help="of each night, 99 at most")
    parser.add_argument("--assay", choices=ASSAYS, action="append", help="default: both")
    parser.add_argument("--folder", type=Path, help="on the disk in question; default: temporary")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    nights = []
    for assay in options.assay or ASSAYS:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            nights.append(measure(assay, options.plates, Path(name)))
    if options.json:
        print(json.dumps({"nights": nights}))
        return
    for night in nights:
        print(
            f"{night['assay']}: {night['plates']} plates, {night['hours']} h in {night['wall_s']} s "
            f"({night['exchanges']} exchanges of {night['per_exchange_us']} us, {night['transitions']} "
            f"entries, {night['cpu_s']} s without the disk); prepared in {night['prepare_s']} s, "
            f"judged in {night['judge_s']} s, analysed in {night['analyse_s']} s"
        )


if __name__ == "__main__":
    main()
