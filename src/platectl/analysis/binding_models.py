"""Curves of radioligand binding: competition with depletion, exact mass action, saturation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from platectl.analysis.dose_response import LN10
from platectl.analysis.errors import AnalysisError
from platectl.analysis.mass_action import free_receptor
from platectl.analysis.model import FloatArray, Model, stack_columns


def heterologous_with_depletion(added_cpm: float, kd_cpm: float) -> Model:
    """Prism "One site - Heterologous with depletion": radioligand depleted, competitor not.

    X is log10 molar competitor, Y bound cpm; `kd_cpm` is Kd in cpm of the well volume.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        log_ki, bmax_cpm, ns = theta
        a = -(ns + 1.0)
        s = (1.0 + 10.0 ** (x - log_ki)) * kd_cpm + added_cpm
        b = -a * s + ns * added_cpm + bmax_cpm
        c = -added_cpm * (s * ns + bmax_cpm)
        bound: FloatArray = _smaller_root(a, b, c)
        return bound

    return Model(
        name="One site - Heterologous with depletion",
        equation="R = NS+1; S = (1+10^(X-LogKi))*KdCPM + Hot; a = -R; b = R*S + NS*Hot + Bmax; "
        "c = -Hot*(S*NS + Bmax); Y = (-b+sqrt(b^2-4ac))/(2a)",
        source="GraphPad Prism Curve Fitting Guide, one site, accounting for ligand depletion",
        parameters=("LogKi", "Bmax", "NS"),
        curve=curve,
    )


def _smaller_root(a: Any, b: Any, c: Any) -> Any:
    """(-b+sqrt(b^2-4ac))/(2a) without the cancellation of its printed form."""
    return -2.0 * c / (b + np.sqrt(b * b - 4.0 * a * c))


@dataclass(frozen=True, slots=True)
class CompetitionSetting:
    """Constants of a competition plate that the exact model takes as given.

    Attributes:
        radioligand_molar: Total radioligand L in the well.
        kd_molar: Its dissociation constant; the apparent one, Kd(1+M/Km), with a masking ligand.
        cpm_per_molar: Counts per minute of one molar in the well volume.
        background_cpm: Counts per minute of the counter without activity.
        masking_factor: 1+M/Km of a masking ligand at the site under study; it weakens the
            competitor as it does the radioligand.
    """

    radioligand_molar: float
    kd_molar: float
    cpm_per_molar: float
    background_cpm: float
    masking_factor: float = 1.0

    @property
    def added_cpm(self) -> float:
        """Net counts per minute of all radioligand in the well."""
        return self.radioligand_molar * self.cpm_per_molar


def _exact_free_receptor(
    setting: CompetitionSetting, competitor: FloatArray, theta: FloatArray
) -> tuple[Any, Any, Any, FloatArray]:
    """Apparent Ki, total receptor, effective Kd = Kd(1+NS), and free receptor of each point."""
    log_ki, log_bmax, ns = theta
    with np.errstate(over="ignore"):
        ki, receptor = setting.masking_factor * np.power(10.0, log_ki), np.power(10.0, log_bmax)
    kd = setting.kd_molar * (1.0 + ns)
    total = np.stack((np.full_like(competitor, setting.radioligand_molar), competitor))
    constant = np.empty_like(total)
    constant[0], constant[1] = kd, ki
    return ki, receptor, kd, free_receptor(receptor, total, constant)


def _exact_bound(setting: CompetitionSetting, free: FloatArray, ns: Any) -> FloatArray:
    """Gross cpm: `background + cpm*L*u/(1+u)` with u = R/Kd + NS."""
    held = free / setting.kd_molar + ns
    counts: FloatArray = setting.background_cpm + setting.added_cpm * held / (1.0 + held)
    return counts


def _exact_derivatives(
    setting: CompetitionSetting, competitor: FloatArray, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivatives by (LogKi, LogBmax, NS), and by log10 of the competitor concentration."""
    ki, receptor, kd, free = _exact_free_receptor(setting, competitor, theta)
    endless = np.isinf(competitor)
    finite = np.where(endless, 0.0, competitor)
    hold = setting.radioligand_molar / (kd + free)
    with np.errstate(over="ignore", invalid="ignore"):
        compete = np.where(np.isinf(ki), 0.0, finite / (ki + free))
        share = np.where(np.isinf(ki), 1.0, ki / (ki + free))
    slope = 1.0 + hold * kd / (kd + free) + compete * share
    by_free = np.where(endless, 0.0, 1.0 / slope)
    held = free / setting.kd_molar + theta[2]
    by_held = setting.added_cpm / (1.0 + held) ** 2
    gain = by_held * by_free / setting.kd_molar
    by_ns = by_held + gain * hold * free * setting.kd_molar / (kd + free)
    columns = (gain * LN10 * compete * share * free, gain * LN10 * receptor, by_ns)
    return stack_columns(columns, competitor.shape[-1]), -gain * LN10 * compete * free


def competition_mass_action(setting: CompetitionSetting) -> Model:
    """Exact competition: both ligands and the receptor conserved, NSB depletes too.

    x is the total competitor in molar: 0 for total binding, infinity for full displacement.
    Y is gross cpm. Nonspecific binding is NS times free radioligand.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        return _exact_bound(setting, _exact_free_receptor(setting, x, theta)[3], theta[2])

    return Model(
        name="One site competition, exact mass action",
        equation="R + L*R/(Kd*(1+NS)+R) + I*R/(Ki+R) = Bmax; u = R/Kd + NS; "
        "Y = Background + cpm*L*u/(1+u); Ki = 10^LogKi*(1+M/Km), Bmax = 10^LogBmax",
        source="mass action of two ligands and one site, both depleted; agrees with Munson and Rodbard 1988 for one site",
        parameters=("LogKi", "LogBmax", "NS"),
        curve=curve,
        derivatives=lambda x, theta: _exact_derivatives(setting, x, theta)[0],
    )


def competition_dose_slope(
    setting: CompetitionSetting, competitor_molar: FloatArray, theta: FloatArray
) -> FloatArray:
    """Slope of Y against log10 competitor in cpm per decade, shape (points,)."""
    return _exact_derivatives(setting, competitor_molar, theta)[1]


def start_from_plateaus(
    setting: CompetitionSetting, top_cpm: float, bottom_cpm: float, ic50_molar: float
) -> FloatArray:
    """Start (LogKi, LogBmax, NS) of the exact model from gross plateaus and an IC50.

    Raises:
        AnalysisError: A plateau is not between background and the activity added.
    """
    added = setting.added_cpm
    high, low = (level - setting.background_cpm for level in (top_cpm, bottom_cpm))
    if not low < high < added:
        message = (
            f"Total binding ({high:.0f} cpm net) must lie between nonspecific binding "
            f"({low:.0f} cpm) and the radioactivity added ({added:.0f} cpm): "
            "check radioligand concentration, specific activity, efficiency and volume."
        )
        raise AnalysisError(message)
    ns = low / (added - low)
    bound_over_free = high / (added - high) - ns
    specific = bound_over_free * (added - high) / setting.cpm_per_molar
    receptor = bound_over_free * setting.kd_molar + specific
    ratio = setting.radioligand_molar / setting.kd_molar
    ki = ic50_molar / (1.0 + ratio) / setting.masking_factor
    return np.array([math.log10(ki), math.log10(receptor), ns])


@dataclass(frozen=True, slots=True)
class ZeroCompetitor:
    """Binding without competitor: specific bound/free, and free radioligand at 0 and 50 %."""

    bound_over_free: float
    free_zero_molar: float
    free_half_molar: float


def without_competitor(setting: CompetitionSetting, theta: FloatArray) -> ZeroCompetitor:
    """What Munson-Rodbard and Goldstein-Barrett need, from (LogKi, LogBmax, NS)."""
    ns = float(theta[2])
    free_receptor_molar = float(_exact_free_receptor(setting, np.zeros(1), theta)[3][0])
    y0 = free_receptor_molar / setting.kd_molar
    total = setting.radioligand_molar
    free_zero = total / (1.0 + ns + y0)
    free_half = (total - 0.5 * y0 * free_zero) / (1.0 + ns)
    return ZeroCompetitor(y0, free_zero, free_half)


def _saturation_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    """Grid of (Bmax, Kd, NS): Bmax and NS are linear once Kd is given."""
    added, is_total = x
    starts = []
    for kd in np.quantile(added, (0.1, 0.25, 0.5, 0.75, 0.9)):
        design = np.stack((is_total * added / (added + kd), added), axis=1)
        (bmax, ns), *_ = np.linalg.lstsq(design, y, rcond=None)
        starts.append((bmax, kd, ns))
    return np.array(starts)


def saturation_naive(background_cpm: float = 0.0) -> Model:
    """Total and nonspecific binding fitted together, added ligand taken as free.

    x has two rows: radioligand added (any unit, Kd comes out in it), and 1 for total or 0 for
    nonspecific wells.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        bmax, kd, ns = theta
        added, is_total = x
        bound: FloatArray = background_cpm + is_total * bmax * added / (kd + added) + ns * added
        return bound

    return Model(
        name="One site - Total and nonspecific binding",
        equation="nonspecific = NS*X + Background; total = Bmax*X/(X+Kd) + nonspecific",
        source="GraphPad Prism Curve Fitting Guide, one site, total and nonspecific binding",
        parameters=("Bmax", "Kd", "NS"),
        curve=curve,
        guess=lambda x, y: _saturation_guess(x, y - background_cpm),
    )


def saturation_with_depletion(background_cpm: float = 0.0) -> Model:
    """Total and nonspecific binding fitted together with ligand depletion, X = cpm added.

    x has two rows: cpm added, and 1 for total or 0 for nonspecific wells, where Y = NS X/(1+NS).
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        bmax, kd, ns = theta
        added, is_total = x
        a = -1.0 - ns
        b = kd + ns * kd + added + 2.0 * added * ns + bmax
        c = -added * (ns * kd + added * ns + bmax)
        total = _smaller_root(a, b, c)
        bound: FloatArray = background_cpm + np.where(
            is_total > 0.0, total, ns * added / (1.0 + ns)
        )
        return bound

    return Model(
        name="One site - Total and nonspecific binding with ligand depletion",
        equation="a = -1-NS; b = KdCPM + NS*KdCPM + X + 2*X*NS + Bmax; "
        "c = -X*(NS*KdCPM + X*NS + Bmax); total = (-b+sqrt(b^2-4ac))/(2a); "
        "nonspecific = NS*X/(1+NS); Y = Background + either",
        source="GraphPad Prism Curve Fitting Guide, as above with the radioligand depleted (quadratic of mass action)",
        parameters=("Bmax", "KdCPM", "NS"),
        curve=curve,
        guess=lambda x, y: _saturation_guess(x, y - background_cpm),
    )
