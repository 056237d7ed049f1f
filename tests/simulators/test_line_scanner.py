"""The simulated barcode reader, asked without the driver."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.line_bench import LineLab, recorded

from platectl.domain.transcript import Turn


def lab(dialect: str, *, code: str = "P0000042") -> LineLab:
    made = LineLab("line_scanner", simulated={"dialect": dialect})
    made.world.remove_labware("P1")
    made.world.add_labware("P1", "assay_plate_96", "spot", barcode=code)
    return made


@pytest.mark.parametrize("dialect", ["keyence_bl", "keyence_sr", "dataman"])
async def test_it_answers_as_recorded(transcripts: Path, dialect: str) -> None:
    turns = recorded(transcripts, f"line_scanner_{dialect.removeprefix('keyence_')}")

    heard = await lab(dialect).hears(turns)

    assert heard == [turn.data for turn in turns if turn.side == "<"]


@pytest.mark.parametrize(
    ("dialect", "said", "answer"),
    [("keyence_sr", b"DANCE\r", b"ER,DANCE,00\r"), ("keyence_sr", b"LOFF\r", b"ER,LOFF,20\r"),
     ("keyence_sr", b"LON\rLON\r", b"OK,LON\rER,LON,20\rP0000042\r"),
     ("keyence_sr", b"LON\rLOFF\r", b"OK,LON\rOK,LOFF\rERROR\r"),
     ("keyence_bl", b"DANCE\rLOFF\rRMOTOR\r", b"MOTORON\r"),
     ("dataman", b"||>trigger on\r\n", b"P0000042\r\n")],
)  # fmt: skip
async def test_each_family_answers_in_its_way(dialect: str, said: bytes, answer: bytes) -> None:
    assert await lab(dialect).hears([Turn(">", said), Turn("<", answer)]) == [answer]


async def test_a_dataman_says_that_it_read_nothing() -> None:
    turns = [Turn(">", b"||>TRIGGER ON\r\n"), Turn("<", b"ERROR\r\n")]

    assert await lab("dataman", code="").hears(turns) == [b"ERROR\r\n"]
