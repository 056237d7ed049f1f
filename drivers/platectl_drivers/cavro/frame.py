"""Codecs of the two protocols of a Cavro pump: OEM with check sum and sequence, and Data Terminal."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError
from platectl.transport.codec import text

STX: Final = 0x02
ETX: Final = 0x03
MASTER: Final = 0x30
FIRST_ADDRESS: Final = 0x31
LAST_SEQUENCE: Final = 7
REPEATED: Final = 0x08
FIXED_BITS: Final = 0xD0
STATUS: Final = 0x40
READY: Final = 0x20
ERROR_BITS: Final = 0x0F
#: STX, master address, status, ETX, check sum
SHORTEST: Final = 5
DT_END: Final = bytes((ETX,)) + b"\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the pump; `ready` counts only in the answer to `Q`."""

    ready: bool
    error: int
    data: str = ""


def check_sum(block: bytes) -> int:
    """All bytes from STX to ETX, combined by exclusive or."""
    return functools.reduce(operator.xor, block, 0)


def address_of(switch: int) -> int:
    """The address character of a pump whose address switch stands at 0 to 14."""
    return FIRST_ADDRESS + switch


def oem_block(switch: int, sequence: int, data: str, *, repeat: bool = False) -> bytes:
    """A command in the OEM protocol; `sequence` is 1 to 7."""
    number = MASTER | sequence | (REPEATED if repeat else 0)
    block = bytes((STX, address_of(switch), number)) + data.encode("ascii") + bytes((ETX,))
    return block + bytes((check_sum(block),))


def dt_block(switch: int, data: str) -> bytes:
    """A command in the Data Terminal protocol."""
    return b"/" + bytes((address_of(switch),)) + data.encode("ascii") + b"\r"


def take_oem(buffer: bytearray) -> bytes | None:
    """Take the first whole block off a buffer; what stands before its STX is none of it."""
    start = buffer.find(STX)
    end = buffer.find(ETX, start) if start >= 0 else -1
    if end < 0 or end + 1 >= len(buffer):
        return None
    block = bytes(buffer[start : end + 2])
    del buffer[: end + 2]
    return block


def take_dt(buffer: bytearray) -> bytes | None:
    """Take the first whole line off a buffer, without its end."""
    end = buffer.find(DT_END)
    if end < 0:
        return None
    line = bytes(buffer[:end])
    del buffer[: end + len(DT_END)]
    return line[max(line.rfind(b"/0"), 0) :]


def parse_oem(block: bytes) -> Answer:
    """Decode STX, `0`, status, data, ETX, check sum.

    Raises:
        MalformedReplyError: Too short, a wrong check sum, or not for the master.
    """
    if len(block) < SHORTEST:
        raise MalformedReplyError(f"{block!r} is too short for an answer")
    if block[0] != STX or block[-2] != ETX or check_sum(block[:-1]) != block[-1]:
        raise MalformedReplyError(f"{block[:40]!r} is no whole block")
    if block[1] != MASTER:
        raise MalformedReplyError(f"{block[:40]!r} is not for this computer")
    return _answer(block[2], block[3:-2])


def parse_dt(line: bytes) -> Answer:
    """Decode `/0`, status, data.

    Raises:
        MalformedReplyError: No answer to the master, or no status.
    """
    if not line.startswith(b"/0") or len(line) < len(b"/0@"):
        raise MalformedReplyError(f"{line[:40]!r} is no answer of a pump")
    return _answer(line[2], line[3:])


def _answer(status: int, data: bytes) -> Answer:
    if status & FIXED_BITS != STATUS:
        raise MalformedReplyError(f"{status:#04x} is no status")
    return Answer(bool(status & READY), status & ERROR_BITS, text(data))
