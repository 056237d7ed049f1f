"""Exports of the FLIPR: header lines have values, and one data file has one export."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.drivers.test_flipr_wire import PLAIN

from platectl.domain.errors import MalformedReplyError
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.drop_folder import DropDirectory
from platectl_drivers.flipr.export_file import parse_time_sequence
from platectl_drivers.flipr.watch import ExportWatch


@pytest.mark.parametrize("key", [b"FLIPR time sequence", b"Data file", b"Protocol", b"Wells"])
def test_a_header_line_without_its_value_is_refused(key: bytes) -> None:
    lines = [key if line.startswith(key + b"\t") else line for line in PLAIN.split(b"\n")]

    with pytest.raises(MalformedReplyError):
        parse_time_sequence(b"\n".join(lines), "x.txt")


async def test_two_whole_files_of_one_data_file_are_ambiguous(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(PLAIN)
    watch = ExportWatch(
        DropDirectory(tmp_path, in_thread=False), "C:\\d\\P1.fmd", clock=VirtualClock(), poll_s=1
    )

    with pytest.raises(MalformedReplyError, match="are both of"):
        await watch.take()
