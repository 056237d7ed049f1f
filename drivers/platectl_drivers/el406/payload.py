"""Data of the steps that a 96-well plate needs; bytes that no layout names are zero."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

PLATE_96: Final = 4
ASPIRATE, DISPENSE, PRIME, WASH = 0xA5, 0xA6, 0xA7, 0xA4
LENGTHS: Final = {ASPIRATE: 22, DISPENSE: 20, PRIME: 13, WASH: 102}
DISPENSE_FLOW: Final = 7
PRE_FLOW: Final = 9
FILTER_RATE: Final = 3


def _u16(value: int) -> bytes:
    return struct.pack("<H", value)


def aspirate(*, z: int, rate: int, delay_ms: int = 0) -> bytes:
    """Draw the wells down to `z`; `delay_ms` 0 to 5000 at the bottom."""
    return _draw(filtration=False, delay=delay_ms, rate=rate, z=z)


def filtration(*, seconds: int, z: int) -> bytes:
    """Draw a filter plate through for 5 to 999 s."""
    return _draw(filtration=True, delay=seconds, rate=FILTER_RATE, z=z)


def _draw(*, filtration: bool, delay: int, rate: int, z: int) -> bytes:
    data = bytes((PLATE_96, int(filtration))) + _u16(delay) + bytes((rate, 0, 0)) + _u16(z)
    data += bytes((0, 0, 0)) + _u16(z) + bytes(2) + b"\xff\x0f" + bytes(4)
    return data


def dispense(*, buffer: str, volume_ul: int, flow: int = DISPENSE_FLOW, z: int) -> bytes:
    """Fill all wells from a buffer line."""
    data = bytes((PLATE_96, ord(buffer))) + _u16(volume_ul) + bytes((flow, 0, 0)) + _u16(z)
    return data + _u16(0) + bytes((PRE_FLOW,)) + _u16(0) + bytes(6)


def prime(*, buffer: str, volume_ml: int, flow: int = DISPENSE_FLOW) -> bytes:
    """Fill the tubing of a buffer line, 5 to 999 mL."""
    data = bytes((PLATE_96, ord(buffer))) + _u16(volume_ml) + bytes((flow,)) + _u16(0) + _u16(0)
    return data + bytes(4)


@dataclass(frozen=True, slots=True)
class WashProgram:
    """One manifold wash: each cycle aspirates to `aspirate_z` and dispenses `volume_ul`."""

    buffer: str
    cycles: int
    volume_ul: int
    aspirate_z: int
    dispense_z: int
    rate: int
    flow: int
    final_aspirate: bool


def wash(program: WashProgram) -> bytes:
    """The 102 bytes of a wash."""
    data = bytearray(LENGTHS[WASH])
    data[0], data[2], data[6] = PLATE_96, int(program.final_aspirate), program.cycles
    data[4] = 0x0F
    dispensing = (
        bytes((ord(program.buffer),)) + _u16(program.volume_ul) + bytes((program.flow, 0, 0))
    )
    dispensing += _u16(program.dispense_z) + _u16(0) + bytes((PRE_FLOW,)) + _u16(0)
    data[7 : 7 + len(dispensing)] = dispensing
    data[68 : 68 + len(dispensing)] = dispensing
    data[29], data[32:34], data[37:39] = (
        program.rate,
        _u16(program.aspirate_z),
        _u16(program.aspirate_z),
    )
    data[50], data[53:55], data[58:60] = (
        program.rate,
        _u16(program.aspirate_z),
        _u16(program.aspirate_z),
    )
    return bytes(data)
