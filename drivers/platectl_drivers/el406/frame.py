"""Frames of the EL406, and the words of its status."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError

ACK: Final = 0x06
NAK: Final = 0x15
HEADER: Final = struct.Struct("<2sHB2sHH")
START: Final = b"\x01\x02"
LONGEST: Final = 4096
STATUS: Final = struct.Struct("<HHIB")
INITIAL, RUNNING, PAUSED, STOPPED = 1, 2, 3, 4

ERRORS: Final = {
    0x1300: "syringe", 0x1355: "peristaltic pump",
    0x1400: "no vacuum after the pump went on", 0x1401: "the waste must be emptied",
    0x1405: "height", 0x1406: "plate", 0x1407: "step", 0x1408: "plate geometry", 0x1409: "carrier",
    0x1413: "priming runs", 0x1414: "priming runs", 0x1416: "vacuum before the start",
    0x1500: "no buffer at the start", 0x1501: "no buffer before dispensing", 0x1502: "valve",
    0x1503: "volume too small", 0x1504: "buffer ran out", 0x1505: "no buffer at the end",
    0x1516: "pressure of the filtration", 0x1517: "filtration hardware cannot be read",
    0x8102: "busy", 0x8104: "checksum", 0x810D: "not at the main menu", 0x810F: "not valid now",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """A command or an answer, with its data."""

    command: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Status:
    """Answer to a status poll: validity 0 or an error code, state, elapsed, status byte."""

    validity: int
    state: int
    elapsed: int
    status: int


def checksum(header: bytes, data: bytes) -> int:
    """Two's complement of the sum of header bytes 0 to 8 and all data, 16 bits."""
    return -(sum(header[:9]) + sum(data)) & 0xFFFF


def encode(frame: Frame) -> tuple[bytes, bytes]:
    """Header and data of a frame; they are sent as two writes."""
    header = HEADER.pack(START, frame.command, 1, b"\0\0", len(frame.data), 0)
    return header[:9] + struct.pack("<H", checksum(header, frame.data)), frame.data


def data_length(header: bytes) -> int:
    """Length of the data that a header announces.

    Raises:
        MalformedReplyError: No header of this protocol.
    """
    start, _, one, zero, length, _ = HEADER.unpack(header)
    if start != START or one != 1 or zero != b"\0\0" or length > LONGEST:
        raise MalformedReplyError(f"no header: {header.hex(' ')}")
    return int(length)


def decode(header: bytes, data: bytes) -> Frame:
    """Check and return a frame.

    Raises:
        MalformedReplyError: Wrong length or checksum.
    """
    if data_length(header) != len(data):
        raise MalformedReplyError(f"{len(data)} bytes of data, not {data_length(header)}")
    _, command, _, _, _, given = HEADER.unpack(header)
    if given != checksum(header, data):
        raise MalformedReplyError(f"checksum {given:04X} instead of {checksum(header, data):04X}")
    return Frame(command, data)


def parse_status(data: bytes) -> Status:
    """Read the answer to a status poll.

    Raises:
        MalformedReplyError: Wrong length, or a state that does not exist.
    """
    if len(data) != STATUS.size:
        raise MalformedReplyError(f"a status of {len(data)} bytes, not {STATUS.size}")
    found = Status(*STATUS.unpack(data))
    if found.state not in {INITIAL, RUNNING, PAUSED, STOPPED}:
        raise MalformedReplyError(f"state {found.state} does not exist")
    return found


def error_text(code: int) -> str:
    """What an error code says, as far as it is known."""
    family = {0x1300: range(0x1300, 0x1308), 0x1355: range(0x1355, 0x1359)}
    for known, codes in family.items():
        if code in codes:
            return f"{ERRORS[known]} ({code:04X})"
    return f"{ERRORS.get(code, 'fault')} ({code:04X})"
