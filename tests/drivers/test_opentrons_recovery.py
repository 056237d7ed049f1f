"""A driver that dies in mid-action, and the next one that goes on in the same run of the robot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from tests.drivers.test_opentrons import RACK, SOURCE, STROKE, TARGET, TROUGH, lab

from platectl.domain.errors import DisconnectedError, LinkError
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault
from platectl_drivers.opentrons import Opentrons

SENT_AT = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)


async def pick_up(robot: Opentrons) -> None:
    await robot.use_channels("column")
    await robot.pick_up_tips("tips", "A1")


async def transfer(robot: Opentrons) -> None:
    await robot.aspirate("P1.source", "A1", **STROKE)
    await robot.dispense("P1.assay", "A1", **STROKE)
    for _ in range(2):
        await robot.aspirate("P1.assay", "A1", **STROKE)
        await robot.dispense("P1.assay", "A1", **STROKE)


ACTIONS: list[tuple[str, Callable[[Opentrons], Awaitable[None]]]] = [
    ("P1.B6:1", pick_up),
    ("P1.B6:2", transfer),
    ("P1.B6:3", lambda robot: robot.drop_tips()),
]


async def do(robot: Opentrons, name: str, work: Callable[[Opentrons], Awaitable[None]]) -> None:
    token = ACTION_ID.set(name)
    try:
        await work(robot)
    finally:
        ACTION_ID.reset(token)


def asked(name: str) -> Action:
    return Action(name, "flex", "transfer", {}, SENT_AT)


class Dying:
    """A line that breaks after so many bytes of what the driver sends."""

    def __init__(self, stream: ByteStream, left: list[int]) -> None:
        self._stream, self._left = stream, left

    async def send(self, data: bytes) -> None:
        if self._left[0] < len(data):
            await self._stream.send(data[: self._left[0]])
            await self._stream.aclose()
            self._left[0] = -1
            raise DisconnectedError("the process died here")
        self._left[0] -= len(data)
        await self._stream.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        return await self._stream.receive(timeout_s=timeout_s)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def undisturbed() -> tuple[list[tuple[str, str, int, float]], int]:
    """What the world sees, and how many bytes are said."""
    async with lab() as there:
        before = len(there.said)
        for name, work in ACTIONS:
            await do(there.subject, name, work)
        return there.world.done, len(there.said) - before


@pytest.mark.parametrize("share", [n / 23 for n in range(23)])
async def test_the_next_driver_sends_what_is_missing(share: float) -> None:
    wanted, said = await undisturbed()
    async with lab() as there:
        left = [int(share * said)]
        connect = there.connect

        async def dying() -> ByteStream:
            return Dying(await connect(), left)

        first = there.new_driver()
        await there.subject.aclose()
        there.connect = dying  # type: ignore[method-assign]  # for the first one only
        left[0] += 10**9
        first = there.new_driver()
        await first.connect()
        await first.load_deck([RACK, SOURCE, TARGET, TROUGH])
        left[0] = int(share * said)
        there.world.done.clear()
        died_in = ""
        for name, work in ACTIONS:
            try:
                await do(first, name, work)
            except LinkError:
                died_in = name
                break
        there.connect = connect  # type: ignore[method-assign]  # as it was

        heir = there.new_driver()
        spoken = len(there.said)
        await heir.observe()
        verdict = await heir.reconcile(asked(died_in or "P1.B6:3"))
        assert b"POST" not in there.said[spoken:]
        assert verdict.fate in {"not_done", "partial", "running"}
        assert verdict.remembered
        await heir.take_over()
        names = [name for name, _ in ACTIONS]
        for name, work in ACTIONS[names.index(died_in) if died_in else 3 :]:
            await do(heir, name, work)
        await heir.aclose()
        assert there.world.done == wanted


async def test_a_lost_answer_is_no_second_stroke() -> None:
    async with lab(Fault("reply_lost:dispense")) as there:
        await do(there.subject, *ACTIONS[0])
        with pytest.raises(LinkError):
            await do(there.subject, *ACTIONS[1])
        verdict = await there.subject.reconcile(asked("P1.B6:2"))
        assert (verdict.fate, verdict.remembered) == ("partial", True)
        await do(there.subject, *ACTIONS[1])
        assert len(there.world.strokes("dispense")) == 3
        assert len(there.world.strokes("aspirate")) == 3


async def test_tips_of_an_abandoned_step_are_discarded_before_others_are_fitted() -> None:
    async with lab() as there:
        await do(there.subject, "P1.B6:1", pick_up)
        await do(there.subject, "P2.B6:1", pick_up)
        assert there.posted("dropTipInPlace") == 1
        assert [what for what, *_ in there.world.done].count("pick_up") == 2


async def test_an_action_that_the_robot_never_heard_of_was_not_done() -> None:
    async with lab() as there:
        verdict = await there.subject.reconcile(asked("P9.B9:9"))
        assert (verdict.fate, verdict.remembered) == ("not_done", True)


async def test_a_run_that_was_stopped_is_followed_by_one_with_the_same_deck() -> None:
    async with lab() as there:
        await there.subject.abort()
        heir = there.new_driver()
        await heir.observe()
        await heir.take_over()
        await do(heir, "P1.B6:4", pick_up)
        await do(heir, "P1.B6:5", transfer)
        assert there.world.strokes("dispense")
        assert there.posted("home") == 1
        await heir.aclose()
