"""Codecs of the CVC 3000 and of the LCUS-1 relay."""

from __future__ import annotations

from typing import Final

from platectl.domain.errors import MalformedReplyError
from platectl.hal.instrument import Identity
from platectl.transport.codec import integer, number

SHORTEST_ERRORS: Final = 5
FAULTS: Final = {
    8: "pump",
    7: "in-line valve",
    6: "coolant valve",
    5: "vent valve",
    4: "overpressure",
    3: "vacuum sensor",
    2: "external",
    1: "catch pot full; empty it",
}


def relay_frame(channel: int, *, on: bool) -> bytes:
    """Write a relay command: start byte, channel, state, sum."""
    body = bytes((0xA0, channel, on))
    return body + bytes((sum(body) & 0xFF,))


def parse_echo(answer: str, command: str) -> int:
    """Return the value that a set command echoes; a unit may follow.

    Raises:
        MalformedReplyError: No whole number, or more than a unit behind it.
    """
    value, _, unit = answer.partition(" ")
    if unit not in {"", "mbar", "hPa", "%"}:
        raise MalformedReplyError(f"CVC 3000 answered {answer[:40]!r} to {command}")
    return integer(value)


def parse_pressure(answer: str) -> float:
    """Return an absolute pressure in mbar.

    Raises:
        MalformedReplyError: Not a number and a unit, or another unit than mbar and hPa.
    """
    value, _, unit = answer.partition(" ")
    if unit not in {"mbar", "hPa"}:
        raise MalformedReplyError(f"CVC 3000 told the pressure {answer[:40]!r}; set it to mbar")
    return number(value)


def parse_errors(bits: str) -> tuple[str, ...]:
    """Name the errors in a bit field; the last digit, `last command incorrect`, is passed over.

    Raises:
        MalformedReplyError: Not a field of zeros and ones.
    """
    if len(bits) < SHORTEST_ERRORS or set(bits) - {"0", "1"}:
        raise MalformedReplyError(f"CVC 3000 told the errors {bits[:40]!r}")
    standing = [place for place, bit in enumerate(reversed(bits)) if bit == "1" and place]
    return tuple(FAULTS.get(place, f"unknown error {place}") for place in standing)


def parse_version(answer: str) -> Identity:
    """Read the model and firmware.

    Raises:
        MalformedReplyError: Another model.
    """
    words = answer.split()
    if words[:2] != ["CVC", "3000"]:
        raise MalformedReplyError(f"{answer[:40]!r} is no CVC 3000")
    return Identity("Vacuubrand CVC 3000", firmware=" ".join(words[2:]))
