"""Predicted precision against nights that really ran, byte by byte."""

from __future__ import annotations

import logging
import math
import statistics
from pathlib import Path

import pytest
import structlog

from platectl.app.night import execute
from platectl.app.power import Planned, PowerOptions, plan_power
from platectl.app.prepare import Options, prepare
from platectl.domain.findings import InputRefusedError

NIGHTS = 8


def widths_of_nights(protocol: str, folder: Path) -> dict[str, list[float]]:
    """Width of each compound's 95 % interval, log10, from whole nights on the wire."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    night, found = prepare(Options(protocol)), dict[str, list[float]]()
    for seed in range(1, NIGHTS + 1):
        night.seed = seed
        done = execute(night, folder / str(seed), record_wire=False, ledger_path=":memory:")
        result = done.plates[0].result
        for c in getattr(result, "compounds", ()):
            found.setdefault(c.compound, []).append(math.log10(c.upper_molar / c.lower_molar))
    return found


def widths_predicted(found: Planned) -> dict[str, float]:
    return {c.compound: c.width.median for c in found.power.compounds if c.width}


@pytest.mark.long
@pytest.mark.parametrize(
    ("protocol", "tolerance"), [("sigma1-binding", 0.08), ("fura2-calcium", 0.15)]
)
def test_the_predicted_interval_is_that_of_nights_on_the_wire(
    protocol: str, tolerance: float, tmp_path: Path
) -> None:
    predicted = widths_predicted(plan_power(PowerOptions(protocol, experiments=60)))

    ran = widths_of_nights(protocol, tmp_path)

    assert predicted.keys() == ran.keys()
    for name, widths in ran.items():
        error = statistics.stdev(widths) / math.sqrt(NIGHTS) / statistics.mean(widths)
        assert error < tolerance / 2, "too few nights to compare"
        assert predicted[name] == pytest.approx(statistics.median(widths), rel=tolerance)


def test_worse_dispensing_widens_the_interval_and_may_fail_plates() -> None:
    good, bad = (
        plan_power(PowerOptions("sigma1-binding", cvs=cvs, experiments=20))
        for cvs in ({}, {"filter": "25 %"})
    )

    for name, width in widths_predicted(good).items():
        assert widths_predicted(bad).get(name, math.inf) > 1.5 * width
    assert bad.power.passes[0] < good.power.passes[0] == 1.0


def test_more_series_on_a_plate_need_fewer_plates() -> None:
    found = plan_power(PowerOptions("sigma1-binding", experiments=40, until=1.25))

    for options in found.needs.values():
        plates = [n.plates for n in options]
        assert [n.series for n in options] == [1, 2, 3]
        assert plates == sorted(plates, reverse=True)
        assert all(n.assured >= 0.8 for n in options)


def test_a_compound_that_is_too_weak_gives_no_number() -> None:
    options = PowerOptions("sigma1-binding", expected={"SA4503": "3 mM"}, experiments=20)

    found = {c.compound: c for c in plan_power(options).power.compounds}

    assert found["SA4503"].reported == 0.0
    assert found["haloperidol"].reported == 1.0


def test_an_expected_constant_makes_an_unknown_compound_known(tmp_path: Path) -> None:
    sheet = tmp_path / "samples.csv"
    sheet.write_text("compound,stock_concentration,top_concentration\nnew,10 mM,10 uM\n")

    with pytest.raises(InputRefusedError, match="no effect of 'new'"):
        plan_power(PowerOptions("sigma1-binding", samples=sheet, experiments=20))
    found = plan_power(
        PowerOptions("sigma1-binding", samples=sheet, expected={"NEW": "40 nM"}, experiments=20)
    )

    assert {c.compound: c.true_molar for c in found.power.compounds}["new"] == 40e-9


@pytest.mark.parametrize(
    ("protocol", "expected", "known"),
    [
        ("fura2-calcium", {"BRADYKININ": "5 nM"}, {"bradykinin": 5e-9}),
        ("fura2-antagonist", {"atropine": "2 nM"}, {"atropine": 2e-9 * 5.0, "carbachol": 1.7e-6}),
        ("fura2-modulator", {"SA4503": "8 nM"}, {"SA4503": 8e-9, "bradykinin": 30e-9}),
    ],
)
def test_expected_constants_of_cells_are_found_again(
    protocol: str, expected: dict[str, str], known: dict[str, float]
) -> None:
    found = plan_power(PowerOptions(protocol, expected=expected, experiments=20)).power

    by_name = {c.compound: c for c in found.compounds}
    for name, molar in known.items():
        assert by_name[name].true_molar == pytest.approx(molar, rel=1e-3)
        assert abs(by_name[name].bias or 0.0) < 4 * (by_name[name].bias_se or 0.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (PowerOptions("sigma1-saturation"), "saturation plates is not predicted"),
        (PowerOptions("sigma1-binding", layout="Z9"), "Z9"),
        (
            PowerOptions("sigma1-binding", expected={"x": "1 nM"}),
            "x: is not on the plate; the plate",
        ),
        (PowerOptions("sigma1-binding", cvs={"luck": "3 %"}), "no such variance; use one of: disp"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_reason(
    options: PowerOptions, told: str
) -> None:
    with pytest.raises(InputRefusedError, match=told):
        plan_power(options)
