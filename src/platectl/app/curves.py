"""Analyses dose-response tables of a Prism file: one potency for each data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from platectl.analysis.errors import AnalysisError
from platectl.analysis.potency import MODELS_WITH_POTENCY, Potency, potency
from platectl.analysis.qualifiers import RULES
from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.result_rules import QualifierRules
from platectl.files.doses import Doses, doses_of
from platectl.files.protocol import file_hash
from platectl.files.pzfx import PrismColumn, PrismTable, load_pzfx


@dataclass(frozen=True, slots=True)
class DosePoint:
    """One measured value; `used` is false for what was struck out or has no logarithm."""

    log_molar: float | None
    value: float
    used: bool


@dataclass(frozen=True, slots=True)
class DataSet:
    """One curve of a table, with what became of it."""

    table: str
    name: str
    points: tuple[DosePoint, ...]
    potency: Potency


@dataclass(frozen=True, slots=True)
class CurveAnalysis:
    """All curves of a file, and what has to be said beside their results."""

    path: Path
    model: str
    sets: tuple[DataSet, ...]
    findings: tuple[Finding, ...]


def analyse_prism(
    path: Path, *, model: str = "4PL", dose: str | None = None, rules: QualifierRules = RULES
) -> CurveAnalysis:
    """Fit every data set of the XY tables of a Prism file.

    Args:
        path: A .pzfx file.
        model: One of `MODELS_WITH_POTENCY`.
        dose: What X is, like "log[M]" or "nM", where the titles do not say it or say it wrongly.
        rules: When there is a value; see `potency`.

    Raises:
        InputRefusedError: The file cannot be read, or no table says what its doses are; every finding.
    """
    if model not in MODELS_WITH_POTENCY:
        fix = f"use one of: {', '.join(MODELS_WITH_POTENCY)}"
        message = f"{model!r} gives no potency"
        raise InputRefusedError(
            [Finding(message, "--model", None, "", fix, code=Code.NAME_UNKNOWN)]
        )
    file = load_pzfx(path)
    findings: list[Finding] = []
    sets: list[DataSet] = []
    for table in file.tables:
        try:
            doses = doses_of(dose or table.x_title)
        except UserInputError as error:
            findings.append(Finding.of(error, str(path), None, table.title))
            continue
        sets += _sets(path, table, doses, (model, rules), findings)
    findings += [
        Finding("is no XY table and is left out", str(path), None, title, "enter the data as XY",
                "warning", Code.PRISM_FORMAT)
        for title in file.skipped
    ]  # fmt: skip
    if sets:
        findings = [_beside(f) for f in findings]
    else:
        refuse_if_any(findings)
        fix = "give each data set its values"
        raise InputRefusedError([*findings, Finding("holds no data", str(path), None, "", fix, code=Code.NO_ROWS)])  # fmt: skip
    return CurveAnalysis(path, model, tuple(sets), tuple(findings))


def _beside(finding: Finding) -> Finding:
    """A table that is none of doses, as one of times, is no fault beside one that is."""
    undeclared = finding.code is Code.UNIT_UNDECLARED
    return replace(finding, severity="warning") if undeclared else finding


def _sets(
    path: Path,
    table: PrismTable,
    doses: Doses,
    terms: tuple[str, QualifierRules],
    findings: list[Finding],
) -> Iterator[DataSet]:
    for column in table.columns:
        where = f"{table.title}: {column.title}"
        try:
            points = tuple(_points(table, column, doses))
            if not points:
                continue
            used = [(p.log_molar, p.value) for p in points if p.used and p.log_molar is not None]
            found = potency(
                [x for x, _ in used], [y for _, y in used], model=terms[0], rules=terms[1]
            )
        except (UserInputError, AnalysisError) as error:
            findings.append(Finding.of(error, str(path), None, where))
            continue
        findings += _cautions(path, where, points, found)
        yield DataSet(table.title, column.title, points, found)


def _points(table: PrismTable, column: PrismColumn, doses: Doses) -> Iterator[DosePoint]:
    for replicate, values in enumerate(column.replicates):
        for row, value in enumerate(values):
            if value is None:
                continue
            x = table.x[row]
            if x is None:
                message = f"row {row + 1} has a value and no X; give its dose"
                raise UserInputError(message, code=Code.NUMBER_MISSING)
            log_molar = doses.log_molar(x)
            struck = (replicate, row) in column.excluded
            yield DosePoint(log_molar, value, used=not struck and log_molar is not None)


def _cautions(
    path: Path, where: str, points: tuple[DosePoint, ...], found: Potency
) -> Iterator[Finding]:
    def say(code: Code, message: str, fix: str) -> Finding:
        return Finding(message, str(path), None, where, fix, "warning", code)

    if zero := sum(p.log_molar is None for p in points):
        message = f"{zero} values at a dose of zero, which has no logarithm, are left out"
        yield say(Code.DOSE_IMPOSSIBLE, message, "they may be given to the fit of LL.4 in Python")
    if struck := sum(not p.used and p.log_molar is not None for p in points):
        message = f"{struck} values are struck out in the file and left out"
        yield say(Code.VALUES_EXCLUDED, message, "nothing, if that was meant")
    if found.code is not None:
        yield say(found.code, found.sentence.rstrip("."), found.code.remedy.rstrip("."))


def write_curves(folder: Path, found: CurveAnalysis) -> list[dict[str, Any]]:
    """Write results.csv, results.json and report.html into a folder; returns the rows.

    Raises:
        OSError: The folder cannot be written.
    """
    from platectl.report.curve_tables import potency_row, write_curve_tables  # heavy

    curves = [
        (s.table, s.name, s.potency, [(p.log_molar, p.value, p.used) for p in s.points])
        for s in found.sets
    ]
    rows = [potency_row(*curve) for curve in curves]
    source = {str(found.path): file_hash(found.path)}
    write_curve_tables(folder, source, found.model, rows, curves, found.findings)
    return rows
