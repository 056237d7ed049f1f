"""Sample sheets: a table (CSV or workbook) with a compound a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.samples import Sample
from platectl.domain.units import parse_quantity, unit_named
from platectl.files.protocol import bundled
from platectl.files.table import Columns, Sheet, parse_number, parse_sheet, read_sheet, records

COLUMNS = ("compound", "stock_concentration", "top_concentration", "plate", "slot", "barcode")
REQUIRED = COLUMNS[:3]
_TABLE = Columns(COLUMNS, REQUIRED, "lists no compound")
_CONCENTRATIONS = {"stock_concentration": "stock_molar", "top_concentration": "top_molar"}
_DECLARED = re.compile(r"(\w+_concentration)\s*[\s(\[]\s*([^\s()\[\]]+)\s*[)\]]?", re.IGNORECASE)


def load_samples(path: Path | None) -> tuple[Sample, ...]:
    """Read a sample sheet; None is the bundled head-to-head of (+)-igmesine and SA4503.

    A concentration has its unit behind it (`10 mM`), or in the head of its column: `top_concentration (uM)`.

    Raises:
        InputRefusedError: With all findings, each with its line and column.
    """
    sheet = read_sheet(path or bundled("samples.csv"))
    return samples_of(sheet if path else replace(sheet, name="samples.csv"))


def parse_samples(text: str, *, name: str) -> tuple[Sample, ...]:
    """Parse the text of a sample sheet; see `load_samples`."""
    return samples_of(parse_sheet(text, name=name))


def samples_of(sheet: Sheet) -> tuple[Sample, ...]:
    """Compounds of a table; see `load_samples`."""
    sheet, units = _declared(sheet)
    findings: list[Finding] = []
    samples: list[Sample] = []
    for line, cells in records(sheet, _TABLE):
        _sample(cells, sheet.name, line, units, samples, findings)
    findings += _duplicates(samples, sheet.name)
    if findings:
        raise InputRefusedError(findings)
    return tuple(samples)


def _declared(sheet: Sheet) -> tuple[Sheet, dict[str, str]]:
    """The sheet with plain heads, and the units that stood in them by column."""
    if not sheet.rows:
        return sheet, {}
    (line, head), *body = sheet.rows
    units: dict[str, str] = {}
    names, findings = [], []
    for cell in head:
        match = _DECLARED.fullmatch(cell)
        if match is None:
            names.append(cell)
            continue
        name = match[1].casefold()
        names.append(name)
        try:
            units[name] = unit_named(match[2], "concentration")
        except UserInputError as error:
            findings.append(Finding.of(error, sheet.name, line, name))
    if findings:
        raise InputRefusedError(findings)
    return replace(sheet, rows=((line, tuple(names)), *body)), units


def _sample(
    cells: Mapping[str, str], name: str, line: int, units: Mapping[str, str],
    samples: list[Sample], findings: list[Finding],
) -> None:  # fmt: skip
    values: dict[str, object] = {"compound": cells["compound"], "line": line}
    before = len(findings)
    for column, field in _CONCENTRATIONS.items():
        try:
            values[field] = _molar(cells.get(column, ""), units.get(column))
        except UserInputError as error:
            findings.append(Finding.of(error, name, line, column))
            values[field] = 1e-6
    values["slot"], values["barcode"] = cells.get("slot", "").casefold(), cells.get("barcode", "")
    if plate := cells.get("plate", ""):
        values["plate"] = plate
    try:
        sample = Sample.model_validate(values)
    except ValidationError as error:
        for item in error.errors():
            column = str(item["loc"][0]).replace("_molar", "_concentration")
            text = cells.get(column, "")
            message = f"{text!r}: {item['msg'].lower()}"
            fix = "check number and unit" if column in _CONCENTRATIONS else "correct it"
            code = Code.CONCENTRATION_IMPOSSIBLE if column in _CONCENTRATIONS else Code.VALUE_OUT_OF_RANGE  # fmt: skip
            findings.append(Finding(message, name, line, column, fix, code=code))
        return
    if sample.top_molar > sample.stock_molar and len(findings) == before:
        message = (
            f"{cells['top_concentration']} is above the stock of {cells['stock_concentration']}"
        )
        findings.append(Finding(message, name, line, "top_concentration", "check numbers and units",
                                code=Code.CONCENTRATION_IMPOSSIBLE))  # fmt: skip
    samples.append(sample)


def _molar(text: str, declared: str | None) -> float:
    """A concentration in M, by its own unit or by that of its column.

    Raises:
        UserInputError: No unit or two different ones, or no number.
    """
    if declared is None:
        return parse_quantity(text, "concentration")
    own = re.search(r"[^\d\s.+-]*$", text)
    if own and own[0] and not re.fullmatch(r"[eE]", own[0]):
        if unit_named(own[0], "concentration") != declared:
            message = f"{text!r} under a head that says {declared}; write one unit"
            raise UserInputError(message, code=Code.UNIT_CONTRADICTS)
        return parse_quantity(text, "concentration")
    return parse_quantity(
        f"{parse_number(text, 'the concentration')!r} {declared}", "concentration"
    )


def _duplicates(samples: Iterable[Sample], name: str) -> list[Finding]:
    findings, barcodes, compounds = [], dict[str, int](), dict[str, int]()
    for sample in samples:
        if sample.barcode and sample.barcode in barcodes:
            message = f"barcode {sample.barcode} is on line {barcodes[sample.barcode]} too"
            findings.append(Finding(message, name, sample.line, "barcode",
                                    "every tube has its own barcode", code=Code.BARCODE_TWICE))  # fmt: skip
        barcodes.setdefault(sample.barcode, sample.line)
        key = sample.compound.casefold()
        if key in compounds:
            message = f"compound {sample.compound!r} is on line {compounds[key]} too"
            findings.append(Finding(message, name, sample.line, "compound", "list a compound once",
                                    code=Code.COMPOUND_TWICE))  # fmt: skip
        compounds.setdefault(key, sample.line)
    return findings
