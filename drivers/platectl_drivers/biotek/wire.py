"""Letters, parameters, statuses, read definitions and data of the BioTek line."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import (
    InstrumentFaultError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.stream import ByteStream
from platectl.transport.codec import integer, text

ACK: Final = b"\x06"
ETX: Final = b"\x03"
SUB: Final = b"\x1a"
GOOD: Final = "0000"
REPLY_S: Final = 20.0
POLL_S: Final = 1.0
LONGEST: Final = 65536
STATUS_CHARS: Final = 4
#: letters that some recordings show answered by ETX alone
WITHOUT_STATUS: Final = ("y", "t")
ERRORS: Final = {"2D06": "the assay definition is not set"}
BYTE: Final = 256

_STATUS: Final = re.compile(r"[0-9A-F]{4}")
_DATA: Final = re.compile(
    rb"01,1,\r(\d{3}:[0-5]\d:[0-5]\d\.\d),(\d{3})((?:(?:,\d\d,\d\d,[^,\r\n\x1a\x03]{7})+\r\n)+)(\d{3})\x1a(\d{3})\x1a"
)
_CELL: Final = re.compile(r",(\d\d),(\d\d),([^,]{7})")
_ABSORBANCE: Final = re.compile(r"[+-]\d\.\d{4}")
_COUNTS: Final = re.compile(r"\d{7}")
_NOTHING: Final = "*" * 7

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Body:
    """What came of one definition: values by row and column from 1, in the order of reading.

    None is a value of asterisks. Temperatures are those of the chamber at begin and end.
    """

    values: Mapping[tuple[int, int], float | None]
    begun_c: float
    ended_c: float


class Link:
    """Exchanges over one conversation; one at a time."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._buffer = bytearray()

    async def ask(self, letter: str, parameter: str | None = None, *, end: bool = True) -> str:
        """Say a command; what is answered, without its status.

        With `end` a parameter is followed by ETX. Stale bytes are dropped before.

        Raises:
            InstrumentFaultError: Any other status than 0000; `code` is that status.
            MalformedReplyError: No acknowledgement, or no such answer.
            ReplyTimeoutError: No whole answer in time.
        """
        await self.purge()
        await self.stream.send(letter.encode("ascii"))
        if parameter is None:
            answer = await self.until(ETX, REPLY_S)
            if not answer.startswith(ACK):
                raise MalformedReplyError(f"{answer[:40]!r} acknowledges no {letter}")
            return _accepted(answer[len(ACK) :], letter)
        if stale := await self.until(ACK, REPLY_S):
            raise MalformedReplyError(f"{stale[:40]!r} came before {letter} was acknowledged")
        await self.stream.send(parameter.encode("ascii") + (ETX if end else b""))
        answer = await self.until(ETX, REPLY_S)
        return "" if not answer and letter in WITHOUT_STATUS else _accepted(answer, letter)

    async def until(
        self, end: bytes, timeout_s: float, given_up: Callable[[], bool] = bool
    ) -> bytes:
        """All bytes up to and without `end`.

        Raises:
            ReplyTimeoutError: It did not come in time, or `given_up` became true.
            MalformedReplyError: More bytes than any answer has.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while (cut := self._buffer.find(end)) < 0:
            left_s = until_s - loop.time()
            if left_s <= 0 or given_up():
                raise ReplyTimeoutError(
                    f"no end of an answer within {timeout_s:g} s; {len(self._buffer)} bytes came"
                )
            if len(self._buffer) > LONGEST:
                raise MalformedReplyError(f"more than {LONGEST} bytes without an end")
            with contextlib.suppress(ReplyTimeoutError):
                self._buffer += await self.stream.receive(timeout_s=min(left_s, POLL_S))
        answer = bytes(self._buffer[:cut])
        del self._buffer[: cut + len(end)]
        return answer

    async def purge(self, quiet_s: float = 0.0) -> None:
        """Drop what came, until nothing has come for `quiet_s`."""
        self._buffer.clear()
        with contextlib.suppress(ReplyTimeoutError):
            while True:
                await self.stream.receive(timeout_s=quiet_s)


def _accepted(answer: bytes, letter: str) -> str:
    said = text(answer)
    status = said[-STATUS_CHARS:]
    if not _STATUS.fullmatch(status):
        raise MalformedReplyError(f"{said[:40]!r} ends in no status of {letter}")
    if status != GOOD:
        raise fault(status, letter)
    return said[:-STATUS_CHARS]


def fault(status: str, letter: str) -> InstrumentFaultError:
    """The refusal that a status is."""
    reason = ERRORS.get(status, "a status that no public source explains")
    return InstrumentFaultError(f"BioTek, {letter}: {reason} ({status})", code=status)


def degrees(said: str) -> float:
    """A temperature of three digits, tenths of a degree.

    Raises:
        MalformedReplyError: Anything else.
    """
    if len(said) != 3:  # noqa: PLR2004  # tenths of degrees between 10 and 100
        raise MalformedReplyError(f"{said[:20]!r} is no temperature")
    return integer(said) / 10.0


# What is said -----------------------------------------------------------------------------------
def definition(body: str) -> str:
    """Length, body and checksum, without the end.

    The length counts the body and the checksum, which is the sum of the body's characters modulo 256.
    """
    return f"{len(body) + 3:04}{body}{sum(body.encode('ascii')) % BYTE:03}"


def rectangle(where: Rectangle) -> str:
    """First row and column, last row and column, from 1."""
    return "".join(f"{value:02}" for value in where)


def absorbance(where: Rectangle, wavelength_nm: int) -> str:
    """Definition of an absorbance."""
    return definition(f"01{rectangle(where)}000120010000110010000010600008{wavelength_nm:04}")


def fluorescence(where: Rectangle, excitation_nm: int, emission_nm: int) -> str:
    """Definition of a fluorescence from above."""
    return definition(
        f"01{rectangle(where)}0001200100001100100000135000100200200{excitation_nm:04}000"
        f"{emission_nm:04}00000000000000000021001"
    )


def luminescence(where: Rectangle, integration_s: float) -> str:
    """Definition of a luminescence; whole seconds times 5, and the rest times 50."""
    fifths = round(integration_s * 5)
    whole, rest = divmod(fifths, 5)
    return definition(
        f"01{rectangle(where)}000120010000110010000012300{5 * whole:02}{10 * rest:02}"
        "200200-001000-00300000000000000000001351"
    )


def rectangles(cells: set[tuple[int, int]]) -> list[Rectangle]:
    """Rectangles without overlap that cover rows and columns from 1, and nothing else."""
    runs: dict[tuple[int, int], list[Rectangle]] = {}
    for row in sorted({row for row, _ in cells}):
        columns = sorted(column for at, column in cells if at == row)
        firsts = [c for c in columns if c - 1 not in columns]
        lasts = [c for c in columns if c + 1 not in columns]
        for first in firsts:
            last = next(c for c in lasts if c >= first)
            stack = runs.setdefault((first, last), [])
            if stack and stack[-1][2] == row - 1:
                stack[-1] = (stack[-1][0], first, row, last)
            else:
                stack.append((row, first, row, last))
    return sorted(where for stack in runs.values() for where in stack)


# What is heard ----------------------------------------------------------------------------------
def parse_body(data: bytes, where: Rectangle, *, absorbs: bool) -> Body:
    """Read the data of one definition, without their ETX; nothing is guessed from the order.

    Raises:
        InstrumentFaultError: The status at their end is not 0000.
        MalformedReplyError: Another form, a wrong checksum, wells missing, doubled or not asked for.
    """
    match = _DATA.match(data)
    if not match:
        raise MalformedReplyError(f"{data[:40]!r} ... {data[-20:]!r} are no data")
    first, last = data.index(b"\r") + 1, data.index(SUB) + 1
    stated, found = int(match[5]), sum(data[first:last]) % BYTE
    if stated != found:
        raise MalformedReplyError(f"the checksum of the data is {stated}, counted are {found}")
    if _accepted(data[match.end() :], "O"):
        raise MalformedReplyError(f"{data[match.end() :]!r} is no status")
    values: dict[tuple[int, int], float | None] = {}
    for row, column, value in _CELL.findall(text(match[3].replace(b"\r\n", b""))):
        place = int(row), int(column)
        if place in values:
            raise MalformedReplyError(f"row {row}, column {column} came twice")
        values[place] = _value(value, absorbs=absorbs)
    top, left, bottom, right = where
    asked = {(r, c) for r in range(top, bottom + 1) for c in range(left, right + 1)}
    if set(values) != asked:
        raise MalformedReplyError(f"{len(values)} wells came, {len(asked)} others were asked for")
    return Body(values, degrees(text(match[2])), degrees(text(match[4])))


def _value(field: str, *, absorbs: bool) -> float | None:
    if field == _NOTHING:
        return None
    if not (_ABSORBANCE if absorbs else _COUNTS).fullmatch(field):
        raise MalformedReplyError(f"{field!r} is no value")
    return float(field)
