r"""A simulated Liconic STX: cassettes, shovel, transfer station and chamber.

Written from shared/instruments-handlers.md 5.3. `slots` in the settings maps numbers, counted through the cassettes, to
positions of the world; `cassettes` lists levels and pitch in mm (default: two of 22 at 23 mm); the
instrument's own position is the transfer station. Assumed where no source speaks: `CR` is answered in an open
conversation too; a closed one does not answer; while an error stands it is not ready; `ST 1900` clears it.

Faults: `refused` (data: `code`, a command is answered so and nothing is done), `error` (data: `code`, a move ends
with it; the plate stays where it was, or on the shovel with `lost: true`), `never_ready` (a move does not end), and
those of every line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

MOVE_S: Final = 21.0
DEFAULT: Final = [{"levels": 22, "pitch_mm": 23}] * 2
WRITABLE: Final = ("DM0", "DM5", "DM23", "DM25", "DM890")
NO_LEVEL, ON_TRANSFER, NO_PLATE, NOT_PLACED = 12, 13, 16, 110
HUMIDITY, CO2 = 887, 498


class LiconicSimulator:
    """One store; state survives reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._station = str(setup.position)
        slots = dict(setup.settings.get("slots", {}))
        self._slots = {int(number): str(position) for number, position in slots.items()}
        self._cassettes: list[Mapping[str, Any]] = list(setup.settings.get("cassettes", DEFAULT))
        self._words = dict.fromkeys(WRITABLE, 0) | {"DM890": 370}
        self._active = False
        self._moving = False
        self._error = 0
        self._shovel: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        is_open = False

        async def handle(line: bytes) -> None:
            nonlocal is_open
            if await is_silent(self._setup.faults):
                return
            command = line.strip(b"\n").decode("ascii", "replace")
            if not (is_open or command == "CR"):
                return
            is_open = command != "CQ"
            answer = {"CR": "CC", "CQ": "CF"}.get(command) or self._answer(command)
            await send_reply(stream, f"{answer}\r\n".encode(), self._setup.faults)

        await serve_lines(stream, handle, end=b"\r")

    def _answer(self, command: str) -> str:
        if (fault := self._setup.faults.strike("refused")) is not None:
            return str(fault.data.get("code", "E1"))
        match command.split(" "):
            case ["RD", what]:
                return self._read(what)
            case ["WR", word, value] if value.isdecimal():
                return self._write(word, int(value))
            case ["ST", flag]:
                return self._set(flag)
            case _:
                return "E1"

    def _read(self, what: str) -> str:
        flags = {
            "1915": self._active and not self._moving and not self._error,
            "1814": bool(self._error),
            "1813": self._setup.world.top_at(self._station) is not None,
            "1812": self._shovel is not None,
        }
        words = {
            **self._words, "DM200": self._error, "DM982": round(10 * self._chamber_c()),
            "DM983": HUMIDITY, "DM984": CO2,
        }  # fmt: skip
        if what in flags:
            return "1" if flags[what] else "0"
        return f"{words[what]:05d}" if what in words else "E0"

    def _write(self, word: str, value: int) -> str:
        if word not in WRITABLE:
            return "E0"
        self._words[word] = value
        if word == "DM890":
            for position in self._slots.values():
                self._setup.world.set_temperature(position, value / 10.0)
        return "OK"

    def _set(self, flag: str) -> str:
        if flag == "1900":
            self._error, self._active = 0, False
        elif flag == "1801":
            self._active = True
        elif flag in {"1904", "1905"}:
            self._begin(stores=flag == "1904")
        elif flag != "1903":
            return "E0"
        return "OK"

    def _begin(self, *, stores: bool) -> None:
        if self._moving or self._error:
            return
        position = self._addressed()
        world = self._setup.world
        if position is None:
            self._error = NO_LEVEL
        elif not stores and world.top_at(self._station) is not None:
            self._error = ON_TRANSFER
        else:
            way = (self._station, position) if stores else (position, self._station)
            self._moving = True
            self._task = asyncio.create_task(self._carry(*way))

    def _addressed(self) -> str | None:
        """The position of the world that the data words name; none if they do not fit the cassette."""
        cassette, level = self._words["DM0"], self._words["DM5"]
        if not 1 <= cassette <= len(self._cassettes):
            return None
        levels = [int(one["levels"]) for one in self._cassettes]
        steps = round(float(self._cassettes[cassette - 1]["pitch_mm"]) / 50 * 1713)
        right = self._words["DM23"] == steps and self._words["DM25"] == levels[cassette - 1]
        if not right or not 1 <= level <= levels[cassette - 1]:
            return None
        return self._slots.get(sum(levels[: cassette - 1]) + level)

    async def _carry(self, source: str, target: str) -> None:
        faults, world = self._setup.faults, self._setup.world
        await asyncio.sleep(world.takes_s(self._setup.name, MOVE_S))
        if faults.strike("never_ready"):
            return
        fault = faults.strike("error")
        labware = None
        if fault is None or fault.data.get("lost"):
            labware = world.lift(source)
        if fault is not None:
            self._shovel, self._error = labware, int(fault.data.get("code", 1))
        elif labware is None:
            self._error = NO_PLATE
        else:
            try:
                world.set_down(labware, target)
            except WorldError:
                self._shovel, self._error = labware, NOT_PLACED
        self._moving = False

    def _chamber_c(self) -> float:
        positions = list(self._slots.values())
        return self._setup.world.temperature_c(positions[0]) if positions else 37.0
