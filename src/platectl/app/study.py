"""Studies over runs: do two runs agree, and are plates uniform?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platectl.analysis.calcium import CalciumPlateResult
from platectl.analysis.errors import AnalysisError
from platectl.analysis.replicate_study import Pair, ReplicateStudy, replicate_study
from platectl.analysis.uniformity import (
    Level,
    PlateUniformity,
    SignalWell,
    UniformityStudy,
    plate_uniformity,
    uniformity_study,
)
from platectl.app.chart import record_looks, reviewed
from platectl.app.evaluation import BUNDLED_TERMS, EvaluatedPlate, evaluate_run
from platectl.app.evaluation.plate import left_out
from platectl.app.review.looks import look
from platectl.app.run_report import read_run
from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.result_rules import ReplicateLimits, UniformityLimits
from platectl.domain.wells import parse_well
from platectl.store.index import RunIndex

Readout = Literal["potency", "effect"]
COLUMN: Mapping[Readout, str] = {"potency": "value", "effect": "effect_percent"}
#: mode of the assay -> role -> level of the signal (Max, Mid, Min of the Assay Guidance Manual)
LEVELS: Mapping[str, Mapping[str, Level]] = {
    "competition": {"total": "max", "nsb": "min"},
    "agonist": {"positive": "max", "stimulus": "mid", "vehicle": "min"},
    "modulator": {"positive": "max", "stimulus": "min"},
    "antagonist": {"stimulus": "max", "positive": "min"},
}


@dataclass(frozen=True, slots=True)
class ReplicateOptions:
    """Two runs of a store and what is compared of them; None takes what there is, if it is one."""

    store: Path
    first: str
    second: str
    quantity: str | None = None
    site: str | None = None
    readout: Readout = "potency"
    limits: ReplicateLimits = BUNDLED_TERMS.rules.studies.replicate


@dataclass(frozen=True, slots=True)
class Compared:
    """A replicate study, of what, and the compounds that could not be compared with the reason."""

    of: Mapping[str, str]
    study: ReplicateStudy
    left_out: tuple[tuple[str, str], ...]


def compare_runs(options: ReplicateOptions) -> Compared:
    """Compare the results of two runs, compound by compound; plates of a run are averaged.

    Raises:
        InputRefusedError: One run twice, no results, several quantities, sites or units, or too few
            compounds in both; every finding.
        StoreError: A run is not in the store.
    """
    index = RunIndex(options.store)
    runs = [index.find(name) for name in (options.first, options.second)]
    names = [str(run["run"]) for run in runs]
    if names[0] == names[1]:
        raise InputRefusedError([Finding("is compared with itself", names[0], fix="name two runs")])
    record_looks(runs, names, "platectl study replicate")
    rows = [_chosen(run["results"], options) for run in runs]
    _refuse_unlike(names, rows, options)
    column = COLUMN[options.readout]
    values = [_values(found, column, log=options.readout == "potency") for found in rows]
    known = list(dict.fromkeys(r["compound"] for found in rows for r in found if r["quantity"]))
    pairs = [Pair(n, values[0][n], values[1][n]) for n in known if all(n in v for v in values)]
    left_out = tuple(
        (name, "; ".join(f"no number in {run}" for run, v in zip(names, values, strict=True)
                         if name not in v))
        for name in known if not all(name in v for v in values)
    )  # fmt: skip
    scale: Literal["ratio", "difference"] = (
        "ratio" if options.readout == "potency" else "difference"
    )
    try:
        study = replicate_study(pairs, scale=scale, limits=options.limits)
    except AnalysisError as error:
        findings = [Finding(str(error).rstrip("."), " and ".join(names), fix="run more compounds")]
        findings += [Finding(why, "", None, name) for name, why in left_out]
        raise InputRefusedError(findings) from error
    row = rows[0][0]
    of = {"first": names[0], "second": names[1], "readout": options.readout}
    of["review"] = reviewed([r for found in rows for r in found if r["quantity"]])
    of |= {
        "quantity": str(row["quantity"]),
        "site": str(row["site"] or ""),
        "unit": str(row["unit"]),
    }
    return Compared(of, study, left_out)


def _chosen(
    rows: Sequence[Mapping[str, Any]], options: ReplicateOptions
) -> list[Mapping[str, Any]]:
    return [
        r for r in rows
        if r["role"] in {"test", "reference"}
        and (not r["quantity"] or options.quantity in {None, r["quantity"]})
        and (options.site is None or (r["site"] or "").casefold() == options.site.casefold())
    ]  # fmt: skip


def _refuse_unlike(
    names: Sequence[str], rows: Sequence[Sequence[Mapping[str, Any]]], options: ReplicateOptions
) -> None:
    findings = [
        Finding(f"has no result of {options.quantity or 'a compound'}", name,
                fix="`platectl show RUN` lists its results")
        for name, found in zip(names, rows, strict=True)
        if not any(r["quantity"] for r in found)
    ]  # fmt: skip
    every = [r for found in rows for r in found if r["quantity"]]
    for what, fix in (("quantity", "choose one with --quantity"), ("site", "choose one with --site"),
                      ("unit", "choose another --quantity")):  # fmt: skip
        several = list(dict.fromkeys(str(r[what]) for r in every))
        if len(several) > 1:
            plural = "quantities" if what == "quantity" else f"{what}s"
            message = f"results of several {plural}: {', '.join(several)}"
            findings.append(Finding(message, " and ".join(names), fix=fix))
    if findings:
        raise InputRefusedError(findings)


def _values(
    rows: Sequence[Mapping[str, Any]], column: str, *, log: bool
) -> dict[str, float]:  # fmt: skip
    """Mean of each compound over the plates of a run; of logarithms for potencies."""
    found: dict[str, list[float]] = {}
    for row in rows:
        value = row.get(column)
        if value is None or row["status"] == "fail":
            continue
        if row["qualifier"] == "=" or not log:
            found.setdefault(str(row["compound"]), []).append(math.log10(value) if log else value)
    means = {name: sum(values) / len(values) for name, values in found.items()}
    return {name: 10.0**mean if log else mean for name, mean in means.items()}


def study_uniformity(
    store: Path, names: Sequence[str],
    limits: UniformityLimits = BUNDLED_TERMS.rules.studies.uniformity,
) -> UniformityStudy:  # fmt: skip
    """Judge the control signals of all plates of some runs, each run as a day.

    Raises:
        InputRefusedError: Plates that cannot be studied, or signals of several kinds; every finding.
        StoreError: A run is not in the store.
    """
    index = RunIndex(store)
    folders = [Path(index.find(name)["folder"]) for name in dict.fromkeys(names)]
    plates, findings = list[PlateUniformity](), list[Finding]()
    kinds: dict[str, str] = {}
    for folder in dict.fromkeys(folders):
        run, events = read_run(folder)
        look(folder, events, "platectl study uniformity")
        for found in evaluate_run(run, events):
            protocol = run.seen_by(found.plan).protocol
            kinds.setdefault(_kind(protocol), f"{folder.name} {found.plan.name}")
            try:
                wells = _signals(protocol, found, left_out(found.plan, events, BUNDLED_TERMS))
                plates.append(plate_uniformity(found.plan.name, folder.name, wells))
            except AnalysisError as error:
                findings.append(Finding(str(error).rstrip("."), folder.name, None, found.plan.name))
    if len(kinds) > 1:
        several = "; ".join(f"{kind} ({where})" for kind, where in kinds.items())
        fix = "study the runs of one assay at a time"
        findings.append(Finding(f"signals of several kinds: {several}", str(store), fix=fix))
    if findings:
        raise InputRefusedError(findings)
    try:
        return uniformity_study(plates, limits)
    except AnalysisError as error:
        fix = "run more plates, or name more runs"
        raise InputRefusedError([Finding(str(error).rstrip("."), str(store), fix=fix)]) from error


def _kind(protocol: AssayProtocol) -> str:
    if not protocol.is_binding:
        return f"calcium {protocol.mode}, rise of the ratio"
    return f"{protocol.of_binding.site} {protocol.of_binding.radioligand}, cpm"


def _signals(
    protocol: AssayProtocol, plate: EvaluatedPlate, lost: Mapping[str, str]
) -> list[SignalWell]:
    """Max, Mid and Min wells of one plate.

    Raises:
        AnalysisError: The assay has no such signals, or the plate was not measured.
    """
    levels = LEVELS.get(protocol.mode)
    if levels is None:
        message = f"A {protocol.mode} plate has no two signals that are the same all over it."
        raise AnalysisError(message)
    values = _measured(protocol, plate)
    return [
        SignalWell(*parse_well(w.well), levels[w.role], values[w.well])
        for w in plate.plan.wells
        if w.role in levels and w.well in values and w.well not in lost
    ]


def _measured(protocol: AssayProtocol, plate: EvaluatedPlate) -> dict[str, float]:
    """Gross cpm, or the rise of the ratio, by well."""
    if protocol.is_binding:
        found = {well: r["cpm"] for well, r in plate.counts.items() if r["cpm"] is not None}
    elif isinstance(plate.result, CalciumPlateResult):
        found = {f.well: f.amplitude for f in plate.result.features if math.isfinite(f.amplitude)}
    else:
        found = {}
    if not found:
        raise AnalysisError(plate.problem or "The plate was not measured.")
    return found
