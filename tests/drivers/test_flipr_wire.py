"""What stands on the FLIPR's wire and in its exports: strict reading, any damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, RefusedError
from platectl.hal.reading import Channel
from platectl_drivers.flipr import parse_status, parse_time_sequence
from platectl_drivers.flipr.export_file import data_file_of, is_whole
from platectl_drivers.flipr.wire import check_ok, parse_configuration, write_command

STATUS = (
    "instrument FLIPR Tetra\tversion 01/15/2009\tfunction ok\tinst_status idle\tremote\tonline"
    "\texp_running no\treadplate P1 have\tsourceplate1 none empty\tsourceplate2 none empty"
    "\tsourceplate3 none have\ttips none empty"
)


def test_the_documented_command_is_written_as_documented() -> None:
    assert write_command("loadplate", "re", "no", "PLATE0001") == "loadplate\tre, no, PLATE0001"
    assert write_command("statusex") == "statusex"


@pytest.mark.parametrize("parameter", ["", "a,b", "a\tb", "a\r", "ä", " a", "a "])
def test_what_would_break_a_command_is_refused(parameter: str) -> None:
    with pytest.raises(RefusedError):
        write_command("openprotocol", parameter)


@given(st.text(max_size=30))
def test_a_written_command_always_keeps_its_form(parameter: str) -> None:
    try:
        command = write_command("openprotocol", parameter)
    except RefusedError:
        return
    assert command == f"openprotocol\t{parameter}"
    assert command.count("\t") == 1
    assert not set("\r\n,") & set(command)


def test_a_status_is_read() -> None:
    status = parse_status(STATUS)

    assert (status.instrument, status.version, status.state) == (
        "FLIPR Tetra", "01/15/2009", "idle",
    )  # fmt: skip
    assert (status.trouble, status.remote, status.online, status.running) == (
        "", True, True, False,
    )  # fmt: skip
    assert status.plates == {"re": "P1", "s1": None, "s2": None, "s3": "", "ti": None}


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("remote", "mode manual", "remote", False),
        ("online", "offline", "online", False),
        ("exp_running no", "exp_running yes", "running", True),
        ("function ok", "function fatal 12", "trouble", "fatal 12"),
        ("function ok", "function error 7", "trouble", "error 7"),
        ("inst_status idle", "inst_status fault", "trouble", "fault"),
        ("inst_status idle", "inst_status abort", "trouble", "abort"),
        ("inst_status idle", "inst_status resetting", "trouble", ""),
        ("tips none empty", "tips none empty\tlamp hours 7", "state", "idle"),
    ],
)
def test_a_status_says_what_it_says(old: str, new: str, field: str, value: Any) -> None:
    assert getattr(parse_status(STATUS.replace(old, new)), field) == value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("function ok", "function fine"), ("function ok\t", ""), ("idle", "lazy"),
        ("remote\t", ""), ("online", "online\toffline"), ("exp_running no", "exp_running"),
        ("exp_running no", "exp_running maybe"), ("exp_running no", "exp_running no\texp_running no"),
        ("readplate P1 have", "readplate P1"), ("readplate P1 have", "readplate P 1 have"),
        ("tips none empty", "tips none gone"), ("instrument FLIPR Tetra", "ok"),
    ],
)  # fmt: skip
def test_a_status_that_lacks_something_is_malformed(old: str, new: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_status(STATUS.replace(old, new))


@given(
    st.integers(0, len(STATUS)),
    st.text(st.characters(min_codepoint=9, max_codepoint=126), max_size=3),
)
def test_any_damage_to_a_status_is_read_or_malformed(at: int, text: str) -> None:
    try:
        status = parse_status(STATUS[:at] + text + STATUS[at + 1 :])
    except MalformedReplyError:
        return
    assert isinstance(status.running, bool)
    assert set(status.plates) == {"re", "s1", "s2", "s3", "ti"}


@given(
    st.integers(0, 99), st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.booleans()
)
def test_every_condition_keeps_its_code(code: int, text: str, large: bool) -> None:
    answer = f"{'C' if large else 'c'}{code:02d}, {text}"
    with pytest.raises(InstrumentFaultError) as caught:
        check_ok(answer, "runexperiment")
    assert caught.value.code == answer[:3]


@pytest.mark.parametrize("answer", ["", "OK", "ok ", "c2, x", "c251, x", "d25, x", "okok", "c25 x"])
def test_what_is_neither_ok_nor_a_condition_is_malformed(answer: str) -> None:
    with pytest.raises(MalformedReplyError):
        check_ok(answer, "loadplate")


def test_a_configuration_is_read() -> None:
    bands = parse_configuration("wave1 470-495 nm\temfilt1 515-575 nm\twave2 335-345 nm\tlamp on")

    assert bands.excitation_nm == ((470.0, 495.0), (335.0, 345.0))
    assert bands.emission_nm == ((515.0, 575.0),)
    for damaged in ("wave1 470", "wave1 495-470 nm", "emfilt1 515-575", "wave1 x-y nm"):
        with pytest.raises(MalformedReplyError):
            parse_configuration(damaged)


# Exports ------------------------------------------------------------------------------------
WELLS = ("A1", "A2", "A3", "B1", "B2", "B3")
Block = Sequence[tuple[str, Sequence[str]]]


def export(
    blocks: dict[tuple[str, str], Block], *, addition: Sequence[str] | None = None,
    end: str = "End", newline: str = "\n",
) -> bytes:  # fmt: skip
    lines = [
        ["FLIPR time sequence", "1"], ["Data file", "C:\\d\\P1.fmd"],
        ["Protocol", "C:\\p\\fura2.fmp"], ["Wells", *WELLS],
    ]  # fmt: skip
    if addition is not None:
        lines.append(["Addition (s)", *addition])
    for (excitation, emission), block in blocks.items():
        lines.append(["Excitation (nm)", excitation, "Emission (nm)", emission])
        lines += [[time, *cells] for time, cells in block]
    lines.append([end])
    return newline.join(["\t".join(line) for line in lines] + [""]).encode()


PLAIN = export(
    {
        ("340", "510"): [("0.000", ["1", "2", "3", "4", "5", "6"]),
                         ("1.500", ["7", "8", "9", "SAT", "", "-1.5"])],
        ("380", "510"): [("0.400", ["1"] * 6), ("1.900", ["2"] * 6)],
    },
    addition=["0.9"] * 5 + [""],
)  # fmt: skip
DEEP, SHALLOW = Channel(340.0, 510.0), Channel(380.0, 510.0)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_layout_is_read(newline: str) -> None:
    sequence = parse_time_sequence(PLAIN.replace(b"\n", newline.encode()), "x")

    assert (sequence.data_file, sequence.protocol) == ("C:\\d\\P1.fmd", "C:\\p\\fura2.fmp")
    assert sequence.wells == WELLS
    assert sequence.ended
    assert sequence.addition_s == dict.fromkeys(WELLS[:5], 0.9)
    assert [frame.time_s for frame in sequence.frames[SHALLOW]] == [0.4, 1.9]
    late = sequence.frames[DEEP][1]
    assert late.flags == {"B1": "saturated", "B2": "missing"}
    assert (late.values["A1"], late.values["B3"]) == (7.0, -1.5)
    assert math.isnan(late.values["B1"])
    assert late.line == 8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"sequence\t1", b"sequence\t2", "x:1: expected"),
        (b"Data file", b"File", "x:2: expected 'Data file'"),
        (b"C:\\p\\fura2.fmp", b"", "x:3: expected 'Protocol'"),
        (b"A2\t", b"", "x:4: no plate format has 5 wells"),
        (b"A2\t", b"B2\t", "x:4: the wells are not those"),
        (b"0.9\t", b"", "x:5: 5 additions for 6 wells"),
        (b"0.9\t", b"nan\t", "x:5: 'nan' is not a number"),
        (b"Emission (nm)\t510\n0.000", b"510\n0.000", "x:6: expected 'Excitation"),
        (b"Excitation (nm)\t340\tEmission (nm)\t510\n", b"", "x:6: expected a block"),
        (b"\t380\t", b"\t340\t", "x:9: a second block"),
        (b"\t7\t", b"\t7,0\t", "x:8: '7,0' is not a number"),
        (b"\t7\t", b"\t", "x:8: 5 values for 6 wells"),
        (b"\t7\t", b"\tsat\t", "x:8: 'sat' is not a number"),
        (b"1.500", b"0.000", "x:8: the times of this block do not go on"),
        (b"\nEnd", b"\nFin", "x: not whole: the last line is neither"),
        (b"End\n", b"End", "x: not whole: the last line has no end"),
        (b"\t7\t", b"\t\xb0\t", "is not ASCII"),
    ],
)
def test_what_the_layout_does_not_allow_is_refused(old: bytes, new: bytes, message: str) -> None:
    assert old in PLAIN
    with pytest.raises(MalformedReplyError, match=message.replace("(", r"\(")):
        parse_time_sequence(PLAIN.replace(old, new, 1), "x")


@given(st.integers(0, len(PLAIN) - 1))
def test_a_file_that_is_not_whole_is_refused_but_its_whole_lines_can_be_had(length: int) -> None:
    data = PLAIN[:length]

    assert not is_whole(data)
    with pytest.raises(MalformedReplyError):
        parse_time_sequence(data, "x")
    try:
        sequence = parse_time_sequence(data, "x", partial=True)
    except MalformedReplyError:
        assert data.count(b"\n") < 4
        return
    whole = parse_time_sequence(PLAIN, "x")
    assert not sequence.ended
    for channel, frames in sequence.frames.items():
        assert repr(frames) == repr(whole.frames[channel][: len(frames)])


def test_a_stopped_run_has_not_ended() -> None:
    sequence = parse_time_sequence(PLAIN.replace(b"\nEnd\n", b"\nStopped\n"), "x")

    assert not sequence.ended
    assert len(sequence.frames) == 2


CELLS = st.one_of(
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.1f}"), st.sampled_from(["", "SAT"])
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS, min_size=6, max_size=6), max_size=4)


@given(
    ROWS,
    ROWS,
    st.one_of(st.none(), st.lists(CELLS.filter(lambda c: c != "SAT"), min_size=6, max_size=6)),
)
@settings(deadline=None)
def test_what_was_written_is_read(
    deep: list[list[str]], shallow: list[list[str]], addition: list[str] | None
) -> None:
    blocks: dict[tuple[str, str], Block] = {
        ("340", "510"): [(f"{1.5 * n:.3f}", row) for n, row in enumerate(deep)],
        ("380", "510"): [(f"{1.5 * n + 0.4:.3f}", row) for n, row in enumerate(shallow)],
    }

    sequence = parse_time_sequence(export(blocks, addition=addition), "x")

    for channel, rows in ((DEEP, deep), (SHALLOW, shallow)):
        assert len(sequence.frames[channel]) == len(rows)
        for frame, row in zip(sequence.frames[channel], rows, strict=True):
            for well, cell in zip(WELLS, row, strict=True):
                flag = {"": "missing", "SAT": "saturated"}.get(cell)
                assert frame.flags.get(well) == flag
                assert flag or frame.values[well] == float(cell)
    stated = None if addition is None else {
        well: float(cell) for well, cell in zip(WELLS, addition, strict=True) if cell
    }  # fmt: skip
    assert sequence.addition_s == stated


@given(st.binary(max_size=300))
def test_any_bytes_are_no_export(data: bytes) -> None:
    data_file_of(data)
    for partial in (False, True):
        with pytest.raises(MalformedReplyError):
            parse_time_sequence(data, "x", partial=partial)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_one_wrong_byte_changes_one_place_or_is_refused(at: int, byte: int) -> None:
    try:
        sequence = parse_time_sequence(PLAIN[:at] + bytes([byte]) + PLAIN[at + 1 :], "x")
    except MalformedReplyError:
        return
    whole = parse_time_sequence(PLAIN, "x")
    if set(sequence.frames) == set(whole.frames):
        changed = sum(
            repr(a.values[w]) != repr(b.values[w]) or a.flags.get(w) != b.flags.get(w)
            for channel in whole.frames
            for a, b in zip(sequence.frames[channel], whole.frames[channel], strict=True)
            for w in WELLS
        )
        assert changed <= 1
