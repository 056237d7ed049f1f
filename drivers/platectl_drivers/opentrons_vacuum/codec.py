"""Lines of the Vacuum Module, and the words of its errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.hal.instrument import Identity
from platectl.transport.codec import number

_ERROR: Final = re.compile(r"(?:async )?(ERR\d{3}):(.*?)(?: OK)?")
_ANSWER: Final = re.compile(r"(M\d+)(?: (.*))? OK")
_IDENTITY: Final = re.compile(r"FW:(\S+) HW:Opentrons-vacuum-module-(\S+) SerialNo:(\S+)")
_STATE: Final = re.compile(
    r"T:(\S+) C:(?P<gauge>\S+) A:(\S+) B:(\S+) H:(\S+) E:(?P<on>[01]) D:(\S+) V:(?P<vent>[01])"
)
FAULTS: Final = {
    "ERR003": "it does not know the command",
    "ERR004": "its command buffer is full",
    "ERR007": "it is not ready yet",
    "ERR400": "the pressure was not reached: no plate, unsealed or leaking wells, or a dry filter",
    "ERR401": "the waste is full; empty it",
    "ERR402": "it could not vent; the manifold may still be under vacuum",
}


@dataclass(frozen=True, slots=True)
class PumpState:
    """What M121 tells: gauge pressure, and whether vacuum and vent are on."""

    gauge_mbar: float
    on: bool
    vent_open: bool


def parse_error(line: str) -> InstrumentFaultError | None:
    """Return the fault that a line tells, asked for or not; None for other lines."""
    match = _ERROR.fullmatch(line)
    if not match:
        return None
    code, words = match[1], match[2].strip()
    why = FAULTS.get(code, words)
    return InstrumentFaultError(f"Vacuum Module {code}: {why}", code=code)


def parse_answer(line: str) -> tuple[str, str]:
    """Return the G-code and the fields of an answer.

    Raises:
        MalformedReplyError: Not `code[ fields] OK`.
    """
    match = _ANSWER.fullmatch(line)
    if not match:
        raise MalformedReplyError(f"the Vacuum Module said {line[:60]!r}")
    return match[1], match[2] or ""


def parse_state(fields: str) -> PumpState:
    """Read the fields of M121.

    Raises:
        MalformedReplyError: A field is missing, repeated or no number.
    """
    match = _STATE.fullmatch(fields)
    if not match:
        raise MalformedReplyError(f"M121 told {fields[:80]!r}")
    for field in match.groups():
        number(field)
    return PumpState(number(match["gauge"]), on=match["on"] == "1", vent_open=match["vent"] == "1")


def parse_identity(fields: str) -> Identity:
    """Read the fields of M115.

    Raises:
        MalformedReplyError: Not a Vacuum Module.
    """
    match = _IDENTITY.fullmatch(fields)
    if not match:
        raise MalformedReplyError(f"M115 told {fields[:80]!r}, which is no Vacuum Module")
    return Identity(
        f"Opentrons Vacuum Module {match[2]}", serial_number=match[3], firmware=match[1]
    )
