"""Answers of the PF400, and the words of its codes."""

from __future__ import annotations

import re
from typing import Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.transport.codec import number, text

#: -28nn up to -2821 as AD-SDL/pf400_module has them, -2850 to -2855 and the others as PyLabRobot's table does
FAULTS: Final = {
    "-1009": "no robot is attached",
    "-1012": "a joint is out of its range",
    "-1021": "the robot is not homed",
    "-1025": "power did not come on in time",
    "-1028": "the hard emergency stop is pressed",
    "-1039": "the position is too close",
    "-1040": "the position is too far",
    "-1045": "the soft emergency stop is active",
    "-1046": "power is off",
    "-2805": "the command is unknown",
    "-2820": "the station has no such number",
    "-2821": "the station is not taught",
    "-2850": "the gripper has no servo",
    "-2851": "there is no station of this number",
    "-2852": "not possible in the state that the robot is in",
    "-2853": "the rail is at another station",
    "-2854": "the robot cannot reach stations of this type",
    "-2855": "the gripper has no sensor",
    "-3100": "a joint left its hard envelope",
    "-3105": "a motor stalled",
    "-3122": "the arm hit something (soft envelope); power is off",
}
_REPLY: Final = re.compile(r"(0|-[1-9]\d*)(?: (.*))?")


def parse_reply(line: bytes, command: str) -> str:
    """Return the data of a good answer.

    Raises:
        InstrumentFaultError: A negative code.
        MalformedReplyError: Not `code[ data]`.
    """
    match = _REPLY.fullmatch(text(line))
    if not match:
        raise MalformedReplyError(f"the PF400 answered {line[:60]!r} to {command!r}")
    code = match[1]
    if code != "0":
        why = FAULTS.get(code, match[2] or "error")
        raise InstrumentFaultError(f"the PF400 refused {command!r}: {why} ({code})", code=code)
    return match[2] or ""


def parse_grip(answer: str) -> bool:
    """Whether `-1` (yes) or `0` (no) was answered.

    Raises:
        MalformedReplyError: Neither.
    """
    if answer not in {"-1", "0"}:
        raise MalformedReplyError(f"the PF400 answered {answer[:60]!r} instead of -1 or 0")
    return answer == "-1"


def parse_joints(answer: str) -> tuple[float, ...]:
    """Return the joints of `wherej` in millimetres and degrees.

    Raises:
        MalformedReplyError: Not numbers with blanks between.
    """
    return tuple(number(field) for field in answer.split(" "))
