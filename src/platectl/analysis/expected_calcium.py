"""A calcium plate as it may come out: amplitudes of the wells with the errors of a lab.

What is drawn are amplitudes, not traces: loading, leak and calibration are not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.calcium.features import WellFeatures
from platectl.analysis.calcium.plate import CalciumOptions, analyse_responses, judge_controls
from platectl.analysis.calcium.traces import CalciumConditions, WellTrace
from platectl.analysis.errors import AnalysisError
from platectl.analysis.expected_binding import estimate_of
from platectl.analysis.limits import worst
from platectl.analysis.model import FloatArray
from platectl.analysis.power import DrawnPlate, Estimate
from platectl.domain.result_rules import CalciumLimits

LEAST = 0.1
_NONE: FloatArray = np.zeros(0)


@dataclass(frozen=True, slots=True)
class CalciumVariances:
    """How a lab's plates differ from what is meant; relative standard deviations but for log10.

    Attributes:
        well_cv: Of responses between wells.
        day_cv: Of the full response between plates.
        noise: Of an amplitude without any response, as a share of the full response.
        step_sd_log10: Of one serial dilution step, log10.
        top_sd_log10: Of the top of each series, log10.
    """

    well_cv: float = 0.08
    day_cv: float = 0.15
    noise: float = 0.004
    step_sd_log10: float = 0.012
    top_sd_log10: float = 0.012


@dataclass(frozen=True, slots=True)
class PlannedWell:
    """One well before it is read; `concentration_molar` is that of its compound."""

    well: str
    role: str
    compound: str | None
    concentration_molar: float | None
    series: str | None
    dilution_steps: int


@dataclass(frozen=True, slots=True)
class ExpectedCalcium:
    """What is expected of a plate before it is run.

    Attributes:
        wells: The plate map, without calibrators and wells without dye.
        conditions: As planned.
        full_response: Rise of the ratio that counts as 1.
        response: Share of the full response by role, compound and dose in molar (0 for none).
    """

    wells: tuple[PlannedWell, ...]
    conditions: CalciumConditions
    full_response: float
    response: Callable[[str, str | None, float], float]


@dataclass(frozen=True, slots=True)
class CalciumDraw:
    """Draws plates and analyses them as the assay does."""

    expected: ExpectedCalcium
    variances: CalciumVariances = CalciumVariances()
    options: CalciumOptions = CalciumOptions()  # noqa: RUF009 frozen
    limits: CalciumLimits = CalciumLimits()  # noqa: RUF009 frozen

    def __call__(self, rng: np.random.Generator) -> DrawnPlate:
        """One plate; the controls alone decide whether it passes."""
        pairs = draw_responses(self.expected, self.variances, rng)
        conditions = self.expected.conditions
        found, _ = analyse_responses(pairs, conditions, self.options)
        qc = judge_controls(pairs, conditions.mode, self.limits)
        state = worst(tuple(metric.state for metric in qc))
        estimates: dict[str, Estimate | None] = {}
        for result in found:
            usable = result.qualifier == "=" and state != "fail"
            ends = (result.value_molar, result.lower_molar, result.upper_molar)
            estimates[result.compound] = estimate_of(*ends) if usable else None
        z = next((m.value for m in qc if m.name == "z_prime"), None)
        return DrawnPlate(state, z, estimates)


def draw_responses(
    expected: ExpectedCalcium, variances: CalciumVariances, rng: np.random.Generator
) -> list[tuple[WellTrace, WellFeatures]]:
    """Amplitudes of one plate.

    Raises:
        AnalysisError: The plate map is empty.
    """
    if not expected.wells:
        message = "The plate has no wells that respond."
        raise AnalysisError(message)
    full = expected.full_response * max(1.0 + variances.day_cv * rng.standard_normal(), LEAST)
    noise = variances.noise * expected.full_response
    errors = _dilution_errors(expected, variances, rng)
    pairs = []
    for well in expected.wells:
        dose = (well.concentration_molar or 0.0) * 10.0 ** errors.get(
            (well.series, well.dilution_steps), 0.0
        )
        share = expected.response(well.role, well.compound, dose)
        response = max(1.0 + variances.well_cv * rng.standard_normal(), LEAST)
        amplitude = float(full * share * response + noise * rng.standard_normal())
        pairs.append((_trace(well), _features(well.well, amplitude, noise)))
    return pairs


def _dilution_errors(
    expected: ExpectedCalcium, variances: CalciumVariances, rng: np.random.Generator
) -> Mapping[tuple[str | None, int], float]:
    """Error of each dose in log10, by series and step; errors add up along a series."""
    deepest = max(w.dilution_steps for w in expected.wells)
    errors: dict[tuple[str | None, int], float] = {}
    for name in dict.fromkeys(w.series for w in expected.wells if w.series is not None):
        total = variances.top_sd_log10 * float(rng.standard_normal())
        for step in range(deepest + 1):
            total += variances.step_sd_log10 * float(rng.standard_normal()) if step else 0.0
            errors[name, step] = total
    return errors


def _trace(well: PlannedWell) -> WellTrace:
    own = well.compound if well.role in {"test", "reference"} else None
    return WellTrace(
        well.well, well.role, own, well.concentration_molar, well.series, well.dilution_steps,
        _NONE, _NONE, _NONE, _NONE, 0.0, _NONE, _NONE,
    )  # fmt: skip


_BLANK = WellFeatures("", *(math.nan,) * 14, responds=False, dead_time_s=0.0)


def _features(well: str, amplitude: float, noise: float) -> WellFeatures:
    return replace(_BLANK, well=well, amplitude=amplitude, amplitude_sd=noise)
