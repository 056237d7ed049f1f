"""Counts by delimited lines: what is declared is read, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.file_bench import EvenJournal, arrive, collector, grows, started
from tests.line_bench import action, played, recorded

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.counting import CountReading
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl_drivers.delimited_counts import Settings, parse_lines
from platectl_drivers.delimited_counts.layout import in_order, look
from platectl_simulators.delimited_counts import DelimitedCountsSimulator

PLATE = PlateFormat.of(96)
TITLE = "P0007-filter"
#: what a lab has TopCount write: bar-code, well, cpm
TOPCOUNT: dict[str, Any] = {
    "separator": ",",
    "columns": ["plate", "well", "cpm"],
    "states": "barcode",
}
MICROBETA: dict[str, Any] = {
    "separator": "\t", "columns": ["well", "ignore", "counts", "count_min", "cpm", "ended_at"],
    "header": ["*", "Pos\tType\tCounts\tTime (min)\tCCPM\tEnd"], "footer": ["*"], "line_end": "lf",
    "well_form": "A01", "states": "file", "time_format": "%d.%m.%Y %H:%M:%S", "decimal": ",",
    "encoding": "utf-8", "detectors": 6,
}  # fmt: skip
TRICARB: dict[str, Any] = {
    "separator": ",", "columns": ["well", "count_min", "cpm", "ignore"], "well_form": "by_row",
}  # fmt: skip


def layout(**changes: Any) -> Settings:
    return Settings(**{**TOPCOUNT, **changes})


def parse(text: str, **changes: Any) -> Any:
    return parse_lines(text.encode(), "x.csv", layout(**changes), 60.0)


def test_lines_are_read_as_they_are_declared() -> None:
    (first, second) = parse("P0007,A1,1312.0\r\nP0007,A2,20\r\n")

    assert (first.plate, first.reading.well, first.reading.cpm) == ("P0007", "A1", 1312.0)
    assert (first.reading.counts, first.reading.live_s, first.reading.source) == (
        1312,
        60.0,
        "x.csv:1",
    )
    assert second.reading.flags == ()


def test_units_and_times_are_those_of_the_columns() -> None:
    text = "any\nPos\tType\tCounts\tTime (min)\tCCPM\tEnd\nA01\tU\t2624\t2,00\t1400,5\t04.12.2023 12:45:30\nend\n"
    (one,) = parse_lines(text.encode(), "x", Settings(**MICROBETA), 120.0)

    assert (one.reading.counts, one.reading.live_s, one.reading.cpm) == (2624, 120.0, 1400.5)
    assert one.reading.ended_at == "2023-12-04T12:45:30"
    assert one.reading.flags == ()


def test_another_counting_time_than_the_one_asked_for_is_flagged() -> None:
    (one,) = parse("1,2.00,50,x\r\n", **{**TRICARB, "states": "title"})

    assert (one.reading.well, one.reading.live_s, one.reading.flags) == (
        "A1",
        120.0,
        ("count_time",),
    )


@pytest.mark.parametrize(
    ("form", "field", "well"),
    [("A1", "H12", "H12"), ("A01", "B03", "B3"), ("by_row", "13", "B1"), ("by_column", "9", "A2")],
)
def test_wells_are_written_as_declared(form: str, field: str, well: str) -> None:
    (one,) = parse(f"P,{field},1\r\n", well_form=form)

    assert one.reading.well == well


@pytest.mark.parametrize(
    ("line", "changes", "message"),
    [
        ("P;A1;12", {}, r"x.csv:1: 1 items between ',', declared are 3"),
        ("P,A1,12,13", {}, "4 items"),
        ("P,A1,12 cpm", {}, "cpm is '12 cpm', which is no number; units stand in no cell"),
        ("P,A1,n/a", {}, "no number"),
        ("P,A1,nan", {}, "no number"),
        ("P,A1,inf", {}, "no number"),
        ("P,A1,1_2", {}, "no number"),
        ("P,A1,", {}, "no number"),
        ("P,A1,-3", {}, "below zero"),
        ("P,A1,1.5", {"decimal": ",", "separator": ","}, "separator is also the decimal sign"),
        ("P;A1;1.5", {"decimal": ",", "separator": ";"}, "declared as a comma"),
        ("P,A01,12", {}, "'A01' is no well of 96 written like A1"),
        ("P,A1,12", {"well_form": "A01"}, "no well"),
        ("P,I1,12", {}, "no well"),
        ("P,A13,12", {}, "no well"),
        ("P,97,12", {"well_form": "by_row"}, "none of 96"),
        ("P,0,12", {"well_form": "by_row"}, "none of 96"),
        ("P,1.0,12", {"well_form": "by_row"}, "not a whole number"),
        ("P,1_0,12", {"well_form": "by_row"}, "not a whole number"),
        ("P,A1,12,0", {"columns": ["plate", "well", "cpm", "count_s"]}, "time is zero"),
        ("P,A1,12.5,60", {"columns": ["plate", "well", "counts", "count_s"]}, "not a whole number"),
        ("P,A1,-1,60", {"columns": ["plate", "well", "counts", "count_s"]}, "counts are -1"),
        ("P,A1,1200,60,12", {"columns": ["plate", "well", "counts", "count_s", "cpm"]}, "mistaken"),
        ("P,A1,1200,60,12", {"columns": ["plate", "well", "counts", "count_s", "cps"]}, None),
        ("P,A1,1,2023", {"columns": ["plate", "well", "cpm", "ended_at"], "time_format": "%H:%M"}, "no time"),
    ],
)  # fmt: skip
def test_what_is_not_as_declared_is_refused_with_its_line(
    line: str, changes: dict[str, Any], message: str | None
) -> None:
    if message is None:
        with pytest.raises(MalformedReplyError):
            parse(f"{line}\r\n".replace(",12\r", ",120\r"), **changes)
        return
    with pytest.raises((MalformedReplyError, ValidationError), match=message):
        parse(f"{line}\r\n", **changes)


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (b"P,A1,12\n", {}, "another line end"),
        (b"P,A1,1\r\nP,A2,2\nP,A3,3\r\n", {}, "x.csv:2: another line end than crlf"),
        (b"P,A1,12\r\n", {"header": ["Plate,Well,CPM"]}, "x.csv:1: the header is 'P,A1,12', declared is"),
        (b"Plate,Well,DPM\r\nP,A1,1\r\n", {"header": ["Plate,Well,CPM"]}, "declared is 'Plate,Well,CPM'"),
        (b"P,A1,12\r\nP,A2,12\r\n", {"footer": ["End"]}, "the last lines are 'P,A2,12', declared is 'End'"),
        (b"End\r\n", {"footer": ["*", "End"]}, "shorter than its header and its last lines"),
        ("P,A1,12\r\n".encode("utf-16"), {}, "x.csv is not ascii"),
        (b"P,A1,12\xb5\r\n", {}, "x.csv is not ascii"),
    ],
)  # fmt: skip
def test_another_frame_than_declared_is_refused(
    data: bytes, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        parse_lines(data, "x.csv", layout(**changes), 60.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P,A1,1\r\nP,A1,1\r\n", r"x.csv:2: well A1 is there already, from x.csv:1"),
        ("P,A1,1\r\n", "wells missing: A2; not asked for: none"),
        ("P,A1,1\r\nP,A2,1\r\nP,A3,1\r\n", "wells missing: none; not asked for: A3"),
    ],
)
def test_each_well_that_was_asked_for_is_there_once(text: str, message: str) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        in_order(parse(text), ["A1", "A2"], "x.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": ["plate", "cpm"]}, "column `well` is needed"),
        ({"columns": ["plate", "well"]}, "cpm, cps, counts is needed"),
        ({"columns": ["well", "well", "cpm"]}, "listed twice"),
        ({"columns": ["well", "cpm", "cps"]}, "same twice"),
        ({"columns": ["well", "cpm", "count_s", "count_min"]}, "same twice"),
        ({"columns": ["well", "cpm", "ended_at"]}, "time_format"),
        ({"columns": ["well", "cpm", "volume"]}, "columns"),
        ({"separator": ", "}, "separator"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        layout(**changes)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_beginning_of_a_file_passes_for_the_whole(data: Any) -> None:
    whole = b"".join(b"P0007,%s,%d.5\r\n" % (w.encode(), n) for n, w in enumerate(PLATE.column(1)))
    length = data.draw(st.integers(0, len(whole) - 1))

    assert not look(whole[:length], layout(), PLATE.column(1)).whole
    assert look(whole, layout(), PLATE.column(1)).whole


# Waiting for a file -------------------------------------------------------------------------
def note(wells: Sequence[str] = PLATE.by_row()[:8], count_s: float = 60.0) -> dict[str, Any]:
    return {"title": TITLE, "wells": tuple(wells), "count_s": count_s}


RECORDED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[CountReading, ...]]] = {
    "delimited_counts_topcount": (
        TOPCOUNT, {"title": TITLE, "wells": ("A1", "A2", "B1"), "count_s": 60.0},
        (
            CountReading("A1", 1520.0, 1520, 60.0, source="P0007-filter.csv:1"),
            CountReading("A2", 1530.0, 1530, 60.0, source="P0007-filter.csv:2"),
            CountReading("B1", 1640.0, 1640, 60.0, source="P0007-filter.csv:3"),
        ),
    ),
    "delimited_counts_microbeta": (
        {**MICROBETA, "header": ["Protocol 3", MICROBETA["header"][1]], "footer": ["End"]},
        {"title": TITLE, "wells": tuple(PLATE.row("A")[:8]), "count_s": 120.0},
        tuple(
            CountReading(f"A{column}", cpm, counts, 120.0, f"2026-01-05T{at}", source=f"P0007-filter.csv:{column + 2}")
            for column, (cpm, counts, at) in enumerate([
                (1520.0, 2888, "18:02:00"), (1530.2, 2938, "18:02:00"), (1540.2, 2988, "18:02:00"),
                (1550.0, 3038, "18:02:00"), (1560.1, 3089, "18:02:00"), (1570.0, 3140, "18:02:00"),
                (1580.0, 3002, "18:04:05"), (1590.1, 3053, "18:04:05"),
            ], start=1)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
async def test_a_file_that_grows_as_recorded_gives_its_readings(
    transcripts: Path, tmp_path: Path, name: str
) -> None:
    declared, asked, readings = RECORDED[name]
    subject = collector("delimited_counts", tmp_path, **declared, poll_s=0.4)

    collected, _ = await asyncio.gather(
        subject.count(**asked), arrive(tmp_path / f"{TITLE}.csv", recorded(transcripts, name))
    )

    assert collected == readings


@pytest.mark.parametrize("name", RECORDED)
async def test_the_simulator_writes_the_recorded_file(
    transcripts: Path, tmp_path: Path, name: str
) -> None:
    declared, asked, _ = RECORDED[name]
    turns = recorded(transcripts, name)

    async with started("delimited_counts", tmp_path, asked, world=EvenJournal(), **declared):
        await grows(tmp_path / f"{TITLE}.csv", turns)


@pytest.mark.parametrize("how", [TOPCOUNT, MICROBETA], ids=["topcount", "microbeta"])
async def test_a_plate_is_counted_by_chance_around_its_rates(tmp_path: Path, how: Any) -> None:
    wells = PLATE.by_row()
    async with started("delimited_counts", tmp_path, note(wells), **how) as subject:
        readings = await subject.count(**note(wells))

    expected = 1520.0 + 10.0 * np.arange(96)
    cpm = np.array([reading.cpm for reading in readings])
    assert [reading.well for reading in readings] == list(wells)
    assert np.mean((cpm - expected) / np.sqrt(expected)) == pytest.approx(0.0, abs=0.4)
    assert all(reading.flags == () for reading in readings)


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault("silent"), ReplyTimeoutError, "holds no such file"),
        (Fault("reply_lost"), ReplyTimeoutError, "holds no such file"),
        (Fault("growing_file", data={"reading": 3}), ReplyTimeoutError, "has 3 of 8 lines"),
        (Fault("wrong_title", data={"title": "P9-filter"}), ReplyTimeoutError, "P9"),
        (Fault("wrong_separator", data={"separator": ";"}), MalformedReplyError, "declared are 3"),
        (Fault("unit_in_number", data={"reading": 2}), MalformedReplyError, ":3: cpm is .* cpm'"),
        (Fault("doubled_well", data={"reading": 2}), MalformedReplyError, "A2 is there already"),
        (Fault("missing_well", data={"reading": 2}), ReplyTimeoutError, "has 7 of 8 lines"),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
async def test_each_fault_ends_in_its_error(
    tmp_path: Path, fault: Fault, error: type[Exception], message: str
) -> None:
    async with started("delimited_counts", tmp_path, note(), fault, **TOPCOUNT) as subject:
        with pytest.raises(error, match=message):
            await subject.count(**note())


async def test_what_lay_there_before_is_passed_over_and_what_comes_wrong_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "README.txt").write_text("no counts")
    (tmp_path / "old.csv").write_bytes(b"P0006,A1,12\r\n")
    subject = collector("delimited_counts", tmp_path, **TOPCOUNT)
    counting = asyncio.create_task(subject.count(title=TITLE, wells=["A1"], count_s=60.0))
    await asyncio.sleep(100)
    (tmp_path / "new.csv").write_bytes(b"P0007;A1;12\r\n")

    with pytest.raises(MalformedReplyError, match=r"new.csv: line:1: 1 items"):
        await counting


async def test_a_file_of_other_wells_is_another_labware_of_the_same_bar_code(
    tmp_path: Path,
) -> None:
    (tmp_path / "filter.csv").write_bytes(b"P0007,A1,12\r\nP0007,A2,13\r\nP0007,A3,14\r\n")
    subject = collector("delimited_counts", tmp_path, **TOPCOUNT)
    one = {"title": "P0007-standards", "wells": ["A1", "A2"], "count_s": 60.0}

    with pytest.raises(ReplyTimeoutError, match=r"filter.csv \(of other wells\)"):
        await subject.count(**one)
    (tmp_path / "standards.csv").write_bytes(b"P0007,A1,52\r\nP0007,A2,53\r\n")
    readings = await subject.count(**one)

    assert [reading.cpm for reading in readings] == [52.0, 53.0]


async def test_wells_that_were_not_asked_for_are_refused_where_the_title_is_stated(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_bytes(b"P7,A1,12\r\nP7,A2,13\r\n")
    subject = collector("delimited_counts", tmp_path, **{**TOPCOUNT, "states": "title"})

    with pytest.raises(MalformedReplyError, match="not asked for: A2"):
        await subject.count(title="P7", wells=["A1"], count_s=60.0)


async def test_a_file_of_two_plates_or_two_files_of_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"P0007,A1,12\r\nP0008,A2,12\r\n")
    subject = collector("delimited_counts", tmp_path, **TOPCOUNT)
    with pytest.raises(MalformedReplyError, match=r"a.csv:2: of plate 'P0008'"):
        await subject.count(title=TITLE, wells=["A1", "A2"], count_s=60.0)
    (tmp_path / "b.csv").write_bytes(b"P0007,A1,12\r\nP0007,A2,12\r\n")

    with pytest.raises(MalformedReplyError, match=r"a.csv and b.csv are both of 'P0007'"):
        await subject.count(title=TITLE, wells=["A1", "A2"], count_s=60.0)


@pytest.mark.parametrize(
    ("title", "wells", "count_s"),
    [("P0007", ["A1"], 60.0), (" ", ["A1"], 60.0), (TITLE, [], 60.0), (TITLE, ["A1", "A1"], 60.0), (TITLE, ["A1"], 0.0)],
)  # fmt: skip
async def test_what_cannot_be_awaited_is_refused(
    tmp_path: Path, title: str, wells: list[str], count_s: float
) -> None:
    with pytest.raises(RefusedError):
        await collector("delimited_counts", tmp_path, **TOPCOUNT).count(
            title=title, wells=wells, count_s=count_s
        )


async def test_a_last_line_without_its_end_is_taken_only_where_that_is_declared(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_bytes(b"P0007,A1,12\r\nP0007,A2,13")
    one = {"title": TITLE, "wells": ["A1", "A2"], "count_s": 60.0}

    with pytest.raises(ReplyTimeoutError, match="1 of 2"):
        await collector("delimited_counts", tmp_path, **TOPCOUNT).count(**one)
    readings = await collector(
        "delimited_counts", tmp_path, **{**TOPCOUNT, "last_line_ends": False}
    ).count(**one)

    assert [reading.cpm for reading in readings] == [12.0, 13.0]


async def test_after_a_restart_a_file_that_is_there_is_collected(tmp_path: Path) -> None:
    subject = collector("delimited_counts", tmp_path, **TOPCOUNT)
    asked = action("count", title=TITLE, wells=["A1"], count_s=60.0)

    before = await subject.reconcile(asked)
    (tmp_path / "a.csv").write_bytes(b"P0007,A1,12\r\n")
    after = await subject.reconcile(asked)
    (tmp_path / "a.csv").unlink()
    gone = collector("delimited_counts", tmp_path / "gone", **TOPCOUNT)
    with pytest.raises(DisconnectedError):
        await gone.reconcile(asked)

    assert (before.fate, before.remembered, after.fate) == ("not_done", True, "done")


async def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    subject = collector("delimited_counts", tmp_path, **TOPCOUNT)
    counting = asyncio.create_task(subject.count(title=TITLE, wells=["A1"], count_s=60.0))
    await asyncio.sleep(10)

    await subject.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await counting

    assert caught.value.code == "aborted"


# A line that only the counter speaks on -----------------------------------------------------
class Pushed:
    """A driver that hears a line."""

    def __init__(self, **changes: Any) -> None:
        self.ends: list[PipeEnd] = []
        self.driver = collector("delimited_counts", None, self.open, **{**TRICARB, **changes})

    async def open(self) -> ByteStream:
        ours, theirs = pipe()
        self.ends.append(theirs)
        return ours

    async def heard(self, *lines: bytes, wells: Sequence[str] = ("A1", "A2")) -> Any:
        counting = asyncio.create_task(self.driver.count(title=TITLE, wells=wells, count_s=60.0))
        await asyncio.sleep(1)
        for line in lines:
            for at in range(0, len(line), 3):
                await self.ends[-1].send(line[at : at + 3])
        return await counting


async def test_lines_are_heard_as_they_come_and_none_from_before() -> None:
    lab = Pushed()
    await lab.driver.connect()
    await lab.ends[-1].send(b"1,1.00,99,0\r\n2,1.00,98,0\r\n")

    readings = await lab.heard(b"1,1.00,12,0\r\n", b"2,1.00,13.5,0\r\n")
    await lab.driver.aclose()

    assert [(r.well, r.cpm, r.source) for r in readings] == [
        ("A1", 12.0, "line:1"),
        ("A2", 13.5, "line:2"),
    ]


async def test_lines_that_come_as_recorded_give_their_readings(transcripts: Path) -> None:
    turns = recorded(transcripts, "delimited_counts_tricarb")
    subject, _ = played("delimited_counts", turns, **TRICARB)
    await subject.connect()

    readings = await subject.count(title=TITLE, wells=["A1", "A2", "B1"], count_s=60.0)
    await subject.aclose()

    assert readings == (
        CountReading("A1", 1520.0, 1520, 60.0, source="line:1"),
        CountReading("A2", 1530.0, 1530, 60.0, source="line:2"),
        CountReading("B1", 1640.0, 1640, 60.0, source="line:3"),
    )


async def test_the_simulator_sends_the_recorded_lines(transcripts: Path) -> None:
    turns = recorded(transcripts, "delimited_counts_tricarb")
    counter = DelimitedCountsSimulator(
        SimulatorSetup("it", EvenJournal(), VirtualClock(), "spot", TRICARB)
    )
    ours, theirs = pipe()
    begun_s = VirtualClock().monotonic_s()
    tasks = [
        asyncio.create_task(counter.serve(theirs)),
        asyncio.create_task(counter.measure(note(["A1", "A2", "B1"]))),
    ]

    heard = [(await ours.receive(), VirtualClock().monotonic_s() - begun_s) for _ in turns]
    await ours.aclose()
    await asyncio.gather(*tasks)

    assert [data for data, _ in heard] == [turn.data for turn in turns]
    assert [at_s for _, at_s in heard] == pytest.approx([turn.at_s for turn in turns])


@pytest.mark.parametrize(
    ("lines", "changes", "error", "message"),
    [
        ((b"5,1.00,12,0\r\n",), {}, MalformedReplyError, "line:1: well A5 came, A1 is next"),
        ((b"1,1.00,12,0\r\n", b"1,1.00,12,0\r\n"), {}, MalformedReplyError, "A1 came, A2 is next"),
        ((b"1,1.00,12,0\r\n",), {}, ReplyTimeoutError, "1 of 2 wells came"),
        ((b"1,1.00,1\xb2,0\r\n",), {}, MalformedReplyError, "not text"),
        ((b"1,1.00\r\n",), {}, MalformedReplyError, "2 items"),
        ((b"P1,A1,12\r\n", b"P2,A2,12\r\n"), TOPCOUNT, MalformedReplyError, "of plate 'P1'"),
    ],
)
async def test_lines_that_are_not_what_was_asked_for_are_refused(
    lines: tuple[bytes, ...], changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    lab = Pushed(**({"well_form": "A1", **changes} if changes else {}))
    await lab.driver.connect()

    with pytest.raises(error, match=message):
        await lab.heard(*lines)
    with pytest.raises(DisconnectedError):
        await lab.driver.count(title=TITLE, wells=["A1"], count_s=60.0)
    await lab.driver.aclose()


async def test_lines_that_nobody_heard_have_to_be_counted_again() -> None:
    lab = Pushed()
    await lab.driver.connect()

    verdict = await lab.driver.reconcile(action("count", title=TITLE, wells=["A1"]))
    other = await lab.driver.reconcile(action("dance"))
    await lab.driver.aclose()

    assert (verdict.fate, verdict.remembered, other.fate) == ("not_done", True, "unknown")


async def test_listening_can_be_given_up() -> None:
    lab = Pushed()
    await lab.driver.connect()
    counting = asyncio.create_task(lab.heard())
    await asyncio.sleep(5)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError, match="given up"):
        await counting
    await lab.driver.aclose()
