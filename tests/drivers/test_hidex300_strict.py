"""Export files of the Hidex 300 SL: every number strictly, every file whole."""

from __future__ import annotations

import pytest
from tests.drivers.test_hidex300 import SAMPLE, block, export

from platectl.domain.errors import MalformedReplyError
from platectl_drivers.hidex300 import parse_file

KEYS = ("Repe.", "CPM", "DPM", "TDCR", "Counts", "DTime", "Time")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", ["0_{}", " {}"])
def test_no_number_of_a_reading_is_read_leniently(key: str, form: str) -> None:
    plain = export(block(SAMPLE)).decode("ascii").split("\n")
    lines = [
        f"{key};{form.format(line.partition(';')[2])}" if line.startswith(f"{key};") else line
        for line in plain
    ]
    assert lines != plain

    with pytest.raises(MalformedReplyError):
        parse_file("\n".join(lines).encode("ascii"), "x.csv")


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4])
def test_a_header_without_readings_is_no_file(kept: int) -> None:
    lines = export(block(SAMPLE)).split(b"\n")[:kept]

    with pytest.raises(MalformedReplyError):
        parse_file(b"\n".join([*lines, b""]), "x.csv")
