"""Masses of water become volumes, and volumes a judgement."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platectl.analysis.gravimetry import verify
from platectl.domain.errors import UserInputError
from platectl.domain.water import water_kg_per_m3, z_ul_per_mg


@pytest.mark.parametrize(
    ("temperature_c", "z"), [(15.0, 1.0020), (20.0, 1.0029), (22.0, 1.0033), (25.0, 1.0040), (30.0, 1.0054)]
)  # fmt: skip
def test_z_is_that_of_iso_8655(temperature_c: float, z: float) -> None:
    assert z_ul_per_mg(temperature_c, 1013.0) == pytest.approx(z, abs=6e-5)


def test_water_is_densest_at_four_degrees() -> None:
    assert water_kg_per_m3(4.0) == pytest.approx(999.975, abs=1e-3)
    assert water_kg_per_m3(20.0) == pytest.approx(998.2067, abs=1e-3)


def test_errors_are_those_of_the_volumes() -> None:
    z = z_ul_per_mg(22.0)
    volumes_ul = (99.0, 101.0, 100.0)
    readings_g = [sum(volumes_ul[:n]) / z / 1000.0 for n in range(4)]

    found = verify(readings_g, wanted_ul=98.0, temperature_c=22.0)

    assert found.volumes_ul == pytest.approx(volumes_ul)
    assert found.systematic_error_percent == pytest.approx(100 * 2 / 98)
    assert found.cv_percent == pytest.approx(1.0)
    assert found.within(systematic_percent=2.1, cv_percent=1.1)
    assert not found.within(systematic_percent=2.0, cv_percent=1.1)
    assert not found.within(systematic_percent=2.1, cv_percent=0.9)


def test_what_evaporates_is_given_back() -> None:
    found = verify([0.0, 0.09, 0.18], wanted_ul=100.0, temperature_c=20.0, evaporation_g=0.01)

    assert found.mean_ul == pytest.approx(100.285, abs=0.01)


@given(st.lists(st.floats(1e-3, 10.0), min_size=3, max_size=20), st.floats(4.0, 40.0))
def test_more_mass_is_more_volume(steps: list[float], temperature_c: float) -> None:
    readings_g = [sum(steps[:n]) for n in range(len(steps) + 1)]

    found = verify(readings_g, wanted_ul=100.0, temperature_c=temperature_c)

    assert math.isclose(sum(found.volumes_ul), 1000 * sum(steps), rel_tol=0.01)


@pytest.mark.parametrize(
    ("readings_g", "wanted_ul", "temperature_c"),
    [([0.0, 0.1], 100.0, 20.0), ([0.0, 0.1, 0.2], 0.0, 20.0), ([0.0, 0.1, 0.2], 100.0, 3.0),
     ([0.0, math.nan, 0.2], 100.0, 20.0), ([0.0, 0.1, 0.2], math.nan, 20.0)],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(
    readings_g: list[float], wanted_ul: float, temperature_c: float
) -> None:
    with pytest.raises(UserInputError):
        verify(readings_g, wanted_ul=wanted_ul, temperature_c=temperature_c)
