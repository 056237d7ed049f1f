"""The FlexStation 3 by files: waiting for the right export, its times, and the simulated reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.file_bench import arrive
from tests.fura_bench import PLATE, FuraBench, expected
from tests.line_bench import recorded

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import DriverSetup
from platectl.hal.reading import Addition, Channel, Frame, Injection, KineticRead, PlateReader
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.drop_watch import DropWatch
from platectl_drivers.softmax_file import Settings, SoftmaxFile, parse_export
from platectl_drivers.softmax_file.frames import Timing, items_of
from platectl_drivers.softmax_file.watch import look
from platectl_simulators.softmax_file import SoftmaxFileSimulator

SAMPLES = Path(__file__).parents[1] / "data" / "softmax"
READ = KineticRead(
    title="P1 run 7",
    plate="P1",
    wells=tuple(well for column in (3, 4, 5) for well in PLATE.column(column)),
    channels=(Channel(340.0, 510.0), Channel(380.0, 510.0)),
    interval_s=2.0,
    baseline_s=20.0,
    record_s=60.0,
    injection=Injection("C1", volume_ul=25.0, speed_ul_per_s=32.0, height_mm=3.0),
    columns=(3, 4, 5),
)
#: what a lab has measured at its reader; both sides get it from the lab file
MEASURED: dict[str, Any] = {"channel_s": 0.5, "transfer_lag_s": 0.7}


def note(read: KineticRead) -> dict[str, Any]:
    """What a read step tells the person who starts the reader."""
    said = {key: value for key, value in asdict(read).items() if key not in {"bottom", "injection"}}
    channels = [[channel.excitation_nm, channel.emission_nm] for channel in read.channels]
    pipettor = None if read.injection is None else asdict(read.injection)
    return {**said, "channels": channels, "pipettor": pipettor}


async def no_wire() -> ByteStream:
    raise DisconnectedError("there is no wire")


def driver(folder: Path | None, **values: Any) -> SoftmaxFile:
    drop = None if folder is None else DropDirectory(folder, in_thread=False)
    settings = Settings(**{**MEASURED, **values})
    return SoftmaxFile(DriverSetup("reader", VirtualClock(), no_wire, settings, drop))


@asynccontextmanager
async def reading(
    folder: Path, *faults: Fault, bench: FuraBench | None = None, read: KineticRead = READ,
    **settings: Any,
) -> AsyncIterator[SoftmaxFile]:  # fmt: skip
    """A reader that a person starts 10 s after the driver began to wait."""
    bench = bench or FuraBench()
    simulator = SoftmaxFileSimulator(
        SimulatorSetup(
            "reader", bench, VirtualClock(), "read",
            {**MEASURED, "source": "source", "tips": "tips", **settings}, FaultPlan(faults), folder,
        )
    )  # fmt: skip

    async def person() -> None:
        await asyncio.sleep(9.7)
        bench.notices["reader.start"].append(note(read))

    tasks = [asyncio.create_task(simulator.run()), asyncio.create_task(person())]
    own = {key: value for key, value in settings.items() if key == "sections"}
    try:
        yield driver(folder, **own)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def collect(
    subject: SoftmaxFile, read: KineticRead = READ
) -> tuple[list[Frame], list[Addition], Exception | None]:
    frames: list[Frame] = []
    additions: list[Addition] = []
    try:
        async for item in subject.read_kinetic(read):
            (frames if isinstance(item, Frame) else additions).append(item)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  # handed to the test
        return frames, additions, error
    return frames, additions, None


def test_the_driver_satisfies_the_interface(tmp_path: Path) -> None:
    subject: PlateReader = driver(tmp_path)

    features = subject.features
    assert (features.geometry, features.started_by, features.delivery) == (
        "column", "operator", "after",
    )  # fmt: skip
    assert features.injection is not None
    assert features.injection.height_mm == pytest.approx((0.031, 9.375), abs=0.001)
    assert subject.read_duration_s(READ) == 3 * 95


@pytest.mark.parametrize("name", ["softmax_file_plate_format", "softmax_file_time_format"])
async def test_a_file_that_grows_as_recorded_gives_frames_and_additions(
    transcripts: Path, tmp_path: Path, name: str
) -> None:
    read = replace(
        READ, title="P0007-cells", wells=("A2", "B2", "A3"), columns=(2, 3), interval_s=4.0,
        baseline_s=4.0, record_s=4.0,
    )  # fmt: skip

    (frames, additions, error), _ = await asyncio.gather(
        collect(driver(tmp_path, poll_s=0.4), read),
        arrive(tmp_path / "a.txt", recorded(transcripts, name)),
    )

    assert error is None
    assert [(frame.index, frame.channel, frame.wells, frame.values) for frame in frames] == [
        (0, 0, ("A2", "B2"), (2204.0, 2257.0)), (0, 1, ("A2", "B2"), (5210.0, 5335.0)),
        (1, 0, ("A2", "B2"), (2204.0, 2257.0)), (1, 1, ("A2", "B2"), (5210.0, 5335.0)),
        (2, 0, ("A2", "B2"), (4603.0, 4714.0)), (2, 1, ("A2", "B2"), (3479.0, 3562.0)),
        (0, 0, ("A3",), (2209.0,)), (0, 1, ("A3",), (5221.0,)),
        (1, 0, ("A3",), (2209.0,)), (1, 1, ("A3",), (5221.0,)),
        (2, 0, ("A3",), (4612.0,)), (2, 1, ("A3",), (3486.0,)),
    ]  # fmt: skip
    since_s = [frame.at_s[0] - frames[0].at_s[0] for frame in frames]
    added_s = [at_s - frames[0].at_s[0] for a in additions for at_s in a.at_s.values()]
    assert since_s == pytest.approx([0, 0.5, 4, 4.5, 8, 8.5, 23, 23.5, 27, 27.5, 31, 31.5])
    assert added_s == pytest.approx([4.7, 4.7, 27.7])
    assert {(frame.temperature_c, *frame.flags) for frame in frames} == {(37.0,)}


@pytest.mark.parametrize(
    "settings",
    [{}, {"layout": "TimeFormat"}, {"encoding": "mac-roman"}, {"sections": "column"}],
    ids=str,
)
async def test_a_read_gives_every_wells_signal_at_its_true_time_and_one_addition(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    bench = FuraBench()
    async with reading(tmp_path, bench=bench, **settings) as subject:
        frames, additions, error = await collect(subject)

    assert error is None
    assert len(frames) == 3 * 41 * 2
    assert {frame.index for frame in frames} == set(range(41))
    added = {well: at for addition in additions for well, at in addition.at_s.items()}
    assert sum(len(addition.at_s) for addition in additions) == 24
    assert set(added) == set(READ.wells) == set(bench.added_s)
    assert all(len(times) == 1 for times in bench.added_s.values())
    shift = {well: added[well] - bench.added_s[well][0] for well in READ.wells}
    assert np.ptp(list(shift.values())) < 1e-6
    assert abs(shift["A3"]) < 10
    for frame in frames:
        since = np.array(frame.at_s) - np.array([added[well] for well in frame.wells])
        excitation = READ.channels[frame.channel].excitation_nm
        wanted = [expected(w, excitation, s) for w, s in zip(frame.wells, since, strict=True)]
        assert frame.values == pytest.approx(wanted, rel=0.09)
        assert frame.temperature_c == 37.0
        assert frame.source.startswith("P1 run 7.txt:")
    errors = [
        value / expected(well, READ.channels[f.channel].excitation_nm, at - added[well]) - 1
        for f in frames for well, at, value in zip(f.wells, f.at_s, f.values, strict=True)
    ]  # fmt: skip
    assert abs(np.mean(errors)) < 0.001
    assert np.std(errors) < 0.025
    assert "as set; the export does not state it" in additions[0].source


async def test_frames_and_the_addition_of_a_column_come_in_the_order_of_time(
    tmp_path: Path,
) -> None:
    async with reading(tmp_path) as subject:
        times = [
            item.at_s[0] if isinstance(item, Frame) else min(item.at_s.values())
            async for item in subject.read_kinetic(READ)
        ]

    assert times == sorted(times)
    assert len(times) == 3 * (41 * 2 + 1)


async def test_whole_seconds_in_the_export_do_not_blur_a_shorter_interval(tmp_path: Path) -> None:
    bench, read = FuraBench(), replace(READ, interval_s=1.5, record_s=61.0)
    async with reading(tmp_path, bench=bench, read=read) as subject:
        frames, _, error = await collect(subject, read)

    assert error is None
    times = np.array([frame.at_s[0] for frame in frames])
    true = np.array([at for at, _, _ in bench.read_s])
    assert np.ptp(times - true) < 1e-6


def test_a_point_that_came_late_keeps_the_time_that_the_export_states() -> None:
    data = (SAMPLES / "fura2_utf8.txt").read_bytes().replace(b"0:04", b"0:09")
    (plate,) = parse_export(data).plates
    read = replace(READ, wells=("A1", "B1"), columns=(1,), injection=None)
    timing = Timing(first_s=100.0, column_period_s=95.0, channel_s=0.5, transfer_lag_s=0.0)

    frames = [f for f in items_of({1: plate}, read, timing, "x") if isinstance(f, Frame)]

    assert [frame.at_s[0] for frame in frames] == [100.0, 100.5, 109.0, 109.5]
    assert frames[2].values == (1240.9, 811.2)


class Rewritten:
    """A folder whose one file is written again after the first look."""

    def __init__(self, *versions: bytes) -> None:
        self._versions = list(versions)

    async def names(self) -> list[str]:
        return ["x.txt"]

    async def read(self, name: str, *, longest: int = -1) -> bytes:
        return self._versions.pop(0) if len(self._versions) > 1 else self._versions[0]


async def test_an_export_is_taken_once_it_has_stopped_changing() -> None:
    first = (SAMPLES / "fura2_utf8.txt").read_bytes()
    watch = DropWatch(Rewritten(first, first + b"\n"), "Ca1", look, VirtualClock())

    assert await watch.take() is None
    assert await watch.take() is None
    await asyncio.sleep(5)
    found = await watch.take()

    assert found is not None
    assert (found.data, found.seen_s) == (first + b"\n", 0.0)


async def test_a_read_without_injection_adds_nothing(tmp_path: Path) -> None:
    bench, read = FuraBench(), replace(READ, injection=None)
    async with reading(tmp_path, bench=bench, read=read) as subject:
        frames, additions, error = await collect(subject, read)

    assert error is None
    assert (len(frames), additions, bench.added_s) == (246, [], {})


async def test_columns_in_another_order_need_a_section_each(tmp_path: Path) -> None:
    read = replace(READ, columns=(5, 3, 4))
    with pytest.raises(RefusedError, match="sections: column"):
        await anext(driver(tmp_path).read_kinetic(read))

    async with reading(tmp_path, read=read, sections="column") as subject:
        frames, _, error = await collect(subject, read)

    assert error is None
    assert [frame.wells[0] for frame in frames[:: 41 * 2]] == ["A5", "A3", "A4"]


async def test_without_an_order_the_columns_of_the_wells_are_read_from_left_to_right(
    tmp_path: Path,
) -> None:
    read = replace(READ, columns=())
    assert driver(tmp_path).read_duration_s(read) == 3 * 95
    async with reading(tmp_path, read=read) as subject:
        frames, _, error = await collect(subject, read)

    assert error is None
    assert [frame.wells[0] for frame in frames[:: 41 * 2]] == ["A3", "A4", "A5"]


async def test_a_saturated_well_is_flagged_not_numbered(tmp_path: Path) -> None:
    async with reading(tmp_path, full_scale=5800.0) as subject:
        frames, _, error = await collect(subject)

    assert error is None
    flagged = [frame for frame in frames if frame.flags]
    assert flagged
    assert all(frame.channel == 1 for frame in flagged)
    for frame in flagged:
        for well, flag in frame.flags.items():
            assert flag == "saturated"
            assert np.isnan(frame.values[frame.wells.index(well)])


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("silent", ReplyTimeoutError, "holds no such file"),
        ("reply_lost", ReplyTimeoutError, "holds no such file"),
        ("growing_file", ReplyTimeoutError, r"P1 run 7.txt has 1 of 2 blocks"),
        ("stale_title", ReplyTimeoutError, r"other files: Plate1.txt \(Plate1\)"),
        ("garbled_reply", MalformedReplyError, r"P1 run 7.txt:\d+: .*is not a number"),
    ],
)
async def test_each_fault_ends_in_its_error(
    tmp_path: Path, kind: str, error: type[Exception], message: str
) -> None:
    async with reading(tmp_path, Fault(kind)) as subject:
        frames, additions, caught = await collect(subject)

    assert (frames, additions) == ([], [])
    assert type(caught) is error
    with pytest.raises(error, match=message):
        raise caught
    assert VirtualClock().monotonic_s() < 3 * 95 + 3600 + 10


@pytest.mark.parametrize("kind", ["no_date_line", "reduced_data", "late_reply"])
async def test_harmless_oddities_change_no_value(tmp_path: Path, kind: str) -> None:
    async with reading(tmp_path, Fault(kind)) as subject:
        odd, _, error = await collect(subject)
    plain_folder = tmp_path / "plain"
    plain_folder.mkdir()
    async with reading(plain_folder) as subject:
        plain, _, _ = await collect(subject)

    assert error is None
    assert [frame.values for frame in odd] == [frame.values for frame in plain]


@pytest.mark.parametrize("settings", [{}, {"sections": "column"}], ids=str)
async def test_columns_that_were_read_are_kept_when_the_reader_stops(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    fault = Fault("stops", data={"columns": 2})
    async with reading(tmp_path, fault, **settings) as subject:
        frames, additions, error = await collect(subject)

    assert isinstance(error, InstrumentFaultError)
    assert error.code == "incomplete"
    assert "column 5" in str(error)
    assert (len(frames), len(additions)) == (2 * 82, 2)


async def test_missing_tips_end_the_read_and_nothing_is_added(tmp_path: Path) -> None:
    bench = FuraBench()
    bench.new_tips("reader", rack="T1", wells=PLATE.column(4))
    async with reading(tmp_path, bench=bench) as subject:
        frames, _, error = await collect(subject)

    assert isinstance(error, InstrumentFaultError)
    assert {frame.wells for frame in frames} == {PLATE.column(3)}
    assert bench.notices["reader.mishap"][0]["reason"] == "no_tips"
    assert set(bench.added_s) == set(PLATE.column(3))


async def test_a_file_that_was_there_before_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes((SAMPLES / "fura2_utf16.txt").read_bytes())

    with pytest.raises(RefusedError, match=r"old.txt carries the title 'Ca1' before"):
        await anext(driver(tmp_path).read_kinetic(replace(READ, title="Ca1")))


async def test_two_exports_of_one_title_are_ambiguous(tmp_path: Path) -> None:
    async with reading(tmp_path) as subject:
        waiting = asyncio.create_task(collect(subject))
        await asyncio.sleep(1)
        for name in ("a.txt", "b.txt"):
            data = (SAMPLES / "fura2_utf8.txt").read_bytes()
            (tmp_path / name).write_bytes(data.replace(b"\tCa1", b"\tP1 run 7"))
        *_, error = await waiting

    assert isinstance(error, MalformedReplyError)
    assert "a.txt and b.txt are both of" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval_s": 4.0}, "interval 2.0, not 4.0"),
        ({"record_s": 80.0}, "points 41, not 51"),
        ({"bottom": False}, "bottom read True, not False"),
        ({"channels": READ.channels[:1]}, "wavelengths"),
    ],
)
async def test_an_export_with_other_settings_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    async with reading(tmp_path) as subject:
        *_, error = await collect(subject, replace(READ, **change))

    assert isinstance(error, MalformedReplyError)
    assert message in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": ""}, "title"), ({"title": "Größe"}, "title"), ({"title": " x"}, "title"),
        ({"wells": ()}, "each well once"), ({"wells": ("A3", "A3")}, "each well once"),
        ({"wells": ("A13",)}, "no well"), ({"columns": (3, 4)}, "columns"),
        ({"channels": ()}, "channel"), ({"channels": (Channel(200.0, 510.0),)}, "200 nm"),
        ({"interval_s": 1.0}, "interval of 1 s"), ({"interval_s": float("nan")}, "interval"),
        ({"record_s": 9990.0}, "at most 9999 s"), ({"baseline_s": -1.0}, "interval"),
        ({"injection": Injection("C1", 201.0, 32.0, 3.0)}, "201 uL;"),
        ({"injection": Injection("C1", 25.0, 10.0, 3.0)}, "10 uL/s"),
        ({"injection": Injection("C1", 25.0, 32.0, 12.0)}, "12 mm"),
    ],
)  # fmt: skip
async def test_what_is_outside_the_features_is_refused_at_once(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    begun_s = VirtualClock().monotonic_s()
    with pytest.raises(RefusedError, match=message):
        await anext(driver(tmp_path).read_kinetic(replace(READ, **change)))
    assert VirtualClock().monotonic_s() == begun_s


async def test_a_share_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    folder, away = tmp_path / "share", tmp_path / "away"
    folder.mkdir()
    async with reading(folder) as subject:
        waiting = asyncio.create_task(collect(subject))
        await asyncio.sleep(100)
        folder.rename(away)
        await asyncio.sleep(100)
        away.rename(folder)
        frames, _, error = await waiting

    assert (len(frames), error) == (246, None)


async def test_a_folder_that_cannot_be_read_is_told_before_the_wait(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="could not be collected"):
        await anext(driver(tmp_path / "nowhere").read_kinetic(READ))


async def test_what_a_person_sees_to_is_refused(tmp_path: Path) -> None:
    subject = driver(tmp_path, set_temperature_c=37.0)
    await subject.set_temperature(37.0)
    await subject.set_temperature(None)
    assert await subject.read_temperature_c() == 37.0
    for verb in (subject.set_temperature(36.0), driver(tmp_path).read_temperature_c(),
                 subject.open_drawer(), subject.close_drawer()):  # fmt: skip
        with pytest.raises(RefusedError):
            await verb
