"""A simulated Opentrons Vacuum Module below a filter plate of the world."""

from __future__ import annotations

import math

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply

TIME_CONSTANT_S = 0.8
ATMOSPHERE_MBAR = 1013.0
SEALED_ENOUGH = 0.9


class OpentronsVacuumSimulator:
    """Answers the module's commands; pressure approaches the target as far as the plate seals.

    Faults: `leak` (ERR400), `waste_full` (one-shot async ERR401), `vent_failed` (ERR402), and the
    wire faults.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._on = False
        self._target_mbar = 0.0
        self._start_mbar = 0.0
        self._since_s = 0.0
        self._limit_s = 20.0
        self._holds = 0.0

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            if self._on and self._setup.faults.strike("waste_full"):
                await stream.send(b"async ERR401:waste full OK\n")
            reply = self._command(line.decode("ascii", "replace").split())
            await send_reply(stream, reply.encode() + b"\n", self._setup.faults)

        try:
            await serve_lines(stream, handle, end=b"\n")
        except DisconnectedError:
            return

    def _pressure(self) -> float:
        elapsed = self._setup.clock.monotonic_s() - self._since_s
        goal = self._target_mbar * (1.0 if self._holds >= SEALED_ENOUGH else 0.2) if self._on else 0.0
        return goal + (self._start_mbar - goal) * math.exp(-elapsed / TIME_CONSTANT_S)

    def _switch(self, *, on: bool, target_mbar: float) -> None:
        self._start_mbar, self._since_s = self._pressure(), self._setup.clock.monotonic_s()
        self._on, self._target_mbar = on, target_mbar
        self._holds = self._setup.world.vacuum(self._setup.position or "", on=on)
        if on and self._setup.faults.strike("leak"):
            self._holds = 0.0

    def _command(self, words: list[str]) -> str:
        fields = {w[0]: w[1:] for w in words[1:] if len(w) > 1}
        match words[:1]:
            case ["M115"]:
                return "M115 FW:1.0.0 HW:Opentrons-vacuum-module-A1 SerialNo:VMA1020260105 OK"
            case ["M120"]:
                self._limit_s = float(fields.get("T", "20"))
                self._switch(on=fields.get("S") == "1", target_mbar=float(fields.get("P", "0")))
                return "M120 OK"
            case ["M121"]:
                return self._state()
            case ["M124"]:
                if fields.get("V") == "1" and self._setup.faults.strike("vent_failed"):
                    return "ERR402:failed to vent OK"
                return "M124 OK"
        return "ERR003:unhandled gcode OK"

    def _state(self) -> str:
        waited = self._setup.clock.monotonic_s() - self._since_s
        if self._on and self._holds < SEALED_ENOUGH and waited >= min(self._limit_s, 5.0):
            return "ERR400:pressure not reached OK"
        gauge = self._pressure()
        absolute = ATMOSPHERE_MBAR + gauge
        target = self._target_mbar if self._on else 0.0
        return (f"M121 T:{target:.1f} C:{gauge:.1f} A:{absolute:.1f} B:{absolute:.1f} H:{ATMOSPHERE_MBAR:.1f} "
                f"E:{int(self._on)} D:0 V:0 OK")  # fmt: skip
