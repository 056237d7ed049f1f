"""The Cytomat driver: telegrams, moves told once, refusals of healthy units, errors by name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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
from platectl_drivers.cytomat import REFUSALS, REGISTER, Cytomat, Settings
from platectl_simulators.cytomat import CytomatSimulator
from platectl_simulators.truth_file import default_truth


class Bench:
    """An incubator of 42 slots with one plate in slot 12, and the telegrams it heard."""

    def __init__(self, *faults: Fault, **settings: Any) -> None:
        plate = LabwareKind.model_validate({"role": "plate"})
        self.world = World(default_truth(), VirtualClock(), catalogue={"plate": plate})
        slots = {str(n): f"c.{n}" for n in range(1, 43)}
        for name in ("station", *slots.values()):
            self.world.add_position(name)
        self.world.add_labware("P", "plate", "c.12")
        setup = SimulatorSetup(
            "c",
            self.world,
            VirtualClock(),
            "station",
            {**settings, "slots": slots},
            FaultPlan(faults),
        )
        self.simulator = CytomatSimulator(setup)
        self.tasks: list[asyncio.Task[None]] = []
        self.said: list[bytes] = []
        self.subject = Cytomat(DriverSetup("c", VirtualClock(), self.open, Settings(**settings)))

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        return RecordingStream(ours, self.record)

    def record(self, side: str, data: bytes) -> None:
        if side == ">":
            self.said.append(data)

    def moves(self) -> list[bytes]:
        return [line for line in self.said if line.startswith(b"mv:")]


@asynccontextmanager
async def bench(*faults: Fault) -> AsyncIterator[Bench]:
    made = Bench(*faults)
    try:
        await made.subject.connect()
        yield made
    finally:
        await made.subject.aclose()
        await made.subject.aclose()
        running = made.simulator._task
        for task in [*made.tasks, *([running] if running else [])]:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    stream = ReplayStream.from_file(transcripts / "cytomat_fetch.txt")

    async def opened() -> ByteStream:
        return stream

    subject = Cytomat(DriverSetup("c", VirtualClock(), opened, Settings()))
    await subject.connect()
    await subject.fetch(12)
    with pytest.raises(InstrumentFaultError, match="occupied") as caught:
        await subject.fetch(13)
    assert caught.value.code == "32"
    await subject.aclose()


async def test_the_simulator_answers_exactly_what_was_recorded(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "cytomat_fetch.txt").read_text())
    it = Bench()
    stream = await it.open()
    for turn in turns:
        if turn.side == ">":
            await stream.send(turn.data)
            continue
        assert await stream.receive(timeout_s=10) == turn.data
        if turn.data == b"bs 01\r":
            await asyncio.sleep(20)  # the recording polled until the move was over
    await stream.aclose()
    await asyncio.gather(*it.tasks)


async def test_a_plate_comes_out_and_goes_back() -> None:
    async with bench() as it:
        await it.subject.fetch(12)
        assert it.world.position_of("P") == "station"
        await it.subject.store(7)
        assert it.world.position_of("P") == "c.7"
        assert it.moves() == [b"mv:st 012\r", b"mv:ts 007\r"]


async def test_climate_is_read_and_temperature_set() -> None:
    async with bench() as it:
        await it.subject.set_temperature(36.5)
        climate = await it.subject.read_climate()
        assert climate.temperature_c == pytest.approx(36.5)
        assert climate.co2_percent == pytest.approx(5.0)
        assert it.world.temperature_c("c.12") == pytest.approx(36.5)
        with pytest.raises(RefusedError):
            await it.subject.set_temperature(90)


@pytest.mark.parametrize("code", ["01", "02"])
@pytest.mark.parametrize("after", range(8))
async def test_refusals_of_a_healthy_unit_change_nothing(code: str, after: int) -> None:
    async with bench(Fault("spurious", after=after, times=9, data={"code": code})) as it:
        await it.subject.fetch(12)
        assert it.world.position_of("P") == "station"
        await it.subject.set_temperature(36.0)
        climate = await it.subject.read_climate()
        assert (climate.temperature_c, climate.co2_percent) == (36.0, 5.0)


async def test_a_move_that_is_refused_ten_times_is_a_fault() -> None:
    async with bench(Fault("refused", times=None)) as it:
        with pytest.raises(InstrumentFaultError, match="busy"):
            await it.subject.fetch(12)
        assert len(it.moves()) == 10
        assert it.world.position_of("P") == "c.12"


async def test_a_line_that_refuses_every_query_is_damaged() -> None:
    it = Bench(Fault("spurious", times=None))

    with pytest.raises(MalformedReplyError, match="ch:bs was refused"):
        await it.subject.connect()
    await it.subject.aclose()
    await asyncio.gather(*it.tasks)


async def test_a_2c425_is_told_stacker_and_level() -> None:
    it = Bench(model="c2c_425", stackers=(10, 32))

    await it.subject.connect()
    await it.subject.fetch(12)
    with pytest.raises(RefusedError):
        await it.subject.store(43)
    await it.subject.store(10)

    assert it.moves() == [b"mv:st 01 01\r", b"mv:ts 00 09\r"]
    assert it.world.position_of("P") == "c.10"
    await it.subject.aclose()
    await asyncio.gather(*it.tasks)


def test_a_2c425_needs_its_stackers() -> None:
    with pytest.raises(ValueError, match="levels of its stackers"):
        Settings(model="c2c_425")


async def test_the_end_of_a_telegram_can_be_that_of_the_other_client() -> None:
    it = Bench(line_end="crlf")

    await it.subject.connect()

    assert it.said == [b"ch:bs\r\n"]
    await it.subject.aclose()
    await asyncio.gather(*it.tasks)


@pytest.mark.parametrize("code", sorted(set(REFUSALS) - {"01", "02"}))
async def test_every_refusal_is_named_and_not_repeated(code: str) -> None:
    async with bench(Fault("refused", data={"code": code})) as it:
        with pytest.raises(InstrumentFaultError, match=REFUSALS[code]) as caught:
            await it.subject.fetch(12)
        assert caught.value.code == code
        assert len(it.moves()) == 1


@pytest.mark.parametrize("code", sorted(REGISTER))
async def test_every_error_of_a_move_is_named(code: str) -> None:
    async with bench(Fault("error", data={"code": code})) as it:
        with pytest.raises(InstrumentFaultError, match=REGISTER[code]) as caught:
            await it.subject.fetch(12)
        assert caught.value.code == code
        with pytest.raises(InstrumentFaultError):
            await it.subject.connect()


async def test_a_plate_on_the_shovel_is_not_forgotten() -> None:
    async with bench(Fault("error", data={"code": "03", "lost": True})) as it:
        with pytest.raises(InstrumentFaultError, match="not unloaded"):
            await it.subject.fetch(12)
        assert it.world.position_of("P") is None


async def test_a_move_that_does_not_end_is_unknown() -> None:
    async with bench(Fault("never_ready")) as it:
        with pytest.raises(ReplyTimeoutError):
            await it.subject.fetch(12)
        with pytest.raises(InstrumentFaultError, match="busy"):
            await it.subject.fetch(12)
        assert len(it.moves()) == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("silent", ReplyTimeoutError),
        ("reply_lost", ReplyTimeoutError),
        ("garbled_reply", LinkError),
    ],
)
async def test_a_lost_answer_to_a_move_is_unknown_and_never_repeated(
    kind: str, error: type[Exception]
) -> None:
    async with bench(Fault(kind, after=2)) as it:
        with pytest.raises(error):
            await it.subject.fetch(12)
        assert len(it.moves()) == 1


async def test_slots_that_do_not_exist_are_refused() -> None:
    async with bench() as it:
        for slot in (0, 43):
            with pytest.raises(RefusedError):
                await it.subject.fetch(slot)
        assert not it.moves()


@pytest.mark.parametrize("answer", [b"bs\r", b"bs 1\r", b"bs zz\r", b"it 12\r", b"\xff\xfe\r"])
async def test_damaged_answers_are_malformed(answer: bytes) -> None:
    ours, theirs = pipe()

    async def opened() -> ByteStream:
        return ours

    async def reply() -> None:
        await theirs.receive()
        await theirs.send(answer)

    replying = asyncio.create_task(reply())
    subject = Cytomat(DriverSetup("c", VirtualClock(), opened, Settings()))
    with pytest.raises(MalformedReplyError):
        await subject.connect()
    await replying
    await subject.aclose()


# After a death, and after a lost answer ----------------------------------------------------------


def action(verb: str, **arguments: object) -> Action:
    return Action("a1", "c", verb, arguments, datetime(2026, 1, 1, tzinfo=UTC))


async def fetch_as(it: Bench, action_id: str = "a1") -> None:
    token = ACTION_ID.set(action_id)
    try:
        await it.subject.fetch(12)
    finally:
        ACTION_ID.reset(token)


async def killed(it: Bench, after_s: float) -> Cytomat:
    fetching = asyncio.create_task(fetch_as(it))
    await asyncio.sleep(after_s)
    await it.subject._line.link.aclose()
    with contextlib.suppress(LinkError):
        await fetching
    it.said.clear()
    return Cytomat(DriverSetup("c", VirtualClock(), it.open, Settings()))


async def test_another_life_waits_for_a_fetch_and_sees_it_done() -> None:
    async with bench() as it:
        heir = await killed(it, 5)
        await heir.observe()
        await heir.observe()
        assert it.world.position_of("P") == "c.12"

        verdict = await heir.reconcile(action("fetch", slot=12))

        assert verdict.fate == "done"
        assert verdict.evidence == {
            "status": "82", "busy": False, "transfer_station_occupied": True,
            "shovel_occupied": False,
        }  # fmt: skip
        assert it.world.position_of("P") == "station"
        assert set(it.said) == {b"ch:bs\r"}
        await heir.aclose()


async def test_control_is_taken_over_while_a_plate_moves() -> None:
    async with bench() as it:
        heir = await killed(it, 5)
        await heir.take_over()
        assert set(it.said) == {b"ch:bs\r"}
        await asyncio.sleep(20)

        await heir.store(12)

        assert it.world.position_of("P") == "c.12"
        assert (await heir.reconcile(action("store", slot=12))).fate == "done"
        assert (await heir.reconcile(action("fetch", slot=12))).fate == "not_done"
        await heir.aclose()


async def test_a_plate_that_still_stands_on_the_station_was_not_stored() -> None:
    async with bench() as it:
        await it.subject.fetch(12)

        assert (await it.subject.reconcile(action("store", slot=12))).fate == "not_done"


async def test_a_move_that_does_not_end_is_running() -> None:
    async with bench(Fault("never_ready")) as it:
        heir = await killed(it, 5)

        verdict = await heir.reconcile(action("fetch", slot=12))

        assert verdict.fate == "running"
        assert verdict.evidence["busy"] is True
        await heir.aclose()


async def test_a_plate_on_the_shovel_is_unknown_with_the_error_register() -> None:
    async with bench(Fault("error", data={"code": "03", "lost": True})) as it:
        heir = await killed(it, 5)
        await heir.observe()

        verdict = await heir.reconcile(action("fetch", slot=12))

        assert verdict.fate == "unknown"
        assert verdict.evidence["shovel_occupied"] is True
        assert verdict.evidence["error_register"] == "03"
        with pytest.raises(InstrumentFaultError):
            await heir.take_over()
        assert not [line for line in it.said if line.startswith((b"rs:", b"mv:"))]
        await heir.aclose()


@pytest.mark.parametrize(
    ("kind", "after", "fate"),
    [
        ("reply_lost", 1, "not_done"),  # the status before the move
        ("silent", 2, "not_done"),  # the move was not heard
        ("reply_lost", 2, "done"),
        ("reply_lost", 3, "done"),  # a status while it moves
    ],
)
async def test_after_a_lost_answer_the_plate_tells(kind: str, after: int, fate: str) -> None:
    async with bench(Fault(kind, after=after)) as it:
        with pytest.raises(ReplyTimeoutError):
            await fetch_as(it)

        verdict = await it.subject.reconcile(action("fetch", slot=12))

        assert verdict.fate == fate
        assert it.world.position_of("P") == ("station" if fate == "done" else "c.12")
        assert ("sent" in verdict.evidence) is (after == 1)


async def test_a_question_that_runs_into_half_a_telegram_is_asked_again() -> None:
    async with bench() as it:
        await it.subject._line.link._stream.send(b"mv:st")

        assert (await it.subject.reconcile(action("fetch", slot=12))).fate == "not_done"


async def test_a_setpoint_is_read_back() -> None:
    async with bench() as it:
        await it.subject.set_temperature(36.5)

        same = await it.subject.reconcile(action("set_temperature", temperature_c=36.5))
        other = await it.subject.reconcile(action("set_temperature", temperature_c=30.0))

        assert (same.fate, same.evidence) == ("done", {"nominal_c": 36.5})
        assert (other.fate, other.remembered) == ("not_done", True)
        assert (await it.subject.reconcile(action("dance"))).fate == "unknown"


async def test_a_plate_that_stood_on_the_station_before_is_not_the_one_fetched() -> None:
    async with bench(Fault("reply_lost", after=2)) as it:
        it.world.add_labware("Q", "plate", "station")
        with pytest.raises(ReplyTimeoutError):
            await fetch_as(it)

        assert (await it.subject.reconcile(action("fetch", slot=12))).fate == "not_done"
        assert it.world.position_of("P") == "c.12"
