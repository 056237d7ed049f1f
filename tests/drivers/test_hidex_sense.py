"""The Hidex Sense driver: the workbook, distrust of the adapter, and the simulated counter."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.line_bench import Chunked

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.counting import Counter
from platectl.hal.instrument import DriverSetup
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.http import HttpAnswer
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.hidex_sense import Columns, HidexSense, Settings
from platectl_drivers.hidex_sense.results import Asked, decode_file, decode_state, parse_workbook
from platectl_drivers.hidex_sense.xlsx import first_sheet
from platectl_simulators.hidex_sense import HidexSenseSimulator

PLATE = tuple(f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13))
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
COLUMNS = Columns(
    plate="Plate", well="Well", count_s="Time", cpm="CPM", counts="Counts", ended_at="EndTime"
)
HEAD = ["Plate", "Well", "Time", "CPM", "Counts", "EndTime"]
ROW = ["P1", "A1", "120", "1500.5", "3001", "05/01/2026 18:34:00"]


def workbook(rows: Sequence[Sequence[str]], **parts: str) -> bytes:
    """Write a workbook with inline texts, as a program other than the simulator might."""
    lines = "".join(
        f'<row r="{n}">'
        + "".join(
            f'<c r="{chr(65 + c)}{n}" t="inlineStr"><is><t>{value}</t></is></c>'
            for c, value in enumerate(row)
            if value
        )
        + "</row>"
        for n, row in enumerate(rows, start=1)
    )
    content = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>'
        '<sheet name="x" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="x"><Relationship Id="a" '
        'Target="/xl/worksheets/s.xml"/></Relationships>',
        "xl/worksheets/s.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData>'
        "</worksheet>",
    }
    content |= {name.replace("__", "/"): text for name, text in parts.items()}
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            if text:
                archive.writestr(name, text)
    return out.getvalue()


def asked(**values: Any) -> Asked:
    given_values = {
        "wells": ["A1"], "count_s": 120.0, "title": None, "utc_offset_h": 0.0,
        "not_before": datetime(2026, 1, 5, 18, 0, tzinfo=UTC),
        "not_after": datetime(2026, 1, 5, 19, 0, tzinfo=UTC),
    } | values  # fmt: skip
    return Asked(**given_values)


def test_a_workbook_becomes_readings() -> None:
    (reading,) = parse_workbook(workbook([HEAD, ROW]), "x.xlsx", COLUMNS, asked())

    assert (reading.well, reading.cpm, reading.counts, reading.live_s) == ("A1", 1500.5, 3001, 120)
    assert reading.ended_at == "2026-01-05T18:34:00"
    assert reading.source == "x.xlsx:2"


def test_wells_that_were_not_asked_for_are_left_out() -> None:
    other = [*ROW[:1], "B01", *ROW[2:]]

    readings = parse_workbook(workbook([HEAD, other, ROW]), "x", COLUMNS, asked())

    assert [reading.well for reading in readings] == ["A1"]


def test_columns_are_what_the_settings_say() -> None:
    columns = Columns(
        plate="Barcode", well="Pos", count_s="s", cpm="CCPM", counts="N", ended_at=None
    )
    rows = [["Barcode", "Pos", "s", "CCPM", "N"], ["P1", "A01", "120", "1500", "3001"]]

    (reading,) = parse_workbook(workbook(rows), "x", columns, asked())

    assert (reading.well, reading.ended_at) == ("A1", "")


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        ([], {}, r"the columns are \[\], but the settings say \['Plate'"),
        ([HEAD[:-1], ROW[:-1]], {}, "the columns are"),
        ([HEAD[::-1], ROW[::-1]], {}, "set `columns`"),
        ([HEAD], {}, "wells missing: A1"),
        ([HEAD, ROW, ROW], {}, "row 3: well A1 for a second time"),
        ([HEAD, [*ROW, "more"]], {}, "row 2: "),
        ([HEAD, [*ROW[:1], "A13", *ROW[2:]]], {}, "'A13' is not a well"),
        ([HEAD, [*ROW[:3], "nan", *ROW[4:]]], {}, "'nan' is not a number"),
        ([HEAD, [*ROW[:3], "25.0", *ROW[4:]]], {}, "is a column mistaken"),
        ([HEAD, ROW], {"count_s": 60.0}, "counted for 120 s, not 60 s"),
        ([HEAD, ROW], {"title": "P2"}, "plate 'P1', not 'P2'"),
        ([HEAD, ROW], {"utc_offset_h": 1.0}, "outside this assay"),
        ([HEAD, [*ROW[:5], "yesterday"]], {}, "'yesterday' is not of the form"),
    ],
)
def test_a_workbook_that_does_not_answer_the_question_is_refused(
    rows: list[list[str]], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        parse_workbook(workbook(rows), "x", COLUMNS, asked(**values))


def sheet(cells: str) -> dict[str, str]:
    rows = f"<worksheet xmlns='{MAIN}'><sheetData><row>{cells}</row></sheetData></worksheet>"
    return {"xl__worksheets__s.xml": rows}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"xl__workbook.xml": ""}, "lacks a part"),
        ({"xl__worksheets__s.xml": ""}, "lacks a part"),
        ({"xl__workbook.xml": f"<workbook xmlns='{MAIN}'/>"}, "no sheet"),
        ({"xl___rels__workbook.xml.rels": "<Relationships/>"}, "leads nowhere"),
        ({"xl__worksheets__s.xml": "<a>"}, "not XML"),
        ({"xl__worksheets__s.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "document type"),
        (sheet("<c r='A1'><f>1+1</f><v>2</v></c>"), "formula"),
        (sheet("<c r='A1' t='s'><v>7</v></c>"), "refers to no text"),
        (sheet("<c r='A1' t='e'><v>#N/A</v></c>"), "kind 'e'"),
        (sheet("<c r='1A'><v>1</v></c>"), "cell reference '1A'"),
        (sheet("<c r='B1'><v>1</v></c><c r='A1'><v>1</v></c>"), "out of order"),
    ],
)
def test_strange_workbooks_are_refused(parts: dict[str, str], message: str) -> None:
    with pytest.raises(MalformedReplyError, match=message):
        first_sheet(workbook([HEAD], **parts))


def test_empty_cells_keep_their_place() -> None:
    assert first_sheet(workbook([["a", "", "c"], ["", ""], ["", "b"]])) == [
        ["a", "", "c"],
        ["", "b"],
    ]


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_arbitrary_bytes_are_no_workbook(data: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        first_sheet(data)


@given(st.integers(0, 5000), st.integers(0, 255))
@settings(max_examples=80)
def test_a_changed_byte_gives_rows_or_a_typed_error(place: int, value: int) -> None:
    data = bytearray(workbook([HEAD, ROW]))
    data[place % len(data)] = value

    with suppress(MalformedReplyError):
        first_sheet(bytes(data))


def test_success_without_a_file_is_malformed() -> None:
    body = b'{"action_response":"succeeded","action_msg":"","action_log":""}'

    with pytest.raises(MalformedReplyError, match="holds no file"):
        decode_file(HttpAnswer(200, {}, body), "assay")
    with pytest.raises(MalformedReplyError, match="HTTP status 500"):
        decode_state(HttpAnswer(500, {}, b"oops"))
    with pytest.raises(MalformedReplyError, match="state 'Idle'"):
        decode_state(HttpAnswer(200, {}, b'{"State":"Idle"}'))


# With the simulated counter -------------------------------------------------------------------


class Bench:
    """Stands in for the world: one plate with the same rate everywhere."""

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(11)

    def plate_at(self, position: str) -> str | None:
        return "P1.filter"

    def barcode(self, labware: str) -> str:
        return "FILTER0042"

    def count_rates(self, position: str, wells: Sequence[str]) -> np.ndarray:
        return np.full(len(wells), 1500.0)


Lab = tuple[HidexSense, HidexSenseSimulator, list[tuple[str, bytes]]]


@asynccontextmanager
async def lab(
    *faults: Fault, chunk: int = 0, sim: dict[str, Any] | None = None, **values: Any
) -> AsyncIterator[Lab]:
    """A driver before a simulated counter; the third is what went over the wire."""
    counter = HidexSenseSimulator(
        SimulatorSetup(
            "counter", Bench(), VirtualClock(), "counter", sim or values, FaultPlan(faults)  # type: ignore[arg-type]
        )
    )  # fmt: skip
    serving: list[asyncio.Task[None]] = []
    said: list[tuple[str, bytes]] = []

    async def connect() -> ByteStream:
        ours, theirs = pipe()
        serving.append(asyncio.create_task(counter.serve(theirs)))
        return RecordingStream(Chunked(ours, chunk), lambda side, data: said.append((side, data)))

    subject = HidexSense(
        DriverSetup("counter", VirtualClock(), connect, Settings(**{"columns": COLUMNS, **values}))
    )
    try:
        yield subject, counter, said
    finally:
        await subject.aclose()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def count(subject: HidexSense, count_s: float = 120.0) -> Any:
    return await subject.count(title="P1 run 7", wells=PLATE, count_s=count_s)


def runs(said: list[tuple[str, bytes]]) -> int:
    return sum(side == ">" and b"run_assay" in data for side, data in said)


def test_the_driver_satisfies_the_interface() -> None:
    async def nobody() -> ByteStream:
        raise DisconnectedError("nobody")

    subject: Counter = HidexSense(DriverSetup("c", VirtualClock(), nobody, Settings()))

    assert subject.features.detectors == 6


async def test_without_the_columns_of_its_workbook_nothing_is_counted() -> None:
    async with lab(columns=None) as (subject, _, said):
        await subject.connect()
        with pytest.raises(RefusedError, match=r"settings\.columns"):
            await count(subject)

        assert runs(said) == 0


@pytest.mark.parametrize(("detectors", "minutes"), [(6, 34), (12, 17)])
async def test_a_plate_is_counted(detectors: int, minutes: float) -> None:
    clock = VirtualClock()
    async with lab(detectors=detectors) as (subject, _, said):
        identity = await subject.connect()
        readings = await count(subject)

        assert clock.monotonic_s() == pytest.approx(minutes * 60, abs=10)
    assert identity.model == "Hidex Sense Beta"
    assert [reading.well for reading in readings] == list(PLATE)
    assert np.mean([r.cpm for r in readings]) == pytest.approx(1518, rel=0.01)
    assert readings[0].source == "C:\\HidexExport\\result_0001.xlsx:2"
    assert runs(said) == 1
    assert b"action_handle=open" in [data for side, data in said if side == ">"][-1]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
async def test_any_chunking_gives_the_same_result(chunk: int) -> None:
    async with lab() as (subject, _, _said):
        plain = await count(subject)
    async with lab(chunk=chunk) as (subject, _, _said):
        chunked = await count(subject)

    assert [r.counts for r in chunked] == [r.counts for r in plain]


@pytest.mark.parametrize(
    ("fault", "error", "message", "limit_s"),
    [
        (Fault("silent:state"), ReplyTimeoutError, "/state", 30),
        (Fault("silent:run_assay"), ReplyTimeoutError, "run_assay", 2680),
        (Fault("garbled_reply:state"), MalformedReplyError, "not JSON", 1),
        (Fault("garbled_reply:run_assay"), MalformedReplyError, "not an .xlsx workbook", 2680),
        (Fault("reply_lost:run_assay"), DisconnectedError, "before the answer", 2680),
        (Fault("late_reply", data={"delay_s": 900}), ReplyTimeoutError, "run_assay", 2680),
        (Fault("never_returns"), ReplyTimeoutError, "run_assay", 2680),
        (Fault("stale_file"), MalformedReplyError, "stale or foreign file", 2680),
        (Fault("busy_but_executes"), InstrumentFaultError, "carry the action out all the same", 1),
        (Fault("error_until_next_success"), InstrumentFaultError, "Step failed", 1),
    ],
)
async def test_each_fault_ends_in_its_error(
    fault: Fault, error: type[Exception], message: str, limit_s: float
) -> None:
    clock = VirtualClock()
    async with lab(fault) as (subject, _, said):
        with pytest.raises(error, match=message):
            await count(subject)

        assert clock.monotonic_s() <= limit_s + 1
        assert runs(said) <= 1


@pytest.mark.parametrize("kind", ["reply_lost:run_assay", "busy_but_executes", "never_returns"])
async def test_no_second_assay_is_started_while_the_first_may_go_on(kind: str) -> None:
    async with lab(Fault(kind), margin_s=0.0) as (subject, _, said):
        with pytest.raises((InstrumentFaultError, DisconnectedError, ReplyTimeoutError)):
            await count(subject)
        if kind != "reply_lost:run_assay":
            with pytest.raises(InstrumentFaultError, match="not idle but BUSY") as caught:
                await count(subject)
            assert caught.value.code == "BUSY"

        assert runs(said) == 1


async def test_an_error_left_over_is_cleared_by_closing_the_carrier() -> None:
    async with lab(Fault("error_until_next_success")) as (subject, _, said):
        with pytest.raises(InstrumentFaultError):
            await count(subject)
        readings = await count(subject)

        assert len(readings) == 96
        assert any(b"action_handle=close" in data for _, data in said)


async def test_a_dead_detector_reads_background_in_its_two_columns() -> None:
    async with lab(Fault("dead_detector", data={"detector": 1})) as (subject, _, _said):
        readings = await count(subject)

    dark = {reading.well for reading in readings if reading.cpm < 100}
    assert dark == {f"{row}{column}" for row in "ABCDEFGH" for column in (3, 4)}


async def test_another_layout_than_the_settings_say_is_refused() -> None:
    async with lab(sim={"headings": HEAD[:5]}) as (subject, _, _said):
        with pytest.raises(MalformedReplyError, match="set `columns`"):
            await count(subject)


async def test_the_zone_of_the_instrument_pc_is_respected() -> None:
    async with lab(utc_offset_h=2.0) as (subject, _, _said):
        readings = await count(subject)

    assert readings[0].ended_at.startswith("2026-01-05T20:")


async def test_a_title_is_checked_where_the_instrument_writes_one() -> None:
    async with lab(plate_is_title=True) as (subject, _, _said):
        with pytest.raises(MalformedReplyError, match="plate 'FILTER0042', not 'P1 run 7'"):
            await count(subject)
        readings = await subject.count(title="FILTER0042", wells=["A1"], count_s=120)

    assert len(readings) == 1


async def test_a_counting_time_without_a_template_is_refused_before_anything_is_sent() -> None:
    async with lab() as (subject, _, said):
        with pytest.raises(RefusedError, match=r"counts for 60 s; there is H3 filter \(120 s\)"):
            await count(subject, 60)
        with pytest.raises(RefusedError, match="each well once"):
            await subject.count(title="x", wells=["A1", "A1"], count_s=120)

    assert not said


async def test_abort_ends_the_waiting_at_once() -> None:
    clock = VirtualClock()
    async with lab() as (subject, _, _said):
        counting = asyncio.create_task(count(subject))
        await asyncio.sleep(100)
        await subject.abort()

        with pytest.raises(InstrumentFaultError, match="given up") as caught:
            await counting
        assert caught.value.code == "aborted"
        assert clock.monotonic_s() < 101
        await subject.aclose()
        await subject.aclose()


@pytest.mark.parametrize("story", ["two_wells", "refusals"])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, story: str) -> None:
    stream = ReplayStream.from_file(transcripts / f"hidex_sense_{story}.txt")

    async def connect() -> ByteStream:
        return stream

    subject = HidexSense(
        DriverSetup(
            "counter", VirtualClock(), connect, Settings(clock_slack_s=600, columns=COLUMNS)
        )
    )
    await subject.connect()
    if story == "two_wells":
        readings = await subject.count(title="x", wells=["A1", "C1"], count_s=120)
        assert [(r.well, r.counts) for r in readings] == [("A1", 2935), ("C1", 3159)]
    else:
        with pytest.raises(InstrumentFaultError, match="Step failed: no assay named H3 filter"):
            await subject.count(title="x", wells=["A1"], count_s=120)
        with pytest.raises(InstrumentFaultError, match="Module is Busy"):
            await subject.count(title="x", wells=["A1"], count_s=120)
    await subject.aclose()
