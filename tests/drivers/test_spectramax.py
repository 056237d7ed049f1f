"""The SpectraMax driver: fields and quiet, refusals by code, kinetics fetched while they run."""

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
from tests.line_bench import opened

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
from platectl.hal.reading import Channel, Frame, Injection, KineticRead
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.spectramax import Settings, SpectraMax
from platectl_drivers.spectramax.driver import cutoff_index
from platectl_drivers.spectramax.wire import ERRORS, parse_block, refusal
from platectl_simulators.spectramax import SpectraMaxSimulator
from platectl_simulators.truth_file import default_truth

PLATE = LabwareKind.model_validate({"role": "plate", "max_volume": "360 uL"})
CHANNELS = (Channel(340, 510), Channel(380, 510))
PAIRS = ((340.0, 510.0), (380.0, 510.0))


class Bench:
    """A reader with a plate of loaded cells."""

    def __init__(self, *faults: Fault, model: str = "SPECTRAMAX M5") -> None:
        self.world = World(default_truth(), VirtualClock(), catalogue={"plate": PLATE})
        self.world.add_position("nest", temperature_c=None, dark=True)
        self.world.add_labware("P", "plate", "nest")
        setup = SimulatorSetup(
            "r", self.world, VirtualClock(), "nest", {"model": model}, FaultPlan(faults)
        )
        self.simulator = SpectraMaxSimulator(setup)
        self.tasks: list[asyncio.Task[None]] = []
        self.said: list[bytes] = []
        self.subject = SpectraMax(DriverSetup("r", VirtualClock(), self.open, Settings()))

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.simulator.serve(theirs)))
        return RecordingStream(ours, lambda side, data: self.said.append(data))

    async def load(self) -> None:
        self.world.set_temperature("nest", 37.0)
        for well in PLATE.format.by_row():
            self.world.fill(
                "P", well, volume_ul=100.0, contents={"cells:sh_sy5y": 500.0, "fura2_am": 5e-6}
            )
        await asyncio.sleep(2700)


@asynccontextmanager
async def bench(*faults: Fault, **how: Any) -> AsyncIterator[Bench]:
    made = Bench(*faults, **how)
    await made.load()
    async with opened(made):
        yield made


def kinetic(**changes: Any) -> KineticRead:
    wells = tuple(f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13))
    given: dict[str, Any] = {
        "title": "t", "plate": "P", "wells": wells, "channels": CHANNELS, "interval_s": 20.0,
        "baseline_s": 0.0, "record_s": 80.0,
    }  # fmt: skip
    return KineticRead(**{**given, **changes})


async def frames(it: Bench, read: KineticRead, into: list[Frame] | None = None) -> list[Frame]:
    found: list[Frame] = [] if into is None else into
    async with aclosing(it.subject.read_kinetic(read)) as pieces:
        async for piece in pieces:
            assert isinstance(piece, Frame)
            found.append(piece)
    return found


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    stream = ReplayStream.from_file(transcripts / "spectramax_drawer.txt")

    async def opened() -> ByteStream:
        return Ended(stream)

    subject = SpectraMax(DriverSetup("r", VirtualClock(), opened, Settings()))
    identity = await subject.connect()
    assert identity.model == "SPECTRAMAX M5"
    assert await subject.read_temperature_c() == 22.0
    await subject.set_temperature(37)
    await subject.open_drawer()
    await subject.aclose()


class Ended:
    """A recording is silent, and not closed, after its last answer."""

    def __init__(self, inner: ReplayStream) -> None:
        self.inner = inner

    async def send(self, data: bytes) -> None:
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        try:
            return await self.inner.receive(timeout_s=timeout_s)
        except LinkError:
            raise ReplyTimeoutError("silent") from None

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_the_simulator_answers_what_was_recorded(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "spectramax_drawer.txt").read_text())
    it = Bench()
    stream = await it.open()
    for turn, last in zip(turns, [None, *turns], strict=False):
        if turn.side == ">":
            await asyncio.sleep(5.0 if last is not None and b"AIR" in last.data else 0.0)
            await stream.send(turn.data)
            continue
        heard = await stream.receive(timeout_s=10)
        assert heard.split() == turn.data.split()  # blank lines differ between readers
    await stream.aclose()
    await asyncio.gather(*it.tasks)


async def test_a_read_is_fetched_while_it_runs() -> None:
    async with bench() as it:
        found = await frames(it, kinetic())

        assert len(found) == 10
        ratio = (np.array(found[0].values) - 210) / (np.array(found[1].values) - 260)
        assert 0.6 < ratio.mean() < 0.75
        assert np.diff([f.at_s[0] for f in found[::2]]) == pytest.approx(np.full(4, 20.0))
        wells = found[0].wells
        late = found[0].at_s[wells.index("A12")] - found[0].at_s[wells.index("A1")]
        assert late == pytest.approx(11 * 1.1)
        assert found[1].at_s[0] - found[0].at_s[0] == pytest.approx(0.5)
        assert found[0].temperature_c == pytest.approx(37.0)


@pytest.mark.parametrize(
    ("model", "told"), [("GEMINI EM", True), ("SPECTRAMAX M5", False)]
)  # fmt: skip
async def test_a_gemini_is_told_to_clear_for_reads_from_above(model: str, told: bool) -> None:
    async with bench(model=model) as it:
        await frames(it, kinetic(record_s=0.0))

    said = [line for line in it.said if line.startswith(b"!")]
    assert (b"!TOPREADCLEAR ON\r" in said) is told
    if told:  # as SoftMax Pro was captured to say it
        at = said.index(b"!TOPREADCLEAR ON\r")
        assert (said[at - 1][:4], said[at + 1]) == (b"!FPW", b"!AUTOPMT OFF\r")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("lamp", data={"code": 302}), "302"),
        (Fault("lamp", data={"code": 306}), "306"),
        (Fault("lamp", data={"code": 314}), "314"),
        (Fault("fail_after_ok", after=6), "105"),
        (Fault("carriage", times=None, data={"point": 2}), "400"),
    ],
)
async def test_refusals_carry_the_makers_code(fault: Fault, code: str) -> None:
    async with bench(fault) as it:
        kept: list[Frame] = []
        with pytest.raises(InstrumentFaultError) as caught:
            await frames(it, kinetic(), kept)
        assert caught.value.code == code
        assert len(kept) == (4 if code == "400" else 0)


async def test_a_pulled_cable_keeps_what_was_read() -> None:
    async with bench(Fault("unplugged", times=None, data={"point": 3})) as it:
        kept: list[Frame] = []
        with pytest.raises(LinkError):
            await frames(it, kinetic(), kept)
        assert [f.index for f in kept] == [0, 0, 1, 1, 2, 2]


async def test_an_undecodable_byte_matters_inside_a_number_only() -> None:
    async with bench(Fault("undecodable", after=5)) as it:
        assert await it.subject.read_temperature_c() == pytest.approx(37.0)
    async with bench(Fault("undecodable", after=3, data={"inside": True})) as it:
        with pytest.raises(MalformedReplyError, match="not a number"):
            await it.subject.read_temperature_c()


async def test_drawer_and_temperature_are_checked_before_a_read() -> None:
    async with bench(Fault("cold", times=None)) as it:
        await it.subject.set_temperature(37.0)
        with pytest.raises(InstrumentFaultError) as caught:
            await frames(it, kinetic())
        assert caught.value.code == "temperature"
        await it.subject.set_temperature(None)
        await it.subject.open_drawer()
        with pytest.raises(InstrumentFaultError) as caught:
            await frames(it, kinetic())
        assert caught.value.code == "drawer_open"


async def test_calibration_after_power_on_is_waited_for() -> None:
    before = VirtualClock()
    async with bench(Fault("air_cal")) as it:
        assert before.monotonic_s() > 2700 + 20
        assert it.subject.features.geometry == "column"


async def test_what_the_reader_cannot_do_is_refused() -> None:
    async with bench() as it:
        with pytest.raises(RefusedError, match="not public"):
            await frames(it, kinetic(injection=Injection("S", 25, 40, 3)))
        with pytest.raises(RefusedError, match="interval"):
            await frames(it, kinetic(interval_s=3.0))
        with pytest.raises(RefusedError, match="follow"):
            await frames(it, kinetic(wells=("A1", "A5")))


@pytest.mark.parametrize("fault", ["silent", "reply_lost"])
async def test_a_silent_reader_is_a_timeout(fault: str) -> None:
    async with bench(Fault(fault, after=3)) as it:
        with pytest.raises(ReplyTimeoutError):
            await it.subject.read_temperature_c()


async def test_abort_cancels_the_measurement() -> None:
    async with bench() as it:
        reading = asyncio.create_task(frames(it, kinetic(record_s=600.0)))
        await asyncio.sleep(60)
        await it.subject.abort()
        with pytest.raises((InstrumentFaultError, LinkError)):
            await reading


def block(cell: str = "812.4") -> str:
    return (
        "1042.0\t37.0\t96-well\r\nexL:\t340\t380\r\nemL:\t510\t510\r\nL:\t340\t510\r\n"
        f"1:\t{cell}\t790.1\r\nL:\t380\t510\r\n1:\t955.0\t#SAT"
    )


def test_a_block_is_transposed_and_knows_saturation() -> None:
    found = parse_block(block(), PAIRS)
    assert found.values[0] == {"A1": 812.4, "B1": 790.1}
    assert math.isnan(found.values[1]["B1"])
    assert found.saturated[1] == {"B1"}
    assert found.counter_s == 1042.0
    assert parse_block(block("-3.5"), PAIRS).values[0]["A1"] == -3.5


@pytest.mark.parametrize("cell", ["8\ufffd2", "1,5", "nan", "0x10", "1e"])
def test_a_damaged_number_is_never_guessed(cell: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_block(block(cell), PAIRS)


@given(st.text(max_size=80))
def test_any_text_is_a_block_or_malformed(text: str) -> None:
    try:
        parse_block(text, PAIRS)
    except MalformedReplyError:
        return
    raise AssertionError("an empty block was taken")


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_code_is_named(code: int) -> None:
    fault = refusal(["OK", f"FAIL\t {code}"])
    assert fault is not None
    assert fault.code == str(code)
    assert ERRORS[code] in str(fault)


def test_a_refusal_with_a_damaged_code_is_damage_and_no_fault() -> None:
    with pytest.raises(MalformedReplyError, match="no code"):
        refusal(["OK", "FAIL\t 10\ufffd"])


@pytest.mark.parametrize(("nm", "index"), [(510, 6), (410, 1), (434, 2), (700, 15), (525, 7)])
def test_the_cut_off_filter_is_that_of_the_table(nm: float, index: int) -> None:
    assert cutoff_index(nm) == index
