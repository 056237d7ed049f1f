"""Frames of the CLARIOstar: size, payload, sum."""

from __future__ import annotations

import struct
from typing import Final

from platectl.domain.errors import MalformedReplyError

HEAD: Final = 4
TAIL: Final = 4
OVERHEAD: Final = HEAD + TAIL
START, MARK, END = 0x02, 0x0C, 0x0D


def encode(payload: bytes) -> bytes:
    """A frame around a payload."""
    body = struct.pack(">BHB", START, len(payload) + OVERHEAD, MARK) + payload
    return body + sum(body).to_bytes(3, "big") + bytes((END,))


def size_of(head: bytes) -> int:
    """Whole size of the frame that begins with these four or more bytes.

    Raises:
        MalformedReplyError: No beginning of a frame.
    """
    start, size, mark = struct.unpack(">BHB", head[:HEAD])
    if start != START or mark != MARK or size <= OVERHEAD:
        raise MalformedReplyError(f"no frame: {head[:8].hex(' ')}")
    return int(size)


def decode(frame: bytes) -> bytes:
    """Payload of a whole frame, at least one byte.

    Raises:
        MalformedReplyError: Wrong beginning, size, sum or end.
    """
    if len(frame) <= OVERHEAD or size_of(frame) != len(frame) or frame[-1] != END:
        raise MalformedReplyError(f"no whole frame: {frame[:8].hex(' ')} … {frame[-4:].hex(' ')}")
    if int.from_bytes(frame[-TAIL:-1], "big") != sum(frame[:-TAIL]):
        stated, true = frame[-TAIL:-1].hex(), f"{sum(frame[:-TAIL]):06x}"
        raise MalformedReplyError(f"the checksum is {stated}, the bytes sum up to {true}")
    return frame[HEAD:-TAIL]
