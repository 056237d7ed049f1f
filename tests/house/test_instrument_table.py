"""The page of instruments is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import instrument_table

from platectl import registry
from platectl.app.instrument_table import MATURITY, told_rows

ROWS = {row["name"]: row for row in told_rows()}
TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"


def test_the_page_is_up_to_date() -> None:
    assert instrument_table.PAGE.read_text() == instrument_table.page(), (
        "run python -m benchmarks.instrument_table --write"
    )


def test_every_driver_has_a_row_and_tests() -> None:
    assert tuple(ROWS) == registry.names()
    for row in ROWS.values():
        assert row["maturity"] in MATURITY
        assert instrument_table.tests_in(instrument_table.files_of(row["name"])) > 10


def test_every_transcript_belongs_to_a_driver_that_names_it() -> None:
    named = {name for row in ROWS.values() for name in row["transcripts"]}

    assert named == {path.stem for path in TRANSCRIPTS.glob("*.txt")}


@pytest.mark.parametrize("name", ROWS)
def test_each_transcript_is_played_in_a_test_of_its_driver(name: str) -> None:
    text = "".join(path.read_text() for path in instrument_table.files_of(name))

    for transcript in ROWS[name]["transcripts"]:
        stem, _, story = transcript.removeprefix(name).rpartition("_")
        assert transcript in text or (story in text and f"{name}_{{" in text), (transcript, stem)
