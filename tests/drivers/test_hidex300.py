"""The Hidex 300 SL driver: its file format, its waiting, and the simulated counter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.file_bench import arrive, collector
from tests.line_bench import recorded

from platectl.domain.errors import (
    DisconnectedError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.counting import Counter, CountReading
from platectl.hal.instrument import DriverSetup
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory
from platectl_drivers.hidex300 import Hidex300, Settings, parse_file
from platectl_drivers.hidex300.export_file import BLOCK_LINES, progress
from platectl_simulators.hidex300 import Hidex300Simulator

PLATE = tuple(f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13))
TITLE = "Lu-177 HS3 041223_ciclo1"
#: scalar lines of two captured readings (metpyrad): a sample and the background vial
SAMPLE = {
    "WName": "A08", "CPM": "163810.340", "DPM": "167757", "TDCR": "0.976", "Counts": "252679",
    "DTime": "1.080", "Time": "100", "EndTime": "04/12/2023 12:45:30",
}  # fmt: skip
BLANK = {
    "WName": "A07", "CPM": "85.760", "DPM": "138", "TDCR": "0.622", "Counts": "143",
    "DTime": "1.000", "Time": "100", "EndTime": "04/12/2023 12:42:08",
}  # fmt: skip


def block(values: dict[str, str], *, repetition: int = 1, beta: int | None = None) -> list[str]:
    """Write one reading as the published description has it; the spectrum is one channel."""
    counts = int(values["Counts"])
    beta = beta if beta is not None else counts - (repetition == 1 and counts > 0)
    triple = round(counts * float(values["TDCR"]))
    fields = {
        "Samp.": "2", "Repe.": str(repetition), "Vial": "8", "WName": "", "CPM": "", "DPM": "",
        "TDCR": "", "Chemi": "54.580", "Counts": "", "DTime": "", "Time": "", "EndTime": "",
        "QPE": "781.650", "QPI": "452.590", "LumiCPS": "3286", "Temp": "22.30",
        "Column 17": "0", "Column 18": "0", "Column 19": "0", "Column 20": "0",
    } | values  # fmt: skip
    channels = [f"{channel};0;0;0;0" for channel in range(1, 1025)]
    channels[299] = f"300;0;{beta};0;{triple}"
    return [
        "Sample start",
        *(f"{key};{value}" for key, value in fields.items()),
        "Spectrum:;Alpha;Beta;Alpha Triple;Beta Triple",
        *channels,
        "Alpha:",
        *[";".join(["0"] * 64)] * 32,
    ]


def export(*blocks: list[str], title: str = TITLE) -> bytes:
    header = [
        title, "Start Time 16:19:00", "- ROI1 Free Channel Limits 1 - 1023, Type Beta",
        "Counting type: Low",
    ]  # fmt: skip
    return "\n".join([*header, *(line for lines in blocks for line in lines), ""]).encode("ascii")


def test_captured_readings_are_read_as_they_stand() -> None:
    blank, sample = parse_file(export(block(BLANK), block(SAMPLE)), "x.csv")

    assert (sample.well, sample.cpm, sample.counts, sample.dpm) == ("A8", 163810.34, 252679, 167757)
    assert sample.live_s == pytest.approx(100 / 1.080)
    assert sample.ended_at == "2023-12-04T12:45:30"
    assert sample.source == f"x.csv:{4 + BLOCK_LINES + 1}"
    assert (blank.well, blank.tdcr, blank.flags) == ("A7", 0.622, ())


def test_a_reading_has_as_many_lines_as_published() -> None:
    assert len(block(SAMPLE)) == BLOCK_LINES == 1079


def test_a_last_line_without_end_is_whole() -> None:
    data = export(block(SAMPLE))[:-1]

    assert progress(data).whole
    assert len(parse_file(data, "x")) == 1


def test_line_ends_of_windows_are_accepted_throughout_only() -> None:
    data = export(block(SAMPLE))

    assert parse_file(data.replace(b"\n", b"\r\n"), "x") == parse_file(data, "x")
    with pytest.raises(MalformedReplyError, match="x: line ends are mixed"):
        parse_file(data.replace(b"\n", b"\r\n", 7), "x")


@pytest.mark.parametrize(
    ("values", "relation"),
    [
        ({"Counts": "253000"}, r"x:5: .*Counts = CPM / 60 \* Time / DTime"),
        ({"CPM": "163000.000"}, r"Counts = CPM"),
        ({"DPM": "170000"}, "DPM = CPM / TDCR"),
        ({"DTime": "0.900"}, "out of range"),
        ({"Time": "0"}, "out of range"),
        ({"TDCR": "1.200"}, "no ratio"),
        ({"CPM": "nan"}, "'nan' is not a number"),
        ({"WName": "8"}, "WName"),
        ({"EndTime": "31/02/2023 12:45:30"}, "no date"),
        ({"EndTime": "2023-12-04 12:45:30"}, "EndTime"),
    ],
)
def test_a_broken_relation_names_file_line_and_relation(
    values: dict[str, str], relation: str
) -> None:
    with pytest.raises(MalformedReplyError, match=relation):
        parse_file(export(block(SAMPLE | values)), "x")


def test_spectra_are_checked_as_long_as_the_counter_writes_fresh_ones() -> None:
    exact = int(SAMPLE["Counts"])

    parse_file(export(block(SAMPLE, repetition=2)), "x")
    parse_file(export(block(SAMPLE, repetition=19, beta=17)), "x")
    with pytest.raises(MalformedReplyError, match=r"sum of Beta = Counts"):
        parse_file(export(block(SAMPLE, repetition=18, beta=exact - 1)), "x")
    with pytest.raises(MalformedReplyError, match=r"sum of Beta <= Counts"):
        parse_file(export(block(SAMPLE, repetition=1, beta=exact + 1)), "x")
    lines = block(SAMPLE)
    lines[22 + 299] = "300;0;5;0;5"
    with pytest.raises(MalformedReplyError, match=r"sum of Beta Triple / Counts = TDCR"):
        parse_file(export(lines), "x")


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (0, "Sample stop", "x:5: expected 'Sample start'"),
        (5, "CPM;1;2", "x:10: expected 'CPM'"),
        (6, "Dpm;1", "x:11: expected 'DPM'"),
        (21, "Spectrum:", "x:26: expected the title line"),
        (30, "9;0;1_0;0;0", "x:35: expected 5 whole numbers"),
        (30, "10;0;1;0;0", "x:35: expected channel 9"),
        (1046, "Beta:", "x:1051: expected 'Alpha:'"),
        (1078, "0;0", "x:1083: expected 64 whole numbers"),
    ],
)
def test_any_strange_line_is_refused_with_its_number(line: int, text: str, message: str) -> None:
    lines = block(SAMPLE)
    lines[line] = text

    with pytest.raises(MalformedReplyError, match=message):
        parse_file(export(lines), "x")


def test_other_channel_limits_are_refused() -> None:
    data = export(block(SAMPLE)).replace(b"1 - 1023", b"50 - 900")

    with pytest.raises(MalformedReplyError, match="x:3: expected '- ROI1"):
        parse_file(data, "x")


def test_no_triple_coincidences_are_flagged_and_the_reading_is_kept() -> None:
    dead = BLANK | {"TDCR": "0.000", "DPM": "0"}
    silent = BLANK | {"TDCR": "0.000", "DPM": "0", "Counts": "0", "CPM": "0.000"}
    low = SAMPLE | {"TDCR": "0.300", "DPM": "546034", "WName": "A09"}

    readings = parse_file(
        export(block(SAMPLE), block(SAMPLE), block(dead), block(silent), block(low)), "x"
    )

    assert [r.flags for r in readings] == [(), (), ("tdcr_zero",), ("no_counts",), ("tdcr_low",)]
    assert readings[2].dpm is None


@given(st.integers(0, 200_000), st.floats(0, 1), st.integers(1, 3600), st.floats(1, 1.5))
@settings(max_examples=60, deadline=None)
def test_every_reading_that_keeps_the_relations_is_accepted(
    counts: int, ratio: float, time_s: int, dead: float
) -> None:
    triple = round(counts * ratio)
    tdcr = triple / counts if counts else 0.0
    cpm = counts * 60 * dead / time_s
    values = {
        "Counts": str(counts), "CPM": f"{cpm:.3f}", "TDCR": f"{tdcr:.3f}", "DTime": f"{dead:.3f}",
        "Time": str(time_s), "DPM": str(round(cpm / tdcr) if tdcr else 0),
    }  # fmt: skip
    lines = block(SAMPLE | values, beta=max(0, counts - 1))
    lines[22 + 299] = f"300;0;{max(0, counts - 1)};0;{triple}"

    (reading,) = parse_file(export(lines), "x")

    assert reading.counts == counts
    assert reading.cpm == pytest.approx(counts * 60 / reading.live_s, rel=1e-3, abs=0.01)


WHOLE = export(block(BLANK), block(SAMPLE))


@given(st.integers(0, len(WHOLE) - 2))
@settings(max_examples=100, deadline=None)
def test_no_beginning_of_a_file_passes_for_the_whole(length: int) -> None:
    grown = progress(WHOLE[:length])

    if grown.whole and grown.readings == 2:
        with pytest.raises(MalformedReplyError):
            parse_file(WHOLE[:length], "x")


# Waiting ------------------------------------------------------------------------------------


class Bench:
    """Stands in for the world: every well has the same rate and efficiency."""

    def __init__(self) -> None:
        self.notices: dict[str, list[Any]] = {}
        self.rate_cpm = 1500.0

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(7)

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        """What takes so long as a rule takes so long."""
        del instrument, person
        return nominal_s

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        return np.full(len(wells), self.rate_cpm)

    def efficiency(self, position: str, wells: Sequence[str]) -> np.ndarray:
        return np.full(len(wells), 0.45)


async def no_wire() -> ByteStream:
    raise DisconnectedError("there is no wire")


def driver(folder: Path | None, **values: float) -> Hidex300:
    drop = None if folder is None else DropDirectory(folder, in_thread=False)
    return Hidex300(DriverSetup("counter", VirtualClock(), no_wire, Settings(**values), drop))


@asynccontextmanager
async def counting(
    folder: Path, *faults: Fault, bench: Bench | None = None, wells: Sequence[str] = PLATE[:4],
    title: str = "P1 run 7", started: bool = True,
) -> AsyncIterator[Hidex300]:  # fmt: skip
    """Start a measurement by hand at the simulated counter."""
    bench = bench or Bench()
    counter = Hidex300Simulator(
        SimulatorSetup(
            "counter", bench, VirtualClock(), "counter", faults=FaultPlan(faults), folder=folder
        )  # type: ignore[arg-type]
    )
    note = {"title": title, "wells": list(wells), "count_s": 120.0}
    if started:
        bench.notices["counter.start"] = [note]
    task = asyncio.create_task(counter.run())
    try:
        yield driver(folder)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def count(subject: Hidex300, wells: Sequence[str] = PLATE[:4]) -> Any:
    return await subject.count(title="P1 run 7", wells=wells, count_s=120.0)


def test_the_driver_satisfies_the_interface(tmp_path: Path) -> None:
    subject: Counter = driver(tmp_path)

    assert subject.features.started_by == "operator"


async def test_a_plate_is_counted_and_taken_once_the_file_is_whole(tmp_path: Path) -> None:
    clock = VirtualClock()
    async with counting(tmp_path, wells=PLATE) as subject:
        readings = await count(subject, PLATE)

    assert tuple(reading.well for reading in readings) == PLATE
    assert clock.monotonic_s() == pytest.approx(96 * 222, abs=200)
    rates = np.array([reading.cpm for reading in readings])
    assert rates.mean() == pytest.approx(1518, rel=0.01)
    assert np.mean([reading.tdcr for reading in readings]) == pytest.approx(0.452, abs=0.01)
    assert all(r.flags == () and r.live_s == pytest.approx(120, rel=0.002) for r in readings)


async def test_a_file_that_grows_as_recorded_gives_its_one_reading(
    transcripts: Path, tmp_path: Path
) -> None:
    subject = collector("hidex300", tmp_path, poll_s=0.4)

    readings, _ = await asyncio.gather(
        subject.count(title="P0007-filter", wells=["A1"], count_s=100.0),
        arrive(tmp_path / "a.csv", recorded(transcripts, "hidex300_one_well")),
    )

    assert readings == (
        CountReading(
            "A1", cpm=1517.92, counts=2528, live_s=pytest.approx(100 / 1.001),
            ended_at="2026-01-05T18:01:40", dpm=3357, tdcr=0.452, source="a.csv:5",
        ),
    )  # fmt: skip


async def test_readings_come_in_the_order_asked_for(tmp_path: Path) -> None:
    async with counting(tmp_path, wells=["A1", "B1", "C12"]) as subject:
        readings = await count(subject, ["C12", "A1", "B1"])

    assert [reading.well for reading in readings] == ["C12", "A1", "B1"]


async def test_an_old_file_with_another_title_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_bytes(export(block(SAMPLE), title="P1 run 6"))

    with pytest.raises(ReplyTimeoutError, match=r"other files: old.csv \(P1 run 6\)"):
        await count(driver(tmp_path))


async def test_two_whole_files_of_one_title_are_ambiguous(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(export(block(SAMPLE), title="P1 run 7"))

    with pytest.raises(MalformedReplyError, match=r"a.csv and b.csv are both of 'P1 run 7'"):
        await count(driver(tmp_path), ["A8"])


async def test_other_wells_than_asked_for_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(export(block(SAMPLE), title="P1 run 7"))

    with pytest.raises(MalformedReplyError, match=r"a.csv: wells missing: A1; not asked for: A8"):
        await count(driver(tmp_path), ["A1"])


async def test_another_counting_time_is_flagged(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(export(block(SAMPLE), title="P1 run 7"))

    (reading,) = await count(driver(tmp_path), ["A8"])

    assert reading.flags == ("count_time",)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("silent", ReplyTimeoutError, "holds no such file"),
        ("reply_lost", ReplyTimeoutError, "holds no such file"),
        ("garbled_reply", MalformedReplyError, r"P1 run 7.csv:14: expected 'Counts'"),
        ("growing_file", ReplyTimeoutError, r"P1 run 7.csv has 2 of 4 readings and \d+ further"),
        ("short_last_block", ReplyTimeoutError, "has 3 of 4 readings and 1069 further lines"),
        ("wrong_title", ReplyTimeoutError, r"other files: Untitled.csv \(Untitled\)"),
        ("relation_broken", MalformedReplyError, r"P1 run 7.csv:5: broken relation Counts = CPM"),
    ],
)
async def test_each_fault_ends_in_its_error(
    tmp_path: Path, kind: str, error: type[Exception], message: str
) -> None:
    begun = VirtualClock()
    async with counting(tmp_path, Fault(kind)) as subject:
        with pytest.raises(error, match=message):
            await count(subject)

    assert begun.monotonic_s() <= 4 * 222 + 3600 + 1


@pytest.mark.parametrize("kind", ["start_time_nonsense", "crlf", "late_reply"])
async def test_harmless_oddities_change_no_result(tmp_path: Path, kind: str) -> None:
    async with counting(tmp_path, Fault(kind)) as subject:
        odd = await count(subject)
    plain_folder = tmp_path / "plain"
    plain_folder.mkdir()
    async with counting(plain_folder) as subject:
        plain = await count(subject)

    assert [r.counts for r in odd] == [r.counts for r in plain]


async def test_a_dead_photomultiplier_shows_in_the_flags(tmp_path: Path) -> None:
    async with counting(tmp_path, Fault("dead_pmt", data={"from_reading": 2})) as subject:
        readings = await count(subject)

    assert [r.flags for r in readings] == [(), (), ("tdcr_zero",), ("tdcr_zero",)]
    assert readings[3].cpm < 0.8 * readings[0].cpm


async def test_no_counts_at_all_is_still_a_reading(tmp_path: Path) -> None:
    bench = Bench()
    bench.rate_cpm = -18.0
    async with counting(tmp_path, bench=bench) as subject:
        readings = await count(subject)

    assert all(reading.counts < 100 for reading in readings)


async def test_a_share_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    folder, away = tmp_path / "share", tmp_path / "away"
    folder.mkdir()
    async with counting(folder) as subject:
        waiting = asyncio.create_task(count(subject))
        await asyncio.sleep(4 * 222)
        folder.rename(away)
        await asyncio.sleep(600)
        away.rename(folder)

        assert len(await waiting) == 4


async def test_wells_are_asked_for_once(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="each well once"):
        await driver(tmp_path).count(title="x", wells=["A1", "A1"], count_s=60)
