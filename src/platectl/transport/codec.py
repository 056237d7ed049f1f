"""Strict decoding of text from instruments: nothing unexpected becomes a number."""

from __future__ import annotations

import re

from platectl.domain.errors import MalformedReplyError

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")


def text(data: bytes) -> str:
    """Decode printable ASCII.

    Raises:
        MalformedReplyError: A byte outside printable ASCII.
    """
    if any(byte < 0x20 or byte > 0x7E for byte in data):  # noqa: PLR2004
        raise MalformedReplyError(f"not plain text: {data[:60]!r}")
    return data.decode("ascii")


def number(field: str | bytes) -> float:
    """Decode a decimal number; no `nan`, `inf`, underscores, blanks or empty fields.

    Raises:
        MalformedReplyError: Anything else.
    """
    raw = text(field) if isinstance(field, bytes) else field
    if not _NUMBER.fullmatch(raw):
        raise MalformedReplyError(f"{raw[:60]!r} is not a number")
    return float(raw)


def integer(field: str | bytes) -> int:
    """Decode a whole number.

    Raises:
        MalformedReplyError: Anything else.
    """
    raw = text(field) if isinstance(field, bytes) else field
    if not _INTEGER.fullmatch(raw):
        raise MalformedReplyError(f"{raw[:60]!r} is not a whole number")
    return int(raw)
