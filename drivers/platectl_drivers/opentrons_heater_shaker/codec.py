"""Lines of the Heater-Shaker, and the words of its errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.hal.instrument import Identity
from platectl.transport.codec import integer, number

Latch = Literal["IDLE_OPEN", "IDLE_CLOSED", "OPENING", "CLOSING", "IDLE_UNKNOWN", "UNKNOWN"]

_ERROR: Final = re.compile(r"(?:async )?(ERR\d{3}):(.*?)(?: OK)?")
_ANSWER: Final = re.compile(r"([GM]\d+)(?: (.*))? OK")
_IDENTITY: Final = re.compile(r"FW:(\S+) HW:(\S+) SerialNo:(\S+)")
_ACTUAL_AND_TARGET: Final = re.compile(r"C:(\S+) T:(\S+)")
_STATUS: Final = re.compile(rf"STATUS:({'|'.join(get_args(Latch))})")
FAULTS: Final = {
    "ERR003": "it does not know the command",
    "ERR004": "its command buffer is full",
    "ERR105": "the motor does not start",
    "ERR106": "the speed sensor failed",
    "ERR107": "the motor is overloaded",
    "ERR111": "the nest cannot move",
    "ERR120": "it cannot turn at that speed",
    "ERR123": "the nest is not at home",
    "ERR124": "the nest does not stand",
    "ERR125": "the latch did not move in time",
    "ERR126": "the latch is not closed",
    "ERR203": "the heater is too hot",
    "ERR207": "the heater is too hot",
    "ERR209": "its board is too hot",
    "ERR211": "the heater switched itself off",
}


@dataclass(frozen=True, slots=True)
class Speed:
    """What M123 tells, in revolutions per minute; a target of 0 is none."""

    actual_rpm: int
    target_rpm: int


@dataclass(frozen=True, slots=True)
class Warmth:
    """What M105 tells, in degrees Celsius; None while the heater is off."""

    actual_c: float
    target_c: float | None


def parse_error(line: str) -> InstrumentFaultError | None:
    """Return the fault that a line tells, asked for or not; None for other lines."""
    match = _ERROR.fullmatch(line)
    if not match:
        return None
    code, words = match[1], match[2].strip()
    return InstrumentFaultError(f"Heater-Shaker {code}: {FAULTS.get(code, words)}", code=code)


def parse_answer(line: str) -> tuple[str, str]:
    """Return the G-code and the fields of an answer.

    Raises:
        MalformedReplyError: Not `code[ fields] OK`.
    """
    match = _ANSWER.fullmatch(line)
    if not match:
        raise MalformedReplyError(f"the Heater-Shaker said {line[:60]!r}")
    return match[1], match[2] or ""


def parse_identity(fields: str) -> Identity:
    """Read the fields of M115.

    Raises:
        MalformedReplyError: Not firmware, hardware and serial number, or those of a Vacuum Module.
    """
    match = _IDENTITY.fullmatch(fields)
    if not match or "vacuum" in match[2].lower():
        raise MalformedReplyError(f"M115 told {fields[:80]!r}, which is no Heater-Shaker")
    return Identity(
        f"Opentrons Heater-Shaker {match[2]}", serial_number=match[3], firmware=match[1]
    )


def parse_speed(fields: str) -> Speed:
    """Read the fields of M123.

    Raises:
        MalformedReplyError: Not two whole numbers.
    """
    match = _ACTUAL_AND_TARGET.fullmatch(fields)
    if not match:
        raise MalformedReplyError(f"M123 told {fields[:60]!r}")
    return Speed(actual_rpm=integer(match[1]), target_rpm=integer(match[2]))


def parse_warmth(fields: str) -> Warmth:
    """Read the fields of M105.

    Raises:
        MalformedReplyError: Not two numbers, the second of which may be `None`.
    """
    match = _ACTUAL_AND_TARGET.fullmatch(fields)
    if not match:
        raise MalformedReplyError(f"M105 told {fields[:60]!r}")
    target_c = None if match[2] == "None" else number(match[2])
    return Warmth(actual_c=number(match[1]), target_c=target_c)


def parse_latch(fields: str) -> str:
    """Read the fields of M241: one of the words of `Latch`.

    Raises:
        MalformedReplyError: No state that the firmware has.
    """
    match = _STATUS.fullmatch(fields)
    if not match:
        raise MalformedReplyError(f"M241 told {fields[:60]!r}")
    return match[1]
