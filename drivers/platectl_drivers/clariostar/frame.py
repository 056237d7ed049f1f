"""Frames, status and data of the CLARIOstar."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError

OVERHEAD: Final = 8
HEAD: Final = 4
LARGEST: Final = 60000
STATUS_TYPE, DATA_TYPE, RUN_TYPE = 0x01, 0x02, 0x03
STATUS_SIZE: Final = 16
DATA_START: Final = 34
FLUORESCENCE: Final = 0x21
NO_DATA, FINISHING = 0xD5, 0x66
RUNNING, BUSY = 0x10, 0x20
DRAWER_OPEN, PLATE, INITIALISED, LID = 0x01, 0x02, 0x20, 0x40


def encode(payload: bytes) -> bytes:
    """A frame around a payload."""
    body = b"\x02" + struct.pack(">H", len(payload) + OVERHEAD) + b"\x0c" + payload
    return body + sum(body).to_bytes(3, "big") + b"\x0d"


def size_of(head: bytes) -> int:
    """Whole size of the frame that begins with these three or more bytes.

    Raises:
        MalformedReplyError: No beginning of a frame.
    """
    size = int.from_bytes(head[1:3], "big")
    if head[0] != 0x02 or not OVERHEAD < size <= LARGEST:  # noqa: PLR2004  # start of a frame
        raise MalformedReplyError(f"no frame: {head[:8].hex(' ')}")
    return size


def decode(frame: bytes) -> bytes:
    """Payload of a whole frame.

    Raises:
        MalformedReplyError: Wrong size, sum or end.
    """
    if size_of(frame) != len(frame) or frame[3] != 0x0C or frame[-1] != 0x0D:  # noqa: PLR2004  # marks of the frame
        raise MalformedReplyError(f"no whole frame: {frame[:8].hex(' ')} … {frame[-4:].hex(' ')}")
    if int.from_bytes(frame[-4:-1], "big") != sum(frame[:-4]):
        raise MalformedReplyError(f"checksum {frame[-4:-1].hex()} is not {sum(frame[:-4]):06x}")
    return frame[HEAD:-4]


@dataclass(frozen=True, slots=True)
class Status:
    """The 16 bytes of a status; temperatures are None while the sensors are off."""

    flags: int
    mechanics: int
    refusal: int
    bottom_c: float | None
    top_c: float | None

    @property
    def busy(self) -> bool:
        """Something moves or measures."""
        return bool(self.flags & (RUNNING | BUSY))

    @property
    def drawer_open(self) -> bool:
        """The drawer is out."""
        return bool(self.mechanics & DRAWER_OPEN)


def parse_status(payload: bytes) -> Status:
    """Read a status.

    Raises:
        MalformedReplyError: No status.
    """
    if len(payload) != STATUS_SIZE or payload[0] != STATUS_TYPE:
        raise MalformedReplyError(f"no status: {payload[:8].hex(' ')}")
    bottom, top = struct.unpack(">HH", payload[11:15])
    return Status(payload[1], payload[3], payload[6], bottom / 10 or None, top / 10 or None)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of fluorescence: values by chromatic, in the order of the selected wells."""

    number: int
    start_s: int
    total: int
    complete: int
    limit: int
    temperature_c: float | None
    values: tuple[tuple[int, ...], ...]

    @property
    def whole(self) -> bool:
        """Whether every value is there."""
        return self.complete == self.total


def parse_record(payload: bytes) -> Record:
    """Read a data reply.

    Raises:
        MalformedReplyError: Not fluorescence, or lengths that do not fit.
    """
    if len(payload) < DATA_START or payload[0] != DATA_TYPE or payload[6] & 0x7F != FLUORESCENCE:
        raise MalformedReplyError(f"no fluorescence data: {payload[:8].hex(' ')}")
    total, complete, limit = struct.unpack(">HHI", payload[7:15])
    chromatics, wells = struct.unpack(">HH", payload[16:20])
    count = chromatics * wells
    if len(payload) != DATA_START + 4 * count or complete > total or total not in {count, wells}:
        raise MalformedReplyError(f"{len(payload)} bytes of data for {chromatics} x {wells} values")
    number, start_s = struct.unpack(">H", payload[25:27])[0], struct.unpack(">I", payload[28:32])[0]
    temperature = struct.unpack(">H", payload[32:34])[0] / 10 or None
    flat = struct.unpack(f">{count}I", payload[DATA_START:])
    values = tuple(flat[i * wells : (i + 1) * wells] for i in range(chromatics))
    return Record(number, start_s, total, complete, limit, temperature, values)
