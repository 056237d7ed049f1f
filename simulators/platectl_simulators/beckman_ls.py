"""A simulated Beckman LS: counts vials when a person presses start, and pushes messages.

Source: operating manual PN 247971-F, pages C-2 to C-4 (readers 5.3). Which datum means what is not public: the
numbers are those of the settings of its instrument (`datums`), and a few more that nobody declares. Assumed: data
have the type `D`, one transmission holds all samples, two messages make a sample. The operator's start arrives as a
note in `world.notices[f"{name}.start"]` with `wells` and `count_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.drop import begin_late, started_by_hand
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError

XON, XOFF = 0x11, 0x13
BLANK, CHARACTERS = 0x20, 95
USER: Final = 100
RESUMES_S: Final = 1800.0
MINUTE_S: Final = 60.0


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    datums: dict[str, int] = Field(default_factory=dict)
    overhead_s: float = 20.0
    background_cpm: float = 25.0
    notice_poll_s: float = 5.0


class BeckmanLSSimulator:
    """One vial at a time.

    Faults, one occasion for each run: `silent` (start is not noticed), `reply_lost` (says nothing), `late_reply`
    (`delay_s`), `lost_message` (`sample`), `bad_checksum` (`sample`), `too_long` (`sample`), `stops` (`sample`: the
    transmission ends before it), `skips` (`sample`: its vial is not found).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._rng = setup.world.rng(setup.name)
        self._streams: list[ByteStream] = []
        self._free = asyncio.Event()
        self._sequence = 0
        self._free.set()

    async def serve(self, stream: ByteStream) -> None:
        """Keep a conversation open; the host says nothing but XON and XOFF."""
        self._streams.append(stream)
        with contextlib.suppress(DisconnectedError):
            while True:
                for byte in await stream.receive():
                    if byte == XOFF:
                        self._free.clear()
                    elif byte == XON:
                        self._free.set()
        self._streams.remove(stream)

    async def run(self) -> None:
        """Count whatever a person starts, until cancelled."""
        await started_by_hand(self._setup, self.measure, poll_s=self._options.notice_poll_s)

    async def measure(self, start: Mapping[str, Any]) -> None:
        """Count all vials of one start."""
        await begin_late(self._setup)
        mute = self._setup.faults.strike("reply_lost") is not None
        marks = {
            kind: int(fault.data.get("sample", 2))
            for kind in ("lost_message", "bad_checksum", "too_long", "stops", "skips")
            if (fault := self._setup.faults.strike(kind)) is not None
        }
        self._sequence = 0
        await self._say("S", [(USER, "I", "5")], mute=mute)
        for position, well in enumerate(start["wells"], start=1):
            if marks.get("stops") == position:
                break
            await asyncio.sleep(float(start["count_s"]))
            if marks.get("skips") != position:
                damage = next((kind for kind, at in marks.items() if at == position), "")
                await self._sample(
                    position, well, float(start["count_s"]), mute=mute, damage=damage
                )
            await asyncio.sleep(
                self._setup.world.takes_s(self._setup.name, self._options.overhead_s)
            )
        await self._say("B", [], mute=mute)

    async def _sample(
        self, position: int, well: str, count_s: float, *, mute: bool, damage: str
    ) -> None:
        counts = int(self._rng.poisson(self._rate_cpm(well) * count_s / MINUTE_S))
        values = {
            "position": ("I", str(position)),
            "cpm": ("R", f"{counts * MINUTE_S / count_s:.2f}"),
            "count_min": ("R", f"{count_s / MINUTE_S:.2f}"),
        }
        told = [(n, *values[name]) for name, n in self._options.datums.items() if name in values]
        await self._say("D", [(910, "I", str(position)), (999, "T", "H#"), *told[:1]], mute=mute)
        mute = mute or damage == "lost_message"
        await self._say("D", [*told[1:], (911, "I", "0")], mute=mute, damage=damage)

    async def _say(
        self, kind: str, items: list[tuple[int, str, str]], *, mute: bool, damage: str = ""
    ) -> None:
        """Say one message, unless the host holds it up; after half an hour it goes on by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESUMES_S):
                await self._free.wait()
        self._free.set()
        said = ";".join(f"{_pair(number)}{letter} {value}" for number, letter, value in items)
        body = f"{chr(BLANK + self._sequence)}{kind}{said}"
        self._sequence = (self._sequence + 1) % CHARACTERS
        summed = f"{chr(BLANK + len(body) + 2)}{body}".encode("ascii")
        checksum = sum(summed) % 256 ^ (damage == "bad_checksum")
        padding = b"0" * 96 if damage == "too_long" else b""
        data = b"\x01" + summed + padding + _pair(checksum).encode("ascii") + b"\r\n"
        for stream in [] if mute else self._streams:
            with contextlib.suppress(DisconnectedError):
                await stream.send(data)

    def _rate_cpm(self, well: str) -> float:
        position = self._setup.position or self._setup.name
        with contextlib.suppress(WorldError):  # an empty vial is counted like any other
            rate_cpm = float(self._setup.world.count_rates(position, [well])[0])
            return max(0.0, rate_cpm) + self._options.background_cpm
        return self._options.background_cpm


def _pair(number: int) -> str:
    return chr(BLANK + number // 64) + chr(BLANK + number % 64)
