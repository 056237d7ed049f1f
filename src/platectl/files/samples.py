"""Sample sheets: CSV with a compound a line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.samples import Sample
from platectl.domain.units import parse_quantity
from platectl.files.protocol import bundled

COLUMNS = ("compound", "stock_concentration", "top_concentration", "plate", "slot", "barcode")
REQUIRED = COLUMNS[:3]


def load_samples(path: Path | None) -> tuple[Sample, ...]:
    """Read a sample sheet; None is the bundled head-to-head of (+)-igmesine and SA4503.

    Raises:
        InputRefusedError: With all findings, each with its line and column.
    """
    name = str(path) if path else "samples.csv"
    try:
        text = (path or bundled("samples.csv")).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputRefusedError([Finding(f"cannot be read: {reason}", name)]) from error
    return parse_samples(text, name=name)


def parse_samples(text: str, *, name: str) -> tuple[Sample, ...]:
    """Parse the text of a sample sheet; see `load_samples`."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    header = [column.strip() for column in reader.fieldnames or []]
    findings = [Finding(f"column {c!r} is missing", name, 1, c, f"use the columns {', '.join(COLUMNS)}")
                for c in REQUIRED if c not in header]  # fmt: skip
    findings += [Finding(f"column {c!r} is not known", name, 1, c, f"use the columns {', '.join(COLUMNS)}")
                 for c in header if c not in COLUMNS]  # fmt: skip
    findings += [
        Finding(f"column {c!r} is there twice", name, 1, c, "keep one")
        for c in COLUMNS
        if header.count(c) > 1
    ]
    if findings:
        raise InputRefusedError(findings)
    samples: list[Sample] = []
    try:
        for row in reader:
            cells = {
                (k or "").strip(): (v or "").strip()
                for k, v in row.items()
                if not isinstance(v, list)
            }
            if None in row or any(isinstance(v, list) for v in row.values()):
                findings.append(
                    Finding(
                        "has more cells than columns", name, reader.line_num, "", "quote commas"
                    )
                )
            elif any(cells.values()):
                _sample(cells, name, reader.line_num, samples, findings)
    except csv.Error as error:
        findings.append(Finding(f"not CSV: {error}", name, reader.line_num))
    findings += _duplicates(samples, name)
    if not samples and not findings:
        findings.append(Finding("lists no compound", name, 1, "", "add one line for each compound"))
    if findings:
        raise InputRefusedError(findings)
    return tuple(samples)


def _sample(
    cells: dict[str, str], name: str, line: int, samples: list[Sample], findings: list[Finding]
) -> None:
    values: dict[str, object] = {"compound": cells["compound"], "line": line}
    for column, field in (
        ("stock_concentration", "stock_molar"),
        ("top_concentration", "top_molar"),
    ):
        try:
            values[field] = parse_quantity(cells[column], "concentration")
        except UserInputError as error:
            message, _, fix = str(error).partition("; ")
            findings.append(Finding(message, name, line, column, fix))
            values[field] = 1e-6
    values["slot"], values["barcode"] = cells.get("slot", ""), cells.get("barcode", "")
    if plate := cells.get("plate", ""):
        values["plate"] = plate
    try:
        samples.append(Sample.model_validate(values))
    except ValidationError as error:
        for item in error.errors():
            column = str(item["loc"][0]).replace("_molar", "_concentration")
            findings.append(
                Finding(f"{item['input']!r}: {item['msg'].lower()}", name, line, column)
            )


def _duplicates(samples: list[Sample], name: str) -> list[Finding]:
    findings, barcodes, compounds = [], dict[str, int](), dict[str, int]()
    for sample in samples:
        if sample.barcode and sample.barcode in barcodes:
            message = f"barcode {sample.barcode} is on line {barcodes[sample.barcode]} too"
            findings.append(
                Finding(message, name, sample.line, "barcode", "every tube has its own barcode")
            )
        barcodes.setdefault(sample.barcode, sample.line)
        key = sample.compound.casefold()
        if key in compounds:
            message = f"compound {sample.compound!r} is on line {compounds[key]} too"
            findings.append(Finding(message, name, sample.line, "compound", "list a compound once"))
        compounds.setdefault(key, sample.line)
    return findings
