"""The FLIPR driver: whole reads in a world with cells, and everything that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fura_bench import PLATE, FuraBench, expected

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.domain.transcript import Turn, parse_transcript
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.reading import Addition, Channel, Frame, Injection, KineticRead, PlateReader
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.serve import serve_tcp
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.address import open_connector
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.replay import ReplayStream
from platectl_drivers.flipr import Flipr
from platectl_drivers.flipr.watch import ExportWatch
from platectl_drivers.flipr.wire import CONDITIONS
from platectl_simulators.flipr import FliprSimulator

WELLS = PLATE.by_row()
FURA = {
    "path": "C:\\protocols\\fura2.fmp", "channels": [[340, 510], [380, 510]], "interval_s": 2.0,
    "baseline_s": 20.0, "record_s": 60.0, "volume_ul": 25.0, "speed_ul_per_s": 20.0,
    "height_mm": 3.0,
}  # fmt: skip
BLANK = {
    "path": "C:\\protocols\\blank.fmp", "channels": [[380, 510], [340, 510]], "interval_s": 2.0,
    "baseline_s": 0.0, "record_s": 20.0,
}  # fmt: skip
SETTINGS: dict[str, Any] = {"protocols": {"fura2": FURA, "blank": BLANK}}
READ = KineticRead(
    title="P1 run 7",
    plate="P1",
    wells=WELLS,
    channels=(Channel(340.0, 510.0), Channel(380.0, 510.0)),
    interval_s=2.0,
    baseline_s=20.0,
    record_s=60.0,
    injection=Injection("C1", volume_ul=25.0, speed_ul_per_s=20.0, height_mm=3.0),
)


class Lab:
    """A driver and its simulator on a bench, joined by pipes; `reachable` cuts new connections."""

    def __init__(self, folder: Path | None, *faults: Fault, **simulator: Any) -> None:
        self.bench = FuraBench()
        self.clock = VirtualClock()
        self.simulator = FliprSimulator(
            SimulatorSetup(
                "reader", self.bench, self.clock, "read",
                {**SETTINGS, "source": "source", "tips": "tips", **simulator}, FaultPlan(faults),
                folder,
            )
        )  # fmt: skip
        self.reachable = True
        self.heard: list[str] = []
        self.stream: PipeEnd
        self.tasks: list[asyncio.Task[None]] = []
        drop = None if folder is None else DropDirectory(folder, in_thread=False)
        self.driver = Flipr(
            DriverSetup(
                "reader", self.clock, self.connect, Flipr.Settings.model_validate(SETTINGS), drop
            )
        )

    async def connect(self) -> ByteStream:
        if not self.reachable:
            raise DisconnectedError("no route to host")
        self.stream, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.simulator.serve(Listening(theirs, self.heard))))
        return self.stream

    def said(self, command: str) -> int:
        return sum(line.split("\t")[0] == command for line in self.heard)

    async def read(
        self, read: KineticRead = READ
    ) -> tuple[list[Frame], list[Addition], Exception | None]:
        frames: list[Frame] = []
        additions: list[Addition] = []
        try:
            async for item in self.driver.read_kinetic(read):
                (frames if isinstance(item, Frame) else additions).append(item)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  # handed to the test
            return frames, additions, error
        return frames, additions, None


class Listening:
    """A stream that notes the lines it receives."""

    def __init__(self, stream: PipeEnd, heard: list[str]) -> None:
        self._stream = stream
        self._heard = heard

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        data = await self._stream.receive(timeout_s=timeout_s)
        self._heard += data.decode("ascii").split("\r")[:-1]
        return data

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def lab(folder: Path | None, *faults: Fault, **simulator: Any) -> AsyncIterator[Lab]:
    made = Lab(folder, *faults, **simulator)
    made.tasks.append(asyncio.create_task(made.simulator.run()))
    try:
        yield made
    finally:
        await made.driver.aclose()
        await made.driver.aclose()
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


def code_of(error: Exception | None) -> str:
    assert isinstance(error, InstrumentFaultError), error
    return error.code


# Reads --------------------------------------------------------------------------------------
async def test_the_driver_satisfies_the_interface(tmp_path: Path) -> None:
    subject: PlateReader = Lab(tmp_path).driver

    features = subject.features
    assert (features.geometry, features.delivery, features.started_by) == (
        "plate", "after", "driver",
    )  # fmt: skip
    assert features.excitation_nm == (340.0, 380.0)
    assert features.injection is not None
    assert features.injection.volume_ul == (25.0, 25.0)
    assert subject.read_duration_s(READ) == 80.0


async def test_a_read_gives_every_well_at_its_true_time_and_one_addition(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        identity = await room.driver.connect()
        frames, additions, error = await room.read()

        assert identity == Identity("FLIPR Tetra", firmware="1.1 of 01/15/2009")
        assert error is None
        assert [frame.index for frame in frames] == [i for i in range(41) for _ in range(2)]
        assert [frame.channel for frame in frames] == [0, 1] * 41
        (addition,) = additions
        assert addition.source == "P1 run 7.txt: as the export states it"
        true = room.bench.added_s
        assert set(addition.at_s) == set(WELLS) == set(true)
        for well, at_s in addition.at_s.items():
            assert [at_s] == pytest.approx(true[well], abs=1e-3)
        assert [frame.at_s[0] for frame in frames] == pytest.approx(
            [at for at, _, _ in room.bench.read_s], abs=1e-3
        )
        assert np.diff([frame.at_s[0] for frame in frames[:3]]) == pytest.approx([0.4, 1.6])
        errors = []
        for frame in frames:
            excitation = READ.channels[frame.channel].excitation_nm
            for well, at, value in zip(frame.wells, frame.at_s, frame.values, strict=True):
                errors.append(value / expected(well, excitation, at - addition.at_s[well]) - 1)
        assert abs(np.mean(errors)) < 0.001
        assert np.std(errors) < 0.025
        assert room.said("runexperiment") == 1
        assert [line for line in room.heard if line.startswith("loadplate")] == [
            "loadplate\tre, no, P1", "loadplate\ts1, no, C1", "loadplate\tti, no, tips",
        ]  # fmt: skip


async def test_some_wells_in_another_order_of_channels(tmp_path: Path) -> None:
    read = replace(READ, wells=("H12", "A1"), channels=READ.channels[::-1])
    async with lab(tmp_path) as room:
        await room.driver.connect()
        frames, additions, error = await room.read(read)

    assert error is None
    assert frames[0].channel == 1
    assert frames[0].values[0] == pytest.approx(expected("H12", 340.0, None), rel=0.1)
    assert frames[0].wells == ("H12", "A1")
    assert set(additions[0].at_s) == set(WELLS)  # the head adds to all of them


async def test_without_an_injection_the_other_protocol_is_taken(tmp_path: Path) -> None:
    read = replace(READ, injection=None, baseline_s=0.0, record_s=20.0)
    async with lab(tmp_path) as room:
        await room.driver.connect()
        frames, additions, error = await room.read(read)

        assert (len(frames), additions, error) == (22, [], None)
        assert room.bench.added_s == {}
        assert [line for line in room.heard if "protocol" in line] == [
            "openprotocol\tC:\\protocols\\blank.fmp"
        ]
        assert room.said("loadplate") == 1


async def test_plates_go_out_and_the_next_read_takes_them_in_again(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await room.read()
        await room.driver.open_drawer()
        await room.driver.open_drawer()
        await room.driver.close_drawer()
        assert room.said("removeplate") == 3
        *_, error = await room.read(replace(READ, title="P1 run 8"))

    assert error is None
    assert room.said("loadplate") == 6


async def test_an_addition_that_is_not_stated_is_derived_and_says_so(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("export_without_addition")) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

    assert error is None
    (addition,) = additions
    assert "20 s baseline as declared" in addition.source
    assert addition.at_s["A1"] - frames[0].at_s[0] == pytest.approx(20.0)


async def test_a_saturated_well_is_flagged(tmp_path: Path) -> None:
    async with lab(tmp_path, full_scale=5800.0) as room:
        await room.driver.connect()
        frames, _, error = await room.read()

    assert error is None
    flagged = [(f, well) for f in frames for well in f.flags]
    assert flagged
    for frame, well in flagged:
        assert frame.flags[well] == "saturated"
        assert np.isnan(frame.values[frame.wells.index(well)])


# Refusals -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_s": 120.0}, "nearest, fura2, has record_s 60, not 120"),
        ({"injection": replace(READ.injection, volume_ul=50.0)}, "volume_ul 25, not 50"),  # type: ignore[type-var]
        ({"injection": None}, "blank, has baseline_s 0, not 20; record_s 20, not 60"),
        ({"channels": (Channel(340.0, 510.0),)}, r"channels \[.*\], not"),
        ({"title": "a,b"}, "cannot be a parameter"), ({"title": "ä"}, "parameter"),
        ({"title": "../x"}, "name of a data file"), ({"bottom": False}, "through the bottom"),
        ({"wells": ()}, "each well once"), ({"wells": ("A1", "A1")}, "each well once"),
        ({"wells": ("I1",)}, "no well"), ({"plate": "P" * 21}, "bar-code"),
        ({"plate": "P 1"}, "bar-code"), ({"plate": ""}, "parameter"),
    ],
)  # fmt: skip
async def test_what_no_protocol_contains_is_refused_and_nothing_is_sent(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        said = len(room.heard)
        with pytest.raises(RefusedError, match=message):
            await anext(room.driver.read_kinetic(replace(READ, **change)))
        assert len(room.heard) == said


async def test_without_declared_protocols_nothing_can_be_read(tmp_path: Path) -> None:
    setup = DriverSetup(
        "reader", VirtualClock(), Lab(tmp_path).connect, Flipr.Settings(),
        DropDirectory(tmp_path, in_thread=False),
    )  # fmt: skip
    subject = Flipr(setup)

    assert subject.features.injection is None
    with pytest.raises(RefusedError, match="no protocols are declared"):
        await anext(subject.read_kinetic(READ))


async def test_wavelengths_that_are_not_fitted_are_refused(tmp_path: Path) -> None:
    async with lab(tmp_path, waves=("470-495",)) as room:
        await room.driver.connect()
        with pytest.raises(RefusedError, match="340 nm is not among what is fitted: 470-495 nm"):
            await anext(room.driver.read_kinetic(READ))


async def test_an_export_of_the_same_name_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await room.read()
        with pytest.raises(RefusedError, match=r"P1 run 7.txt was exported before"):
            await anext(room.driver.read_kinetic(READ))
        assert room.said("runexperiment") == 1


async def test_another_plate_inside_is_not_read(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await room.read()
        *_, error = await room.read(replace(READ, title="x", plate="P2"))

        assert code_of(error) == "plate"
        assert room.said("runexperiment") == 1


async def test_the_temperature_is_set_at_the_instrument(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.set_temperature(None)
        declared = Flipr(
            DriverSetup("x", room.clock, room.connect, Flipr.Settings(set_temperature_c=37.0))
        )
        await declared.set_temperature(37.0)
        assert await declared.read_temperature_c() == 37.0
        assert declared.features.temperature_c == (37.0, 37.0)
        for verb in (room.driver.set_temperature(37.0), room.driver.read_temperature_c()):
            with pytest.raises(RefusedError):
                await verb


# Faults that the instrument states -------------------------------------------------------------
@pytest.mark.parametrize("command", ["loadplate", "openprotocol", "runexperiment", "statusex"])
@pytest.mark.parametrize("code", [*(int(code[1:]) for code in CONDITIONS), 99])
async def test_every_condition_is_a_fault_with_its_code_and_nothing_is_added(
    tmp_path: Path, code: int, command: str
) -> None:
    after = 1 if command == "statusex" else 0
    fault = Fault(f"{command}_refused", after=after, times=None, data={"code": code})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

        assert code_of(error) == f"c{code:02d}"
        assert CONDITIONS.get(f"c{code:02d}", "unknown condition") in str(error)
        assert (frames, additions, room.bench.added_s) == ([], [], {})
        assert room.said("runexperiment") == (command == "runexperiment")
        if command == "loadplate" and code != 10:
            assert room.said("loadplate") == 1


def test_the_table_of_conditions_is_that_of_the_guide() -> None:
    assert sorted(CONDITIONS) == [
        f"c{code:02d}"
        for code in (0, 5, 10, 15, 16, 20, 21, 25, 30, 35, 36, 47, 50, 68, 69, 72, 73, 77, 78, 79)
    ]


async def test_a_busy_handler_is_asked_again_until_it_is_free(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("handler_busy", times=4)) as room:
        await room.driver.connect()
        *_, error = await room.read()

        assert error is None
        assert room.said("loadplate") == 7


async def test_a_landing_pad_without_a_plate_is_a_fault(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        room.bench.lift("source")
        await room.driver.connect()
        *_, error = await room.read()

        assert code_of(error) == "c20"


@pytest.mark.parametrize(("kind", "code"), [("manual_mode", "manual"), ("offline", "offline")])
async def test_screenworks_has_to_be_in_remote_mode_and_online(
    tmp_path: Path, kind: str, code: str
) -> None:
    async with lab(tmp_path, Fault(kind)) as room:
        with pytest.raises(InstrumentFaultError) as caught:
            await room.driver.connect()
        assert caught.value.code == code
        *_, error = await room.read()
        assert code_of(error) == code
        assert room.said("loadplate") == 0


async def test_a_breakdown_in_mid_run_keeps_what_was_read(tmp_path: Path) -> None:
    fault = Fault("run_fault", data={"at_s": 41.1, "code": "1203"})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

        assert code_of(error) == "fatal 1203"
        assert len(frames) == 42
        assert len(additions) == 1
        *_, error = await room.read(replace(READ, title="x"))
        assert code_of(error) == "fatal 1203"
        room.simulator.reset()
        room.bench.remove_labware("T1")
        room.bench.add_labware("T2", "tips", "tips")
        *_, error = await room.read(replace(READ, title="y"))
        assert error is None


async def test_a_breakdown_before_the_addition_yields_none(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("run_fault", data={"at_s": 11.1})) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

    assert (len(frames), additions) == (12, [])
    assert code_of(error) == "fatal 1203"


async def test_missing_tips_break_the_run_and_nothing_is_added(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        room.bench.new_tips("reader", rack="T1", wells=["D4"])
        await room.driver.connect()
        frames, additions, error = await room.read()

        assert code_of(error) == "fatal no_tips"
        assert (frames, additions, room.bench.added_s) == ([], [], {})


# Stopping -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("at_s", "read", "added"), [(35.3, 10, 0), (60.3, 34, 1)])
async def test_abort_stops_the_run_and_leaves_a_fault(
    tmp_path: Path, at_s: float, read: int, added: int
) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        await asyncio.sleep(at_s)
        before_s = room.clock.monotonic_s()
        await room.driver.abort()
        assert room.clock.monotonic_s() == before_s
        frames, additions, error = await verb

        assert code_of(error) == "aborted"
        assert room.clock.monotonic_s() - before_s < 20
        assert abs(len(frames) - read) < 10
        assert len(additions) == added == (1 if room.bench.added_s else 0)
        assert room.said("stopexperiment") == 1
        with pytest.raises(InstrumentFaultError) as caught:
            await room.driver.connect()
        assert caught.value.code == "fault"
        room.simulator.reset()
        await room.driver.open_drawer()
        assert room.said("removeplate") == 3


async def test_abort_before_the_start_prevents_it(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        await asyncio.sleep(10)
        await room.driver.abort()
        *_, error = await verb

        assert code_of(error) == "aborted"
        assert room.said("runexperiment") == room.said("stopexperiment") == 0


async def test_abort_while_the_protocol_is_opened_prevents_the_start(tmp_path: Path) -> None:
    fault = Fault("late_reply", data={"command": "openprotocol", "delay_s": 5.0})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        while not room.said("openprotocol"):  # noqa: ASYNC110  # the driver is not told that it is watched
            await asyncio.sleep(0.7)
        await room.driver.abort()
        *_, error = await verb

        assert code_of(error) == "aborted"
        assert room.said("runexperiment") == room.said("stopexperiment") == 0


async def test_a_cancelled_read_stops_the_run(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        await asyncio.sleep(40)
        verb.cancel()
        await asyncio.gather(verb, return_exceptions=True)
        await asyncio.sleep(1)

        assert room.said("stopexperiment") == 1
        assert room.simulator._fault


async def test_abort_without_a_run_sends_nothing(tmp_path: Path) -> None:
    subject = Lab(tmp_path).driver
    await subject.abort()
    async with lab(tmp_path) as room:
        await room.driver.connect()
        await room.driver.abort()
        await room.stream.aclose()
        await room.driver.abort()
        assert room.said("stopexperiment") == 0


async def test_a_run_that_the_status_knows_late_is_not_taken_for_over(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("late_running", data={"delay_s": 9.1})) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

    assert (len(frames), len(additions), error) == (82, 1, None)


async def test_a_run_that_goes_on_beyond_its_time_is_a_link_error(tmp_path: Path) -> None:
    long = {**FURA, "record_s": 600.0}
    async with lab(tmp_path, protocols={"fura2": long}) as room:
        await room.driver.connect()
        frames, _, error = await room.read()

        assert isinstance(error, ReplyTimeoutError)
        assert "runs on, beyond the time" in str(error)
        assert frames == []
        await room.driver.abort()
        await asyncio.sleep(1)
        assert room.said("stopexperiment") == 1


async def test_somebody_who_switches_to_manual_ends_the_read_but_it_can_be_stopped(
    tmp_path: Path,
) -> None:
    async with lab(tmp_path, Fault("statusex_refused", after=20, times=None)) as room:
        await room.driver.connect()
        *_, error = await room.read()
        assert code_of(error) == "c00"
        assert room.said("runexperiment") == 1
        await room.driver.abort()
        await asyncio.sleep(1)
        assert room.said("stopexperiment") == 1


async def test_a_folder_that_cannot_be_read_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    async with lab(folder) as room:
        await room.driver.connect()
        folder.rmdir()
        with pytest.raises(RefusedError, match="could not be collected"):
            await anext(room.driver.read_kinetic(READ))
        assert room.said("loadplate") == 0


# Broken conversations ----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["reply_lost", "hangs_up", "garbled_reply", "late_reply"])
async def test_a_start_without_an_answer_is_never_sent_again(tmp_path: Path, kind: str) -> None:
    fault = Fault(kind, data={"command": "runexperiment", "delay_s": 25.0})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

        assert type(error) is LinkError
        assert "statusex then said exp_running yes, inst_status busy" in str(error)
        assert (frames, additions) == ([], [])
        await asyncio.sleep(200)
        assert room.said("runexperiment") == 1
        assert all(len(times) == 1 for times in room.bench.added_s.values())


async def test_a_start_that_was_not_heard_is_told_as_not_running(tmp_path: Path) -> None:
    fault = Fault("silent", data={"command": "runexperiment"})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        *_, error = await room.read()

        assert type(error) is LinkError
        assert "exp_running no" in str(error)
        assert room.said("runexperiment") == 1
        assert room.bench.added_s == {}


async def test_after_a_doubtful_start_abort_still_stops(tmp_path: Path) -> None:
    fault = Fault("reply_lost", data={"command": "runexperiment"})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        *_, error = await room.read()
        assert type(error) is LinkError
        await room.driver.abort()
        await asyncio.sleep(1)

        assert room.said("stopexperiment") == 1


@pytest.mark.parametrize(
    "kind", ["hangs_up", "silent", "reply_lost", "garbled_reply", "late_reply"]
)
@pytest.mark.parametrize("after", [1, 2, 8, 15, 30])
async def test_a_status_that_is_lost_is_asked_for_again(
    tmp_path: Path, kind: str, after: int
) -> None:
    fault = Fault(kind, after=after, data={"command": "statusex", "delay_s": 11.0})
    async with lab(tmp_path, fault) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

        assert error is None
        assert (len(frames), len(additions)) == (82, 1)
        assert room.said("runexperiment") == 1


async def test_a_cable_that_is_cut_in_mid_run_yields_what_was_exported(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("run_fault", data={"at_s": 25.1})) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        await asyncio.sleep(40)
        assert room.said("runexperiment") == 1
        room.reachable = False
        await room.stream.aclose()
        frames, additions, error = await verb

        assert isinstance(error, DisconnectedError)
        assert len(frames) == 26
        assert len(additions) == 1


async def test_a_cable_that_is_cut_while_the_run_goes_on_is_a_link_error(tmp_path: Path) -> None:
    async with lab(tmp_path) as room:
        await room.driver.connect()
        verb = asyncio.create_task(room.read())
        await asyncio.sleep(40)
        room.reachable = False
        await room.stream.aclose()
        frames, additions, error = await verb

        assert isinstance(error, DisconnectedError)
        assert (frames, additions) == ([], [])
        await room.driver.abort()


@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply", "hangs_up"])
async def test_a_command_without_an_answer_is_a_link_error_and_not_sent_again(
    tmp_path: Path, kind: str
) -> None:
    async with lab(tmp_path, Fault(kind, data={"command": "loadplate"})) as room:
        await room.driver.connect()
        *_, error = await room.read()

        assert isinstance(error, LinkError)
        assert room.said("loadplate") == 1
        assert room.said("runexperiment") == 0
        *_, error = await room.read()
        assert error is None


async def test_connecting_to_a_mute_instrument_gives_up_in_time(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("silent", times=None)) as room:
        with pytest.raises(ReplyTimeoutError):
            await room.driver.connect()
        assert room.clock.monotonic_s() < 15


async def test_without_connection_or_folder_nothing_goes(tmp_path: Path) -> None:
    with pytest.raises(DisconnectedError):
        await Lab(tmp_path).driver.open_drawer()
    with pytest.raises(UserInputError, match="folder"):
        await Lab(None).driver.connect()


@pytest.mark.wall_time
async def test_the_driver_and_the_simulator_meet_over_tcp(tmp_path: Path) -> None:
    room = Lab(tmp_path, handler_s=0.0)
    async with serve_tcp(room.simulator) as address:
        setup = DriverSetup(
            "reader", room.clock, open_connector(address), Flipr.Settings.model_validate(SETTINGS),
            DropDirectory(tmp_path, in_thread=True),
        )  # fmt: skip
        subject = Flipr(setup)
        assert (await subject.connect()).model == "FLIPR Tetra"
        await subject.open_drawer()
        await subject.aclose()


# Exports ------------------------------------------------------------------------------------
async def test_an_export_that_never_comes_is_told(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("no_export")) as room:
        await room.driver.connect()
        frames, _, error = await room.read()

    assert frames == []
    assert isinstance(error, ReplyTimeoutError)
    assert "the run is over, but no whole export came within 60 s" in str(error)


async def test_of_an_export_that_stops_growing_whole_lines_are_taken(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("growing_export")) as room:
        await room.driver.connect()
        frames, additions, error = await room.read()

    assert isinstance(error, ReplyTimeoutError)
    assert 41 < len(frames) < 82
    assert len(additions) == 1
    assert sum(frame.channel == 0 for frame in frames) == 41


async def test_a_damaged_number_condemns_the_export(tmp_path: Path) -> None:
    async with lab(tmp_path, Fault("garbled_export")) as room:
        await room.driver.connect()
        frames, _, error = await room.read()

    assert frames == []
    assert isinstance(error, MalformedReplyError)
    assert "P1 run 7.txt:" in str(error)


class Rewritten:
    """A folder whose one file is written again after the first look."""

    def __init__(self, *versions: bytes) -> None:
        self._versions = list(versions)

    async def names(self) -> list[str]:
        return ["x.txt"]

    async def read(self, name: str, *, longest: int = -1) -> bytes:
        again = len(self._versions) > 1 and longest < 0
        return self._versions.pop(0) if again else self._versions[0]


async def test_an_export_is_taken_once_it_has_stopped_changing() -> None:
    first = b"FLIPR time sequence\t1\nData file\td\nEnd\n"
    watch = ExportWatch(
        Rewritten(first, first.replace(b"End", b"Stopped")), "d", clock=VirtualClock(), poll_s=1.0
    )

    found = await watch.until_whole(10.0)

    assert found is not None
    assert found.data.endswith(b"Stopped\n")


# Transcripts --------------------------------------------------------------------------------
def chopped(turns: tuple[Turn, ...], size: int) -> tuple[Turn, ...]:
    pieces: list[Turn] = []
    for turn in turns:
        step = size if turn.side == "<" else len(turn.data)
        pieces += [Turn(turn.side, turn.data[i : i + step]) for i in range(0, len(turn.data), step)]
    return tuple(pieces)


def replaying(folder: Path, turns: tuple[Turn, ...]) -> Flipr:
    async def connect() -> ByteStream:
        return ReplayStream(turns)

    return Flipr(
        DriverSetup(
            "reader", VirtualClock(), connect, Flipr.Settings.model_validate(SETTINGS),
            DropDirectory(folder, in_thread=False),
        )
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(
    transcripts: Path, tmp_path: Path, size: int
) -> None:
    turns = parse_transcript((transcripts / "flipr_read.txt").read_text("ascii"))
    subject = replaying(tmp_path, chopped(turns, size))
    read = replace(READ, title="P1 blank", injection=None, baseline_s=0.0, record_s=20.0)

    assert (await subject.connect()).model == "FLIPR Tetra"
    with pytest.raises(ReplyTimeoutError, match="no whole export"):
        await anext(subject.read_kinetic(read))
    await subject.open_drawer()
    await subject.aclose()


async def test_a_recorded_refusal_carries_its_code(transcripts: Path, tmp_path: Path) -> None:
    turns = parse_transcript((transcripts / "flipr_refusals.txt").read_text("ascii"))
    subject = replaying(tmp_path, turns)

    await subject.connect()
    with pytest.raises(InstrumentFaultError, match="experiment running") as caught:
        await anext(subject.read_kinetic(
            replace(READ, title="x", injection=None, baseline_s=0.0, record_s=20.0)
        ))  # fmt: skip
    assert caught.value.code == "c25"
    await subject.aclose()
