"""A simulated BioTek EL406: frames with checksum, batches, steps that take their time.

Written from the layouts in shared/instruments-handlers.md 4.1. It acts on the plate at its position
in the world; buffer line `X` is the bottle `<name>.X`. Faults: `nak` (a command is not taken),
`wrong_checksum` (of an answer), `error` (data: `code`, a step ends with it), `empty_buffer` (1500),
`waste_full` (1401), `busy` (8102), and those of every line (`silent`, `reply_lost`, …).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

HEADER: Final = 11
ACK, NAK = b"\x06", b"\x15"
STATUS, BEGIN, END, HOME, ABORT, RESET = 0x92, 0x8D, 0x8C, 0xC8, 0x89, 0x70
SERIAL, SENSOR = 0x100, 0xD2
ASPIRATE, DISPENSE, PRIME, WASH = 0xA5, 0xA6, 0xA7, 0xA4
LENGTHS: Final = {ASPIRATE: 22, DISPENSE: 20, PRIME: 13, WASH: 102}
INITIAL, RUNNING, STOPPED = 1, 2, 4
EMPTY, WASTE, NO_PLATE, BUSY, BAD_SUM = 0x1500, 0x1401, 0x1406, 0x8102, 0x8104
ASPIRATE_S, DISPENSE_S, PRIME_S, HOME_S = 11.7, 8.3, 9.1, 3.1
COLUMNS: Final = range(1, 13)


def checksum(header: bytes, data: bytes) -> int:
    """Negative sum of the header before it and the data, 16 bits."""
    return (0x10000 - (sum(header) + sum(data)) % 0x10000) % 0x10000


class EL406Simulator:
    """One washer; state survives reconnects."""

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._bottom = int(setup.settings.get("bottom_z", 26))
        self._carrier = bool(setup.settings.get("filtration", False))
        self._state, self._error = INITIAL, 0
        self._task: asyncio.Task[None] | None = None

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        buffer = bytearray()
        try:
            while True:
                while len(buffer) < HEADER or len(buffer) < HEADER + _length(buffer):
                    buffer += await stream.receive()
                whole = HEADER + _length(buffer)
                header, data = bytes(buffer[:HEADER]), bytes(buffer[HEADER:whole])
                del buffer[:whole]
                await self._take(stream, header, data)
        except DisconnectedError:
            return

    async def _take(self, stream: ByteStream, header: bytes, data: bytes) -> None:
        if await is_silent(self._setup.faults):
            return
        bad = header[:2] != b"\x01\x02" or struct.unpack("<H", header[9:11])[0] != checksum(
            header[:9], data
        )
        if bad or self._setup.faults.strike("nak"):
            await stream.send(NAK)
            return
        command = struct.unpack("<H", header[2:4])[0]
        answer = await self._answer(command, data, stream)
        if answer is not None:
            await send_reply(stream, answer, self._setup.faults)

    async def _answer(self, command: int, data: bytes, stream: ByteStream) -> bytes | None:
        if command == STATUS:
            return ACK + self._frame(command, struct.pack("<HHIB", self._error, self._state, 0, 0))
        if command in {HOME, END, RESET}:
            await stream.send(ACK)
            await asyncio.sleep(
                self._setup.world.takes_s(self._setup.name, HOME_S if command == HOME else 0.4)
            )
            if command == END:
                self._state = INITIAL
            return self._frame(command, b"\0\0")
        if command == ABORT:
            if self._task is not None:
                self._task.cancel()
            self._state = STOPPED
            return ACK + self._frame(command, b"\0\0")
        if command in LENGTHS:
            return ACK + self._frame(command, struct.pack("<H", self._start(command, data)))
        if command == BEGIN:
            self._error = 0
        value = {SERIAL: b"\0\0SIM406\0", SENSOR: bytes((0, 0, int(self._carrier)))}
        return ACK + self._frame(command, value.get(command, b"\0\0\0"))

    def _frame(self, command: int, data: bytes) -> bytes:
        header = struct.pack("<2sHB2sH", b"\x01\x02", command, 1, b"\0\0", len(data))
        total = checksum(header, data)
        if self._setup.faults.strike("wrong_checksum"):
            total ^= 0x0101
        return header + struct.pack("<H", total) + data

    # Steps --------------------------------------------------------------------------------------
    def _start(self, command: int, data: bytes) -> int:
        """Begin a step; the error code if it cannot."""
        if self._state == RUNNING or self._setup.faults.strike("busy"):
            return BUSY
        if len(data) != LENGTHS[command]:
            return BAD_SUM
        if self._setup.faults.strike("waste_full"):
            return WASTE
        work: dict[int, Callable[[bytes], Awaitable[None]]] = {
            ASPIRATE: self._aspirate, DISPENSE: self._dispense, PRIME: self._prime, WASH: self._wash,
        }  # fmt: skip
        self._state, self._error = RUNNING, 0
        self._task = asyncio.create_task(self._run(work[command](data)))
        return 0

    async def _run(self, work: Awaitable[None]) -> None:
        try:
            await work
            if (fault := self._setup.faults.strike("error")) is not None:
                self._error = int(fault.data["code"])
        except WorldError as error:
            self._error = EMPTY if error.reason == "empty" else NO_PLATE
        self._state = STOPPED

    async def _aspirate(self, data: bytes) -> None:
        world, here = self._setup.world, self._position()
        if data[1]:
            world.vacuum(here, on=True)
            await asyncio.sleep(struct.unpack("<H", data[2:4])[0])
            world.vacuum(here, on=False)
            return
        await asyncio.sleep(self._setup.world.takes_s(self._setup.name, ASPIRATE_S))
        self._draw(struct.unpack("<H", data[7:9])[0], data[4])

    async def _dispense(self, data: bytes) -> None:
        await asyncio.sleep(self._setup.world.takes_s(self._setup.name, DISPENSE_S))
        self._fill(chr(data[1]), struct.unpack("<H", data[2:4])[0])

    async def _prime(self, data: bytes) -> None:
        await asyncio.sleep(self._setup.world.takes_s(self._setup.name, PRIME_S))
        volume_ml = struct.unpack("<H", data[2:4])[0]
        self._setup.world.bulk_prime(f"{self._setup.name}.{chr(data[1])}", 1000.0 * volume_ml)

    async def _wash(self, data: bytes) -> None:
        z, volume_ul = (struct.unpack("<H", data[i : i + 2])[0] for i in (53, 69))
        for _ in range(data[6]):
            await asyncio.sleep(self._setup.world.takes_s(self._setup.name, ASPIRATE_S))
            self._draw(z, data[50])
            await asyncio.sleep(self._setup.world.takes_s(self._setup.name, DISPENSE_S))
            self._fill(chr(data[68]), volume_ul)
        if data[2]:
            await asyncio.sleep(self._setup.world.takes_s(self._setup.name, ASPIRATE_S))
            self._draw(struct.unpack("<H", data[32:34])[0], data[29])

    def _draw(self, z: int, rate: int) -> None:
        height_mm = max(z - self._bottom, 1) / 10.0
        self._setup.world.aspirate_plate(
            self._setup.name, self._position(), height_mm=height_mm, rate=rate
        )

    def _fill(self, line: str, volume_ul: int) -> None:
        if self._setup.faults.strike("empty_buffer"):
            raise WorldError("empty", f"no buffer on {line}")
        volumes: dict[int, float] = dict.fromkeys(COLUMNS, float(volume_ul))
        self._setup.world.bulk_dispense(f"{self._setup.name}.{line}", self._position(), volumes)

    def _position(self) -> str:
        position: Any = self._setup.position
        return str(position)


def _length(buffer: bytearray) -> int:
    return int.from_bytes(buffer[7:9], "little") if len(buffer) >= HEADER else 0
