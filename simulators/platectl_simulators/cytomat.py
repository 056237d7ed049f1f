r"""A simulated Cytomat: slots, shovel, transfer station and chamber.

Written from shared/instruments-handlers.md 5.2. `slots` in the settings maps numbers to positions of
the world; the instrument's own position is the transfer station. With `model: c2c_425` moves name stacker
and level, both from 00, in `stackers`. Faults: `spurious` (data: `code`, 01 by default: a telegram is refused that
nothing is wrong with, a query too), `refused` (data: `code`; a move or setting is refused), `error` (data: `code`, a move ends with it; the plate stays
where it was, or on the shovel with `lost: true`), `never_ready` (a move does not end), `door_open`,
and those of every line.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

MOVE_S: Final = 17.3
BUSY, READY, ERROR, SHOVEL, DOOR, STATION = 0x01, 0x02, 0x08, 0x10, 0x40, 0x80
CO2_PERCENT, HUMIDITY_PERCENT = 5.0, 88.7


class CytomatSimulator:
    """One incubator; state survives reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._station = str(setup.position)
        slots = dict(setup.settings.get("slots", {}))
        self._slots = {int(number): str(position) for number, position in slots.items()}
        self._stackers: tuple[int, ...] = ()
        if setup.settings.get("model") == "c2c_425":
            self._stackers = tuple(setup.settings["stackers"])
        self._nominal_c = 37.0
        self._moving = False
        self._carried: str | None = None
        self._error = "00"
        self._task: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            spurious = self._setup.faults.strike("spurious")
            answer = (
                self._answer(line.strip(b"\n").decode("ascii", "replace"))
                if spurious is None
                else f"er {spurious.data.get('code', '01')}"
            )
            await send_reply(stream, answer.encode() + b"\r", self._setup.faults)

        await serve_lines(stream, handle, end=b"\r")

    def _answer(self, telegram: str) -> str:
        command, _, rest = telegram.partition(" ")
        asked = {
            "ch:bs": f"bs {self._status():02x}",
            "ch:be": f"be {self._error}",
            "ch:bw": "bw 00",
            "ch:ba": "ba 00",
            "ch:it": f"it {self._nominal_c:+05.1f} {self._chamber_c():+05.1f}",
            "ch:ic": f"ic {CO2_PERCENT:+05.1f} {CO2_PERCENT:+05.1f}",
            "ch:ih": f"ih +90.0 {HUMIDITY_PERCENT:+05.1f}",
        }
        if command in asked:
            return asked[command]
        if (fault := self._setup.faults.strike("refused")) is not None:
            return f"er {fault.data.get('code', '01')}"
        if command == "rs:be":
            self._error = "00"
            return f"ok {self._status():02x}"
        if command == "ll:it":
            return self._warm(rest)
        if command in {"mv:st", "mv:ts"}:
            return self._move(command, rest)
        return "er 02"

    def _status(self) -> int:
        station = STATION if self._setup.world.top_at(self._station) else 0
        door = DOOR if self._setup.faults.standing("door_open") else 0
        error = ERROR if self._error != "00" else 0
        return (
            station
            | door
            | error
            | (SHOVEL if self._carried else 0)
            | (BUSY if self._moving else READY)
        )

    def _chamber_c(self) -> float:
        positions = list(self._slots.values())
        return self._setup.world.temperature_c(positions[0]) if positions else self._nominal_c

    def _warm(self, rest: str) -> str:
        try:
            self._nominal_c = float(rest)
        except ValueError:
            return "er 04"
        for position in self._slots.values():
            self._setup.world.set_temperature(position, self._nominal_c)
        return f"ok {self._status():02x}"

    def _move(self, command: str, rest: str) -> str:
        world = self._setup.world
        if self._moving:
            return "er 01"
        number = self._number(rest)
        if number not in self._slots:
            return "er 05"
        slot = self._slots[number]
        source, target = (slot, self._station) if command == "mv:st" else (self._station, slot)
        if self._carried:
            return "er 21"
        if command == "mv:ts" and world.top_at(source) is None:
            return "er 31"
        if command == "mv:st" and world.top_at(target) is not None:
            return "er 32"
        self._moving = True
        self._task = asyncio.create_task(self._carry(source, target))
        return f"ok {self._status():02x}"

    def _number(self, place: str) -> int:
        """Number of a slot, 0 for what names none: three digits, or stacker and level of a 2 C425."""
        if not self._stackers:
            return int(place) if re.fullmatch(r"\d{3}", place) else 0
        match = re.fullmatch(r"(\d\d) (\d\d)", place)
        if not match:
            return 0
        stacker, level = int(match[1]), int(match[2])
        if stacker >= len(self._stackers) or level >= self._stackers[stacker]:
            return 0
        return sum(self._stackers[:stacker]) + level + 1

    async def _carry(self, source: str, target: str) -> None:
        faults, world = self._setup.faults, self._setup.world
        await asyncio.sleep(self._setup.world.takes_s(self._setup.name, MOVE_S))
        if faults.strike("never_ready"):
            return
        fault = faults.strike("error")
        labware = None
        if fault is None or fault.data.get("lost"):
            labware = world.lift(source)
        if fault is not None:
            self._carried, self._error = labware, str(fault.data.get("code", "02"))
        elif labware is None:
            self._error = "02"  # nothing was on the shovel
        else:
            try:
                world.set_down(labware, target)
            except WorldError:
                self._carried, self._error = labware, "03"
        self._moving = False
