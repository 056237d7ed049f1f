"""The CLARIOstar driver after a death: looking, verdicts, and joining a run that somebody else began."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any, Self

import pytest
from tests.drivers.test_clariostar import PAIR
from tests.reader_bench import ReaderLab, connected, kinetic

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    RefusedError,
)
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Frame, KineticRead
from platectl.hal.recovery import Action
from platectl.simkit.faults import Fault
from platectl_drivers.clariostar import Clariostar, Settings
from platectl_drivers.clariostar.frame import decode

READ = kinetic()
#: status, firmware, the record that fills
LOOKS = {b"\x80", bytes.fromhex("05090000000000"), bytes.fromhex("0502ffffffff00")}


class Telling:
    """A stream that notes the payloads that go out."""

    def __init__(self, inner: Any, said: list[bytes]) -> None:
        self.inner, self.said = inner, said

    async def send(self, data: bytes) -> None:
        self.said.append(decode(data))
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        piece: bytes = await self.inner.receive(timeout_s=timeout_s)
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


class Heir:
    """A driver as the next process builds it, and what it said."""

    def __init__(self, lab: ReaderLab) -> None:
        self.said: list[bytes] = []
        self.lab = lab
        self.driver = Clariostar(DriverSetup("reader", lab.clock, self.connect, Settings()))

    async def connect(self) -> Any:
        return Telling(await self.lab.connect(), self.said)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *how: object) -> None:
        await self.driver.aclose()


def ordered(lab: ReaderLab, read: KineticRead = READ, **changes: Any) -> Action:
    arguments = {"title": read.title, "labware": read.plate, "wells": list(read.wells),
                 "injects": False, **changes}  # fmt: skip
    return Action("read:1", "reader", "read_kinetic", arguments, lab.clock.now())


async def dies_after(lab: ReaderLab, seconds: float, into: list[Frame]) -> Action:
    """Begin a read, and lose the driver without a farewell."""
    action = ordered(lab)

    async def tell(payload: bytes) -> None:
        """A killed process stops nothing."""

    lab.driver._link.tell = tell
    task = asyncio.create_task(lab.read(READ, into))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await lab.ends[-1].aclose()
    return action


async def rest(driver: Clariostar, into: list[Frame], read: KineticRead = READ) -> list[Frame]:
    async with aclosing(driver.reattach(read)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            assert isinstance(piece, Frame)
            into.append(piece)
    return into


def assert_whole(lab: ReaderLab, frames: list[Frame], *, within_s: float) -> None:
    """Each record once in each chromatic, without a flag, at its time; read once in truth."""
    assert Counter((f.index, f.channel) for f in frames) == Counter(
        (i, c) for i in range(READ.passes) for c in (0, 1)
    )
    assert not any(frame.flags for frame in frames)
    assert abs(lab.lateness_s(frames, READ)).max() < within_s
    assert {len(times) for times in lab.world.times_s.values()} == {READ.passes}


@pytest.mark.parametrize("after_s", [5.0, 6.0, 14.0, 30.0, 55.0])
async def test_a_run_in_progress_is_joined_by_the_next_owner(after_s: float) -> None:
    async with connected(*PAIR) as lab:
        before: list[Frame] = []
        action = await dies_after(lab, after_s, before)
        await asyncio.sleep(1.0)
        async with Heir(lab) as heir:
            await heir.driver.observe()
            verdict = await heir.driver.reconcile(action)
            await heir.driver.take_over()
            assert set(heir.said) <= LOOKS
            assert verdict.fate == "running"
            frames = await rest(heir.driver, [])

            assert_whole(lab, frames, within_s=1.0)
            known = {(f.index, f.channel): f.values for f in before}
            again = {(f.index, f.channel): f.values for f in frames}
            assert known.items() <= again.items()
            assert not any(payload[0] == 0x04 for payload in heir.said)


async def test_a_run_that_is_over_is_unknown_to_the_next_owner_but_its_data_are_kept() -> None:
    async with connected(*PAIR) as lab:
        action = await dies_after(lab, 20.0, [])
        await asyncio.sleep(300)
        async with Heir(lab) as heir:
            await heir.driver.observe()

            verdict = await heir.driver.reconcile(action)
            await heir.driver.take_over()
            assert set(heir.said) <= LOOKS
            assert (verdict.fate, verdict.evidence["unread_data"]) == ("unknown", True)
            assert_whole(lab, await rest(heir.driver, []), within_s=3.0)  # a person said `done`

            assert (await heir.driver.reconcile(action)).fate == "unknown"
            with pytest.raises(RefusedError, match="keeps nothing of 'P1-5'"):
                await rest(heir.driver, [])


async def test_a_reader_that_does_not_read_proves_nothing_to_a_new_owner() -> None:
    async with connected(*PAIR) as lab, Heir(lab) as heir:
        await heir.driver.observe()
        assert (await heir.driver.reconcile(ordered(lab))).fate == "unknown"
        dance = Action("a", "reader", "dance", {}, lab.clock.now())
        assert (await heir.driver.reconcile(dance)).fate == "unknown"
        initialising = await dies_after(lab, 1.0, [])
        assert (await heir.driver.reconcile(initialising)).fate == "unknown"


async def test_a_run_on_other_wells_is_not_taken_for_it() -> None:
    async with connected(*PAIR) as lab:
        await dies_after(lab, 20.0, [])
        async with Heir(lab) as heir:
            await heir.driver.observe()
            verdict = await heir.driver.reconcile(ordered(lab, wells=["A1"]))
            assert verdict.fate == "unknown"
            assert lab.simulator._goes()


async def test_a_line_that_breaks_in_the_read_is_opened_anew_and_the_read_goes_on() -> None:
    async with connected(*PAIR, Fault("unplugged", data={"record": 3})) as lab:
        action, frames = ordered(lab), list[Frame]()
        with pytest.raises(DisconnectedError):
            await lab.read(READ, frames)
        assert 0 < len(frames) < 2 * READ.passes

        assert (await lab.driver.reconcile(action)).fate == "running"
        assert_whole(lab, await rest(lab.driver, []), within_s=1.0)


async def test_a_line_that_breaks_and_stays_away_until_the_run_is_over() -> None:
    async with connected(*PAIR, Fault("unplugged", data={"record": 3})) as lab:
        action = ordered(lab)
        with pytest.raises(DisconnectedError):
            await lab.read(READ)
        await asyncio.sleep(200)

        assert (await lab.driver.reconcile(action)).fate == "done"
        assert_whole(lab, await rest(lab.driver, []), within_s=1.0)


class Lossy:
    """A stream on which the RUN command, or the answer to it, gets lost."""

    def __init__(self, inner: Any, lost: str) -> None:
        self.inner, self.lost, self.deaf = inner, lost, False

    async def send(self, data: bytes) -> None:
        run = decode(data)[0] == 0x04
        self.deaf = run and self.lost == "answer"
        if not (run and self.lost == "command"):
            await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        piece: bytes = await self.inner.receive(timeout_s=timeout_s)
        return b"" if self.deaf else piece

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.mark.parametrize(("lost", "fate"), [("command", "not_done"), ("answer", "running")])
async def test_a_run_without_a_usable_answer(lost: str, fate: str) -> None:
    async with connected(*PAIR) as lab:
        link = lab.driver._link
        wire, link._stream = link._stream, Lossy(link._stream, lost)
        action = ordered(lab)
        with pytest.raises(LinkError):
            await lab.read(READ)
        link._stream = wire

        assert (await lab.driver.reconcile(action)).fate == fate
        again = lab.read(READ) if fate == "not_done" else rest(lab.driver, [])
        assert_whole(lab, await again, within_s=1.0)


async def test_a_break_before_run_is_no_read() -> None:
    faults = Fault("silent", after=2, times=4)
    async with connected(*PAIR, faults) as lab:
        action = ordered(lab)
        with pytest.raises(LinkError):
            await lab.read(READ)
        assert (await lab.driver.reconcile(action)).fate == "not_done"
        assert_whole(lab, await lab.read(READ), within_s=1.0)


async def test_a_follower_that_goes_away_stops_the_run_and_an_abort_leaves_it_unknown() -> None:
    async with connected(*PAIR) as lab:
        action = await dies_after(lab, 20.0, [])
        async with Heir(lab) as heir:
            await heir.driver.take_over()
            pieces = heir.driver.reattach(READ)
            await anext(pieces)
            await pieces.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(5)
            assert not lab.simulator._goes()

            reading = asyncio.create_task(rest(heir.driver, []))
            await heir.driver.abort()
            with pytest.raises((InstrumentFaultError, RefusedError)):
                await reading
            assert (await heir.driver.reconcile(action)).fate == "unknown"


async def test_the_drawer_is_told_and_heating_outlives_the_owner() -> None:
    async with connected(*PAIR) as lab:
        await lab.driver.set_temperature(37.0)
        await lab.driver.open_drawer()
        await lab.ends[-1].aclose()
        async with Heir(lab) as heir:
            await heir.driver.observe()

            def asked(verb: str) -> Action:
                return Action("a", "reader", verb, {}, lab.clock.now())

            fates = {
                verb: (await heir.driver.reconcile(asked(verb))).fate
                for verb in ("open_drawer", "close_drawer", "set_temperature")
            }
            assert fates == {
                "open_drawer": "done", "close_drawer": "not_done", "set_temperature": "not_done",
            }  # fmt: skip
            assert (await heir.driver.reconcile(asked("open_drawer"))).remembered
            await heir.driver.take_over()
            assert set(heir.said) <= LOOKS
            await asyncio.sleep(600)
            assert await heir.driver.read_temperature_c() == pytest.approx(37.0, abs=0.3)


async def test_a_stuck_reader_stays_stuck_while_it_is_looked_at() -> None:
    lab = ReaderLab(*PAIR, Fault("stuck"))
    async with Heir(lab) as heir:
        await heir.driver.observe()
        await heir.driver.reconcile(ordered(lab))
        await heir.driver.take_over()
        assert set(heir.said) <= LOOKS
        assert lab.simulator._stuck
    await asyncio.gather(*lab.tasks)
