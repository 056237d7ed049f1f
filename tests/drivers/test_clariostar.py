"""The CLARIOstar driver: captured frames, quirks of real readers, kinetic reads."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fura_bench import PLATE, expected
from tests.reader_bench import ReaderLab, connected, kinetic, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import parse_transcript
from platectl.hal.reading import Channel, Frame, Injection
from platectl.simkit.faults import Fault
from platectl_drivers.clariostar import Clariostar
from platectl_drivers.clariostar.data import Record, parse_record
from platectl_drivers.clariostar.frame import decode, encode
from platectl_drivers.clariostar.run import Chromatic, Run, Spiral, run_payload
from platectl_drivers.clariostar.settings import Settings, plan_run
from platectl_drivers.clariostar.status import parse_status
from platectl_drivers.clariostar.watch import Watch
from platectl_simulators.clariostar import ClariostarSimulator
from platectl_simulators.clariostar.run import parse_order

PAIR = (Clariostar, ClariostarSimulator)
COLUMN = PLATE.column(4)
RUN_FRAME = (
    "0200a10c0431e82164059604682c521cfc0c0800ffffffffffffffffffffffff" + "00" * 36 + "0a04" + "00" * 30
    + "270f270f" + "030302ae00" + "05" + "0352" + "00000100000000000c" + "03e8189c17d4194b1b2619fa0004000300"
    + "000000" + "0000000000000100000001" + "0014" + "000100" + "0016ed0d"
)  # fmt: skip


class CountingRuns:
    """A stream that counts the RUN frames that go out."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.runs = inner, 0

    async def send(self, data: bytes) -> None:
        self.runs += data[4] == 0x04
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        piece: bytes = await self.inner.receive(timeout_s=timeout_s)
        return piece

    async def aclose(self) -> None:
        await self.inner.aclose()


def counting(lab: ReaderLab) -> CountingRuns:
    """Count from now on what the connected driver sends."""
    stream = CountingRuns(lab.driver._link._stream)
    lab.driver._link._stream = stream
    return stream


# Captured bytes ---------------------------------------------------------------------------------
def test_the_captured_run_comes_out_byte_for_byte() -> None:
    run = Run(PLATE.by_row(), (Chromatic(620, 20, 680, 30, 1000),), 1, 1, 20, 850, 0x04, settling=5,
              scan=0x0A, spiral=Spiral(3, 0x02AE))  # fmt: skip
    assert encode(run_payload(run)).hex() == RUN_FRAME


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        ("0200180c011546260000030000000000000000c000016b0d", "running plate initialised"),
        ("0200180c010546260000000000000000000000c00001580d", "plate initialised"),
        ("0200180c010546210000000000000000000000c00001530d", "drawer_open initialised"),
        ("0200180c013504260000d50000000000df00e5c00003df0d", "running busy plate initialised"),
        ("0200180c012504260000040100000400df00e5c00003030d", "busy plate initialised"),
        ("0200180c011507260000d50000000000df00e5c00003c20d", "running plate initialised"),
    ],
)
def test_captured_status_frames_are_understood(frame: str, shown: str) -> None:
    status = parse_status(decode(bytes.fromhex(frame)))
    bits = ("running", "busy", "drawer_open", "plate", "initialised")
    assert " ".join(bit for bit in bits if getattr(status, bit)) == shown
    assert status.bottom_c == (22.3 if "df00e5" in frame else None)


def test_every_frame_of_the_capture_is_whole(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "clariostar_captured.txt").read_text("ascii"))

    payloads = [decode(turn.data) for turn in turns]

    assert [encode(payload) for payload in payloads] == [turn.data for turn in turns]
    said = {payload[0] for turn, payload in zip(turns, payloads, strict=True) if turn.side == "<"}
    assert said == {0x01, 0x02, 0x03, 0x0A}  # status, data, run accepted, about


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_captured_read_comes_back_whole(transcripts: Path, size: int) -> None:
    turns = parse_transcript((transcripts / "clariostar_read.txt").read_text("ascii"))
    optics = {"gain": 1000, "flashes": 20, "focus_mm": 8.5, "excitation_width_nm": 20.0,
              "emission_width_nm": 30.0}  # fmt: skip
    driver = replaying(Clariostar, turns, size=size, **optics)
    read = kinetic(wells=PLATE.by_row(), channels=(Channel(620, 680),), interval_s=91.0,
                   record_s=0.0, bottom=False)  # fmt: skip

    identity = await driver.connect()
    frames = [frame async for frame in driver.read_kinetic(read)]
    await driver.aclose()

    assert (identity.model, identity.firmware) == ("CLARIOstar Plus", "1.35")
    assert len(frames) == 1
    row_a = [4015, 3861, 3755, 3753, 3971, 4414, 4154, 4101, 3875, 3795, 4001, 4539]
    assert list(frames[0].values[:12]) == row_a
    assert (frames[0].values[12], frames[0].values[95]) == (23, 25)
    assert frames[0].temperature_c == 22.3
    assert not frames[0].flags


@pytest.mark.parametrize("size", [1, 1000])
async def test_a_reader_found_stuck_is_cleared_and_moves_its_drawer(
    transcripts: Path, size: int
) -> None:
    turns = parse_transcript((transcripts / "clariostar_drawer.txt").read_text("ascii"))
    driver = replaying(Clariostar, turns, size=size)
    await driver.connect()
    await driver.open_drawer()
    await driver.close_drawer()
    await driver.aclose()


# Codecs -----------------------------------------------------------------------------------------
@given(st.binary(min_size=1, max_size=600), st.data())
def test_frames_survive_and_every_damaged_byte_is_seen(payload: bytes, data: st.DataObject) -> None:
    frame = encode(payload)
    assert decode(frame) == payload
    damaged = bytearray(frame)
    place = data.draw(st.integers(0, len(frame) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedReplyError):
        decode(bytes(damaged))
    with pytest.raises(MalformedReplyError):
        decode(frame[: data.draw(st.integers(4, len(frame) - 1))])


@given(st.binary(max_size=80))
def test_any_payload_is_understood_or_malformed(payload: bytes) -> None:
    for parse in (parse_status, parse_record):
        for candidate in (payload, b"\x01" + payload[:15], b"\x02" + payload):
            try:
                parse(candidate)
            except MalformedReplyError:
                continue


@given(
    wells=st.sets(st.sampled_from(PLATE.by_row()), min_size=1),
    bands=st.lists(
        st.tuples(st.integers(330, 500), st.integers(520, 800), st.integers(0, 4095)),
        min_size=1, max_size=5,
    ),
    cycles=st.integers(1, 255), cycle_s=st.integers(1, 65535), flashes=st.integers(1, 200),
)  # fmt: skip
def test_what_is_ordered_is_what_the_reader_understands(
    wells: set[str], bands: list[tuple[int, int, int]], cycles: int, cycle_s: int, flashes: int
) -> None:
    chromatics = tuple(Chromatic(ex, 10, em, 20, gain) for ex, em, gain in bands)
    run = Run(tuple(wells), chromatics, cycles, cycle_s, flashes, 300, 0x40, settling=5)
    order = parse_order(run_payload(run))
    assert set(order.wells) == wells
    assert order.chromatics == tuple((float(ex), float(em)) for ex, em, _ in bands)
    assert (order.cycles, order.cycle_s, order.flashes) == (cycles, cycle_s, flashes)


def test_the_scan_goes_down_the_columns_one_way_and_reads_from_where_it_should() -> None:
    below, above = (run_payload(plan_run(kinetic(bottom=b), Settings())) for b in (True, False))
    assert (below[64], below[65]) == (0x8A, 0x40)
    assert (above[64], above[65]) == (0x8A, 0x00)


# Reads ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunk", [0, 1, 13])
async def test_a_read_gives_every_record_with_the_counts_of_each_well(chunk: int) -> None:
    read = kinetic()
    async with connected(*PAIR, chunk=chunk) as lab:
        begun_s = lab.clock.monotonic_s()
        frames = await lab.read(read)
        took_s = lab.clock.monotonic_s() - begun_s

    assert [(f.index, f.channel) for f in frames] == [(i, c) for i in range(5) for c in (0, 1)]
    for frame in frames:
        excitation = read.channels[frame.channel].excitation_nm
        true = np.array([expected(well, excitation, None) for well in read.wells])
        assert np.array(frame.values) == pytest.approx(true, rel=0.08)
        assert not frame.flags
    assert took_s < lab.driver.read_duration_s(read) < took_s + 10


@pytest.mark.parametrize(
    ("wells", "interval_s", "within_s"),
    [
        (PLATE.by_row(), 37.0, 0.15), (COLUMN, 5.0, 0.25), (tuple(reversed(COLUMN)), 5.0, 0.25),
        (("A1",), 4.0, 0.35), (("C7", "A12", "H1"), 6.0, 0.35),
    ],
)  # fmt: skip
async def test_every_reading_has_the_time_at_which_it_was_taken(
    wells: tuple[str, ...], interval_s: float, within_s: float
) -> None:
    """The simulated reader is not as fast as planned; the times are observed."""
    read = kinetic(wells=wells, interval_s=interval_s, record_s=3 * interval_s)
    async with connected(*PAIR) as lab:
        frames = await lab.read(read)
        assert len(frames) == 8
        assert np.abs(lab.lateness_s(frames, read)).max() < within_s


async def test_a_column_is_read_within_seconds_and_a_plate_in_tens_of_seconds() -> None:
    for wells, low_s, high_s in ((COLUMN, 2.0, 4.0), (PLATE.by_row(), 25.0, 40.0)):
        async with connected(*PAIR) as lab:
            frames = await lab.read(kinetic(wells=wells, interval_s=40.0, record_s=0.0))
            assert low_s < max(frames[1].at_s) - min(frames[0].at_s) < high_s


async def test_features_say_what_is_true() -> None:
    features = ReaderLab(*PAIR).driver.features
    assert (features.geometry, features.clock, features.delivery) == (
        "well",
        "instrument",
        "during",
    )
    assert features.injection is None
    assert "not decoded" in features.no_injection
    assert 30 < features.least_interval_s <= 40


# Quirks of healthy readers ----------------------------------------------------------------------
QUIRKS = [
    Fault("silent_after_run", data={"for_s": 2.0}), Fault("split", times=None),
    Fault("not_yet", after=3, times=2, data={"code": 0xD5}),
    Fault("not_yet", after=30, times=2, data={"code": 0x66}),
    Fault("stuck"), Fault("stuck", data={"when": "end"}),
]  # fmt: skip
DAMAGE = [
    Fault(kind, after=after, data={"delay_s": 3.7, "lose": lose})
    for kind, lose in (
        ("truncated", 1), ("truncated", 17), ("truncated", 20), ("wrong_checksum", 0),
        ("silent", 0), ("reply_lost", 0), ("late_reply", 0), ("garbled_reply", 0),
    )
    for after in (4, 6, 9, 17, 31, 60)
]  # fmt: skip


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.after}-{'-'.join(map(str, fault.data.values()))}"


@pytest.mark.parametrize("fault", [*QUIRKS, *DAMAGE], ids=named)
async def test_quirks_of_healthy_readers_lose_nothing(fault: Fault) -> None:
    read = kinetic()
    async with connected(*PAIR, fault) as lab:
        sent = counting(lab)
        frames = await lab.read(read)
        assert len(frames) == 10
        assert all(math.isfinite(v) and v > 100 for f in frames for v in f.values)
        assert np.abs(lab.lateness_s(frames, read)).max() < 0.3
        assert sent.runs == 1


@pytest.mark.parametrize(
    "kind", ["truncated", "wrong_checksum", "silent", "reply_lost", "late_reply"]
)
async def test_a_run_whose_answer_is_lost_is_in_doubt_and_not_sent_again(kind: str) -> None:
    async with connected(*PAIR) as lab:
        await lab.driver.open_drawer()
        await lab.driver.close_drawer()
        sent = counting(lab)
        lab.simulator._setup = _with(lab, Fault(kind, after=1, data={"delay_s": 5.0}))
        frames: list[Frame] = []
        with pytest.raises(LinkError):
            await lab.read(kinetic(), frames)
        assert sent.runs == 1
        assert not frames
        assert len(await lab.read(kinetic())) == 10


def _with(lab: ReaderLab, *faults: Fault) -> Any:
    """The same simulated reader with other faults from now on."""
    from dataclasses import replace

    from platectl.simkit.faults import FaultPlan

    return replace(lab.simulator._setup, faults=FaultPlan(faults))


async def test_a_record_that_was_overwritten_keeps_what_was_seen_of_it() -> None:
    read = kinetic(interval_s=9.0, record_s=45.0)
    async with connected(*PAIR) as lab:
        await lab.driver.open_drawer()
        await lab.driver.close_drawer()
        lab.simulator._setup = _with(lab, Fault("silent", after=36, times=3))
        frames = await lab.read(read)
    hurt = {f.index for f in frames if f.flags}
    assert [f.index for f in frames] == [i for i in range(6) for _ in (0, 1)]
    assert len(hurt) == 1
    for frame in frames:
        missing = [well for well, value in zip(frame.wells, frame.values, strict=True)
                   if math.isnan(value)]  # fmt: skip
        assert frame.flags == dict.fromkeys(missing, "missing")
        assert (frame.index in hurt) == bool(missing)
        assert len(missing) < len(read.wells)
    late = lab.lateness_s([f for f in frames if f.index not in hurt], read)
    assert np.abs(late).max() < 0.3


# Faults -----------------------------------------------------------------------------------------
async def test_an_overflow_is_flagged_and_kept() -> None:
    async with connected(*PAIR, Fault("overflow", data={"well": "B2"})) as lab:
        frames = await lab.read(kinetic())
    assert all(f.flags == {"B2": "saturated"} for f in frames)
    assert all(f.values[f.wells.index("B2")] == 260_000 for f in frames)


@pytest.mark.parametrize("record", [1, 3])
async def test_a_pulled_cable_keeps_what_was_read(record: int) -> None:
    async with connected(*PAIR, Fault("unplugged", data={"record": record})) as lab:
        kept: list[Frame] = []
        with pytest.raises(DisconnectedError):
            await lab.read(kinetic(), kept)
        assert [f.index for f in kept] == [i for i in range(record - 1) for _ in (0, 1)]
        assert all(math.isfinite(v) for f in kept for v in f.values)


async def test_a_run_that_ends_early_is_a_fault_after_what_it_gave() -> None:
    async with connected(*PAIR, Fault("ends_early", data={"record": 3})) as lab:
        kept: list[Frame] = []
        with pytest.raises(InstrumentFaultError, match="record 3 of 5") as caught:
            await lab.read(kinetic(), kept)
        assert caught.value.code == "ended"
        assert [f.index for f in kept] == [0, 0, 1, 1, 2, 2]
        assert all(f.flags for f in kept[4:])
        assert not any(f.flags for f in kept[:4])


async def test_a_reader_that_gives_nothing_during_the_run_is_asked_afterwards() -> None:
    read = kinetic(wells=COLUMN, interval_s=5.0, record_s=20.0)
    async with connected(*PAIR, Fault("not_yet", times=None)) as lab:
        frames = await lab.read(read)
        assert [f.index for f in frames] == [i for i in range(5) for _ in (0, 1)]
        assert not any(f.flags for f in frames)
        assert np.abs(lab.lateness_s(frames, read)).max() < 1.5


async def test_a_run_that_stands_still_is_given_up_and_stopped() -> None:
    async with connected(*PAIR) as lab:
        simulator = lab.simulator
        read = kinetic(record_s=480.0)
        reading = asyncio.create_task(lab.read(read))
        await asyncio.sleep(20)
        simulator._advance, before_s = (lambda: None), lab.clock.monotonic_s()
        with pytest.raises(ReplyTimeoutError, match="nothing new"):
            await reading
        assert 30 < lab.clock.monotonic_s() - before_s < 60


async def test_what_a_reader_is_not_ready_for_is_named() -> None:
    async with connected(*PAIR, Fault("cold", data={"by_c": 2.0})) as lab:
        await lab.driver.set_temperature(39.0)
        await asyncio.sleep(900)
        assert await _code(lab) == ""
        await lab.driver.set_temperature(42.0)
        await asyncio.sleep(900)
        assert await lab.driver.read_temperature_c() == pytest.approx(40.0)
        assert await _code(lab) == "temperature"
        await lab.driver.set_temperature(None)
        await lab.driver.open_drawer()
        assert await _code(lab) == "drawer_open"
        lab.world.lift("read")
        await lab.driver.close_drawer()
        assert await _code(lab) == "no_plate"


async def _code(lab: ReaderLab) -> str:
    lab.driver.settings = lab.driver.settings.model_copy(
        update={"tolerance_c": 2.1 if lab.driver._target_c == 39.0 else 1.0}
    )
    try:
        await lab.read(kinetic(record_s=0.0))
    except InstrumentFaultError as fault:
        return fault.code
    return ""


async def test_a_drawer_that_does_not_move_is_a_fault() -> None:
    async with connected(*PAIR, Fault("drawer_stuck")) as lab:
        with pytest.raises(InstrumentFaultError, match="stayed in") as caught:
            await lab.driver.open_drawer()
        assert caught.value.code == "drawer"
        await lab.driver.open_drawer()
        await lab.driver.open_drawer()


# Temperature ------------------------------------------------------------------------------------
async def test_the_chamber_warms_and_monitoring_never_replaces_a_setpoint() -> None:
    async with connected(*PAIR) as lab:
        lab.world.set_temperature("read", 22.0)
        assert await lab.driver.read_temperature_c() == pytest.approx(22.0, abs=0.1)
        await lab.driver.set_temperature(37.0)
        assert await lab.driver.read_temperature_c() < 23
        await asyncio.sleep(90)
        assert await lab.driver.read_temperature_c() == pytest.approx(31.5, abs=0.3)
        await asyncio.sleep(900)
        assert await lab.driver.read_temperature_c() == pytest.approx(37.0, abs=0.1)
        assert lab.world.temperature_c("read") == pytest.approx(37.0, abs=0.1)


# Refusals ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"injection": Injection("S", 25, 40, 3)}, "not decoded"), ({"interval_s": 7.0}, "interval"),
        ({"interval_s": 12.5}, "whole seconds"), ({"interval_s": math.nan}, "interval"),
        ({"interval_s": 70000.0}, "interval"), ({"record_s": 12.0 * 300}, "cycles"),
        ({"wells": ()}, "needs wells"), ({"wells": ("A1", "A1")}, "once"), ({"wells": ("A13",)}, "A13"),
        ({"channels": ()}, "chromatics"), ({"channels": (Channel(320, 510),)}, "bands"),
        ({"channels": (Channel(500, 510),)}, "bands"), ({"channels": (Channel(500, 840),)}, "bands"),
    ],
)  # fmt: skip
async def test_what_the_reader_cannot_do_is_refused_before_anything_is_sent(
    change: dict[str, Any], words: str
) -> None:
    if math.isnan(change.get("interval_s", 0.0)):
        with pytest.raises(RefusedError, match=words):
            plan_run(kinetic(**change), Settings())
        return
    with pytest.raises(RefusedError, match=words):
        await ReaderLab(*PAIR).read(kinetic(**change))


@pytest.mark.parametrize("temperature_c", [19.9, 45.1, 37.05, math.nan, math.inf])
async def test_a_temperature_out_of_range_is_refused(temperature_c: float) -> None:
    with pytest.raises(RefusedError):
        await ReaderLab(*PAIR).driver.set_temperature(temperature_c)


# Stopping ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("at_s", [0.0, 0.05, 0.3, 1.0, 5.0, 13.0, 30.0, 60.0])
async def test_an_abort_returns_at_once_and_the_read_says_so(at_s: float) -> None:
    async with connected(*PAIR) as lab:
        kept: list[Frame] = []
        reading = asyncio.create_task(lab.read(kinetic(record_s=480.0), kept))
        await asyncio.sleep(at_s)
        if not at_s:
            await asyncio.sleep(0)
        before_s = lab.clock.monotonic_s()
        await lab.driver.abort()
        assert lab.clock.monotonic_s() == before_s
        with pytest.raises(InstrumentFaultError) as caught:
            await reading
        assert caught.value.code == "aborted"
        assert lab.clock.monotonic_s() - before_s < 12
        assert all(math.isfinite(v) for f in kept for v in f.values)
        await asyncio.sleep(3)
        read = lab.world.times_s.copy()
        await asyncio.sleep(60)
        assert await lab.driver.read_temperature_c() == pytest.approx(37.0)
        assert lab.world.times_s == read
        assert len(await lab.read(kinetic(record_s=0.0))) == 2


async def test_closing_or_cancelling_a_read_stops_the_reader() -> None:
    async with connected(*PAIR) as lab:
        async with aclosing(lab.driver.read_kinetic(kinetic(record_s=480.0))) as pieces:
            async for _ in pieces:
                break
        await asyncio.sleep(1)
        assert lab.simulator._reading.end_s < lab.clock.monotonic_s()
        reading = asyncio.create_task(lab.read(kinetic(record_s=480.0)))
        await asyncio.sleep(20)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.sleep(1)
        assert lab.simulator._reading.end_s < lab.clock.monotonic_s()
        assert len(await lab.read(kinetic(record_s=0.0))) == 2


async def test_a_run_goes_on_without_a_host_and_a_new_conversation_waits_for_it() -> None:
    async with connected(*PAIR) as lab:
        reading = asyncio.create_task(lab.read(kinetic(interval_s=8.0, record_s=32.0)))
        await asyncio.sleep(20)
        await lab.ends[-1].aclose()
        with pytest.raises(DisconnectedError):
            await reading
        await lab.driver.connect()
        await lab.driver.open_drawer()
        assert len(lab.simulator._reading.records) == 5


async def test_a_silent_reader_is_a_timeout_and_a_closed_one_says_so() -> None:
    lab = ReaderLab(*PAIR, Fault("silent", times=None))
    with pytest.raises(ReplyTimeoutError):
        await lab.driver.connect()
    assert lab.clock.monotonic_s() < 15
    await lab.driver.aclose()
    await asyncio.gather(*lab.tasks)
    await lab.driver.abort()
    with pytest.raises(DisconnectedError):
        await lab.driver.read_temperature_c()


async def test_a_line_that_never_falls_quiet_is_malformed() -> None:
    class Babble:
        async def send(self, data: bytes) -> None:
            return

        async def receive(self, *, timeout_s: float | None = None) -> bytes:
            await asyncio.sleep(0.1)
            return b"\x02"

        async def aclose(self) -> None:
            return

    async def connect() -> Babble:
        return Babble()

    driver = ReaderLab(*PAIR).driver
    driver._setup = _replace(driver._setup, connect)
    with pytest.raises(MalformedReplyError, match="not quiet"):
        await driver.connect()


def _replace(setup: Any, connect: Any) -> Any:
    from dataclasses import replace

    return replace(setup, open_stream=connect)


# Following a run --------------------------------------------------------------------------------
def record(number: int, complete: int, wells: int = 16, limit: int = 260_000) -> Record:
    seen = complete // 2
    row = tuple(100 + i if i < seen else 0 for i in range(wells))
    return Record(number, 12 * (number - 1), 2 * wells, complete, limit, 37.0, (row, row))


def test_a_record_that_was_never_seen_is_all_missing_and_lies_between_its_neighbours() -> None:
    watch = Watch(kinetic(), pace_s=0.35, begun_s=5.0, source="r")
    for number in (1, 3):
        for complete in (8, 16, 24, 32):
            at_s = 5.0 + 12 * (number - 1) + 0.2 * complete
            watch.see(record(number, complete), at_s, at_s)
    frames = watch.over()
    assert [f.index for f in frames] == [0, 0, 1, 1, 2, 2]
    assert set(frames[2].flags.values()) == {"missing"}
    assert len(frames[2].flags) == 16
    first, lost, third = (frames[i].at_s[0] for i in (0, 2, 4))
    assert lost - first == pytest.approx(12.0, abs=0.5)
    assert third - first == pytest.approx(24.0, abs=0.01)


@pytest.mark.parametrize("wrong", [record(6, 4), record(1, 4, wells=8)])
def test_a_record_of_another_run_is_malformed(wrong: Record) -> None:
    with pytest.raises(MalformedReplyError, match="does not"):
        Watch(kinetic(), pace_s=0.35, begun_s=5.0, source="r").see(wrong, 6.0, 6.0)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 32)), max_size=40))
def test_whatever_is_seen_frames_come_once_and_in_order(seen: list[tuple[int, int]]) -> None:
    watch = Watch(kinetic(), pace_s=0.35, begun_s=0.0, source="r")
    frames: list[Frame] = []
    for step, (number, complete) in enumerate(sorted(seen)):
        watch.see(record(number, complete - complete % 2), float(step), float(step))
        frames += watch.over()
    frames += watch.over(ended=True)
    latest = max((number for number, _ in seen), default=0)
    assert [(f.index, f.channel) for f in frames] == [(i, c) for i in range(latest) for c in (0, 1)]
    for frame in frames:
        assert {w for w, v in zip(frame.wells, frame.values, strict=True) if math.isnan(v)} == set(
            frame.flags
        )
