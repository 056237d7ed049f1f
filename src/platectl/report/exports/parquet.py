"""Runs as Parquet files, one for each table, with units and meanings in the schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platectl.domain.codes import Code
from platectl.domain.extras import extra
from platectl.domain.findings import Finding, InputRefusedError
from platectl.report.exports.columns import NUMBER, TEXT, TEXTS, TRUTH, WHOLE
from platectl.report.exports.model import Column, Table
from platectl.report.exports.tables import FORMAT


def write_parquet(folder: Path, tables: Sequence[Table]) -> list[Path]:
    """Write `<table>.parquet` for each table into a folder, which is made.

    Raises:
        UserInputError: pyarrow is not installed.
        OSError: A file cannot be written.
    """
    arrow, parquet = _arrow()
    types = {
        TEXT: arrow.string(), WHOLE: arrow.int64(), NUMBER: arrow.float64(), TRUTH: arrow.bool_(),
        TEXTS: arrow.list_(arrow.string()),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for table in tables:
        fields = [
            arrow.field(c.name, types[c.kind], metadata={
                "unit": c.unit, "kind": c.kind, "meaning": c.meaning, "nullable": str(c.nullable),
            })
            for c in table.columns
        ]  # fmt: skip
        schema = arrow.schema(fields, metadata={"format": FORMAT, "table": table.name})
        paths.append(folder / f"{table.name}.parquet")
        data = arrow.Table.from_pylist([dict(row) for row in table.rows], schema=schema)
        parquet.write_table(data, paths[-1])
    return paths


def read_parquet(folder: Path) -> list[Table]:
    """Read the tables of a folder that `write_parquet` wrote.

    Raises:
        UserInputError: pyarrow is not installed.
        InputRefusedError: No tables, or files that are none.
    """
    arrow, parquet = _arrow()
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        fix = "give a folder of platectl export"
        raise InputRefusedError(
            [Finding("holds no Parquet files", str(folder), fix=fix, code=Code.EXPORT_DAMAGED)]
        )
    findings, tables = [], []
    for path in paths:
        try:
            data = parquet.read_table(path)
        except (OSError, arrow.ArrowException) as error:
            findings.append(
                Finding(f"is no Parquet file: {error}", str(path), code=Code.EXPORT_DAMAGED)
            )
            continue
        stated = data.schema.metadata or {}
        if stated.get(b"format") != FORMAT.encode():
            findings.append(
                Finding(f"is not of the format {FORMAT}", str(path), code=Code.EXPORT_DAMAGED)
            )
            continue
        columns = tuple(_column(field) for field in data.schema)
        tables.append(Table(stated[b"table"].decode(), columns, tuple(data.to_pylist())))
    if findings:
        raise InputRefusedError(findings)
    return tables


def _column(field: Any) -> Column:
    stated = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    return Column(
        field.name, stated["kind"], stated["unit"], stated["meaning"],
        nullable=stated["nullable"] == "True",
    )  # fmt: skip


def _arrow() -> tuple[Any, Any]:
    """The library and its Parquet module.

    Raises:
        UserInputError: It is not installed, or broken.
    """
    with extra("parquet", "Parquet needs pyarrow"):
        import pyarrow as pa  # heavy
        from pyarrow import parquet
    return pa, parquet
