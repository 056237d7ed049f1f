"""The CLARIOstar driver: captured frames, quirks of real readers, kinetic reads of living cells."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.domain.labware import LabwareKind
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Channel, Frame, Injection, KineticRead
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.replay import ReplayStream
from platectl_drivers.clariostar import Clariostar, Settings
from platectl_drivers.clariostar.frame import decode, encode, parse_record, parse_status
from platectl_drivers.clariostar.run import Chromatic, Run, Spiral, run_payload
from platectl_simulators.clariostar import RUN_REPLY, ClariostarSimulator, parse_run
from platectl_simulators.truth_file import default_truth

PLATE = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
CHANNELS = (Channel(340, 510), Channel(380, 510))
COLUMNS = tuple(f"{row}{column}" for row in "ABCDEFGH" for column in (1, 2))
RUN_FRAME = (
    "0200a10c0431e82164059604682c521cfc0c0800ffffffffffffffffffffffff" + "00" * 36 + "0a04" + "00" * 30
    + "270f270f" + "030302ae00" + "05" + "0352" + "00000100000000000c" + "03e8189c17d4194b1b2619fa0004000300"
    + "000000" + "0000000000000100000001" + "0014" + "000100" + "0016ed0d"
)  # fmt: skip


class Bench:
    """A reader with a plate of loaded cells."""

    def __init__(self, *faults: Fault, chunk: int = 0) -> None:
        self.world = World(default_truth(), VirtualClock(), catalogue={"plate": PLATE})
        self.world.add_position("nest", temperature_c=37.0, dark=True)
        self.world.add_labware("P", "plate", "nest")
        setup = SimulatorSetup("r", self.world, VirtualClock(), "nest", {}, FaultPlan(faults))
        self.simulator = ClariostarSimulator(setup)
        self.tasks: list[asyncio.Task[None]] = []
        self.chunk = chunk
        self.subject = Clariostar(DriverSetup("r", VirtualClock(), self.open, Settings()))

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        return Chunked(ours, self.chunk) if self.chunk else ours

    async def load(self) -> None:
        for well in PLATE.format.by_row():
            self.world.fill(
                "P", well, volume_ul=100.0, contents={"cells:sh_sy5y": 500.0, "fura2_am": 5e-6}
            )
        await asyncio.sleep(2700)
        self.world.aspirate_plate("w", "nest", height_mm=0.3, rate=2)
        for well in PLATE.format.by_row():
            self.world.fill("P", well, volume_ul=90.0, contents={"probenecid": 2.5e-3})


class Chunked:
    """Delivers what comes in small pieces."""

    def __init__(self, inner: ByteStream, size: int) -> None:
        self.inner, self.size, self.rest = inner, size, b""

    async def send(self, data: bytes) -> None:
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        if not self.rest:
            self.rest = await self.inner.receive(timeout_s=timeout_s)
        piece, self.rest = self.rest[: self.size], self.rest[self.size :]
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def bench(*faults: Fault, cells: bool = False, chunk: int = 0) -> AsyncIterator[Bench]:
    made = Bench(*faults, chunk=chunk)
    try:
        if cells:
            await made.load()
        await made.subject.connect()
        yield made
    finally:
        await made.subject.aclose()
        await made.subject.aclose()
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


def kinetic(**changes: Any) -> KineticRead:
    given: dict[str, Any] = {
        "title": "t", "plate": "P", "wells": COLUMNS, "channels": CHANNELS, "interval_s": 10.0,
        "baseline_s": 0.0, "record_s": 40.0,
    }  # fmt: skip
    return KineticRead(**{**given, **changes})


async def frames(it: Bench, read: KineticRead, into: list[Frame] | None = None) -> list[Frame]:
    found: list[Frame] = [] if into is None else into
    async with aclosing(it.subject.read_kinetic(read)) as pieces:
        async for piece in pieces:
            assert isinstance(piece, Frame)
            found.append(piece)
    return found


# Captured bytes ---------------------------------------------------------------------------------
def test_the_captured_run_comes_out_byte_for_byte() -> None:
    wells = PLATE.format.by_row()
    run = Run(wells, (Chromatic(620, 20, 680, 30, 1000),), 1, 1, 20, 850, 0x04, settling=5,
              scan=0x0A, spiral=Spiral(3, 0x02AE))  # fmt: skip
    assert encode(run_payload(run)).hex() == RUN_FRAME
    read = parse_run(decode(bytes.fromhex(RUN_FRAME)))
    assert read.wells == list(wells)
    assert read.chromatics == [(620.0, 680.0)]
    assert (read.cycles, read.cycle_s) == (1, 1.0)


def test_captured_frames_are_understood() -> None:
    idle = parse_status(decode(bytes.fromhex("0200180c010546260000000000000000000000c00001580d")))
    assert not idle.busy
    assert not idle.drawer_open
    out = parse_status(decode(bytes.fromhex("0200180c010546210000000000000000000000c00001530d")))
    assert out.drawer_open
    warm = parse_status(decode(bytes.fromhex("0200180c010546260000000000000000e000e5c000031d0d")))
    assert (warm.bottom_c, warm.top_c) == (22.4, 22.9)
    refused = parse_status(
        decode(bytes.fromhex("0200180c013504260000d50000000000df00e5c00003df0d"))
    )
    assert refused.busy
    assert refused.refusal == 0xD5
    assert encode(RUN_REPLY).hex() == (
        "0200350c032504260000000012c0000000640100000064000000010100000000000000"
        "07000000580001000000070000c00003590d"
    )


def test_the_captured_record_gives_its_counts() -> None:
    row = [4015, 3861, 3755, 3753, 3971, 4414, 4154, 4101, 3875, 3795, 4001, 4539]
    head = bytes.fromhex("020506260000a1006000600003f7a0010001006001000100000001010000000000df")
    payload = head + b"".join(v.to_bytes(4, "big") for v in row + [23] * 83 + [25])
    record = parse_record(payload)
    assert len(encode(payload)) == 426
    assert record.values[0][:12] == tuple(row)
    assert record.values[0][-1] == 25
    assert (record.number, record.temperature_c, record.whole) == (1, 22.3, True)


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    stream = ReplayStream.from_file(transcripts / "clariostar_drawer.txt")

    async def opened() -> ByteStream:
        return stream

    subject = Clariostar(DriverSetup("r", VirtualClock(), opened, Settings()))
    identity = await subject.connect()
    assert identity.firmware == "1.35"
    await subject.open_drawer()
    await subject.aclose()


@given(st.binary(min_size=1, max_size=400))
def test_frames_survive_and_damage_is_seen(payload: bytes) -> None:
    frame = encode(payload)
    assert decode(frame) == payload
    for place in (0, 3, len(frame) - 2):
        damaged = bytearray(frame)
        damaged[place] ^= 0x21
        with pytest.raises(MalformedReplyError):
            decode(bytes(damaged))


# Reads ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunk", [0, 1, 7])
async def test_a_read_gives_whole_records_with_the_time_of_each_well(chunk: int) -> None:
    async with bench(cells=True, chunk=chunk) as it:
        begun_s = VirtualClock().monotonic_s()
        found = await frames(it, kinetic())

        assert len(found) == 10
        assert [f.index for f in found[::2]] == [0, 1, 2, 3, 4]
        ratio = (np.array(found[0].values) - 210) / (np.array(found[1].values) - 260)
        assert ratio.mean() == pytest.approx(0.66, rel=0.05)
        times = np.array([f.at_s for f in found[::2]])
        assert np.diff(times[:, 0]) == pytest.approx(np.full(4, 10.0), abs=1.0)
        assert times[0].min() - begun_s < 16.0
        assert found[0].at_s[COLUMNS.index("B1")] - found[0].at_s[0] == pytest.approx(0.35)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("silent_after_run"), Fault("truncated", after=9, times=2), Fault("split", times=None),
        Fault("wrong_checksum", after=9), Fault("stuck", times=None), Fault("reply_lost", after=12),
    ],
)  # fmt: skip
async def test_quirks_of_healthy_readers_lose_nothing(fault: Fault) -> None:
    async with bench(fault, cells=True) as it:
        assert len(await frames(it, kinetic())) == 10


async def test_an_overflow_is_flagged_and_kept() -> None:
    async with bench(Fault("overflow", data={"well": "B2"}), cells=True) as it:
        found = await frames(it, kinetic())
        assert all(f.flags == {"B2": "saturated"} for f in found)


async def test_a_pulled_cable_keeps_what_was_read() -> None:
    async with bench(Fault("unplugged", data={"record": 3}), cells=True) as it:
        kept: list[Frame] = []
        with pytest.raises(LinkError):
            await frames(it, kinetic(), kept)
        assert [f.index for f in kept] == [0, 0, 1, 1]
        assert all(math.isfinite(v) for f in kept for v in f.values)


async def test_a_cold_chamber_and_an_open_drawer_are_named() -> None:
    async with bench(Fault("cold", times=None), cells=True) as it:
        await it.subject.set_temperature(37.0)
        with pytest.raises(InstrumentFaultError) as caught:
            await frames(it, kinetic())
        assert caught.value.code == "temperature"
        await it.subject.set_temperature(None)
        await it.subject.open_drawer()
        with pytest.raises(InstrumentFaultError) as caught:
            await frames(it, kinetic())
        assert caught.value.code == "drawer_open"


async def test_what_the_reader_cannot_do_is_refused_before_anything_is_sent() -> None:
    async with bench() as it:
        with pytest.raises(RefusedError, match="not decoded"):
            await frames(it, kinetic(injection=Injection("S", 25, 40, 3)))
        with pytest.raises(RefusedError, match="interval"):
            await frames(it, kinetic(interval_s=2.0))
        with pytest.raises(RefusedError, match="cannot hold"):
            await it.subject.set_temperature(80)


async def test_an_abort_stops_the_run_and_closing_twice_is_harmless() -> None:
    async with bench(cells=True) as it:
        reading = asyncio.create_task(frames(it, kinetic(record_s=400.0)))
        await asyncio.sleep(30)
        await it.subject.abort()
        with pytest.raises((InstrumentFaultError, LinkError)):
            await reading


async def test_a_silent_reader_is_a_timeout() -> None:
    with pytest.raises(LinkError):
        async with bench(Fault("silent", times=None)):
            pass


async def test_a_closed_reader_says_so() -> None:
    it = Bench()
    with pytest.raises(DisconnectedError):
        await it.subject.read_temperature_c()
