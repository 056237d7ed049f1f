r"""Recorded conversations as text: `> ` to the instrument, `< ` from it, escapes as in Python.

A transcript starts with comment lines; one of them names its source (`# source: …`).
Consecutive lines of one side belong together. An optional `@12.500` before the arrow is the time
of the first byte in seconds since the start of the recording::

    # Multidrop Combi, firmware 2.00.29; source: instrument manual, table 3-3
    > VER\r
    < VER\r\nMultidropCombi 2.00.29 836-4191\r\nVER END 0\r\n

Of an instrument that answers by files there are `< ` lines only: one whole file, a time for each piece by
which it grew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from platectl.domain.errors import UserInputError

Side = Literal[">", "<"]
_LINE = re.compile(r"(?:@(\d+\.\d+) )?([<>]) (.*)")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([rnt\\]))")
_NAMED = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
_SHORT = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t"}
_NOT_PRINTABLE = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said before the other side spoke; `at_s` is None when it was not timed."""

    side: Side
    data: bytes
    at_s: float | None = None


def escape(data: bytes) -> str:
    """Write bytes on one line of printable ASCII."""
    text = data.decode("latin-1")
    for plain, escaped in _SHORT.items():
        text = text.replace(plain, escaped)
    if text.isascii() and text.isprintable():
        return text
    return _NOT_PRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def unescape(text: str) -> bytes:
    """Undo `escape`.

    Raises:
        UserInputError: An unknown escape or a character that is not printable ASCII.
    """
    out, position = bytearray(), 0
    for match in _ESCAPE.finditer(text):
        out += _plain(text[position : match.start()])
        out += bytes.fromhex(match[1]) if match[1] else _NAMED[match[2]]
        position = match.end()
    return bytes(out + _plain(text[position:]))


def _plain(text: str) -> bytes:
    if "\\" in text or not text.isascii() or not (text.isprintable() or not text):
        raise UserInputError(f"bad escape in a transcript: {text!r}")
    return text.encode("ascii")


def parse_transcript(text: str) -> tuple[Turn, ...]:
    """Return the turns of a transcript; lines of one side without a time in between are joined.

    Raises:
        UserInputError: A line is neither comment nor turn.
    """
    turns: list[Turn] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise UserInputError(f"transcript line {number}: start it with '> ', '< ' or '#'")
        at, side, data = match[1], match[2], unescape(match[3])
        if turns and turns[-1].side == side and at is None:
            turns[-1] = Turn(turns[-1].side, turns[-1].data + data, turns[-1].at_s)
        else:
            turns.append(Turn(">" if side == ">" else "<", data, float(at) if at else None))
    return tuple(turns)


def format_transcript(turns: Iterable[Turn], *, header: str = "") -> str:
    """Write turns as text."""
    head = "".join(f"# {line}\n" for line in header.splitlines())
    return head + "".join(
        f"{'' if turn.at_s is None else f'@{turn.at_s:.6f} '}{turn.side} {escape(turn.data)}\n"
        for turn in turns
    )
