"""What every shaker refuses before anything is sent."""

from __future__ import annotations

import math

import pytest
from tests.line_bench import replaying

from platectl.domain.errors import RefusedError

SHAKERS = pytest.mark.parametrize(
    "name", ["bioshake", "opentrons_deck_shaker", "opentrons_heater_shaker"]
)


@SHAKERS
@pytest.mark.parametrize(
    ("speed_rpm", "duration_s"),
    [(199, 1), (3001, 1), (600.5, 1), (math.nan, 1), (math.inf, 1), (600, 0), (600, -1),
     (600, math.nan), (600, math.inf)],
)  # fmt: skip
async def test_speeds_and_times_out_of_range_are_refused(
    name: str, speed_rpm: float, duration_s: float
) -> None:
    with pytest.raises(RefusedError):
        await replaying(name, ()).shake(speed_rpm=speed_rpm, duration_s=duration_s)


@SHAKERS
@pytest.mark.parametrize("temperature_c", [3.9, 95.1, math.nan, math.inf])
async def test_temperatures_out_of_range_are_refused(name: str, temperature_c: float) -> None:
    with pytest.raises(RefusedError):
        await replaying(name, ()).set_temperature(temperature_c)
