"""A clean plate as files, and the real entrance that the cases go through."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from platectl.cli.main import main
from platectl.domain.layout import Layout
from platectl.files.protocol import load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates

KI = {"(+)-igmesine": 3e-9, "SA4503": 2e-8, "haloperidol": 1.2e-9}
COUNT_S = 120.0


@cache
def bundled_layout() -> Layout:
    """The default layout of sigma-1 binding."""
    protocol, _ = load_protocol("sigma1-binding")
    return protocol.layouts[protocol.layout]


@cache
def clean_cpm() -> Mapping[str, float]:
    """Counts of a good plate: two test compounds and the reference, with Poisson noise of a seed."""
    protocol, _ = load_protocol("sigma1-binding")
    plates, _ = plan_plates(protocol, bundled_layout(), load_samples(None), sheet="", run="clean")
    rng = np.random.default_rng(7)
    found = {}
    for plan in sorted(plates[0].wells, key=lambda w: (w.well[0], int(w.well[1:]))):
        free = {"total": 1.0, "nsb": 0.0}.get(plan.role)
        if free is None:
            assert plan.compound is not None
            assert plan.concentration_molar is not None
            free = 1.0 / (1.0 + plan.concentration_molar / (KI[plan.compound] * 1.6))
        counts = rng.poisson((120.0 + 1500.0 * free) * rng.normal(1.0, 0.02) * COUNT_S / 60.0)
        found[plan.well] = float(counts) * 60.0 / COUNT_S
    return found


def counts_csv(cpm: Mapping[str, float] | None = None) -> str:
    """A table with all columns."""
    lines = [f"{w},{c:.1f},{round(c * COUNT_S / 60)},{COUNT_S:g}" for w, c in (cpm or clean_cpm()).items()]  # fmt: skip
    return "\n".join(["well,cpm,counts,count_s", *lines, ""])


def map_csv() -> str:
    """The bundled layout as a long map."""
    layout = bundled_layout()
    lines = [f"{w},{'reference' if s.slot == 'reference' else 'test'},{s.slot},{k},{s.replicate}"
             for s in layout.series for k, w in enumerate(s.wells, 1)]  # fmt: skip
    lines += [f"{w},{b.role},,," for b in layout.controls for w in b.wells]
    return "\n".join(["well,role,slot,point,replicate", *lines, ""])


SAMPLES = (
    "compound,stock_concentration,top_concentration,plate,slot,barcode\n"
    "(+)-igmesine,10 mM,10 uM,,test1,IGM-1\n"
    "SA4503,10 mM,10 uM,,test2,SA4-1\n"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operator got: exit code, the JSON line if there was one, and the texts."""

    code: int
    told: dict[str, Any]
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings as plain values."""
        found: list[dict[str, Any]] = self.told.get("findings", [])
        return found

    @property
    def codes(self) -> set[str]:
        """Names of the findings."""
        return {str(f["code"]) for f in self.findings}


def platectl(*arguments: str) -> Outcome:
    """`platectl ARGUMENTS` in this process, through its entry point."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["platectl", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    finally:
        sys.argv = before
    last = (out.getvalue().splitlines() or [""])[-1]
    told = json.loads(last) if last.startswith("{") else {}
    return Outcome(code, told, out.getvalue(), err.getvalue())


CLEAN = {"counts.csv": counts_csv, "map.csv": map_csv, "samples.csv": lambda: SAMPLES}


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """The clean files, some of them replaced or added."""
    for name, content in ({n: make() for n, make in CLEAN.items()} | dict(files)).items():
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (folder / name).write_bytes(data)


def arguments(folder: Path, **options: str) -> list[str]:
    """`platectl analyse` on the files of a folder; an option of "" is left out."""
    chosen = {"counts": "counts.csv", "layout": "map.csv", "samples": "samples.csv",
              "counted_on": "2026-01-06"} | options  # fmt: skip
    words = ["analyse", str(folder / chosen.pop("counts")), "--json"]
    for name, value in chosen.items():
        if value:
            place = name in {"layout", "samples", "standards"} and "." in value
            text = str(folder / value) if place else value
            words += [f"--{name.replace('_', '-')}", text]
    return words
