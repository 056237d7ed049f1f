"""The CVC 3000 driver hears whole lines, in whatever pieces they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reader_bench import replaying

from platectl.domain.errors import InstrumentFaultError
from platectl.domain.transcript import parse_transcript
from platectl_drivers.cvc3000 import CVC3000Filtration


async def test_a_line_that_comes_byte_by_byte_is_heard_to_its_very_end(transcripts: Path) -> None:
    turns = parse_transcript((transcripts / "cvc3000_catch_pot.txt").read_text("ascii"))
    driver = replaying(CVC3000Filtration, turns, size=1)

    await driver.connect()
    with pytest.raises(InstrumentFaultError, match="catch pot full"):
        await driver.start_vacuum(gauge_mbar=-500)
    await driver.aclose()
