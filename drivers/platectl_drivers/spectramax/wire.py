"""Fields, refusals and data blocks of the SpectraMax."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, ReplyTimeoutError
from platectl.hal.stream import ByteStream

END: Final = b">"
QUIET_S: Final = 0.3
LONGEST: Final = 65536
SATURATED: Final = "#SAT"
ERRORS: Final = {
    100: "command not found", 101: "invalid argument", 102: "too many arguments",
    103: "not enough arguments", 104: "line too long", 105: "system busy",
    106: "measurement in progress", 107: "no data to transfer", 108: "data buffer full",
    109: "error buffer overflow", 111: "invalid read settings", 300: "thermistor faulty",
    301: "safe temperature exceeded", 302: "low light", 303: "dark current cannot be calibrated",
    304: "signal saturated", 306: "air calibration failed", 308: "stray light", 312: "gain calibration failed",
    314: "lamp level is low", 400: "carriage motion", 401: "filter wheel", 402: "grating", 403: "stage",
    500: "memory is corrupt",
}  # fmt: skip
FAMILIES: Final = (
    (100, "command"),
    (200, "firmware"),
    (300, "hardware"),
    (400, "motion"),
    (500, "memory"),
)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Block:
    """One transferred time point: device counter, temperature, values by channel and well name."""

    counter_s: float
    temperature_c: float | None
    values: tuple[dict[str, float], ...]
    saturated: tuple[frozenset[str], ...]


def error_text(code: int) -> str:
    """What an error code says, and its family."""
    family = next((name for start, name in reversed(FAMILIES) if code >= start), "unknown")
    return f"{ERRORS.get(code, 'fault')} ({code}, {family})"


def refusal(fields: list[str]) -> InstrumentFaultError | None:
    """The fault that any field states.

    Raises:
        MalformedReplyError: A refusal whose code is no number; what was refused is not known.
    """
    for text in fields:
        if text.startswith("FAIL"):
            code = text.split("\t")[-1].strip()
            if not code.isdigit():
                raise MalformedReplyError(f"refused, but no code: {text[:60]!r}")
            return InstrumentFaultError(error_text(int(code)), code=code)
    return None


async def read_fields(stream: ByteStream, *, timeout_s: float) -> list[str]:
    """Read fields until the line is quiet after one; bytes that are no text become `\ufffd`.

    Raises:
        ReplyTimeoutError: No whole field in time.
        MalformedReplyError: More bytes than any answer has.
    """
    loop = asyncio.get_running_loop()
    until_s, buffer = loop.time() + timeout_s, bytearray()
    while True:
        whole = bytes(buffer).rstrip().endswith(END)
        wait_s = QUIET_S if whole else until_s - loop.time()
        if wait_s <= 0:
            raise ReplyTimeoutError(
                f"no whole field within {timeout_s:g} s; {len(buffer)} bytes came"
            )
        try:
            buffer += await stream.receive(timeout_s=wait_s)
        except ReplyTimeoutError:
            if whole:
                break
            raise ReplyTimeoutError(
                f"no whole field within {timeout_s:g} s; {len(buffer)} bytes came"
            ) from None
        if len(buffer) > LONGEST:
            raise MalformedReplyError(f"more than {LONGEST} bytes without an end")
    parts = bytes(buffer).split(END)[:-1]
    return [part.decode("ascii", "replace").strip("\r\n ") for part in parts]


def number(text: str) -> float:
    """A number as the reader writes it.

    Raises:
        MalformedReplyError: Anything else; an undecodable byte inside a number is not guessed.
    """
    if not _NUMBER.fullmatch(text):
        raise MalformedReplyError(f"{text[:40]!r} is not a number")
    return float(text)


def parse_block(text: str, channels: tuple[tuple[float, float], ...]) -> Block:
    """Read one data block; lines are columns of the plate, their values go down the rows.

    Raises:
        MalformedReplyError: A header, wavelength or line that does not belong.
    """
    lines = [line for line in text.replace("\r", "").split("\n") if line.strip()]
    head = lines[0].split("\t") if lines else []
    if len(head) < 2:  # noqa: PLR2004  # counter and temperature
        raise MalformedReplyError(f"{text[:40]!r} is no header of data")
    counter_s, temperature = number(head[0].strip()), number(head[1].strip())
    values: list[dict[str, float]] = []
    full: list[set[str]] = []
    for line in lines[1:]:
        key, _, rest = line.partition(":")
        cells = [cell.strip() for cell in rest.strip("\t").split("\t")]
        if key in {"exL", "emL"}:
            continue
        if key == "L":
            pair = tuple(number(cell) for cell in cells)
            if len(values) >= len(channels) or pair != tuple(channels[len(values)]):
                raise MalformedReplyError(f"wavelengths {pair} were not expected here")
            values.append({})
            full.append(set())
            continue
        if not key.strip().isdigit() or not values:
            raise MalformedReplyError(f"{line[:40]!r} is no line of a column")
        _take_column(int(key), cells, values[-1], full[-1])
    if len(values) != len(channels):
        raise MalformedReplyError(f"{len(values)} of {len(channels)} wavelengths came")
    known = temperature if temperature > 0 else None
    return Block(counter_s, known, tuple(values), tuple(frozenset(s) for s in full))


def _take_column(column: int, cells: list[str], values: dict[str, float], full: set[str]) -> None:
    for row, cell in enumerate(cells):
        well = f"{chr(ord('A') + row)}{column}"
        if cell == SATURATED:
            values[well] = math.nan
            full.add(well)
        else:
            values[well] = number(cell) if cell else math.nan
