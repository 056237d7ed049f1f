"""Text exports of SoftMax Pro: every encoding and layout, strictness, and traces without a run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.domain.errors import MalformedReplyError
from platectl.hal.reading import Channel
from platectl_drivers.softmax_file import SoftmaxFile, parse_export, read_traces
from platectl_drivers.softmax_file.export_text import progress

SAMPLES = Path(__file__).parents[1] / "data" / "softmax"
FILES = sorted(SAMPLES.glob("*.txt"))
PLAIN = (SAMPLES / "fura2_utf8.txt").read_bytes()


def plate_lines(
    cells: list[list[list[str]]], *, name: str = "P1", interval: str = "2", times: list[str],
    area: tuple[int, int, int, int] = (1, 3, 1, 2), read_type: str = "Kinetic",
) -> list[str]:  # fmt: skip
    """A 2 x 3 plate in plate format: `cells` by point, wavelength and row-major well."""
    first_column, columns, first_row, rows = area
    lines = [
        "\t".join([
            "Plate:", name, "1.3", "PlateFormat", read_type, "Fluorescence", "TRUE", "Raw",
            "FALSE", str(len(cells)), "4", interval, "", "", "", "2", "510 510 ",
            str(first_column), str(columns), "6", "340 380 ", "Manual", "495 495 ", "", "", "6",
            "Medium", "", "", str(first_row), str(rows), "",
        ]),
        "\tTemperature(°C)\t1\t2\t3\t\t1\t2\t3\t",
    ]  # fmt: skip
    for time, point in zip(times, cells, strict=True):
        for row in range(2):
            head = [time, "37"] if row == 0 else ["", ""]
            sides = [[*side[3 * row : 3 * row + 3], ""] for side in point]
            lines.append("\t".join([*head, *sides[0], *sides[1]]))
        lines.append("")
    return lines


def whole(*blocks: list[str], last: str = "") -> str:
    body = [line for block in blocks for line in (*block, "~End")]
    return "\n".join([f"##BLOCKS= {len(blocks)}", *body, last])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_documented_example_is_read_in_every_encoding_and_layout(path: Path) -> None:
    export = parse_export(path.read_bytes(), path.name)

    (plate,) = export.plates
    assert (export.original_filename, export.saved_at) == ("Ca1", "2025-03-14T10:22:31")
    assert plate.channels == (Channel(340.0, 510.0), Channel(380.0, 510.0))
    assert (plate.name, plate.bottom, plate.interval_s, plate.points) == ("Ca1", True, 4.0, 2)
    assert plate.wells == ("A1", "A2", "A3", "B1", "B2", "B3")
    read = {(r.point, r.channel): (r.time_s, r.temperature_c, r.values) for r in plate.readings}
    assert list(read) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert read[1, 0][:2] == (4.0, 37.0)
    assert read[1, 0][2] == {
        "A1": 1240.9, "A2": 1198.3, "A3": 1255.0, "B1": 811.2, "B2": 803.3, "B3": 808.8,
    }  # fmt: skip
    assert read[0, 1][2]["B3"] == 944.1


def test_all_sample_files_say_the_same() -> None:
    def content(path: Path) -> Any:
        (plate,) = parse_export(path.read_bytes()).plates
        return replace(plate, layout="", readings=tuple(replace(r, line=0) for r in plate.readings))

    assert len({repr(content(path)) for path in FILES}) == 1
    assert len(FILES) == 5


def test_public_shapes_are_read() -> None:
    """Long times, a third wavelength, reduced data, notes, blank lines between blocks, no header tail."""
    header = (
        "Plate:\tPlate1\t1.3\tPlateFormat\tKinetic\tFluorescence\tFALSE\tRaw\tFALSE\t2\t90\t90"
        "\t\t\t\t3\t525 525 525 \t1\t3\t6\t485 486 487 \tAutomatic\t515 515 515 \t\t\t6\tMedium"
        "\t\t\t1\t2"
    )
    side = "{}\t{}\t{}"
    row = [side.format(*range(n, n + 3)) for n in (1, 4, 7)]
    lines = [
        header, "\tTemperature(¡C)\t1\t2\t3\t\t1\t2\t3\t\t1\t2\t3",
        "00:00:00\t35\t" + "\t\t".join(row), "\t\t" + "\t\t".join(row), "\t\t",
        "00:01:30\t0\t" + "\t\t".join(row), "\t\t" + "\t\t".join(row), "",
        "\t\t1\t2\t3", "\t\t0.34262625396825386\t1\t2", "\t\t1\t2\t3",
    ]  # fmt: skip
    note = ["Note:", "first line", "", "~ no end here"]
    text = whole(note, ["", *lines]) + "\n"

    (plate,) = parse_export(text.encode("utf-8")).plates

    assert [r.time_s for r in plate.readings] == [0.0] * 3 + [90.0] * 3
    assert [r.temperature_c for r in plate.readings] == [35.0] * 3 + [None] * 3
    assert plate.readings[2].values == {"A1": 7, "A2": 8, "A3": 9, "B1": 7, "B2": 8, "B3": 9}
    assert not plate.bottom


def test_a_file_without_its_date_line_has_no_date() -> None:
    data = PLAIN[: PLAIN.index(b"Original")]

    export = parse_export(data)

    assert (export.original_filename, export.saved_at) == (None, None)
    assert export.plates == parse_export(PLAIN).plates


def test_missing_and_saturated_wells_are_flagged_and_unread_ones_left_out() -> None:
    cells = [
        [["1", "#SAT", ""], ["", "", ""]],
        [["NaN", "#sat", " "], ['"NaN"', "7", ""]],
    ]
    full = [[[*side, *side] for side in point] for point in cells]
    data = whole(plate_lines(full, times=["0:00", "0:02"])).encode()

    (plate,) = parse_export(data).plates

    assert plate.wells == ("A1", "A2", "B1", "B2")
    first, late = plate.readings[0], plate.readings[2]
    assert (first.values["A1"], first.flags) == (1.0, {"A2": "saturated", "B2": "saturated"})
    assert late.flags == {"A1": "missing", "B1": "missing", "A2": "saturated", "B2": "saturated"}
    assert math.isnan(late.values["A1"])
    assert math.isnan(late.values["A2"])
    assert plate.readings[3].flags["B1"] == "missing"


def test_a_partial_plate_keeps_its_places() -> None:
    cells = [[["", "5", "6", "", "", ""], ["", "7", "8", "", "", ""]]]
    data = whole(plate_lines(cells, times=["0:00"], area=(2, 2, 1, 1))).encode()

    (plate,) = parse_export(data).plates

    assert plate.wells == ("A2", "A3")
    assert plate.readings[1].values == {"A2": 7.0, "A3": 8.0}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("##BLOCKS= 1", "##BLOCK 1", "x:1: expected '##BLOCKS= '"),
        ("##BLOCKS= 1", "##BLOCKS= 2", "not whole: block 2"),
        ("PlateFormat", "OtherFormat", "x:2: layout 'OtherFormat'"),
        ("Kinetic", "Spectrum", "x:2: read type 'Spectrum'"),
        ("Fluorescence", "Absorbance", "read mode 'Absorbance'"),
        ("\tRaw\t", "\tReduced\t", "data type 'Reduced'"),
        ("\t1.3\t", "\t2.0\t", "export version '2.0'"),
        ("340 380 ", "340 ", "2 wavelengths, but not so many"),
        ("340 380 ", "340 38O ", "'38O' is not a number"),
        ("\t6\t340", "\t7\t340", "no plate format has 7 wells"),
        ("510 \t1\t3\t6", "510 \t2\t3\t6", "outside a 6-well plate"),
        ("Temperature(°C)", "Time", "x:3: expected 'Temperature"),
        ("1\t2\t3\t\t1", "1\t3\t2\t\t1", "x:3: 8 columns do not fit"),
        ("812.4", "812,4", "x:4: '812,4' is not a number"),
        ("812.4", "nan", "x:4: 'nan' is not a number"),
        ("812.4", "1_0", "is not a number"),
        ("0:04", "4", "x:7: '4' is not a time"),
        ("0:04", "0:74", "x:7: '0:74' is not a time"),
        ("0:04", "", "x:7: '' is not a time"),
        ("37.0", "warm", "'warm' is not a number"),
        ("FALSE\t2\t4\t4", "FALSE\t3\t4\t4", "x:2: the section ends before the points"),
        ("FALSE\t2\t4\t4", "FALSE\t1\t4\t4", "x:7: more tables than the header says"),
        ("FALSE\t2\t4\t4", "FALSE\t0\t4\t4", "kinetic points is 0"),
        ("944.1\t", "944.1\t\t\t9", "x:5: '9' stands outside the columns"),
        ("792.8\t\t950", "792.8\t.950", "x:5: '.950.4' stands outside the columns"),
        ("\n\n0:04", "\n0:04", "x:6: a table has more lines"),
        ("\t\t799.0", "0:01\t\t799.0", "x:5: a time or temperature below"),
        ("Ca1; Date", "Ca1\nDate", "something stands after the blocks"),
        ("3/14/2025", "14/3/2025", "is no date and time"),
        ("Plate:\t", "Plote:\t", "unknown kind 'Plote:'"),
    ],
)
def test_what_the_format_does_not_allow_is_refused_with_its_line(
    old: str, new: str, message: str
) -> None:
    text = PLAIN.decode()
    assert old in text

    with pytest.raises(MalformedReplyError, match=message.replace("(", r"\(")):
        parse_export(text.replace(old, new, 1).encode(), "x")


def test_times_that_go_back_are_refused() -> None:
    with pytest.raises(MalformedReplyError, match="go back"):
        parse_export(PLAIN.replace(b"0:00", b"0:09"))


def test_a_row_that_is_missing_is_not_taken_for_one_that_was_not_read() -> None:
    lines = PLAIN.decode().split("\n")

    for kept in (lines[:4] + lines[5:], [*lines[:4], "", *lines[5:]]):
        with pytest.raises(MalformedReplyError, match=r"x:[56]: "):
            parse_export("\n".join(kept).encode(), "x")


def test_a_value_where_nothing_was_read_is_refused() -> None:
    with pytest.raises(MalformedReplyError, match=r"A1 has '812\.4', but the header says"):
        parse_export(PLAIN.replace(b"510 \t1\t3\t6", b"510 \t2\t2\t6"))


def test_half_a_character_of_utf16_is_damage() -> None:
    with pytest.raises(MalformedReplyError, match="damaged UTF-16"):
        parse_export((SAMPLES / "fura2_utf16.txt").read_bytes()[:-1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_beginning_of_a_file_passes_for_the_whole(path: Path) -> None:
    data = path.read_bytes()
    end = data.index("~End".encode("utf-16-le" if data[:1] == b"\xff" else "ascii"))

    for length in range(end):
        assert not progress(data[:length]).whole
        with pytest.raises(MalformedReplyError):
            parse_export(data[:length])


NUMBERS = st.one_of(
    st.floats(-1e7, 1e7).map(lambda x: f"{x:.3f}"),
    st.integers(-9999999, 9999999).map(str),
    st.sampled_from(["#SAT", "NaN", "", " "]),
)
POINTS = st.integers(1, 4).flatmap(
    lambda n: st.lists(
        st.lists(st.lists(NUMBERS, min_size=6, max_size=6), min_size=2, max_size=2),
        min_size=n, max_size=n,
    )
)  # fmt: skip


@given(POINTS, st.sampled_from(["utf-8", "utf-16-le", "mac-roman"]), st.integers(0, 4000))
@settings(max_examples=60, deadline=None)
def test_what_was_written_is_read(
    cells: list[list[list[str]]], encoding: str, start_s: int
) -> None:
    times = [f"{(start_s + 2 * p) // 60}:{(start_s + 2 * p) % 60:02d}" for p in range(len(cells))]
    data = whole(plate_lines(cells, times=times)).encode(encoding)
    if encoding == "utf-16-le":
        data = b"\xff\xfe" + data

    (plate,) = parse_export(data).plates

    assert [r.time_s for r in plate.readings if r.channel == 0] == [
        start_s + 2 * p for p in range(len(cells))
    ]
    for reading in plate.readings:
        for index, well in enumerate(("A1", "A2", "A3", "B1", "B2", "B3")):
            text = cells[reading.point][reading.channel][index].strip()
            if well not in reading.values:
                assert all(side[index].strip() in {"", "NaN"} for point in cells for side in point)
            elif text in {"", "NaN"}:
                assert reading.flags[well] == "missing"
            elif text == "#SAT":
                assert reading.flags[well] == "saturated"
            else:
                assert reading.values[well] == float(text)
                assert well not in reading.flags


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    progress(data)
    with pytest.raises(MalformedReplyError):
        parse_export(data)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_one_wrong_byte_is_refused_or_changes_that_place_only(at: int, byte: int) -> None:
    data = PLAIN[:at] + bytes([byte]) + PLAIN[at + 1 :]

    try:
        export = parse_export(data)
    except MalformedReplyError:
        return
    values = [v for p in export.plates for r in p.readings for v in r.values.values()]
    sound = [v for p in parse_export(PLAIN).plates for r in p.readings for v in r.values.values()]
    if len(values) == len(sound):
        assert sum(a != b for a, b in zip(values, sound, strict=True)) <= 1


def test_traces_are_had_without_any_run() -> None:
    traces = read_traces(PLAIN, "Ca1.txt")

    assert len(traces) == 12
    first, second = traces[0], traces[1]
    assert (first.plate, first.well, first.channel.excitation_nm) == ("Ca1", "A1", 340.0)
    assert (first.times_s, first.values) == ((0.0, 4.0), (812.4, 1240.9))
    assert (second.well, second.values) == ("A1", (955.0, 702.8))
    assert (traces[-1].well, traces[-1].temperature_c) == ("B3", 37.0)
    assert first.source == "Ca1.txt: plate Ca1"
    assert SoftmaxFile.read_traces(PLAIN, "Ca1.txt") == traces


def test_the_times_of_a_trace_begin_at_its_first_point() -> None:
    data = PLAIN.replace(b"0:04", b"1:00:09").replace(b"0:00", b"59:58.5")

    assert [r.time_s for r in parse_export(data).plates[0].readings] == [3598.5] * 2 + [3609.0] * 2
    assert read_traces(data)[0].times_s == (0.0, 10.5)


@pytest.mark.filterwarnings("ignore:The `dateutil.zoneinfo`:DeprecationWarning")
@pytest.mark.parametrize("name", [f.name for f in FILES if "time_format" not in f.name])
def test_allotropy_reads_the_same_times_and_numbers(name: str) -> None:
    """allotropy 0.1.150 does not read the time format, so that it cannot replace our own reader."""
    from allotropy.parser_factory import Vendor
    from allotropy.to_allotrope import allotrope_from_file

    asm: Any = allotrope_from_file(str(SAMPLES / name), Vendor.MOLDEV_SOFTMAX_PRO)
    theirs: dict[tuple[str, float], tuple[Any, Any]] = {}
    for well in asm["plate reader aggregate document"]["plate reader document"]:
        for measured in well["measurement aggregate document"]["measurement document"]:
            device = measured["device control aggregate document"]["device control document"][0]
            cube = measured["fluorescence emission profile data cube"]["data"]
            key = (
                measured["sample document"]["location identifier"],
                float(device["excitation wavelength setting"]["value"]),
            )
            theirs[key] = (tuple(cube["dimensions"][0]), tuple(cube["measures"][0]))

    ours = {
        (t.well, t.channel.excitation_nm): (t.times_s, t.values)
        for t in read_traces((SAMPLES / name).read_bytes())
    }
    assert ours == theirs
