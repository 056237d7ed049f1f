"""A competition plate as it may come out: exact binding with the errors of a lab."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.errors import AnalysisError
from platectl.analysis.mass_action import free_receptor
from platectl.analysis.model import FloatArray
from platectl.analysis.plate import BindingConditions, WellCount, check_conditions
from platectl.analysis.power import DrawnPlate, Estimate
from platectl.domain.result_rules import QcLimits

LEAST = 0.05
"""A random factor never falls below this."""
ROWS, COLUMNS = 8, 12


@dataclass(frozen=True, slots=True)
class BindingVariances:
    """How a lab's plates differ from what is meant; relative standard deviations but for log10.

    Attributes:
        dispense_cv: Of a bulk dispense of membranes or radioligand into one well.
        compound_cv: Of the compound's transfer into the well, and of the drawing off at harvest.
        filter_cv: Of what filters catch and the counter sees, between wells.
        gradient: Of slopes over rows and columns and of the edge effect, one draw for a plate.
        membrane_lot: Of the receptor between plates; `nonspecific_lot` of nonspecific binding.
        step_sd_log10: Of one serial dilution step, log10.
        top_sd_log10: Of the top of each series, log10.
        radioligand_sd_log10: Of the radioligand as counted in aliquots, log10.
    """

    dispense_cv: float = 0.03
    compound_cv: float = 0.02
    filter_cv: float = 0.012
    gradient: float = 0.01
    membrane_lot: float = 0.05
    nonspecific_lot: float = 0.15
    step_sd_log10: float = 0.012
    top_sd_log10: float = 0.012
    radioligand_sd_log10: float = 0.0045


@dataclass(frozen=True, slots=True)
class ExpectedBinding:
    """What is expected of a plate before it is run.

    Attributes:
        wells: The plate map; counts are filled in.
        conditions: As planned, the radioligand at its nominal concentration.
        ki_molar: Assumed Ki by compound.
        receptor_molar: Sites in the well, before filtration.
        caught: Share of the membranes that a filter keeps.
        nonspecific_share: Share of the free radioligand that stays on the filter.
        nonspecific_molar: Competitor in nonspecific wells, with its Ki.
        membrane_share: Share of the well's volume that the membranes bring.
        radioligand_share: Share that the radioligand brings.
    """

    wells: tuple[WellCount, ...]
    conditions: BindingConditions
    ki_molar: Mapping[str, float]
    receptor_molar: float
    caught: float
    nonspecific_share: float
    nonspecific_molar: float
    nonspecific_ki_molar: float
    membrane_share: float
    radioligand_share: float


@dataclass(frozen=True, slots=True)
class BindingDraw:
    """Draws plates and analyses them as the assay does."""

    expected: ExpectedBinding
    variances: BindingVariances = BindingVariances()
    options: CompetitionOptions = CompetitionOptions()  # noqa: RUF009 frozen
    limits: QcLimits = QcLimits()  # noqa: RUF009 frozen

    def __call__(self, rng: np.random.Generator) -> DrawnPlate:
        """One plate; one that cannot be analysed fails without a number."""
        wells, conditions = draw_counts(self.expected, self.variances, rng)
        names = dict.fromkeys(w.compound for w in self.expected.wells if w.compound)
        try:
            result = analyse_competition_plate(wells, conditions, self.options, self.limits)
        except AnalysisError:
            return DrawnPlate("fail", None, dict.fromkeys(names))
        estimates: dict[str, Estimate | None] = {}
        for found in result.compounds:
            usable = found.qualifier == "=" and found.value_molar
            estimates[found.compound] = estimate_of(
                found.value_molar, found.lower_molar, found.upper_molar
            ) if usable else None  # fmt: skip
        z = next((m.value for m in result.qc if m.name == "z_prime"), None)
        return DrawnPlate(result.state, z, estimates)


def estimate_of(
    value_molar: float | None, lower_molar: float | None, upper_molar: float | None
) -> Estimate | None:
    """An estimate in log10, or None when the value or an end is missing, zero or infinite."""
    ends = (value_molar, lower_molar, upper_molar)
    if any(v is None or not 0.0 < v < math.inf for v in ends):
        return None
    return Estimate(*(math.log10(v) for v in ends if v is not None))


def draw_counts(
    expected: ExpectedBinding, variances: BindingVariances, rng: np.random.Generator
) -> tuple[list[WellCount], BindingConditions]:
    """Counts of one plate, with the conditions as they would be measured.

    Volumes vary, so a well that got more of one thing is thinner in the others; a fixed volume of
    it is drawn through the filter. Binding is at equilibrium with both ligands depleted.

    Raises:
        AnalysisError: The conditions cannot be used, or no Ki is assumed for a compound.
    """
    c = expected.conditions
    check_conditions(c)
    names = {w.compound for w in expected.wells if w.compound}
    if unknown := sorted(names - set(expected.ki_molar)):
        message = f"No Ki is assumed for {unknown[0]}."
        raise AnalysisError(message)
    n = len(expected.wells)
    compound_share = max(1.0 - expected.membrane_share - expected.radioligand_share, 0.0)
    membranes = _factors(rng, variances.dispense_cv, n)
    tracer = _factors(rng, variances.dispense_cv, n)
    compound = _factors(rng, variances.compound_cv, n)
    volume = (
        expected.membrane_share * membranes
        + expected.radioligand_share * tracer
        + compound_share * compound
    )
    lot = float(_factors(rng, variances.membrane_lot, 1)[0])
    dose, ki = _competitors(expected, variances, rng)
    ligand = np.stack((c.radioligand_molar * tracer / volume, dose * compound / volume))
    constant = np.stack((np.full(n, c.apparent_kd_molar), ki * c.masking_factor))
    receptor = expected.receptor_molar * lot * membranes / volume
    held = free_receptor(receptor, ligand, constant) / c.apparent_kd_molar
    free = ligand[0] / (1.0 + held)
    sticking = expected.nonspecific_share * float(_factors(rng, variances.nonspecific_lot, 1)[0])
    drawn = _factors(rng, variances.compound_cv / 2.0, n) * c.harvested_share
    kept = free * (held * expected.caught + sticking) * drawn
    seen = c.cpm_per_molar * kept * _factors(rng, variances.filter_cv, n)
    rates = c.background_cpm + seen * _unevenness(expected.wells, variances.gradient, rng)
    minutes = np.array([w.count_min for w in expected.wells])
    counted = rng.poisson(rates * minutes) / minutes
    wells = [
        replace(w, gross_cpm=float(cpm)) for w, cpm in zip(expected.wells, counted, strict=True)
    ]
    error = 10.0 ** (variances.radioligand_sd_log10 * float(rng.standard_normal()))
    sd = max(variances.radioligand_sd_log10, 0.0)
    return wells, replace(c, radioligand_molar=c.radioligand_molar * error, radioligand_sd_log10=sd)


def _factors(rng: np.random.Generator, cv: float, count: int) -> FloatArray:
    return np.maximum(1.0 + cv * rng.standard_normal(count), LEAST)


def _competitors(
    expected: ExpectedBinding, variances: BindingVariances, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """True competitor and its Ki in each well, molar; errors of a series add up along it."""
    series = dict.fromkeys(w.series for w in expected.wells if w.series is not None)
    deepest = max((w.dilution_steps for w in expected.wells), default=0)
    errors = {}
    for name in series:
        steps = variances.step_sd_log10 * rng.standard_normal(deepest)
        top = variances.top_sd_log10 * float(rng.standard_normal())
        errors[name] = top + np.concatenate(((0.0,), np.cumsum(steps)))
    dose, ki = np.zeros(len(expected.wells)), np.full(len(expected.wells), 1.0)
    for place, well in enumerate(expected.wells):
        if well.role == "nsb":
            dose[place], ki[place] = expected.nonspecific_molar, expected.nonspecific_ki_molar
        elif well.compound is not None and well.concentration_molar:
            error = errors[well.series][well.dilution_steps] if well.series in errors else 0.0
            dose[place] = well.concentration_molar * 10.0**error
            ki[place] = expected.ki_molar[well.compound]
    return dose, ki


def _unevenness(
    wells: Sequence[WellCount], spread: float, rng: np.random.Generator
) -> FloatArray:  # fmt: skip
    """Factor of each well: slopes over rows and columns, and the outer ring."""
    down, across, edge = spread * rng.standard_normal(3)
    row = np.array([ord(w.row[-1]) - ord("A") for w in wells], dtype=np.float64)
    column = np.array([w.column - 1 for w in wells], dtype=np.float64)
    outer = (row == 0) | (row == ROWS - 1) | (column == 0) | (column == COLUMNS - 1)
    middle_row, middle_column = (ROWS - 1) / 2, (COLUMNS - 1) / 2
    slope = down * (row - middle_row) / middle_row
    slope = slope + across * (column - middle_column) / middle_column
    return np.asarray(np.maximum(1.0 + slope + edge * outer, LEAST))
