"""The Opentrons driver: numbers of JSON are numbers, long lists come in pages, faults keep their codes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.drivers.test_opentrons import lab

from platectl.domain.errors import InstrumentFaultError
from platectl_drivers.opentrons import wire


@pytest.mark.parametrize("total", ["7", "1_0", 7.0, None, [7], "nan"])
def test_a_total_that_is_no_whole_number_is_not_used(total: Any) -> None:
    assert wire.decode_total({"meta": {"totalLength": 7}}, 3) == 7
    assert wire.decode_total({"meta": {"totalLength": total}}, 3) == 3


async def test_a_long_list_of_commands_is_read_to_its_end() -> None:
    async with lab() as there:
        for _ in range(60):
            await there.subject.note_move("P1.source", None)
            await there.subject.note_move("P1.source", "C1")
        talk = there.subject._robot

        listed = await talk.commands(talk.run_id)

        assert len(listed) > 120
        assert len({item["id"] for item in listed}) == len(listed)


async def test_a_run_that_a_restart_forgot_has_the_code_of_it() -> None:
    async with lab() as there:
        talk = there.subject._robot
        get = talk.get

        async def forgetful(path: str) -> Any:
            found = await get(path)
            if "/runs?" in path:
                return [{**run, "ok": False} for run in found]
            return found

        talk.get = forgetful
        with pytest.raises(InstrumentFaultError) as caught:
            await talk.ours()

        assert caught.value.code == "4008"


@pytest.mark.parametrize("state", list(wire._HINTS))
def test_a_state_with_more_behind_it_has_the_hint_of_its_beginning(state: str) -> None:
    assert wire._HINTS[state] in wire.run_hint(state)
    assert wire._HINTS[state] in wire.run_hint(f"{state}-further")
