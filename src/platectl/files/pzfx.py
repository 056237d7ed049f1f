"""XY tables of GraphPad Prism's XML files (.pzfx)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.files.table import parse_number, read_bytes

_ROOT = "GraphPadPrismFile"


@dataclass(frozen=True, slots=True)
class PrismColumn:
    """One data set: replicates side by side, each with a value or None for every row.

    `excluded` has (replicate, row), from 0, of values that were struck out; they keep their values.
    """

    title: str
    replicates: tuple[tuple[float | None, ...], ...]
    excluded: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class PrismTable:
    """One XY table."""

    title: str
    x_title: str
    x: tuple[float | None, ...]
    columns: tuple[PrismColumn, ...]


@dataclass(frozen=True, slots=True)
class PrismFile:
    """XY tables of a file; `skipped` are the titles of tables of other types."""

    tables: tuple[PrismTable, ...]
    skipped: tuple[str, ...] = ()


def load_pzfx(path: Path) -> PrismFile:
    """Read a Prism XML file.

    Raises:
        InputRefusedError: With all findings.
    """
    return parse_pzfx(read_bytes(path), name=str(path))


def parse_pzfx(content: bytes, *, name: str) -> PrismFile:
    """Parse a Prism XML file; document types and entities are refused.

    Args:
        content: The bytes of the file.
        name: How findings call it.

    Raises:
        InputRefusedError: Not such a file, no XY table, or values that are no numbers.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        message = "declares a document type or entities, which no file of Prism does"
        raise InputRefusedError([Finding(message, name, code=Code.NOT_PRISM)]) from error
    except (ParseError, ValueError, LookupError) as error:
        line = error.position[0] if isinstance(error, ParseError) else None
        fix = "save it in Prism as .pzfx"
        finding = Finding(f"is no XML: {error}", name, line, "", fix, code=Code.NOT_PRISM)
        raise InputRefusedError([finding]) from error
    if _local(root) != _ROOT:
        message = f"is no file of Prism: its root is {_local(root)}"
        fix = "save it in Prism as .pzfx"
        raise InputRefusedError([Finding(message, name, 1, "", fix, code=Code.NOT_PRISM)])
    findings: list[Finding] = []
    tables, skipped = [], []
    for element in root:
        if _local(element) not in {"Table", "HugeTable"}:
            continue
        if element.get("TableType") == "XY":
            tables.append(_table(element, findings, name))
        else:
            skipped.append(_title(element))
    if not tables:
        findings.append(
            Finding("holds no XY table", name, fix="enter the data as XY", code=Code.PRISM_NO_TABLE)
        )
    if findings:
        raise InputRefusedError(findings)
    return PrismFile(tuple(tables), tuple(skipped))


def _table(element: Element, findings: list[Finding], name: str) -> PrismTable:
    title = _title(element)
    if element.get("XFormat", "numbers") != "numbers":
        message = f"X is given as {element.get('XFormat')!r}"
        findings.append(
            Finding(message, name, None, title, "enter X as plain numbers", code=Code.PRISM_FORMAT)
        )
    if element.get("YFormat", "replicates") != "replicates":
        message = f"Y is given as {element.get('YFormat')!r}"
        findings.append(
            Finding(message, name, None, title, "enter Y as replicates", code=Code.PRISM_FORMAT)
        )
    x_title, x = "", tuple[float | None, ...]()
    columns = []
    for child in element:
        if _local(child) == "XColumn":
            x_title = _title(child)
            found, _ = _subcolumns(child, findings, name, title)
            x = found[0] if found else ()
        elif _local(child) == "YColumn":
            found, excluded = _subcolumns(child, findings, name, title)
            columns.append(PrismColumn(_title(child), found, excluded))
    if not any(value is not None for value in x):
        findings.append(
            Finding(
                "has no X values",
                name,
                None,
                title,
                "enter X as plain numbers",
                code=Code.PRISM_FORMAT,
            )
        )
    return PrismTable(title, x_title, x, tuple(_fitted(c, len(x), findings, name, title) for c in columns))  # fmt: skip


def _subcolumns(
    column: Element, findings: list[Finding], name: str, table: str
) -> tuple[tuple[tuple[float | None, ...], ...], frozenset[tuple[int, int]]]:
    found: list[tuple[float | None, ...]] = []
    excluded: set[tuple[int, int]] = set()
    for replicate, subcolumn in enumerate(_children(column, "Subcolumn")):
        values: list[float | None] = []
        for row, cell in enumerate(_children(subcolumn, "d")):
            text = "".join(cell.itertext()).strip()
            if cell.get("Excluded") == "1":
                excluded.add((replicate, row))
            try:
                values.append(parse_number(text, "value") if text else None)
            except UserInputError as error:
                where = f"{table}: {_title(column)}: row {row + 1}"
                findings.append(Finding.of(error, name, None, where))
                values.append(None)
        found.append(tuple(values))
    return tuple(found), frozenset(excluded)


def _fitted(
    column: PrismColumn, rows: int, findings: list[Finding], name: str, table: str
) -> PrismColumn:
    """The column with as many rows as X has."""
    fitted = []
    for values in column.replicates:
        if any(value is not None for value in values[rows:]):
            where = f"{table}: {column.title}"
            message = f"has more than {rows} rows, X does not"
            findings.append(
                Finding(message, name, None, where, "give each row its X", code=Code.PRISM_FORMAT)
            )
        fitted.append((*values[:rows], *[None] * (rows - len(values))))
    return PrismColumn(column.title, tuple(fitted), column.excluded)


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child) == name)


def _title(element: Element) -> str:
    title = next(_children(element, "Title"), None)
    return "" if title is None else "".join(title.itertext()).strip()


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
