"""A simulated MT-SICS balance below a position of the world.

Source: shared/instruments-handlers.md 6.6 and the MT-SICS reference manuals that it cites. Assumed
where no source speaks: a reset by `@` leaves zero and tare as they are; a pan is at rest 1.5 s
after it was asked for; without rest the answer `I` comes after 30 s; zero may be set up to 5 g.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

REST_S: Final = 1.5
GIVE_UP_S: Final = 30.0
CAPACITY_G: Final = 220.0
ZERO_RANGE_G: Final = 5.0
DECIMALS: Final = 4
SERIAL: Final = 'I4 A "B021002593"'
LISTED: Final = (
    (0, "@"), (0, "I0"), (0, "I1"), (0, "I2"), (0, "I3"), (0, "I4"), (0, "S"), (0, "SI"),
    (0, "Z"), (0, "ZI"), (1, "T"), (1, "TA"), (1, "TAC"), (1, "TI"),
)  # fmt: skip


class MtSicsSimulator:
    """Weighs what stands at its position, to a tenth of a milligram.

    `S`, `T` and `Z` wait for rest; meanwhile other commands that weigh are not executable (`I`) and `@`
    cancels the one that waits. The mass is that of the world at the moment of the answer.

    Faults: `unstable` (counted by `S`, `T` and `Z`: no rest), `overload`, `underload` (counted by each
    weighing), and `silent`, `reply_lost`, `late_reply` (`delay_s`), `garbled_reply`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._zero_g = 0.0
        self._tare_g = 0.0
        self._waiting: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation; what waits for rest when it ends is still carried out."""

        async def answer(lines: list[str]) -> None:
            data = "".join(f"{line}\r\n" for line in lines)
            with contextlib.suppress(DisconnectedError):
                await send_reply(stream, data.encode(), self._setup.faults)

        async def when_at_rest(command: str) -> None:
            unstable = self._setup.faults.strike("unstable")
            await asyncio.sleep(GIVE_UP_S if unstable else REST_S)
            self._waiting = None
            await answer([f"{command} I" if unstable else self._weigh(command)])

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            command = line.decode("ascii", "replace")
            if command == "@":
                if self._waiting is not None:
                    self._waiting.cancel()
                    self._waiting = None
                await answer([SERIAL])
            elif command in {"S", "T", "Z"} and self._waiting is None:
                self._waiting = asyncio.create_task(when_at_rest(command))
            else:
                await answer(self._at_once(command))

        await serve_lines(stream, handle, end=b"\r\n")
        if self._waiting is not None:
            await asyncio.gather(self._waiting, return_exceptions=True)

    def tare(self) -> None:
        """Take what stands on the pan as the container."""
        self._tare_g = round(self._load_g() - self._zero_g, DECIMALS)

    def zero(self) -> None:
        """Take what stands on the pan as the empty pan; the tare is cleared."""
        self._zero_g, self._tare_g = self._load_g(), 0.0

    def _load_g(self) -> float:
        return self._setup.world.mass_g(self._setup.position or self._setup.name)

    def _at_once(self, command: str) -> list[str]:
        facts = {
            "I1": 'I1 A "01" "2.30" "2.22" "" ""',
            "I2": 'I2 A "XS204 Excellence 220.0090 g"',
            "I3": 'I3 A "1.10 18.6.4.1361.772"',
            "I4": SERIAL,
            "TA": f"TA A {self._written(self._tare_g)}",
        }
        if command in facts:
            return [facts[command]]
        if command == "I0":
            last = len(LISTED) - 1
            return [
                f'I0 {"A" if n == last else "B"} {level} "{name}"'
                for n, (level, name) in enumerate(LISTED)
            ]
        if command == "TAC":
            self._tare_g = 0.0
            return ["TAC A"]
        if command in {"S", "T", "Z", "SI", "TI", "ZI"}:
            return [f"{command[0]} I"] if self._waiting is not None else [self._weigh(command)]
        return ["ES"]

    def _weigh(self, command: str) -> str:
        """The answer of a command that weighs, with what it sets."""
        echo = "S" if command == "SI" else command
        load_g = self._load_g()
        if self._setup.faults.strike("overload") or load_g > CAPACITY_G:
            return f"{echo} +"
        if self._setup.faults.strike("underload"):
            return f"{echo} -"
        if echo[0] == "S":
            return f"S S {self._written(load_g - self._zero_g - self._tare_g)}"
        if echo[0] == "T":
            self.tare()
            return f"{echo} S {self._written(self._tare_g)}"
        if abs(load_g) > ZERO_RANGE_G:
            return f"{echo} +"
        self.zero()
        return f"{echo} A"

    def _written(self, mass_g: float) -> str:
        value = f"{mass_g:.{DECIMALS}f}"
        return f"{'0.0000' if float(value) == 0 else value:>10} g"
