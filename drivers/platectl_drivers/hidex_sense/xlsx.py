"""The first sheet of an .xlsx workbook as rows of text; strict, small, and safe with strangers."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final
from xml.etree import ElementTree as ET

from platectl.domain.errors import MalformedReplyError

LARGEST_PART: Final = 8 * 1024 * 1024
#: what zipfile raises on damaged archives
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")


def first_sheet(data: bytes) -> list[list[str]]:
    """Return the rows of the first sheet that hold anything, each from column A on.

    An empty cell is an empty text; numbers stay as they are written in the file.

    Raises:
        MalformedReplyError: Not a workbook, or it uses what a plain table has no need of.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            sheet = _part(archive, _first_sheet_path(archive))
            texts = _shared_texts(archive)
    except _DAMAGE as error:
        raise MalformedReplyError(f"not an .xlsx workbook: {error}") from error
    except KeyError as error:
        raise MalformedReplyError(f"the workbook lacks a part: {error}") from error
    except ET.ParseError as error:
        raise MalformedReplyError(f"a part of the workbook is not XML: {error}") from error
    rows = [_row(row, texts) for row in sheet.iter(f"{_MAIN}row")]
    return [row for row in rows if any(row)]


def _part(archive: zipfile.ZipFile, path: str) -> ET.Element:
    if archive.getinfo(path).file_size > LARGEST_PART:
        raise MalformedReplyError(f"{path} of the workbook is larger than {LARGEST_PART} bytes")
    with archive.open(path) as file:
        raw = file.read(LARGEST_PART + 1)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedReplyError(f"{path} of the workbook is not UTF-8") from error
    if len(raw) > LARGEST_PART or "<!" in text:
        raise MalformedReplyError(
            f"{path} of the workbook declares a document type or is too large"
        )
    return ET.fromstring(text)  # noqa: S314  # no document type, hence no entities


def _first_sheet_path(archive: zipfile.ZipFile) -> str:
    sheet = _part(archive, "xl/workbook.xml").find(f"{_MAIN}sheets/{_MAIN}sheet")
    if sheet is None:
        raise MalformedReplyError("the workbook has no sheet")
    for link in _part(archive, "xl/_rels/workbook.xml.rels"):
        if link.get("Id") == sheet.get(_LINK):
            target = link.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise MalformedReplyError("the workbook's first sheet leads nowhere")


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    path = "xl/sharedStrings.xml"
    if path not in archive.namelist():
        return []
    return [_text(item) for item in _part(archive, path).iter(f"{_MAIN}si")]


def _text(item: ET.Element) -> str:
    return "".join(piece.text or "" for piece in item.iter(f"{_MAIN}t"))


def _row(row: ET.Element, texts: list[str]) -> list[str]:
    values: list[str] = []
    for column, value in _cells(row, texts):
        if column < len(values):
            raise MalformedReplyError("cells of the sheet are out of order")
        values += [""] * (column - len(values)) + [value]
    return values


def _cells(row: ET.Element, texts: list[str]) -> Iterator[tuple[int, str]]:
    for cell in row.iter(f"{_MAIN}c"):
        place = cell.get("r", "")
        match = _CELL.fullmatch(place)
        if not match:
            raise MalformedReplyError(f"cell reference {place!r}")
        column = 0
        for letter in match[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        yield column - 1, _value(cell, place, texts)


def _value(cell: ET.Element, place: str, texts: list[str]) -> str:
    kind = cell.get("t", "n")
    if cell.find(f"{_MAIN}f") is not None:
        raise MalformedReplyError(f"cell {place} holds a formula; a result is a plain value")
    if kind == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_MAIN}v") or ""
    if kind == "s":
        if not value.isdecimal() or int(value) >= len(texts):
            raise MalformedReplyError(f"cell {place} refers to no text")
        return texts[int(value)]
    if kind in {"n", "str"}:
        return value
    raise MalformedReplyError(f"cell {place} is of kind {kind!r}, which a result has no need of")
