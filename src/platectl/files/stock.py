"""Stock files: what a lab has on hand."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.stock import Stock
from platectl.files.yaml_lines import Document, findings_of, read_yaml, refuse_other


def load_stock(path: Path) -> Stock:
    """Read a stock file.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path)
    refuse_other(document, "stock file")
    try:
        stock = Stock.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error
    if found := _overfull(stock, document):
        raise InputRefusedError(found)
    return stock


def _overfull(stock: Stock, document: Document) -> list[Finding]:
    """Containers that hold more than they can."""
    findings = []
    for name, stream in stock.waste.items():
        amounts = (
            ("filled", stream.filled, stream.volume),
            ("filled_items", stream.filled_items, stream.items),
        )
        findings += [
            document.finding(
                ("waste", name, field), "is more than the container takes",
                "empty it, or correct its capacity",
            )
            for field, there, capacity in amounts
            if there > (capacity or 0)
        ]  # fmt: skip
    return findings
