"""Stock files: what a lab has on hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.stock import Stock
from platectl.files.yaml_lines import Document, findings_of, read_yaml, refuse_other

#: it is a new day somewhere so long before it is in UTC
FIRST_ZONE = timedelta(hours=14)


def load_stock(path: Path, *, now: datetime | None = None) -> Stock:
    """Read a stock file.

    Args:
        path: The file.
        now: An aware moment after which nothing can have been counted or certified; None takes any.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    document = read_yaml(path)
    refuse_other(document, "stock file")
    try:
        stock = Stock.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error
    if found := [*_overfull(stock, document), *_ahead(stock, document, now)]:
        raise InputRefusedError(found)
    return stock


def _ahead(stock: Stock, document: Document, now: datetime | None) -> list[Finding]:
    """Counts and certificates of the future, back from which activities would grow."""
    if now is None:
        return []
    findings = []
    if stock.counted is not None and stock.counted > now:
        fix = "give the moment of the count, with its time zone"
        findings.append(document.finding(("counted",), f"{stock.counted} is in the future", fix))
    today = (now.astimezone(UTC) + FIRST_ZONE).date()
    return findings + [
        document.finding(
            ("radioactive", name, "date"), f"{vial.date} is in the future",
            "give the day on which the certificate states the activity",
        )
        for name, vial in stock.radioactive.items() if vial.date > today
    ]  # fmt: skip


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
