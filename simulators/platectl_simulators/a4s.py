"""A simulated A4S sealer with its unasked status lines."""

from __future__ import annotations

import asyncio
import contextlib

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

BUSY_EVERY_S = 0.5
IDLE_EVERY_S = 60.0
HEAT_C_PER_S = 4.0
TRAY_S = 8.1  # no multiple of the reporting period, so that no two things happen at once


class A4SSimulator:
    """Heats, seals the plate at its position, and reports all the while.

    Economy: status comes twice a second while it heats or seals, once a minute when it idles.
    Faults: `rejected`, `busy`, `heater_error` (error 2 in the status), and the wire faults.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._temperature_c = 22.0
        self._target_c: float | None = None
        self._since_s = 0.0
        self._seal_s = 2.0
        self._system = 0
        self._wake = asyncio.Event()

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation and report while it lasts."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            reply = self._command(line.decode("ascii", "replace"))
            self._wake.set()
            await send_reply(stream, reply.encode() + b"!\r", self._setup.faults)
            if reply.startswith("*Y00GS"):
                await self._seal()

        reporter = asyncio.create_task(self._report(stream))
        try:
            await serve_lines(stream, handle, end=b"!")
        finally:
            reporter.cancel()
            with contextlib.suppress(asyncio.CancelledError, DisconnectedError):
                await reporter

    def _actual_c(self) -> float:
        if self._target_c is None:
            return self._temperature_c
        risen = self._temperature_c + HEAT_C_PER_S * (
            self._setup.clock.monotonic_s() - self._since_s
        )
        return min(self._target_c, risen)

    def _heater(self) -> int:
        if self._target_c is None:
            return 0
        return 1 if self._actual_c() >= self._target_c else 2

    async def _report(self, stream: ByteStream) -> None:
        while True:
            error = 2 if self._setup.faults.standing("heater_error") and self._target_c else 0
            fields = f"{round(self._actual_c() * 10)},{self._system},{self._heater()},{error},0,1,0"
            await stream.send(f"*T00={fields}zz!\r".encode())
            self._wake.clear()
            idle = self._system in {0, 4} and self._heater() != 2  # noqa: PLR2004  # 2 is heating
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_EVERY_S if idle else BUSY_EVERY_S):
                    await self._wake.wait()

    def _command(self, command: str) -> str:
        name, _, value = command.partition("=")
        if self._setup.faults.strike("rejected"):
            return f"*N{name[1:]}"
        if self._setup.faults.strike("busy") or self._system == 1:
            return f"*X{name[1:]}"
        digits = value.removesuffix("zz")
        if name == "*00DH" and digits.isdigit():
            self._temperature_c, self._since_s = self._actual_c(), self._setup.clock.monotonic_s()
            self._target_c = float(digits)
        elif name == "*00DT" and digits.isdigit():
            self._seal_s = int(digits) / 10.0
        elif name == "*00GS":
            self._system = 1
        elif name not in {"*00SR", "*00MO", "*00MC"}:
            return f"*N{name[1:]}"
        return f"*Y{name[1:]}"

    async def _seal(self) -> None:
        await asyncio.sleep(TRAY_S + self._seal_s)
        with contextlib.suppress(WorldError):
            self._setup.world.seal(self._setup.position or "")
        await asyncio.sleep(TRAY_S)
        self._system = 4
        self._wake.set()
