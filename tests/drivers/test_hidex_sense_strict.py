"""The Hidex Sense driver reads numbers strictly and hands on what the instrument said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.drivers.test_hidex_sense import HEAD, ROW, asked, count, lab, workbook

from platectl.domain.errors import ForeignExportError, InstrumentFaultError, MalformedReplyError
from platectl.simkit.faults import Fault
from platectl_drivers.hidex_sense import Columns
from platectl_drivers.hidex_sense.results import check_action, parse_file, parse_workbook


@pytest.mark.parametrize("column", ["Time", "CPM", "Counts"])
@pytest.mark.parametrize("form", ["0_{}", " {}", "{}_0"])
def test_no_number_of_a_workbook_is_read_leniently(column: str, form: str) -> None:
    place = HEAD.index(column)
    row = [form.format(cell) if i == place else cell for i, cell in enumerate(ROW)]
    assert parse_workbook(workbook([HEAD, ROW]), "f", Columns(), asked())

    with pytest.raises(MalformedReplyError, match="number"):
        parse_workbook(workbook([HEAD, row]), "f", Columns(), asked())


def test_a_failed_action_carries_the_line_of_the_log() -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        check_action("failed", "Module is Busy", "run_assay")

    assert caught.value.code == "Module is Busy"


async def test_a_counter_that_does_not_start_says_its_state() -> None:
    async with lab(Fault("still_starting")) as (subject, _, _said):
        subject._settings = subject._settings.model_copy(update={"start_up_s": 0.0})

        async def state() -> str:
            return "INIT"

        subject._state = state  # type: ignore[method-assign]
        with pytest.raises(InstrumentFaultError) as caught:
            await count(subject)

    assert caught.value.code == "INIT"


def test_a_workbook_of_any_assay_is_read_with_its_own_time() -> None:
    (found,) = parse_file(workbook([HEAD, ROW]), "f")

    (same,) = parse_workbook(workbook([HEAD, ROW]), "f", Columns(), asked())
    assert (found.well, found.cpm, found.counts, found.live_s) == (
        same.well,
        same.cpm,
        same.counts,
        same.live_s,
    )
    assert found.source == "f:2"


@pytest.mark.parametrize("form", ["0_{}", " {}", "{}_0"])
def test_no_time_of_a_workbook_of_any_assay_is_read_leniently(form: str) -> None:
    place = HEAD.index("Time")
    row = [form.format(cell) if i == place else cell for i, cell in enumerate(ROW)]

    with pytest.raises(MalformedReplyError, match=r"f:2: .*number"):
        parse_file(workbook([HEAD, row]), "f")


@pytest.mark.parametrize("row", [ROW[:-1], [*ROW, "1"]])
def test_a_row_of_another_length_is_none(row: list[Any]) -> None:
    with pytest.raises(MalformedReplyError, match="f:2"):
        parse_file(workbook([HEAD, row]), "f")


def test_what_is_no_workbook_is_foreign() -> None:
    with pytest.raises(ForeignExportError, match="no workbook"):
        parse_file(b"QK" + workbook([HEAD, ROW])[2:], "f")
