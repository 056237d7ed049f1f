"""The CVC 3000 driver: its transcripts, its codecs, and a simulated pump stand with a valve."""

from __future__ import annotations

import asyncio
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
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import VacuumFiltration
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.line_faults import FaultyStream, LineFault, LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.line import LineLink
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.cvc3000 import CVC3000Filtration, Settings
from platectl_drivers.cvc3000.wire import (
    parse_echo,
    parse_errors,
    parse_pressure,
    parse_version,
    relay_frame,
)
from platectl_simulators.cvc3000 import CVC3000Simulator

RELAY = "serial:/dev/ttyUSB9?baud=9600"
OPEN, CLOSED = b"\xa0\x01\x01\xa2", b"\xa0\x01\x00\xa1"


class Manifold:
    """Stands in for the world: a filter plate, sealed so far."""

    def __init__(self, sealed: float = 1.0) -> None:
        self.sealed = sealed
        self.switched: list[bool] = []

    def vacuum(self, position: str, *, on: bool) -> float:
        assert position == "manifold"
        self.switched.append(on)
        return self.sealed


class Lab:
    """A driver before a simulated pump stand, and what went over both wires."""

    def __init__(
        self, *faults: Fault, sealed: float = 1.0, chunk: int = 0, valve: bool = True, **values: Any
    ) -> None:
        self.manifold = Manifold(sealed)
        self.said: list[bytes] = []
        self.clicks: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []
        settings = {"relay": RELAY, **values} if valve else values
        world: Any = self.manifold
        self.stand = CVC3000Simulator(
            SimulatorSetup("v", world, VirtualClock(), "manifold", settings, FaultPlan(faults))
        )
        extras = {"relay": self._connect_relay} if valve else {}
        self.subject = CVC3000Filtration(
            DriverSetup("v", VirtualClock(), self._connect, Settings(**values), extras=extras)
        )
        self._chunk = chunk

    async def _connect(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.stand.serve(theirs)))
        return RecordingStream(Chunked(ours, self._chunk), self._record)

    async def _connect_relay(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.stand.serve_relay(theirs)))
        return RecordingStream(ours, lambda _, data: self.clicks.append(data))

    def _record(self, side: str, data: bytes) -> None:
        if side == ">":
            self.said.append(data)


@asynccontextmanager
async def lab(*faults: Fault, connected: bool = True, **values: Any) -> AsyncIterator[Lab]:
    async with opened(Lab(*faults, **values), connected=connected) as made:
        yield made


# Transcripts and codecs -------------------------------------------------------------------------


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    pump = ReplayStream.from_file(transcripts / "cvc3000_filtration.txt")
    relay = ReplayStream.from_file(transcripts / "cvc3000_relay.txt")
    subject = CVC3000Filtration(
        DriverSetup("v", VirtualClock(), _give(pump), Settings(), extras={"relay": _give(relay)})
    )

    identity = await subject.connect()
    lowest_mbar = await subject.apply_vacuum(gauge_mbar=-500, hold_s=0.5)
    await subject.aclose()
    await pump.aclose()
    await relay.aclose()

    assert (identity.model, identity.firmware) == ("Vacuubrand CVC 3000", "V2.00")
    assert lowest_mbar == -500


async def test_a_recorded_full_catch_pot_is_a_fault_and_ends_vented(transcripts: Path) -> None:
    pump = ReplayStream.from_file(transcripts / "cvc3000_catch_pot.txt")
    subject = CVC3000Filtration(DriverSetup("v", VirtualClock(), _give(pump), Settings()))

    await subject.connect()
    with pytest.raises(InstrumentFaultError, match="catch pot full") as caught:
        await subject.start_vacuum(gauge_mbar=-500)
    await subject.aclose()
    await pump.aclose()

    assert caught.value.code == "000000010"


def _give(stream: ByteStream) -> Any:
    async def connect() -> ByteStream:
        return stream

    return connect


def test_the_frames_of_the_relay_are_those_of_its_maker() -> None:
    assert relay_frame(1, on=True) == OPEN
    assert relay_frame(1, on=False) == CLOSED
    assert relay_frame(2, on=True) == b"\xa0\x02\x01\xa3"


@given(st.integers(1, 8), st.booleans())
def test_a_frame_ends_in_the_sum_of_its_bytes(channel: int, on: bool) -> None:
    frame = relay_frame(channel, on=on)

    assert frame[3] == sum(frame[:3]) % 256
    assert (frame[1], frame[2]) == (channel, on)


@given(st.floats(0, 1060).map(lambda x: round(x, 1)), st.sampled_from(["mbar", "hPa"]))
def test_a_pressure_comes_back(pressure_mbar: float, unit: str) -> None:
    assert parse_pressure(f"{pressure_mbar:06.1f} {unit}") == pressure_mbar


@pytest.mark.parametrize("answer", ["", "500", "500 Torr", "500  mbar", "nan mbar", "5,0 mbar"])
def test_a_pressure_that_is_not_in_mbar_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_pressure(answer)


@given(st.integers(0, 9999))
def test_an_echo_comes_back_with_or_without_zeros_and_unit(value: int) -> None:
    assert parse_echo(str(value), "x") == parse_echo(f"{value:04d} mbar", "x") == value


@given(st.sets(st.integers(0, 8)))
def test_each_error_bit_has_a_name_and_the_last_is_passed_over(bits: set[int]) -> None:
    found = parse_errors("".join("1" if bit in bits else "0" for bit in range(8, -1, -1)))

    assert len(found) == len(bits - {0})


@pytest.mark.parametrize("answer", ["", "0000", "00000002", "000 0000"])
def test_a_strange_error_field_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_errors(answer)


@given(st.text(max_size=20))
def test_arbitrary_texts_are_read_or_malformed(answer: str) -> None:
    for parse in (parse_pressure, parse_errors, parse_version, lambda a: parse_echo(a, "x")):
        try:
            parse(answer)
        except MalformedReplyError:
            continue


# With the simulated stand -----------------------------------------------------------------------


def test_the_driver_satisfies_the_interface() -> None:
    subject: VacuumFiltration = Lab().subject

    assert "VacuumFiltration" in subject.info.interfaces


async def test_a_plate_is_drawn_held_and_vented() -> None:
    clock = VirtualClock()
    async with lab() as it:
        lowest_mbar = await it.subject.apply_vacuum(gauge_mbar=-500, hold_s=30)

        assert lowest_mbar == pytest.approx(-500, abs=20)
        assert clock.monotonic_s() == pytest.approx(38, abs=5)
        assert it.manifold.switched == [True, False]
        assert it.clicks == [CLOSED, OPEN, OPEN, CLOSED]
        assert not it.stand.motor


async def test_the_valve_is_known_as_commanded_and_closed_before_and_after() -> None:
    def commanded(it: Lab) -> str:
        return it.subject.valve_commanded

    async with lab(connected=False) as it:
        assert commanded(it) == "unknown"
        await it.subject.connect()
        assert commanded(it) == "closed"
        await it.subject.start_vacuum(gauge_mbar=-400)
        assert commanded(it) == "open"
        assert it.stand.valve_open
        await it.subject.aclose()
        await asyncio.sleep(1)

        assert it.clicks[-1] == CLOSED
        assert not it.stand.valve_open
        assert not it.stand.motor
        assert commanded(it) == "unknown"
        await it.subject.aclose()


async def test_without_a_relay_the_pump_draws_directly() -> None:
    async with lab(valve=False) as it:
        await it.subject.apply_vacuum(gauge_mbar=-300, hold_s=5)

        assert it.manifold.switched == [True, False]
        assert not it.clicks


@pytest.mark.parametrize("chunk", [1, 3, 7])
async def test_any_chunking_gives_the_same_result(chunk: int) -> None:
    async with lab(chunk=chunk) as it:
        assert await it.subject.apply_vacuum(gauge_mbar=-500, hold_s=30) == pytest.approx(
            -500, abs=1
        )


async def test_what_is_out_of_range_is_refused_before_anything_is_sent() -> None:
    async with lab(lowest_mbar=-1030) as it:
        said = len(it.said)
        for gauge_mbar in (0.0, 20.0, -1031.0, -1012.8, float("nan")):
            with pytest.raises(RefusedError):
                await it.subject.start_vacuum(gauge_mbar=gauge_mbar)
        for hold_s in (-1.0, 1e6, float("nan")):
            with pytest.raises(RefusedError, match="held for"):
                await it.subject.apply_vacuum(gauge_mbar=-400, hold_s=hold_s)

        assert len(it.said) == said
        assert it.clicks == [CLOSED]


@pytest.mark.parametrize("sealed", [0.0, 0.5])
async def test_a_plate_that_does_not_seal_ends_vented_with_the_valve_closed(sealed: float) -> None:
    clock = VirtualClock()
    async with lab(sealed=sealed) as it:
        with pytest.raises(InstrumentFaultError, match="came to") as caught:
            await it.subject.start_vacuum(gauge_mbar=-500)

        assert caught.value.code == "not_reached"
        assert clock.monotonic_s() < 50
        assert it.clicks[-1] == CLOSED
        assert not it.stand.motor
        assert it.manifold.switched == [True, False]


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (Fault("catch_pot_full"), "000000010", "catch pot full"),
        (Fault("sensor_error"), "000001000", "vacuum sensor"),
        (Fault("leak"), "not_reached", "only"),
    ],
)
async def test_each_fault_of_the_stand_is_told_and_leaves_it_off(
    fault: Fault, code: str, message: str
) -> None:
    async with lab(fault) as it:
        with pytest.raises(InstrumentFaultError, match=message) as caught:
            await it.subject.apply_vacuum(gauge_mbar=-500, hold_s=10)

        assert caught.value.code == code
        assert not it.stand.motor
        assert it.clicks[-1] == CLOSED


async def test_a_manifold_that_cannot_be_vented_is_told() -> None:
    async with lab(Fault("vent_failed")) as it:
        await it.subject.start_vacuum(gauge_mbar=-500)
        with pytest.raises(InstrumentFaultError, match="under vacuum") as caught:
            await it.subject.stop_vacuum()

        assert caught.value.code == "not_vented"
        assert it.clicks[-1] == CLOSED
        with pytest.raises(InstrumentFaultError, match="vent valve"):
            await it.subject.connect()


async def test_a_stuck_valve_cannot_be_seen_which_is_why_only_the_command_is_reported() -> None:
    async with lab(Fault("valve_stuck", times=None)) as it:
        await it.subject.start_vacuum(gauge_mbar=-500)

        assert it.subject.valve_commanded == "open"
        assert it.manifold.switched == []


async def test_stopping_what_is_off_is_harmless() -> None:
    async with lab() as it:
        await it.subject.stop_vacuum()
        await it.subject.stop_vacuum()

        assert it.manifold.switched == []


#: answers at connect, and before START is echoed
CONNECT, START = 6, 9


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("silent", after=START), ReplyTimeoutError),
        (Fault("reply_lost", after=START), ReplyTimeoutError),
        (Fault("late_reply", after=START, data={"delay_s": 5}), ReplyTimeoutError),
        (Fault("garbled_reply", after=START), MalformedReplyError),
        (Fault("reply_lost", after=START + 3), ReplyTimeoutError),
    ],
)
async def test_a_lost_answer_is_a_link_error_and_the_valve_is_closed(
    fault: Fault, error: type[Exception]
) -> None:
    clock = VirtualClock()
    async with lab(fault) as it:
        began_s = clock.monotonic_s()
        with pytest.raises(error):
            await it.subject.apply_vacuum(gauge_mbar=-500, hold_s=10)

        assert clock.monotonic_s() - began_s < 15
        assert it.clicks[-1] == CLOSED
        assert sum(line == b"START 1\r\n" for line in it.said) == 1


async def test_after_a_late_answer_the_next_question_gets_its_own() -> None:
    async with lab(Fault("late_reply", after=CONNECT + 1, data={"delay_s": 4})) as it:
        with pytest.raises(ReplyTimeoutError):
            await it.subject.start_vacuum(gauge_mbar=-500)
        await asyncio.sleep(5)

        await it.subject.stop_vacuum()
        assert await it.subject.apply_vacuum(gauge_mbar=-300, hold_s=30) == pytest.approx(
            -300, abs=1
        )


@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply"])
async def test_a_broken_conversation_at_connect_is_a_link_error(kind: str) -> None:
    async with lab(Fault(kind), connected=False) as it:
        with pytest.raises(LinkError):
            await it.subject.connect()

        assert it.clicks == [CLOSED]


async def test_abort_closes_the_valve_and_stops_the_pump_at_once() -> None:
    clock = VirtualClock()
    async with lab() as it:
        holding = asyncio.create_task(it.subject.apply_vacuum(gauge_mbar=-500, hold_s=600))
        await asyncio.sleep(20)
        await it.subject.abort()
        await asyncio.sleep(0.1)

        assert not it.stand.motor
        assert it.manifold.switched == [True, False]
        with pytest.raises(InstrumentFaultError, match="abort") as caught:
            await holding
        assert caught.value.code == "aborted"
        assert clock.monotonic_s() < 30
        assert it.clicks[-1] == CLOSED


async def test_a_cancelled_step_leaves_the_valve_closed() -> None:
    async with lab() as it:
        holding = asyncio.create_task(it.subject.apply_vacuum(gauge_mbar=-500, hold_s=600))
        await asyncio.sleep(20)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await asyncio.sleep(0.1)

        assert not it.stand.valve_open
        await it.subject.abort()
        await it.subject.stop_vacuum()
        assert not it.stand.motor


async def test_abort_never_raises() -> None:
    async def nobody() -> ByteStream:
        raise DisconnectedError("nobody")

    await CVC3000Filtration(DriverSetup("v", VirtualClock(), nobody, Settings())).abort()
    async with lab() as it:
        for task in it.tasks:
            task.cancel()
        await it.subject.aclose()
        await it.subject.abort()


async def test_an_answer_that_comes_twice_is_not_taken_for_the_next_one() -> None:
    async with lab() as it:
        faults = LineFaults([LineFault("duplicate", after=n) for n in range(3)])
        it.subject._link = LineLink(
            FaultyStream(it.subject._link._stream, faults), tx_end=b"\r\n", rx_end=b"\r\n"
        )
        lowest_mbar = await it.subject.apply_vacuum(gauge_mbar=-500, hold_s=1)

        assert lowest_mbar == pytest.approx(-500, abs=10)
        assert faults.struck == [1, 1, 1]


# After a death, and after a lost answer ----------------------------------------------------------


def action(verb: str, **arguments: object) -> Action:
    return Action("a1", "v", verb, arguments, datetime(2026, 1, 1, tzinfo=UTC))


START, STOP = action("start_vacuum", gauge_mbar=-500.0), action("stop_vacuum")


async def start_as(it: Lab) -> None:
    token = ACTION_ID.set("a1")
    try:
        await it.subject.start_vacuum(gauge_mbar=-500)
    finally:
        ACTION_ID.reset(token)


def successor(it: Lab, *, valve: bool = True) -> CVC3000Filtration:
    extras = {"relay": it._connect_relay} if valve else {}
    it.said.clear()
    it.clicks.clear()
    return CVC3000Filtration(
        DriverSetup("v", VirtualClock(), it._connect, Settings(), extras=extras)
    )


async def test_another_life_commands_nothing_and_lets_the_vacuum_be_started_again() -> None:
    async with lab() as it:
        await it.subject.start_vacuum(gauge_mbar=-500)
        heir = successor(it)
        await heir.observe()
        await heir.observe()

        started, stopped = await heir.reconcile(START), await heir.reconcile(STOP)
        await heir.aclose()

        assert (started.fate, started.remembered) == ("not_done", True)
        assert started.evidence["gauge_mbar"] == pytest.approx(-500, abs=20)
        assert started.evidence["pump_commanded"] == "unknown"
        assert (stopped.fate, stopped.remembered) == ("not_done", True)
        assert {line.strip() for line in it.said} == {b"IN_VER", b"IN_PV_1", b"IN_ERR"}
        assert it.clicks == []
        assert it.stand.motor
        assert it.stand.valve_open


async def test_a_vacuum_that_is_taken_over_stays_on_and_can_be_stopped() -> None:
    async with lab() as it:
        await it.subject.start_vacuum(gauge_mbar=-500)
        heir = successor(it)

        await heir.take_over()
        assert it.stand.motor
        assert it.stand.valve_open
        assert it.manifold.switched[-1]
        await heir.start_vacuum(gauge_mbar=-500)
        await heir.stop_vacuum()
        await heir.start_vacuum(gauge_mbar=-300)
        await heir.aclose()

        assert not it.stand.motor
        assert not it.stand.valve_open


@pytest.mark.parametrize("valve", [True, False])
async def test_after_a_lost_look_the_pressure_tells_only_without_a_valve(valve: bool) -> None:
    async with lab(Fault("reply_lost", after=12), valve=valve) as it:
        with pytest.raises(LinkError):
            await start_as(it)
        await asyncio.sleep(10)

        verdict = await it.subject.reconcile(START)

        # the valve was closed when the answer was lost
        assert verdict.fate == ("not_done" if valve else "done")
        assert verdict.remembered is valve
        await start_as(it)
        assert it.manifold.switched[-1]
        await it.subject.stop_vacuum()
        assert (await it.subject.reconcile(STOP)).fate == ("not_done" if valve else "done")
        assert (await it.subject.reconcile(action("apply_vacuum"))).fate == "unknown"


async def test_what_was_never_started_was_not_done() -> None:
    async with lab(Fault("reply_lost", after=7)) as it:
        with pytest.raises(LinkError):
            await start_as(it)

        verdict = await it.subject.reconcile(START)

        assert (verdict.fate, verdict.remembered) == ("not_done", False)
        assert b"START 1\r\n" not in it.said


async def test_lines_that_are_gone_are_opened_again() -> None:
    async with lab() as it:
        assert it.subject._link is not None
        assert it.subject._valve._stream is not None
        await it.subject._link.aclose()
        await it.subject._valve._stream.aclose()
        with pytest.raises(LinkError):
            await start_as(it)

        await it.subject.reconcile(START)
        await start_as(it)

        assert it.manifold.switched[-1]
