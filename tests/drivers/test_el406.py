"""The EL406 driver: captured bytes, batches, errors of the maker, and washing in the world."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import Chunked, opened

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.labware import LabwareKind
from platectl.domain.transcript import parse_transcript
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.el406 import EL406, Settings, payload
from platectl_drivers.el406.frame import HEADER, Frame, decode, encode
from platectl_simulators.el406 import EL406Simulator
from platectl_simulators.truth_file import default_truth


class Bench:
    """A washer with a plate of cells' medium, and what was said to it."""

    def __init__(self, *faults: Fault, chunk: int = 0, **settings: Any) -> None:
        plate = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
        self.world = World(default_truth(), VirtualClock(), catalogue={"plate": plate})
        self.world.add_position("nest")
        self.world.add_labware("P", "plate", "nest")
        for well in plate.format.by_row():
            self.world.fill("P", well, volume_ul=100.0, contents={"dmso": 0.1})
        self.world.load_bottle("w.A", liquid="hbss", volume_ul=1e6, contents={})
        setup = SimulatorSetup("w", self.world, VirtualClock(), "nest", settings, FaultPlan(faults))
        self.simulator = EL406Simulator(setup)
        self.tasks: list[asyncio.Task[None]] = []
        self.said: list[tuple[str, bytes]] = []
        self.chunk = chunk
        self.subject = EL406(DriverSetup("w", VirtualClock(), self.open, Settings()))

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        stream = RecordingStream(ours, lambda side, data: self.said.append((side, data)))
        return Chunked(stream, self.chunk)


@asynccontextmanager
async def bench(*faults: Fault, connected: bool = True, **settings: Any) -> AsyncIterator[Bench]:
    async with opened(Bench(*faults, **settings), connected=connected) as made:
        yield made


async def wash(it: Bench, cycles: int = 2) -> None:
    await it.subject.wash(
        buffer="A", cycles=cycles, volume_ul=90, aspirate_height_mm=0.3, rate=2, flow=5,
        final_aspirate=False,
    )  # fmt: skip


async def connect_and_wash(it: Bench) -> None:
    await it.subject.connect()
    await wash(it)


# Bytes ------------------------------------------------------------------------------------------
def test_the_captured_frames_come_out_byte_for_byte() -> None:
    header, data = encode(Frame(payload.ASPIRATE, payload.filtration(seconds=45, z=29)))
    assert header == bytes.fromhex("0102A5000100001600C4FD")
    assert data == bytes.fromhex("04012D000300001D000000001D000000FF0F00000000")
    header, data = encode(Frame(0x89, b"\x06"))
    assert header + data == bytes.fromhex("0102890001000001006CFF06")
    header, data = encode(
        Frame(payload.DISPENSE, payload.dispense(buffer="B", volume_ul=250, z=121))
    )
    assert header == bytes.fromhex("0102A600010000140079FD")
    assert data == bytes.fromhex("0442FA0007000079000000090000000000000000")


def test_payloads_have_the_lengths_of_the_layouts() -> None:
    program = payload.WashProgram("A", 3, 100, 29, 121, 2, 5, final_aspirate=True)
    assert len(payload.wash(program)) == 102
    assert len(payload.aspirate(z=29, rate=2)) == 22
    assert len(payload.dispense(buffer="A", volume_ul=100, z=121)) == 20
    assert len(payload.prime(buffer="A", volume_ml=5)) == 13
    made = payload.wash(program)
    assert (made[6], made[2], made[68:71], made[53:55]) == (3, 1, b"A\x64\x00", b"\x1d\x00")


@given(st.integers(0, 0xFFFF), st.binary(max_size=300))
def test_frames_survive_the_wire_and_damage_is_seen(command: int, data: bytes) -> None:
    header, sent = encode(Frame(command, data))
    assert decode(header, sent) == Frame(command, data)
    if data:
        damaged = bytes((data[0] ^ 0x10,)) + data[1:]
        with pytest.raises(MalformedReplyError):
            decode(header, damaged)
    with pytest.raises(MalformedReplyError):
        decode(b"\x02" + header[1:], sent)
    assert len(header) == HEADER.size


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    stream = ReplayStream.from_file(transcripts / "el406_filtration.txt")

    async def opened() -> ByteStream:
        return stream

    subject = EL406(DriverSetup("w", VirtualClock(), opened, Settings()))
    identity = await subject.connect()
    assert identity.serial_number == "SIM406"
    assert subject.limits.filtration
    await subject.filter_plate(hold_s=45)
    await subject.aclose()


async def test_the_simulator_answers_exactly_what_was_recorded(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "el406_filtration.txt").read_text())
    it = Bench(filtration=True)
    stream = await it.open()
    running = struct.pack("<HHIB", 0, 2, 0, 0)
    for turn in turns:
        if turn.side == ">":
            await stream.send(turn.data)
            continue
        heard = b""
        while len(heard) < len(turn.data):
            heard += await stream.receive(timeout_s=10)
        assert heard == turn.data
        if running in turn.data:
            await asyncio.sleep(46)  # the recording polled until the filtration was over
    await stream.aclose()
    for task in it.tasks:
        await task


# Steps ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunk", [0, 1, 5])
async def test_a_wash_exchanges_the_liquid(chunk: int) -> None:
    async with bench(chunk=chunk) as it:
        before = it.world.contents("P", "dmso").mean()
        await wash(it)

        assert it.world.volumes_ul("P").mean() == pytest.approx(99.6, rel=0.03)
        assert it.world.contents("P", "dmso").mean() < 0.03 * before


async def test_aspirating_and_dispensing() -> None:
    async with bench() as it:
        await it.subject.aspirate(height_mm=0.3, rate=2)
        assert it.world.volumes_ul("P").mean() == pytest.approx(9.6, rel=0.05)
        await it.subject.dispense(buffer="A", volume_ul=150, flow=7)
        assert it.world.volumes_ul("P").mean() == pytest.approx(159.6, rel=0.03)
        await it.subject.prime(buffer="A", volume_ml=5)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("waste_full"), "1401"),
        (Fault("empty_buffer"), "1500"),
        (Fault("busy"), "8102"),
        (Fault("error", data={"code": 0x1504}), "1504"),
        (Fault("error", data={"code": 0x1400}), "1400"),
    ],
)
async def test_the_makers_codes_are_faults(fault: Fault, code: str) -> None:
    async with bench(fault) as it:
        with pytest.raises(InstrumentFaultError) as caught:
            await wash(it, cycles=1)
        assert caught.value.code == code


async def test_a_full_waste_says_so_in_words() -> None:
    async with bench(Fault("waste_full")) as it:
        with pytest.raises(InstrumentFaultError, match="waste must be emptied"):
            await wash(it)
        await wash(it)  # emptied: the batch was ended, and the next step goes


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("nak", after=12), MalformedReplyError),
        (Fault("wrong_checksum", after=12), MalformedReplyError),
        (Fault("reply_lost", after=12), ReplyTimeoutError),
        (Fault("silent", after=12), ReplyTimeoutError),
        (Fault("garbled_reply", after=3), LinkError),
    ],
)
async def test_a_broken_conversation_is_told_and_the_step_is_not_repeated(
    fault: Fault, error: type[Exception]
) -> None:
    async with bench(fault, connected=False) as it:
        with pytest.raises(error):
            await connect_and_wash(it)
        await asyncio.sleep(120)
        assert it.world.volumes_ul("P").mean() > 95.0  # washed once or not at all


async def test_no_plate_is_a_fault() -> None:
    async with bench() as it:
        it.world.remove_labware("P")
        with pytest.raises(InstrumentFaultError, match="plate"):
            await it.subject.aspirate(height_mm=0.3, rate=2)


async def test_what_cannot_be_done_is_refused_before_anything_is_sent() -> None:
    async with bench() as it:
        with pytest.raises(RefusedError, match="carrier"):
            await it.subject.filter_plate(hold_s=45)
        with pytest.raises(RefusedError, match="mm"):
            await it.subject.aspirate(height_mm=40, rate=2)
        with pytest.raises(RefusedError, match="line"):
            await it.subject.dispense(buffer="E", volume_ul=100, flow=5)
        with pytest.raises(RefusedError, match="uL"):
            await it.subject.dispense(buffer="A", volume_ul=5, flow=5)


WASH = {"buffer": "A", "cycles": 2, "volume_ul": 100.0, "aspirate_height_mm": 0.3, "rate": 2, "flow": 5,
        "final_aspirate": True}  # fmt: skip
DISPENSE = {"buffer": "A", "volume_ul": 100.0, "flow": 5}


@pytest.mark.parametrize(
    ("verb", "how", "wrong"),
    [
        *(("aspirate", {"height_mm": 0.3, "rate": 2}, {"rate": rate}) for rate in (0, 6, -1, 256, 2.5)),
        ("aspirate", {"height_mm": 0.3, "rate": 2}, {"height_mm": 0.25}),
        *(("dispense", DISPENSE, {"flow": flow}) for flow in (0, 1, 2, 12, 256, -1)),
        *(("dispense", DISPENSE, {"volume_ul": volume}) for volume in (99.5, 3001, float("nan"))),
        *(("wash", WASH, wrong) for wrong in (
            {"cycles": 0}, {"cycles": 251}, {"rate": 6}, {"flow": 2}, {"volume_ul": 30.4}, {"buffer": "AB"},
        )),
        *(("prime", {"buffer": "A", "volume_ml": 10.0}, {"volume_ml": volume}) for volume in (4, 5.5, 1000)),
        *(("filter_plate", {}, {"hold_s": hold_s}) for hold_s in (4, 45.5, float("inf"))),
    ],
)  # fmt: skip
async def test_what_a_byte_cannot_say_is_refused_and_not_rounded(
    verb: str, how: dict[str, Any], wrong: dict[str, Any]
) -> None:
    async with bench(filtration=True) as it:
        said = len(it.said)

        with pytest.raises(RefusedError):
            await getattr(it.subject, verb)(**how | wrong)

        assert len(it.said) == said


async def test_an_abort_stops_the_step() -> None:
    async with bench() as it:
        washing = asyncio.create_task(wash(it, cycles=5))
        await asyncio.sleep(20)
        await it.subject.abort()
        await asyncio.sleep(60)
        washing.cancel()
        await asyncio.gather(washing, return_exceptions=True)
        assert it.world.volumes_ul("P").mean() < 120.0


# After a death, and after a lost answer ----------------------------------------------------------

WASHED = Action("a1", "w", "wash", {"cycles": 2}, datetime(2026, 1, 1, tzinfo=UTC))
#: test, serial number, sensor, status
LOOKS = {0x73, 0x100, 0xD2, 0x92}


class Heir:
    """The driver of a program that was started anew, and the commands that it sent."""

    def __init__(self, it: Bench) -> None:
        self.sent = bytearray()
        self._it = it
        self.driver = EL406(DriverSetup("w", VirtualClock(), self._open, Settings()))

    async def _open(self) -> ByteStream:
        return RecordingStream(await self._it.open(), self._record)

    def _record(self, side: str, data: bytes) -> None:
        if side == ">":
            self.sent += data

    def commands(self) -> list[int]:
        found, rest = [], bytes(self.sent)
        while rest:
            length = struct.unpack("<H", rest[7:9])[0]
            found.append(struct.unpack("<H", rest[2:4])[0])
            rest = rest[HEADER.size + length :]
        return found


async def wash_as(it: Bench) -> None:
    token = ACTION_ID.set("a1")
    try:
        await wash(it)
    finally:
        ACTION_ID.reset(token)


async def killed(it: Bench, after_s: float) -> Heir:
    washing = asyncio.create_task(wash_as(it))
    await asyncio.sleep(after_s)
    assert it.subject._stream is not None
    await it.subject._stream.aclose()
    with contextlib.suppress(LinkError):
        await washing
    return Heir(it)


async def test_a_wash_that_is_seen_to_end_was_done() -> None:
    async with bench() as it:
        heir = await killed(it, 10)
        await heir.driver.observe()
        await heir.driver.observe()

        verdict = await heir.driver.reconcile(WASHED)

        assert set(heir.commands()) <= LOOKS
        assert verdict.fate == "done"
        assert verdict.evidence == {
            "state": "stopped", "seen_running": True, "sent_in_this_life": False,
        }  # fmt: skip
        assert (await heir.driver.reconcile(WASHED)).fate == "done"
        await heir.driver.aclose()


async def test_a_wash_that_was_over_before_anybody_looked_is_unknown() -> None:
    async with bench() as it:
        heir = await killed(it, 10)
        await asyncio.sleep(120)
        await heir.driver.observe()

        assert (await heir.driver.reconcile(WASHED)).fate == "unknown"
        await heir.driver.aclose()


async def test_control_is_taken_over_when_the_step_is_over() -> None:
    async with bench() as it:
        heir = await killed(it, 10)
        before_s = VirtualClock().monotonic_s()

        await heir.driver.take_over()

        assert VirtualClock().monotonic_s() - before_s > 20
        assert heir.commands()[-3] == 0xA0
        await heir.driver.dispense(buffer="A", volume_ul=50, flow=5)
        closed = heir.commands().index(0x8C)
        assert closed < heir.commands().index(0x8D)  # the old batch before the new one
        await heir.driver.aclose()


async def test_a_step_that_does_not_end_is_running() -> None:
    async with bench() as it:
        it.simulator._state = 2

        assert (await it.subject.reconcile(WASHED)).fate == "running"
        with pytest.raises(ReplyTimeoutError):
            await it.subject.take_over()


BATCH, STEP = 4 + 7 + 1, 4 + 7 + 2  # answers before: connecting, queries, begin; one poll


@pytest.mark.parametrize(
    ("kind", "after", "fate"),
    [
        ("reply_lost", BATCH, "not_done"),
        ("reply_lost", STEP, "done"),
        ("silent", STEP, "unknown"),
        ("reply_lost", STEP + 5, "done"),
    ],
)
async def test_after_a_lost_answer_the_state_tells(kind: str, after: int, fate: str) -> None:
    async with bench(Fault(kind, after=after)) as it:
        with pytest.raises(ReplyTimeoutError):
            await wash_as(it)

        assert (await it.subject.reconcile(WASHED)).fate == fate
        await wash(it)


async def test_a_fault_of_the_step_is_told_as_unknown() -> None:
    async with bench(Fault("error", data={"code": 0x1505})) as it:
        heir = await killed(it, 10)

        verdict = await heir.driver.reconcile(WASHED)

        assert (verdict.fate, verdict.evidence) == ("unknown", {"error": "1505"})
        await heir.driver.aclose()


async def test_after_an_abort_the_end_of_a_step_proves_nothing() -> None:
    async with bench() as it:
        washing = asyncio.create_task(wash_as(it))
        await asyncio.sleep(9)
        await it.subject.abort()
        with pytest.raises(InstrumentFaultError) as caught:
            await washing

        assert caught.value.code == "aborted"
        assert (await it.subject.reconcile(WASHED)).fate == "unknown"
        other = Action("a2", "w", "dance", {}, WASHED.sent_at)
        assert (await it.subject.reconcile(other)).fate == "unknown"
