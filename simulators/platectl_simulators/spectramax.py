r"""A simulated SpectraMax: fields that end with `>`, kinetics that fill a buffer, a drawer.

Written from shared/instruments-readers.md 1.1 to 1.9. Faults: `air_cal` (busy for a while after
power-on), `lamp` (data: `code` 302, 306 or 314, refuses the read), `carriage` (400, in the middle of
a read: data `point`), `undecodable` (a byte in an answer; data: `inside` a number), `fail_after_ok`,
`cold` (data: `by_c`, the chamber stays below its setpoint), `unplugged` (data: `point`, the line
closes), `buffer` (data: `size`, how many time points it holds), and those of every line.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

COLUMN_S, SWITCH_S, DRAWER_S, AIR_CAL_S = 1.1, 0.5, 4.3, 20.3
BUFFER: Final = 200
FULL_SCALE: Final = 65000.0
KNOWN: Final = (
    "!", "!STATUS", "!OPEN", "!CLOSE", "!TEMP", "!OPTION", "!ERROR", "!CLEAR", "!NVRAM", "!XPOS",
    "!YPOS", "!STRIP", "!CSPEED", "!SHAKE", "!EXWAVELENGTH", "!EMWAVELENGTH", "!AUTOFILTER",
    "!EMFILTER", "!FPW", "!AUTOPMT", "!PMT", "!READSTAGE", "!TOPREADCLEAR", "!PMTCAL", "!MODE",
    "!ORDER", "!SPEED", "!TAG", "!READTYPE", "!READ", "!QUEUE", "!TRANSFER", "!CANCEL",
)  # fmt: skip
TWO_FIELDS: Final = ("!ERROR", "!OPTION", "!QUEUE", "!STATUS", "!TEMP", "!TRANSFER")


@dataclass(slots=True)
class _Read:
    """The settings of a read, as they were told."""

    excitations: list[float] = field(default_factory=list)
    emissions: list[float] = field(default_factory=list)
    columns: range = range(1, 13)
    interval_s: float = 0.0
    points: int = 1


class SpectraMaxSimulator:
    """One reader; its state and a read survive reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._photometer = Photometer(setup.world.rng(setup.name), full_scale=FULL_SCALE)
        self._model = str(setup.settings.get("model", "SPECTRAMAX M5"))
        self._open, self._target_c = False, 0.0
        self._busy_until_s = 0.0
        self._read = _Read()
        self._blocks: list[str] = []
        self._measuring: asyncio.Task[None] | None = None
        self._overflow = False
        self._broken: str | None = None
        self._powered = False
        self._stream: ByteStream | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        self._stream = stream
        if not self._powered:
            self._powered = True
            if self._setup.faults.strike("air_cal"):
                self._busy_until_s = self._now() + AIR_CAL_S

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            fields = self._answer(line.strip(b"\n").decode("ascii", "replace"))
            data = b"".join(text.encode("ascii") + b"\r\n>" for text in fields)
            if (fault := self._setup.faults.strike("undecodable")) is not None:
                data = _damage(data, inside=bool(fault.data.get("inside")))
            await send_reply(stream, data, self._setup.faults)

        try:
            with contextlib.suppress(DisconnectedError):
                await serve_lines(stream, handle, end=b"\r")
            if self._measuring is not None:
                await asyncio.wait({self._measuring})
        except asyncio.CancelledError:
            if self._measuring is not None:
                self._measuring.cancel()
            raise

    def _now(self) -> float:
        return self._setup.clock.monotonic_s()

    def _answer(self, line: str) -> list[str]:
        command, _, rest = line.partition(" ")
        if command not in KNOWN:
            return ["FAIL\t 100"]
        measuring = self._measuring is not None and not self._measuring.done()
        if measuring and command not in {"!", "!STATUS", "!QUEUE", "!TRANSFER", "!CANCEL", "!TEMP"}:
            return ["FAIL\t 106"]
        if self._setup.faults.strike("fail_after_ok"):
            return ["OK", "FAIL\t 105"]
        code, text = self._do(command, rest)
        if code:
            return [f"FAIL\t {code}"]
        return ["OK", text] if command in TWO_FIELDS and text is not None else ["OK"]

    def _do(self, command: str, rest: str) -> tuple[int, str | None]:
        """Do a command: code of the refusal or 0, and the second field if it has one."""
        words = rest.split()
        drawer = "OPEN" if self._open else "CLOSED"
        said = {
            "!STATUS": f"\r\n{drawer}\r\n{self._activity()}\r\n",
            "!OPTION": f"{self._model}\r\n2.00b78 01Mar04",
            "!QUEUE": str(len(self._blocks)),
        }
        if command in said:
            return 0, said[command]
        done: dict[str, Callable[[], tuple[int, str | None]]] = {
            "!TEMP": lambda: self._temperature(words),
            "!READ": lambda: (self._begin(), None),
            "!TRANSFER": self._transfer,
        }
        if command in done:
            return done[command]()
        self._set(command, words)
        return 0, None

    def _set(self, command: str, words: list[str]) -> None:
        if command in {"!OPEN", "!CLOSE"}:
            self._open = command == "!OPEN"
            self._busy_until_s = self._now() + DRAWER_S
        elif command == "!CLEAR":
            self._blocks.clear()
        elif command == "!EXWAVELENGTH":
            self._read.excitations = [float(word) for word in words]
        elif command == "!EMWAVELENGTH":
            self._read.emissions = [float(word) for word in words]
        elif command == "!STRIP":
            self._read.columns = range(int(words[0]), int(words[0]) + int(words[1]))
        elif command == "!MODE" and words[:1] == ["KINETIC"]:
            self._read.interval_s, self._read.points = float(words[1]), int(words[2])
        elif command == "!CANCEL" and self._measuring is not None:
            self._measuring.cancel()

    def _activity(self) -> str:
        if self._measuring is not None and not self._measuring.done():
            return "MEASURING"
        return "IDLE" if self._now() >= self._busy_until_s else "AIR CAL206"

    def _temperature(self, words: list[str]) -> tuple[int, str | None]:
        position = str(self._setup.position)
        if words:
            self._target_c = float(words[0])
            fault = self._setup.faults.standing("cold")
            reached = self._target_c - (float(fault.data.get("by_c", 5.0)) if fault else 0.0)
            self._setup.world.set_temperature(position, reached if self._target_c else None)
            return 0, None
        return 0, f"{self._target_c:.1f}\t{self._setup.world.temperature_c(position):.1f}"

    # Measuring ----------------------------------------------------------------------------------
    def _begin(self) -> int:
        if (fault := self._setup.faults.strike("lamp")) is not None:
            return int(fault.data.get("code", 302))
        if self._open:
            return 400
        if len(self._read.excitations) != len(self._read.emissions) or not self._read.excitations:
            return 111
        self._blocks.clear()
        self._overflow, self._broken = False, None
        self._measuring = asyncio.create_task(self._measure())
        return 0

    def _transfer(self) -> tuple[int, str | None]:
        if self._blocks:
            return 0, self._blocks.pop(0)
        if self._overflow:
            return 108, None
        if self._broken:
            return int(self._broken), None
        return 107, None

    async def _measure(self) -> None:
        begun_s = self._now()
        sweep_s = len(self._read.columns) * COLUMN_S
        limit = self._setup.faults.standing("buffer")
        for point in range(self._read.points):
            start_s = begun_s + point * self._read.interval_s
            await asyncio.sleep(max(0.0, start_s + sweep_s + 0.013 - self._now()))
            for kind in ("carriage", "unplugged"):
                fault = self._setup.faults.standing(kind)
                if fault is not None and point == int(fault.data.get("point", 3)):
                    if kind == "unplugged" and self._stream is not None:
                        await self._stream.aclose()
                    self._broken = "400"
                    return
            if len(self._blocks) >= (int(limit.data["size"]) if limit else BUFFER):
                self._overflow = True
                continue
            self._blocks.append(self._block(start_s))

    def _block(self, start_s: float) -> str:
        position: Any = str(self._setup.position)
        lamp = self._photometer.lamp()
        lines = [f"{start_s:.2f}\t{self._setup.world.temperature_c(position):.1f}\t96-well"]
        lines += ["exL:\t" + "\t".join(f"{w:g}" for w in self._read.excitations)]
        lines += ["emL:\t" + "\t".join(f"{w:g}" for w in self._read.emissions)]
        pairs = zip(self._read.excitations, self._read.emissions, strict=True)
        for channel, (excitation, emission) in enumerate(pairs):
            lines.append(f"L:\t{excitation:g}\t{emission:g}")
            for place, column in enumerate(self._read.columns):
                wells = [f"{row}{column}" for row in "ABCDEFGH"]
                at_s = np.full(8, start_s + place * COLUMN_S + channel * SWITCH_S)
                light = self._setup.world.fluorescence(
                    position, wells, excitation_nm=excitation, emission_nm=emission, at_s=at_s
                )
                seen = self._photometer.measure(light, lamp)
                cells = ["#SAT" if math.isinf(v) else f"{v:.1f}" for v in seen]
                lines.append(f"{column}:\t" + "\t".join(cells))
        return "\r\n".join(lines)


def _damage(data: bytes, *, inside: bool) -> bytes:
    """One byte that is no text: inside the last number, or in front."""
    digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    if inside and digits:
        return data[: digits[-1]] + b"\xe5" + data[digits[-1] + 1 :]
    return b"\xe5" + data
