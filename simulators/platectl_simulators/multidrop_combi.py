"""A simulated Multidrop Combi: pumps from its bottle in the world, column by column."""

from __future__ import annotations

import asyncio

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

COLUMN_S = 1.2
LIMITS = {"SPL": (0, 29, 18), "SCT": (0, 3, 24), "SPS": (1, 100, 34), "SDH": (500, 5500, 22), "SDO": (0, 1, 37)}


class MultidropCombiSimulator:
    """Answers the Combi's command set; actions answer when they are over.

    Faults: `not_primed` (14), `shield_open` (16), `vessel_missing` (15), each at a dispense or
    prime, and the wire faults. ESC stops a stroke: columns that are full stay full.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._primed = False
        self._columns: dict[int, float] = {}
        self._stop = asyncio.Event()

    async def serve(self, stream: ByteStream) -> None:
        """Read commands; ESC is seen even while a stroke runs."""
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        worker = asyncio.create_task(self._work(stream, lines))
        buffer = bytearray()
        try:
            while True:
                for byte in await stream.receive():
                    if byte == 0x1B:  # noqa: PLR2004  # ESC
                        self._stop.set()
                    elif byte == 0x0D:  # noqa: PLR2004  # carriage return ends a command
                        lines.put_nowait(bytes(buffer))
                        buffer.clear()
                    else:
                        buffer.append(byte)
        except DisconnectedError:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _work(self, stream: ByteStream, lines: asyncio.Queue[bytes]) -> None:
        while True:
            command = (await lines.get()).decode("ascii", "replace").strip()
            if await is_silent(self._setup.faults):
                continue
            code = command[:3].upper()
            await stream.send(f"{code}\r\n".encode())
            data, status = await self._command(code, command[3:].split())
            await send_reply(stream, f"{data}{code} END {status}\r\n".encode(), self._setup.faults)

    async def _command(self, code: str, words: list[str]) -> tuple[str, int]:
        if not all(w.isdigit() for w in words):
            return "", 3
        numbers = [int(w) for w in words]
        if code == "VER":
            return "MultidropCombi 2.00.29 836-4191\r\n", 0
        if code in {"EAK", "QIT", "POU"}:
            return "", 0
        if code in LIMITS and len(numbers) == 1:
            low, high, status = LIMITS[code]
            return "", 0 if low <= numbers[0] <= high else status
        if code == "SCV" and len(numbers) == 2:  # noqa: PLR2004  # column and volume
            return "", self._set_column(*numbers)
        if code == "PRI" and numbers:
            return "", await self._prime(numbers[0] / 10.0)
        if code == "DIS":
            return "", await self._dispense()
        return "", 2

    def _set_column(self, column: int, tenths: int) -> int:
        if column > 48 or tenths > 25000:  # noqa: PLR2004  # limits of the manual
            return 32
        for number in range(1, 13) if column == 0 else (column,):
            self._columns[number] = tenths / 10.0
        return 0

    def _blocked(self) -> int:
        if self._setup.faults.strike("shield_open"):
            return 16
        return 15 if self._setup.faults.strike("vessel_missing") else 0

    async def _prime(self, volume_ul: float) -> int:
        if status := self._blocked():
            return status
        await asyncio.sleep(volume_ul / 500.0)
        self._setup.world.bulk_prime(self._setup.name, volume_ul)
        self._primed = True
        return 0

    async def _dispense(self) -> int:
        if status := self._blocked():
            return status
        if not self._primed or self._setup.faults.strike("not_primed"):
            return 14
        volumes = {c: v for c, v in self._columns.items() if v}
        if not volumes:
            return 17
        self._stop.clear()
        await asyncio.sleep(2.0)
        for column, volume_ul in volumes.items():
            if self._stop.is_set():
                return 44
            try:
                self._setup.world.bulk_dispense(self._setup.name, self._setup.position or "", {column: volume_ul})
            except WorldError:
                pass  # it cannot see what stands below: the liquid is lost
            await asyncio.sleep(COLUMN_S)
        return 0
