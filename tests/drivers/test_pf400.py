"""The PF400 driver: its transcripts, its codecs, and a simulated arm in a simulated lab."""

from __future__ import annotations

import asyncio
import contextlib
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
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.handling import PlateMover
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.line_faults import FaultyStream, LineFault, LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import WorldError
from platectl.transport.line import LineLink
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.pf400 import PF400, Settings, parse_grip, parse_joints, parse_reply
from platectl_simulators.pf400 import PF400Simulator

STATIONS = {"shaker1": 15, "combi_hot": 12, "nowhere": 3}


class Shelf:
    """Stands in for the world: one labware at each place."""

    def __init__(self) -> None:
        self.at: dict[str, str] = {"shaker1": "P1.assay"}

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        del instrument, person
        return nominal_s

    def lift(self, position: str) -> str | None:
        return self.at.pop(position, None)

    def set_down(self, labware: str, position: str) -> None:
        if position in self.at:
            raise WorldError("collision", f"{self.at[position]} stands at {position}")
        self.at[position] = labware


class Lab:
    """A driver before a simulated arm, and what went over the wire."""

    def __init__(self, *faults: Fault, chunk: int = 0, **values: Any) -> None:
        self.shelf = Shelf()
        self.said: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []
        world: Any = self.shelf
        self.arm = PF400Simulator(
            SimulatorSetup(
                "arm", world, VirtualClock(), None, {"stations": STATIONS}, FaultPlan(faults)
            )
        )
        settings = Settings(stations=STATIONS, **values)
        self.subject = PF400(DriverSetup("arm", VirtualClock(), self._connect, settings))
        self._chunk = chunk

    async def _connect(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.arm.serve(theirs)))
        return RecordingStream(Chunked(ours, self._chunk), self._record)

    def _record(self, side: str, data: bytes) -> None:
        if side == ">":
            self.said.append(data)

    def count(self, command: bytes) -> int:
        return sum(line.startswith(command) for line in self.said)


@asynccontextmanager
async def lab(*faults: Fault, connected: bool = True, **values: Any) -> AsyncIterator[Lab]:
    async with opened(Lab(*faults, **values), connected=connected) as made:
        yield made


def replayed(path: Path, **values: Any) -> tuple[PF400, ReplayStream]:
    stream = ReplayStream.from_file(path)

    async def connect() -> ByteStream:
        return stream

    settings = Settings(stations=STATIONS, **values)
    return PF400(DriverSetup("arm", VirtualClock(), connect, settings)), stream


# Transcripts and codecs -------------------------------------------------------------------------


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    subject, stream = replayed(transcripts / "pf400_move.txt")

    identity = await subject.connect()
    await subject.move_plate("shaker1", "combi_hot")
    with pytest.raises(InstrumentFaultError, match="no plate at shaker1") as caught:
        await subject.move_plate("shaker1", "combi_hot")
    await subject.aclose()
    await stream.aclose()

    assert identity.firmware == "TCP Command Server 3.0C1 05-27-2021"
    assert caught.value.code == "no_plate"


async def test_a_recorded_collision_leaves_the_plate_in_the_gripper(transcripts: Path) -> None:
    subject, stream = replayed(
        transcripts / "pf400_collision.txt",
        speed_percent=40,
        grip={"width_mm": 127.8, "speed_percent": 30, "force_n": 15},
        compliance=1,
        torque_percent=20,
        power_s=30,
    )

    await subject.connect()
    with pytest.raises(
        InstrumentFaultError, match="plate from shaker1 is in the gripper"
    ) as caught:
        await subject.move_plate("shaker1", "combi_hot")
    await subject.aclose()
    await stream.aclose()

    assert caught.value.code == "-3122"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_data_of_a_good_answer_come_back(data: str) -> None:
    assert parse_reply(f"0 {data}".encode(), "x") == data


@pytest.mark.parametrize("code", range(-2855, -2849))
def test_refusals_of_gripper_stations_and_rail_have_words(code: int) -> None:
    with pytest.raises(InstrumentFaultError, match=rf"(?!.*error).*\({code}\)"):
        parse_reply(f"{code} *words*".encode(), "pickplate 1")


@given(st.integers(min_value=-9999, max_value=-1), st.sampled_from(["", " *words*"]))
def test_a_negative_code_is_a_fault_with_that_code(code: int, words: str) -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        parse_reply(f"{code}{words}".encode(), "x")

    assert caught.value.code == str(code)


@given(st.binary(max_size=12))
def test_anything_else_is_malformed_or_an_answer(line: bytes) -> None:
    try:
        parse_reply(line, "x")
    except (MalformedReplyError, InstrumentFaultError):
        return
    assert line == b"0" or line.startswith(b"0 ")


@pytest.mark.parametrize("line", [b"", b"Ok", b"1", b"00", b"-0", b"0\t1", b"0,1", b"*-1021*"])
def test_strange_answers_are_malformed(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse_reply(line, "x")


@given(st.lists(st.floats(-999, 999).map(lambda x: round(x, 3)), min_size=1, max_size=6))
def test_joints_come_back(joints: list[float]) -> None:
    assert parse_joints(" ".join(f"{j:.3f}" for j in joints)) == pytest.approx(joints)


@pytest.mark.parametrize("answer", ["", "1", "-1 0", "yes"])
def test_a_grip_is_told_in_one_of_two_ways(answer: str) -> None:
    assert parse_grip("-1")
    assert not parse_grip("0")
    with pytest.raises(MalformedReplyError):
        parse_grip(answer)


# With the simulated arm -------------------------------------------------------------------------


def test_the_driver_satisfies_the_interface() -> None:
    subject: PlateMover = Lab().subject

    assert "PlateMover" in subject.info.interfaces


async def test_connecting_moves_and_homes_nothing() -> None:
    async with lab() as it:
        assert it.said == [
            b"mode 0\n", b"version\n", b"sysState\n", b"hp 1 10\n", b"attach 1\n", b"sysState\n",
        ]  # fmt: skip
        assert it.shelf.at == {"shaker1": "P1.assay"}


async def test_a_plate_is_carried_and_homing_happens_once() -> None:
    clock = VirtualClock()
    async with lab() as it:
        began_s = clock.monotonic_s()
        await it.subject.move_plate("shaker1", "combi_hot")
        first_s = clock.monotonic_s() - began_s
        await it.subject.move_plate("combi_hot", "shaker1")

        assert it.shelf.at == {"shaker1": "P1.assay"}
        assert it.count(b"HomeAll_IfNoPlate") == 1
        assert first_s == pytest.approx(15 + 12 + 12, abs=1)
        assert clock.monotonic_s() - began_s - first_s == pytest.approx(24, abs=1)


@pytest.mark.parametrize("chunk", [1, 2, 7])
async def test_any_chunking_gives_the_same_result(chunk: int) -> None:
    async with lab(chunk=chunk) as it:
        await it.subject.move_plate("shaker1", "combi_hot")

        assert it.shelf.at == {"combi_hot": "P1.assay"}


async def test_a_position_that_is_not_taught_is_refused_before_anything_is_sent() -> None:
    async with lab() as it:
        said = len(it.said)
        for source, target in (("shaker1", "moon"), ("moon", "shaker1")):
            with pytest.raises(RefusedError, match="taught for moon"):
                await it.subject.move_plate(source, target)

        assert len(it.said) == said


@pytest.mark.parametrize("faults", [(), (Fault("no_grip"),)])
async def test_gripping_nothing_is_told_and_the_arm_is_free_again(
    faults: tuple[Fault, ...],
) -> None:
    async with lab(*faults) as it:
        source = "shaker1" if faults else "nowhere"
        with pytest.raises(InstrumentFaultError, match="no plate") as caught:
            await it.subject.move_plate(source, "combi_hot")
        await it.subject.move_plate("shaker1", "combi_hot")

        assert caught.value.code == "no_plate"
        assert it.shelf.at == {"combi_hot": "P1.assay"}


async def test_a_place_that_is_taken_leaves_the_plate_in_the_gripper_and_power_off() -> None:
    async with lab() as it:
        it.shelf.at["combi_hot"] = "P0.assay"
        with pytest.raises(
            InstrumentFaultError, match="in the gripper, not at combi_hot"
        ) as caught:
            await it.subject.move_plate("shaker1", "combi_hot")
        with pytest.raises(RefusedError, match="take it out of the gripper"):
            await it.subject.move_plate("shaker1", "combi_hot")

        assert caught.value.code == "-3122"
        assert it.arm.carried == "P1.assay"
        assert it.count(b"pickplate") == 2  # not homed, and picked


async def test_after_a_look_into_the_gripper_the_arm_works_on() -> None:
    async with lab(Fault("collision", after=1)) as it:
        with pytest.raises(InstrumentFaultError):
            await it.subject.move_plate("shaker1", "combi_hot")
        it.shelf.at["shaker1"] = it.arm.take_out() or ""
        await it.subject.connect()
        await it.subject.move_plate("shaker1", "combi_hot")

        assert it.shelf.at == {"combi_hot": "P1.assay"}


@pytest.mark.parametrize(
    ("fault", "code", "where"),
    [
        (Fault("collision"), "-3122", "shaker1: the plate is there or in the gripper"),
        (Fault("power_lost"), "-1046", "shaker1"),
        (Fault("power_lost", after=1), "-1046", "is in the gripper"),
        (Fault("error", data={"code": -3105}), "-3105", "there or in the gripper"),
        (Fault("error", data={"code": -3105, "command": "placeplate"}), "-3105", "is in the gripper"),
        (Fault("hard_estop"), "-1028", "shaker1"),
        (Fault("hard_estop", after=1), "-1028", "is in the gripper"),
    ],
)  # fmt: skip
async def test_each_fault_of_the_arm_is_told_with_its_code_and_place(
    fault: Fault, code: str, where: str
) -> None:
    async with lab(fault) as it:
        with pytest.raises(InstrumentFaultError, match=where) as caught:
            await it.subject.move_plate("shaker1", "combi_hot")

        assert caught.value.code == code
        assert it.count(b"placeplate") <= 1


async def test_power_lost_after_gripping_is_not_taken_for_an_untouched_source() -> None:
    async with lab(Fault("power_lost")) as it:
        with pytest.raises(InstrumentFaultError) as caught:
            await it.subject.move_plate("shaker1", "combi_hot")

        assert it.arm.carried == "P1.assay"
        assert "nothing was touched" not in str(caught.value)


async def test_an_emergency_stop_is_told_at_connect() -> None:
    async with lab(Fault("hard_estop", data={"at_start": True}), connected=False) as it:
        with pytest.raises(InstrumentFaultError, match="emergency stop") as caught:
            await it.subject.connect()

        assert caught.value.code == "15"
        assert it.count(b"hp") == 0


async def test_homing_with_a_plate_in_the_gripper_is_refused() -> None:
    async with lab(Fault("collision", after=1)) as it:
        with pytest.raises(InstrumentFaultError):
            await it.subject.move_plate("shaker1", "combi_hot")
        it.arm._homed = False
        await it.subject.connect()
        with pytest.raises(InstrumentFaultError, match="holds a plate") as caught:
            await it.subject.move_plate("shaker1", "combi_hot")

        assert caught.value.code == "plate_in_gripper"
        with pytest.raises(RefusedError, match="a plate is in the gripper"):
            await it.subject.move_plate("shaker1", "combi_hot")


#: answers before the first pick that is carried out: connect 6, -1021, homing
PICK = 8


@pytest.mark.parametrize(
    ("fault", "error", "limit_s"),
    [
        (Fault("silent", after=PICK), ReplyTimeoutError, 125),
        (Fault("reply_lost", after=PICK), ReplyTimeoutError, 125),
        (Fault("late_reply", after=PICK, data={"delay_s": 300}), ReplyTimeoutError, 125),
        (Fault("garbled_reply", after=PICK), MalformedReplyError, 13),
        (Fault("reply_lost", after=PICK + 1), ReplyTimeoutError, 140),
    ],
)
async def test_a_lost_answer_ends_the_conversation_and_nothing_is_repeated(
    fault: Fault, error: type[Exception], limit_s: float
) -> None:
    clock = VirtualClock()
    async with lab(fault) as it:
        began_s = clock.monotonic_s()
        with pytest.raises(error):
            await it.subject.move_plate("shaker1", "combi_hot")
        took_s = clock.monotonic_s() - began_s
        said = len(it.said)
        with pytest.raises(RefusedError, match="gripper"):
            await it.subject.move_plate("shaker1", "combi_hot")

        assert took_s <= limit_s + 15 + 1
        assert len(it.said) == said


@pytest.mark.parametrize("kind", ["silent", "garbled_reply", "reply_lost"])
async def test_a_broken_conversation_at_connect_is_a_link_error(kind: str) -> None:
    async with lab(Fault(kind), connected=False) as it:
        with pytest.raises(LinkError):
            await it.subject.connect()
        with pytest.raises(DisconnectedError, match="not connected"):
            await it.subject.move_plate("shaker1", "combi_hot")


async def test_abort_halts_the_arm_while_it_carries() -> None:
    clock = VirtualClock()
    async with lab() as it:
        moving = asyncio.create_task(it.subject.move_plate("shaker1", "combi_hot"))
        await asyncio.sleep(15 + 12 + 3)
        began_s = clock.monotonic_s()
        await it.subject.abort()

        with pytest.raises(InstrumentFaultError, match="in the gripper") as caught:
            await moving
        assert caught.value.code == "-1043"
        assert clock.monotonic_s() - began_s < 1
        assert it.arm.carried == "P1.assay"


async def test_abort_after_the_step_was_cancelled_still_halts() -> None:
    async with lab() as it:
        moving = asyncio.create_task(it.subject.move_plate("shaker1", "combi_hot"))
        await asyncio.sleep(15 + 3)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        await it.subject.abort()
        await asyncio.sleep(60)

        assert it.shelf.at == {"shaker1": "P1.assay"}


async def test_abort_returns_when_nobody_answers() -> None:
    async def nobody() -> ByteStream:
        raise DisconnectedError("nobody")

    async def deaf() -> ByteStream:
        return pipe()[0]

    for connect in (nobody, deaf):
        await PF400(DriverSetup("arm", VirtualClock(), connect, Settings())).abort()


async def test_closing_twice_gives_back_control_once() -> None:
    async with lab() as it:
        await it.subject.aclose()
        await it.subject.aclose()

        assert it.count(b"attach 0") == 1


async def test_closing_while_the_arm_moves_ends_the_verb() -> None:
    async with lab() as it:
        moving = asyncio.create_task(it.subject.move_plate("shaker1", "combi_hot"))
        await asyncio.sleep(5)
        await it.subject.aclose()

        with pytest.raises(DisconnectedError):
            await moving


# After a death, and after a lost answer ----------------------------------------------------------

MOVED = Action("a1", "arm", "move_plate", {}, datetime(2026, 1, 1, tzinfo=UTC))
LOOKS = (b"mode 0", b"version", b"sysState", b"hp\n", b"wherej", b"IsFullyClosed")


async def move_as(it: Lab, action_id: str = "a1") -> None:
    token = ACTION_ID.set(action_id)
    try:
        await it.subject.move_plate("shaker1", "combi_hot")
    finally:
        ACTION_ID.reset(token)


async def killed(it: Lab, after_s: float) -> PF400:
    """Let the program die in mid-move; its successor has said nothing yet."""
    moving = asyncio.create_task(move_as(it))
    await asyncio.sleep(after_s)
    await it.subject._drop()
    with contextlib.suppress(LinkError):
        await moving
    it.said.clear()
    return PF400(DriverSetup("arm", VirtualClock(), it._connect, Settings(stations=STATIONS)))


async def test_another_life_only_looks_until_the_arm_stands_and_cannot_tell() -> None:
    clock = VirtualClock()
    async with lab() as it:
        heir = await killed(it, 29)  # it has homed, picked, and begins to place
        await heir.observe()
        await heir.observe()
        before_s = clock.monotonic_s()

        verdict = await heir.reconcile(MOVED)

        assert all(line.startswith(LOOKS) for line in it.said)
        assert 8 < clock.monotonic_s() - before_s < 20
        assert it.shelf.at == {"combi_hot": "P1.assay"}
        assert verdict.fate == "unknown"
        assert verdict.evidence["stands"] is True
        assert verdict.evidence["system_state"] == "21"
        assert verdict.evidence["gripper_fully_closed"] == "0"
        await heir.aclose()
        assert it.count(b"attach") == 0


async def test_control_is_taken_over_when_the_arm_has_come_to_rest() -> None:
    async with lab() as it:
        heir = await killed(it, 29)
        await heir.take_over()

        assert it.shelf.at == {"combi_hot": "P1.assay"}
        await heir.move_plate("combi_hot", "shaker1")
        assert it.shelf.at == {"shaker1": "P1.assay"}
        assert it.count(b"HomeAll") == 0
        await heir.aclose()


async def test_an_arm_that_does_not_come_to_rest_is_running() -> None:
    async with lab() as it:
        it.arm._head_for((0.0,) * 5, 500.0)

        assert (await it.subject.reconcile(MOVED)).fate == "running"
        with pytest.raises(LinkError, match="still moves"):
            await it.subject.take_over()


async def test_what_was_never_sent_was_not_done() -> None:
    async with lab(Fault("silent", after=8)) as it:
        it.arm._head_for((0.0,) * 5, 0.0)
        await it.subject._drop()
        await it.subject.observe()  # control must be taken again, and that breaks
        with pytest.raises(LinkError):
            await move_as(it)

        assert (await it.subject.reconcile(MOVED)).fate == "not_done"
        await move_as(it)
        assert it.shelf.at == {"combi_hot": "P1.assay"}


CONNECTING, HOMED, PICKED, PLACED = 6, 7, 8, 9


@pytest.mark.parametrize(
    ("after", "fate"),
    [(CONNECTING, "unknown"), (HOMED, "not_done"), (PICKED, "unknown"), (PLACED, "unknown"), (10, "done")],
)  # fmt: skip
async def test_after_a_lost_answer_this_life_tells_what_it_heard(after: int, fate: str) -> None:
    async with lab(Fault("reply_lost", after=after)) as it:
        with pytest.raises(ReplyTimeoutError):
            await move_as(it)

        verdict = await it.subject.reconcile(MOVED)

        assert verdict.fate == fate
        if fate == "done":
            assert it.shelf.at == {"combi_hot": "P1.assay"}
        if fate == "not_done":
            assert it.shelf.at == {"shaker1": "P1.assay"}
            await move_as(it)
            assert it.shelf.at == {"combi_hot": "P1.assay"}


async def test_a_conversation_that_is_gone_is_opened_again_and_control_taken_by_the_next_move() -> (
    None
):
    async with lab() as it:
        assert it.subject._link is not None
        await it.subject._link.aclose()

        assert (await it.subject.reconcile(MOVED)).fate == "unknown"
        assert it.count(b"attach") == 1
        await it.subject.move_plate("shaker1", "combi_hot")

        assert it.count(b"attach") == 2
        assert it.shelf.at == {"combi_hot": "P1.assay"}


async def test_once_the_doubt_is_settled_the_arm_is_taken_over_and_works_on() -> None:
    async with lab(Fault("reply_lost", after=PLACED)) as it:
        with pytest.raises(ReplyTimeoutError):
            await move_as(it)
        assert (await it.subject.reconcile(MOVED)).fate == "unknown"
        with pytest.raises(RefusedError):
            await it.subject.move_plate("combi_hot", "shaker1")

        await it.subject.take_over()
        await it.subject.move_plate("combi_hot", "shaker1")

        assert it.shelf.at == {"shaker1": "P1.assay"}


async def test_an_arm_without_the_gripper_query_is_told_so() -> None:
    async with lab(Fault("reply_lost", after=PICKED)) as it:
        it.arm._at_once = lambda command: (  # type: ignore[method-assign]
            "-2805 *Unknown command*"
            if command == "isfullyclosed"
            else PF400Simulator._at_once(it.arm, command)
        )
        with pytest.raises(ReplyTimeoutError):
            await move_as(it)

        verdict = await it.subject.reconcile(MOVED)

        assert verdict.evidence["gripper_fully_closed"] == "-2805"
        other = Action("a2", "arm", "dance", {}, MOVED.sent_at)
        assert (await it.subject.reconcile(other)).fate == "unknown"


async def test_an_answer_that_comes_twice_is_not_taken_for_the_next_one() -> None:
    async with lab() as it:
        faults = LineFaults([LineFault("duplicate", after=n) for n in range(4)])
        it.subject._link = LineLink(
            FaultyStream(it.subject._link._stream, faults), tx_end=b"\n", rx_end=b"\r\n"
        )
        await it.subject.move_plate("shaker1", "combi_hot")

        assert it.shelf.at == {"combi_hot": "P1.assay"}
        assert faults.struck == [1, 1, 1, 1]
