"""Scintillation counting: cpm to dpm, fmol, nM and pmol/mg; decay; Poisson limits."""

from __future__ import annotations

import math

from scipy.special import chdtri

from platectl.analysis.errors import AnalysisError
from platectl.domain.radioactivity import TRITIUM_HALF_LIFE_D, decayed

DPM_PER_FMOL_PER_CI_PER_MMOL = 2.22
FEMTOMOL_PER_MOLAR_UL = 1e9


def dpm_from_cpm(gross_cpm: float, *, background_cpm: float, efficiency: float) -> float:
    """Disintegrations per minute: (gross - background)/efficiency. May be negative by chance."""
    if not 0.0 < efficiency <= 1.0:
        message = f"Counting efficiency must be above 0 and at most 1, not {efficiency!r}."
        raise AnalysisError(message)
    return (gross_cpm - background_cpm) / efficiency


def fmol_from_dpm(dpm: float, *, specific_activity_ci_per_mmol: float) -> float:
    """Femtomole: dpm/(2.22 SA), with SA on the counting day."""
    if not specific_activity_ci_per_mmol > 0.0:
        message = "Specific activity must be above zero."
        raise AnalysisError(message)
    return dpm / (DPM_PER_FMOL_PER_CI_PER_MMOL * specific_activity_ci_per_mmol)


def molar_from_fmol(fmol: float, *, volume_ul: float) -> float:
    """Concentration of an amount in a volume: 1 fmol in 1 uL is 1 nM."""
    if not volume_ul > 0.0:
        message = "Volume must be above zero."
        raise AnalysisError(message)
    return fmol / (volume_ul * FEMTOMOL_PER_MOLAR_UL)


def pmol_per_mg(fmol: float, *, protein_ug: float) -> float:
    """Binding per protein: fmol/ug is pmol/mg."""
    if not protein_ug > 0.0:
        message = "Protein must be above zero."
        raise AnalysisError(message)
    return fmol / protein_ug


def cpm_per_molar(
    *, efficiency: float, specific_activity_ci_per_mmol: float, volume_ul: float
) -> float:
    """Net cpm of one molar in the well volume, the factor between counts and concentration."""
    per_fmol = efficiency * DPM_PER_FMOL_PER_CI_PER_MMOL * specific_activity_ci_per_mmol
    return per_fmol * FEMTOMOL_PER_MOLAR_UL * volume_ul


def decayed_specific_activity(
    reference_ci_per_mmol: float, *, days: float, half_life_d: float = TRITIUM_HALF_LIFE_D
) -> float:
    """Specific activity `days` after its reference date: SA0 2^(-days/half-life)."""
    return decayed(reference_ci_per_mmol, days=days, half_life_d=half_life_d)


def poisson_limits(counts: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact limits of the mean of a Poisson count (Garwood 1936).

    `chi2(alpha/2; 2N)/2` and `chi2(1-alpha/2; 2N+2)/2`; the lower limit of zero counts is zero.
    """
    if counts < 0 or counts != int(counts):
        message = f"Counts are whole numbers from zero, not {counts!r}."
        raise AnalysisError(message)
    tail = 0.5 * (1.0 - confidence)
    lower = 0.5 * float(chdtri(2.0 * counts, 1.0 - tail)) if counts else 0.0
    return lower, 0.5 * float(chdtri(2.0 * counts + 2.0, tail))


def net_rate_sd(
    gross_cpm: float,
    *,
    count_min: float,
    background_cpm: float,
    background_min: float = math.inf,
) -> float:
    """Counting standard deviation of net cpm: sqrt(gross/t + background/tb)."""
    if not count_min > 0.0 or not background_min > 0.0 or gross_cpm < 0.0 or background_cpm < 0.0:
        message = "Counting times must be above zero and count rates not negative."
        raise AnalysisError(message)
    return math.sqrt(gross_cpm / count_min + background_cpm / background_min)


def poisson_cv(gross_cpm: float, *, count_min: float) -> float:
    """Relative standard deviation that counting alone gives a mean rate: 1/sqrt(N)."""
    expected = gross_cpm * count_min
    return 1.0 / math.sqrt(expected) if expected > 0.0 else math.inf
