"""EnVision and Kaleido exports: the captured forms, damaged files, waiting, and the simulated reader."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.file_bench import EvenJournal, arrive, collector, grows, started
from tests.line_bench import action, recorded

from platectl.conformance.journal import Journal
from platectl.domain.errors import (
    DisconnectedError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.counting import CountReading
from platectl.hal.reading import EndpointRead
from platectl.simkit.faults import Fault
from platectl_drivers.envision_csv import parse_counts, parse_export
from platectl_drivers.envision_csv.tables import look

PLATE = PlateFormat.of(96)
TITLE = "P0007-filter"
HEADS = "Plate,Repeat,Barcode,Chamber temperature at end,Group,Label,Measurement date,"
NUMBERS = ",".join(f"{column:02}" for column in range(1, 13))
EMPTY = ",".join([""] * 9)
#: the form of a public export of EnVision Workstation 1.14, cut short; values are those of its first rows
ENVISION = f'''Plate information
Plate,Repeat,Barcode,Formula,Measurement date,
1,1,"=""P0007""",Calc 1: Crosstalk,8/22/2023 12:16:31 PM,

Calculated results: Calc 1: Crosstalk = Crosstalk correction
,{NUMBERS},
A,0.0,40.000,0.0,{EMPTY},

Plate information
{HEADS}
1,1,"=""P0007""",23.56,1,0_1 US LUM 96(1),8/22/2023 12:16:31 PM,

Background information
Plate,Label,Result,Signal,Flashes/Time,Meastime,MeasInfo,
1,0_1 US LUM 96,0,4,0.1,00:00:00.000,De=USLum Ex=N/A Em=N/A Wdw=N/A (12),

Results for 0_1 US LUM 96(1) - channel 0 (CPS)
,{NUMBERS},
A,0,40,120,{EMPTY},
B,40,,0,{EMPTY},


Basic assay information
Assay ID: ,,,,2900

Exported with EnVision Workstation version 1.14.3049.1193
'''
#: the form of a public export of Kaleido 3.0, cut short; values are those of its first rows
KALEIDO = f"""EnSight Results from
Protocol Name,foo
Measurement Date,2023-05-17 16:21:30


Result for Luminescence 1
Barcode,Repeat,Loop no,
P0007,1,,

,{",".join(str(column) for column in range(1, 13))},
A,94395,87450,81740,{EMPTY},
B,102790,91465,85565,{EMPTY},


Measurement Information
Measurement Started,,2023-05-17 16:21:30
Measurement Finished,,2023-05-17 16:22:38

Operation,,,Luminescence 1
Measurement Time [s],,,0.2

Operation,,,Delay 1
Duration [hh:ss:mm.sss],,,00:00:10.000

Exported with Kaleido 3.0.3067.117
"""


#: the wells of both
READ = ("A1", "A2", "A3", "B1", "B3")


def parsed(text: str) -> Any:
    return parse_export(text.replace("\n", "\r\n").encode(), "x.csv")


def note(**changes: Any) -> dict[str, Any]:
    return {"title": TITLE, "wells": ("A1", "A2", "B1"), "count_s": 1.0, **changes}


def test_raw_results_of_envision_are_read_and_calculated_ones_passed_over() -> None:
    (table,) = parsed(ENVISION)

    assert (table.barcode, table.label) == ("P0007", "0_1 US LUM 96, channel 0")
    assert (table.mode, table.unit, table.integration_s) == ("luminescence", "CPS", 0.1)
    assert table.values == {"A1": 0.0, "A2": 40.0, "A3": 120.0, "B1": 40.0, "B3": 0.0}
    assert (table.ended_at, table.temperature_c) == ("2023-08-22T12:16:31", 23.56)
    assert table.source == "x.csv:17"


def test_the_time_is_that_of_the_same_label() -> None:
    line = "1,0_1 US LUM 96,0,4,0.1,00:00:00.000,De=USLum Ex=N/A Em=N/A Wdw=N/A (12),\n"
    other = line.replace("0_1 US", "second").replace("0.1,00", "5,00")
    two = ENVISION.replace(line, other + line)
    unclear = ENVISION.replace(line, line + line.replace("0.1,00", "5,00"))

    assert parsed(two)[0].integration_s == 0.1
    assert parsed(ENVISION.replace(line, other))[0].integration_s is None
    assert parsed(unclear)[0].integration_s is None


def test_results_of_kaleido_are_counts_per_second_of_the_stated_time() -> None:
    (table,) = parsed(KALEIDO)

    assert (table.barcode, table.label, table.mode) == ("P0007", "Luminescence 1", "luminescence")
    assert (table.unit, table.integration_s, table.temperature_c) == ("CPS", 0.2, None)
    assert (table.values["B3"], table.ended_at) == (85565.0, "2023-05-17T16:22:38")


def test_absorbance_and_fluorescence_are_told_by_their_unit() -> None:
    absorbance = parsed(
        ENVISION.replace("channel 0 (CPS)", "channel 1 (A)").replace("A,0,40,", "A,-0.0012,0.4,")
    )
    counts = parsed(ENVISION.replace("channel 0 (CPS)", "channel 2 window 1 (Counts)"))
    excited = parsed(
        KALEIDO.replace("Result for Luminescence 1", "Result for Fluorescence intensity 1")
    )

    assert (absorbance[0].mode, absorbance[0].values["A1"]) == ("absorbance", -0.0012)
    assert (counts[0].mode, counts[0].label) == (
        "fluorescence",
        "0_1 US LUM 96, channel 2 window 1",
    )
    assert (excited[0].mode, excited[0].integration_s) == ("fluorescence", None)


def test_a_plate_without_bar_code_states_an_empty_one() -> None:
    assert parsed(ENVISION.replace('"=""P0007"""', '"="""""'))[0].barcode == ""
    assert parsed(ENVISION.replace('"=""P0007"""', '=""'))[0].barcode == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A,0,40,120", "A,0,4#0,120", r"x.csv:19: '4#0' is not a number"),
        ("A,0,40,120", "A,0,1_0,120", "not a number"),
        ("A,0,40,120", "A,0,overflow,120", "not a number"),
        ("A,0,40,120", "A,0,40 CPS,120", "not a number"),
        ("B,40,,0", "A,40,,0", "is no further row"),
        ("B,40,,0", "2,40,,0", "is no further row"),
        ("B,40,,0,", "B,40,,0,,5,", "cells in a row of 12"),
        (f"0,{EMPTY},\n\n\nBasic", "0,\n\n\nBasic", "4 cells in a row"),
        (f"(CPS)\n,{NUMBERS}", f"(CPS)\n,{NUMBERS[:-3]}", "11 columns, as no plate has"),
        (f"(CPS)\n,{NUMBERS}", f"(CPS)\n,{NUMBERS.replace('03', '04')}", "no line of column numbers"),
        (f"(CPS)\n,{NUMBERS}", f"(CPS)\nX,{NUMBERS}", "no line of column numbers"),
        ("(CPS)", "(furlongs)", "the unit is 'furlongs'"),
        (" - channel 0 (CPS)", "", "names no label, channel and unit"),
        ("23.56,1,", "23.56,", "cells below"),
        ("Group,Label,Measurement date", "Group,Label,Date", "no bar-code or no date"),
        ("LUM 96(1),8/22/2023 12:16:31 PM", "LUM 96(1),22/8/2023 12:16", "no date and time"),
        ("Exported with EnVision", "Imported with EnVision", "not whole"),
        ("Plate information\nPlate,Repeat,Barcode,Formula", "Plates\nPlate", "begins no export"),
        ("Results for", "Raw results for", "holds no raw results"),
        ('"=""P0007"""', '"=""P00"07"""', "not CSV"),
        (f"A,0,40,120,{EMPTY},\nB,40,,0,{EMPTY},", "", "no values below"),
    ],
)  # fmt: skip
def test_a_damaged_export_of_envision_is_refused_with_its_line(
    old: str, new: str, message: str
) -> None:
    assert old in ENVISION

    with pytest.raises(MalformedReplyError, match=message):
        parsed(ENVISION.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A,94395", "A,94395x", "x.csv:11: '94395x' is not a number"),
        ("Result for Luminescence 1", "Result for Guesswork 1", "'Guesswork' is none of"),
        ("Measurement Finished,,2023", "Measurement Finished,,20X3", "no date and time"),
        ("Measurement Finished,,", "Measurement Ended,,", "does not say when"),
        ("Measurement Finished,,2023-05-17 16:22:38", "Measurement Finished", "does not say when"),
        ("Measurement Time [s],,,0.2", "Measurement Time [s],,,short", "not a number"),
        ("Measurement Time [s],,,0.2", "Measurement Time [s],,,1_0", "not a number"),
        ("P0007,1,,\n", "P0007,1,,,\n", "cells below"),
        ("Exported with Kaleido", "Imported with Kaleido", "not whole"),
    ],
)
def test_a_damaged_export_of_kaleido_is_refused(old: str, new: str, message: str) -> None:
    assert old in KALEIDO

    with pytest.raises(MalformedReplyError, match=message):
        parsed(KALEIDO.replace(old, new))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"well,cpm\r\nA1,12\r\n"])
def test_what_is_no_export_is_none(data: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse_export(data, "x.csv")


@pytest.mark.parametrize("text", [ENVISION, KALEIDO])
def test_no_beginning_of_an_export_passes_for_the_whole(text: str) -> None:
    whole = text.encode()

    assert look(whole).stated == ("P0007",)
    assert not any(look(whole[:length]).whole for length in range(len(whole) - 20))
    assert not any(look(whole[:length]).wrong for length in range(len(whole)))


# Recorded files -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "lines"),
    [("envision_csv_luminescence", "a.csv:28"), ("envision_csv_kaleido", "a.csv:6")],
)
async def test_a_file_that_grows_as_recorded_gives_its_readings(
    transcripts: Path, tmp_path: Path, name: str, lines: str
) -> None:
    subject = collector("envision_csv", tmp_path, poll_s=0.4)

    readings, _ = await asyncio.gather(
        subject.count(**note(count_s=5.0)),
        arrive(tmp_path / "a.csv", recorded(transcripts, name)),
    )

    assert readings == tuple(
        CountReading(well, cpm, counts, 5.0, "2026-01-05T18:00:16", source=lines)
        for well, cpm, counts in (("A1", 2700.0, 225), ("A2", 2712.0, 226), ("B1", 2820.0, 235))
    )


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("envision_csv_luminescence", {"software": "envision", "crosstalk": True}),
        ("envision_csv_kaleido", {"software": "kaleido"}),
    ],
)
async def test_the_simulator_writes_the_recorded_file(
    transcripts: Path, tmp_path: Path, name: str, how: dict[str, Any]
) -> None:
    turns = recorded(transcripts, name)

    async with started(
        "envision_csv", tmp_path, note(count_s=5.0), world=EvenJournal(), simulated=how
    ):
        await grows(tmp_path / f"{TITLE}.csv", turns)


# Waiting ------------------------------------------------------------------------------------
@pytest.mark.parametrize("software", ["envision", "kaleido"])
async def test_a_luminescence_is_counted_by_chance(tmp_path: Path, software: str) -> None:
    wells = PLATE.by_row()
    how = note(wells=wells)
    async with started(
        "envision_csv", tmp_path, how, simulated={"software": software, "crosstalk": True}
    ) as subject:
        readings = await subject.count(**how)

    rates = 20.0 + (1500.0 + 10.0 * np.arange(96)) / 60.0
    counts = np.array([reading.counts for reading in readings])
    assert abs(np.mean((counts - rates) / np.sqrt(rates))) < 0.4
    assert [r.cpm for r in readings] == [60.0 * r.counts for r in readings]
    assert all((r.live_s, r.flags) == (1.0, ()) for r in readings)


async def test_a_yellow_plate_is_read_as_what_it_absorbs(tmp_path: Path) -> None:
    world = Journal()
    world.place("P1", "assay_plate_96", "spot")
    for well, molar in (("A1", 0.0), ("A2", 1e-5), ("B1", 2e-5)):
        world.fill("P1", well, volume_ul=200.0, contents={"tartrazine": molar})
    how = {**note(), "mode": "absorbance", "excitation_nm": 427.0}
    read = EndpointRead(TITLE, "P1", ("A1", "A2", "B1"), "absorbance", excitation_nm=427.0)
    async with started(
        "envision_csv", tmp_path, how, world=world, states="barcode", simulated={"label": "A427"}
    ) as subject:
        reading = await subject.read_endpoint(read)

    blank, one, two = reading.values
    assert (reading.unit, reading.flags) == ("AU", {})
    assert (one - blank, two - blank) == pytest.approx((0.144, 0.288), abs=0.01)
    assert reading.source.endswith("A427, channel 1")


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (Fault("silent"), ReplyTimeoutError, "holds no such file"),
        (Fault("reply_lost"), ReplyTimeoutError, "holds no such file"),
        (Fault("growing_file"), ReplyTimeoutError, "lines and no end"),
        (Fault("wrong_title"), ReplyTimeoutError, "Untitled"),
        (Fault("stops"), MalformedReplyError, "wells missing: B1"),
        (Fault("garbled_reply"), MalformedReplyError, "'1#3' is not a number"),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
async def test_each_fault_ends_in_its_error(
    tmp_path: Path, fault: Fault, error: type[Exception], message: str
) -> None:
    states = "file" if fault.kind == "garbled_reply" else "title"
    async with started("envision_csv", tmp_path, note(), fault, states=states) as subject:
        with pytest.raises(error, match=message):
            await subject.count(**note())


async def test_another_time_than_the_one_asked_for_is_flagged(tmp_path: Path) -> None:
    async with started("envision_csv", tmp_path, note(count_s=2.0)) as subject:
        readings = await subject.count(**note(count_s=1.0))

    assert {(reading.live_s, reading.flags) for reading in readings} == {(2.0, ("count_time",))}


async def test_of_several_tables_the_label_chooses_one(tmp_path: Path) -> None:
    begin, end = ENVISION.index("Results for"), ENVISION.index("\n\nBasic")
    second = ENVISION[begin:end].replace("0_1 US LUM", "second LUM").replace("A,0,40", "A,7,40")
    text = f"{ENVISION[:end]}\n{second}{ENVISION[end:]}"
    row = next(line for line in ENVISION.splitlines() if line.startswith("1,0_1 US LUM 96,0"))
    text = text.replace(row, f"{row}\n{row.replace('0_1 US LUM', 'second LUM')}", 1)
    (tmp_path / "a.csv").write_text(text)
    how = {"title": TITLE, "wells": READ, "count_s": 0.1}

    with pytest.raises(
        MalformedReplyError, match="2 tables of luminescence of 'P0007', not one; set `label`"
    ):
        await collector("envision_csv", tmp_path, states="barcode").count(**how)
    chosen = collector("envision_csv", tmp_path, states="barcode", label="second LUM")
    readings = await chosen.count(**how)

    assert readings[0].cpm == 420.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0,4,0.1,00", "0,4,N/A,00", "no integration time"),
        ("A,0,40,120", "A,-5,40,120", "below zero in A1"),
    ],
)
async def test_a_table_that_gives_no_counts_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "a.csv").write_text(ENVISION.replace(old, new))

    with pytest.raises(MalformedReplyError, match=message):
        await collector("envision_csv", tmp_path, states="barcode").count(
            title=TITLE, wells=READ, count_s=0.1
        )


async def test_a_table_of_other_wells_is_another_labware_of_the_same_bar_code(
    tmp_path: Path,
) -> None:
    (tmp_path / "filter.csv").write_text(ENVISION)
    one = {"title": "P0007-standards", "wells": ["A1", "B3"], "count_s": 0.1}
    subject = collector("envision_csv", tmp_path, states="barcode")

    with pytest.raises(ReplyTimeoutError, match=r"filter.csv \(of other wells\)"):
        await subject.count(**one)
    fewer = ENVISION.replace("A,0,40,120,", "A,5,,,").replace("B,40,,0,", "B,,,7,")
    (tmp_path / "standards.csv").write_text(fewer)
    readings = await subject.count(**one)

    assert [reading.cpm for reading in readings] == [300.0, 420.0]


async def test_wells_that_were_not_asked_for_are_refused_where_the_title_is_stated(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text(ENVISION)

    with pytest.raises(MalformedReplyError, match="not asked for: A2, A3, B1, B3"):
        await collector("envision_csv", tmp_path).count(title="P0007", wells=["A1"], count_s=0.1)


async def test_a_damaged_file_of_the_right_name_is_told_though_it_lay_there_before(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{TITLE}.csv").write_text(ENVISION.replace("A,0,40,120", "A,0,4#0,120"))

    with pytest.raises(MalformedReplyError, match="'4#0' is not a number"):
        await collector("envision_csv", tmp_path, states="file").count(
            title=TITLE, wells=READ, count_s=0.1
        )


def test_counts_without_a_run_come_from_one_table() -> None:
    absorbance = ENVISION.replace("channel 0 (CPS)", "channel 1 (A)").replace("LUM 96", "A450")
    both = absorbance[: absorbance.rindex("Basic")] + ENVISION

    assert [r.cpm for r in parse_counts(ENVISION.encode(), "x")] == [
        0.0,
        2400.0,
        7200.0,
        2400.0,
        0.0,
    ]
    assert len(parse_counts(both.encode(), "x")) == 5
    for text in (absorbance, ENVISION[: ENVISION.rindex("Basic")] + ENVISION):
        with pytest.raises(MalformedReplyError, match="tables of luminescence, not one"):
            parse_counts(text.encode(), "x")


async def test_what_cannot_be_awaited_is_refused(tmp_path: Path) -> None:
    subject = collector("envision_csv", tmp_path)

    with pytest.raises(RefusedError):
        await subject.count(title=TITLE, wells=[], count_s=1.0)
    with pytest.raises(RefusedError):
        await subject.count(title=" x", wells=["A1"], count_s=1.0)
    with pytest.raises(UserInputError):
        await collector("envision_csv", None).connect()


async def test_after_a_restart_an_export_that_is_there_is_collected(tmp_path: Path) -> None:
    subject = collector("envision_csv", tmp_path, states="barcode")
    asked = action("count", title=TITLE, wells=READ, count_s=0.1)

    before = await subject.reconcile(asked)
    (tmp_path / "a.csv").write_text(ENVISION)
    after = await subject.reconcile(asked)
    other = await subject.reconcile(action("dance"))
    with pytest.raises(DisconnectedError):
        await collector("envision_csv", tmp_path / "gone").reconcile(asked)

    assert (before.fate, before.remembered, after.fate) == ("not_done", True, "done")
    assert other.fate == "unknown"
