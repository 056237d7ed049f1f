"""A simulated PF400: stations are world positions, the gripper carries one labware."""

from __future__ import annotations

import asyncio

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

PICK_S = 12.0
HOME_S = 8.0


class PF400Simulator:
    """Answers the TCS commands of a PF400 in PC mode.

    Settings: `stations` (position to number). Faults: `no_grip` (closes on nothing), `collision`
    (-3122 while placing, power drops), `hard_estop` (standing: -1028), and the wire faults.
    Motions answer when they are over.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._positions = {int(n): p for p, n in setup.settings.get("stations", {}).items()}
        self._power = self._attached = self._homed = False
        self._carried: str | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one of possibly several conversations."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            if line == b"exit":
                await stream.aclose()
                return
            reply = await self._command(line.decode("ascii", "replace").split())
            await send_reply(stream, reply.encode() + b"\r\n", self._setup.faults)

        try:
            await serve_lines(stream, handle, end=b"\n")
        except DisconnectedError:
            return

    async def _command(self, words: list[str]) -> str:  # noqa: C901, PLR0911  # the command table
        if self._setup.faults.standing("hard_estop"):
            return "0 15" if words[:1] == ["sysState"] else "-1028"
        match words:
            case ["mode", "0"] | ["nop"] | ["halt"]:
                return "0"
            case ["version"]:
                return "0 TCS_PARALLEL 3.0C2, Pick_Place 4.0"
            case ["sysState"]:
                return "0 21" if self._power else "0 20"
            case ["hp", "1", *_]:
                await asyncio.sleep(2.0)
                self._power = True
                return "0"
            case ["hp", "0"]:
                self._power = False
                return "0"
            case ["attach", flag]:
                self._attached = flag == "1"
                return "0"
            case ["home" | "homeAll"]:
                return await self._home()
            case ["pickplate", number, *_]:
                return await self._pick(number)
            case ["placeplate", number, *_]:
                return await self._place(number)
        return "-2800"

    def _not_ready(self) -> str | None:
        if not self._power:
            return "-1046"
        if not self._attached:
            return "-1009"
        return None if self._homed else "-1021"

    async def _home(self) -> str:
        if not self._power:
            return "-1046"
        await asyncio.sleep(HOME_S)
        self._homed = True
        return "0"

    async def _pick(self, number: str) -> str:
        if problem := self._not_ready():
            return problem
        if not number.isdigit() or int(number) not in self._positions:
            return "-2850"
        await asyncio.sleep(PICK_S)
        if self._setup.faults.strike("no_grip"):
            return "0 0"
        self._carried = self._setup.world.lift(self._positions[int(number)])
        return "0 -1" if self._carried else "0 0"

    async def _place(self, number: str) -> str:
        if problem := self._not_ready():
            return problem
        if not number.isdigit() or int(number) not in self._positions:
            return "-2850"
        await asyncio.sleep(PICK_S)
        try:
            if self._setup.faults.strike("collision"):
                raise WorldError("collision", "something is in the way")  # noqa: TRY301  # as the world would
            if self._carried:
                self._setup.world.set_down(self._carried, self._positions[int(number)])
        except WorldError:
            self._power = False
            return "-3122"
        self._carried = None
        return "0"
