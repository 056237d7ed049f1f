"""Drivers of a line: without it, on one that is dead or mute, and on the next one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.line_bench import LineLab, replaying

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.simkit.faults import Fault

#: by driver, a verb that has to say something
VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "a4s": ("seal", {"temperature_c": 170.0, "duration_s": 3.0}),
    "bioshake": ("stop_heating", {}),
    "cytomat": ("read_climate", {}),
    "line_scanner": ("read", {}),
    "liconic": ("read_climate", {}),
    "mt_sics": ("tare", {}),
    "multidrop_combi": ("prime", {"volume_ul": 500.0}),
    "opentrons_heater_shaker": ("stop_heating", {}),
    "opentrons_temperature": ("stop_heating", {}),
    "opentrons_vacuum": ("stop_vacuum", {}),
    "xpeel": ("peel", {"adhere_s": 5.0}),
}

#: how long a connection may take, where that is longer than 10 s
PATIENCE_S = {"multidrop_combi": 20.0, "xpeel": 200.0}


@pytest.mark.parametrize("name", VERBS)
async def test_without_a_line_it_aborts_and_closes_and_its_verbs_say_so(name: str) -> None:
    verb, how = VERBS[name]
    driver = replaying(name, ())

    await driver.abort()
    await driver.aclose()

    with pytest.raises(DisconnectedError, match="not connected"):
        await getattr(driver, verb)(**how)


@pytest.mark.parametrize("name", VERBS)
async def test_on_a_dead_line_abort_is_harmless_and_the_next_line_is_as_good(name: str) -> None:
    verb, how = VERBS[name]
    lab = LineLab(name)
    before = await lab.driver.connect()
    await lab.stream.aclose()

    await lab.driver.abort()
    with pytest.raises(DisconnectedError):
        await getattr(lab.driver, verb)(**how)

    assert await lab.driver.connect() == before
    assert len(lab.theirs) == 2
    await lab.close()


@pytest.mark.parametrize("name", sorted(VERBS.keys() - {"a4s"}))  # which speaks unasked
async def test_connecting_to_a_mute_instrument_gives_up_in_time(name: str) -> None:
    lab = LineLab(name, Fault("silent", times=None))

    with pytest.raises(ReplyTimeoutError):
        await lab.driver.connect()

    assert lab.clock.monotonic_s() < PATIENCE_S.get(name, 10.0)
    await lab.close()
