"""Records of fluorescence, whole or still filling."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import MalformedReplyError

DATA: Final = 0x02
VALUES_AT: Final = 34
FLUORESCENCE: Final = 0x21
NEW_STYLE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Record:
    """One cycle: values by chromatic, in row-major order of the selected wells.

    `number` counts from 1. A value at `limit` is an overflow; a zero is a well that is not read
    yet, as long as the record is not whole.
    """

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

    @property
    def wells_done(self) -> int:
        """Wells that are read in all chromatics."""
        return self.complete * len(self.values[0]) // self.total


def parse_record(payload: bytes) -> Record:
    """Read a data reply.

    Raises:
        MalformedReplyError: Not fluorescence, or counts and lengths that do not fit.
    """
    if len(payload) < VALUES_AT or payload[0] != DATA or payload[6] & ~NEW_STYLE != FLUORESCENCE:
        raise MalformedReplyError(f"no fluorescence: {payload[:8].hex(' ')}")
    total, complete, limit, _, chromatics, wells = struct.unpack(">HHIBHH", payload[7:20])
    number, _, start_s, tenths = struct.unpack(">HBIH", payload[25:34])
    count = chromatics * wells
    fits = len(payload) == VALUES_AT + 4 * count and total in {count, wells}
    if not fits or not count or complete > total or not number:
        raise MalformedReplyError(
            f"{len(payload)} bytes of record {number}, {complete} of {total} values, "
            f"for {chromatics} chromatics of {wells} wells"
        )
    flat = struct.unpack(f">{count}I", payload[VALUES_AT:])
    values = tuple(flat[i * wells : (i + 1) * wells] for i in range(chromatics))
    return Record(number, start_s, total, complete, limit, tenths / 10 or None, values)
