"""The Hidex Sense driver reads numbers strictly and hands on what the instrument said."""

from __future__ import annotations

import pytest
from tests.drivers.test_hidex_sense import COLUMNS, HEAD, ROW, asked, count, lab, workbook

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.simkit.faults import Fault
from platectl_drivers.hidex_sense.results import check_action, parse_workbook


@pytest.mark.parametrize("column", ["Time", "CPM", "Counts"])
@pytest.mark.parametrize("form", ["0_{}", " {}", "{}_0"])
def test_no_number_of_a_workbook_is_read_leniently(column: str, form: str) -> None:
    place = HEAD.index(column)
    row = [form.format(cell) if i == place else cell for i, cell in enumerate(ROW)]
    assert parse_workbook(workbook([HEAD, ROW]), "f", COLUMNS, asked())

    with pytest.raises(MalformedReplyError, match="number"):
        parse_workbook(workbook([HEAD, row]), "f", COLUMNS, asked())


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
