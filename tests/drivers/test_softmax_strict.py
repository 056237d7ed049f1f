"""Exports of SoftMax Pro: every count strictly, every section once and whole."""

from __future__ import annotations

import pytest
from tests.drivers.test_softmax_export import plate_lines, whole

from platectl.domain.errors import MalformedReplyError
from platectl.hal.reading import Channel, KineticRead
from platectl_drivers.softmax_file.export_file import parse_export
from platectl_drivers.softmax_file.frames import sections_of

CELLS = [[["1", "2", "3", "4", "5", "6"], ["7", "8", "9", "10", "11", "12"]]] * 2
LINES = plate_lines(CELLS, times=["0:00", "0:02"])


def changed(index: int, text: str) -> str:
    """The file with one field of its header changed; None of the rest."""
    fields = LINES[0].split("\t")
    fields[index] = text
    return whole(["\t".join(fields), *LINES[1:]])


def test_the_plain_file_is_read() -> None:
    assert parse_export(whole(LINES).encode(), "x.txt").plates[0].points == 2


@pytest.mark.parametrize(
    ("index", "text"),
    [(9, "0_2"), (15, "0_2"), (19, "0_6"), (19, "6.0"),
     (16, "510 "), (16, "510 510 510"), (20, "340"), (20, "340 380 390"), (15, "1"), (15, "3")],
)  # fmt: skip
def test_no_other_header_is_read(index: int, text: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_export(changed(index, text).encode(), "x.txt")


@pytest.mark.parametrize("kept", [3, 10, 20])
def test_a_header_that_stops_is_refused(kept: int) -> None:
    short = "\t".join(LINES[0].split("\t")[:kept])

    with pytest.raises(MalformedReplyError):
        parse_export(whole([short, *LINES[1:]]).encode(), "x.txt")


def test_a_well_that_has_two_columns_is_refused() -> None:
    header = LINES[0].replace("PlateFormat", "TimeFormat")
    title = "\tTemperature(°C)\tA1\tA2\tA3\tB1\tB2\tB2\t"

    with pytest.raises(MalformedReplyError, match="each once"):
        parse_export(whole([header, title, *LINES[2:]]).encode(), "x.txt")


def test_two_sections_of_one_name_are_ambiguous() -> None:
    export = parse_export(whole(LINES, LINES).encode(), "x.txt")
    read = KineticRead(
        title="P1", plate="P1", wells=("A1",), channels=(Channel(340, 510), Channel(380, 510)),
        interval_s=2.0, baseline_s=0.0, record_s=2.0, columns=(1,),
    )  # fmt: skip

    with pytest.raises(MalformedReplyError, match="2 plate sections"):
        sections_of(export, read, name="x.txt", per_column=False)
