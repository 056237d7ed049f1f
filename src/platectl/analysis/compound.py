"""All fits of one compound of a competition plate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_mass_action,
    start_from_plateaus,
)
from platectl.analysis.dose_response import (
    FOUR_PARAMETER,
    ONE_SITE,
    ONE_SITE_HILL,
    TWO_SITES,
    sigmoid_grid,
)
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.model import FloatArray
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.weighting import Weighting, given_weights

FEWEST_FOR_OWN_PLATEAUS = 4
CONTROL_DECADES = 12.0
"""Controls enter curves on log10 concentration this far beyond the lowest and highest dose."""


@dataclass(frozen=True, slots=True)
class CurveData:
    """Fitted points of one compound: its wells first, then totals, then nonspecific wells.

    Attributes:
        wells: The wells behind the points.
        molar: Competitor in molar, 0 for totals and infinite for nonspecific wells.
        log10_molar: The same on the log scale with controls far outside.
        cpm: Gross counts per minute.
        count_min: Counting times.
        own: True for wells of the compound.
    """

    wells: tuple[WellCount, ...]
    molar: FloatArray
    log10_molar: FloatArray
    cpm: FloatArray
    count_min: FloatArray
    own: NDArray[np.bool_]

    def subset(self, keep: NDArray[np.bool_]) -> CurveData:
        """Only the points where `keep` is true."""
        wells = tuple(w for w, kept in zip(self.wells, keep, strict=True) if kept)
        return CurveData(
            wells,
            self.molar[keep],
            self.log10_molar[keep],
            self.cpm[keep],
            self.count_min[keep],
            self.own[keep],
        )


def curve_data(
    own: Sequence[WellCount], totals: Sequence[WellCount], nonspecific: Sequence[WellCount]
) -> CurveData:
    """Join the wells of a compound with the control wells."""
    doses = np.array([w.concentration_molar for w in own], dtype=np.float64)
    logs = np.log10(doses)
    wells = (*own, *totals, *nonspecific)
    counts = (len(totals), len(nonspecific))
    ends = (logs.min() - CONTROL_DECADES, logs.max() + CONTROL_DECADES)
    return CurveData(
        wells=wells,
        molar=np.concatenate((doses, np.repeat((0.0, np.inf), counts))),
        log10_molar=np.concatenate((logs, np.repeat(ends, counts))),
        cpm=np.array([w.gross_cpm for w in wells], dtype=np.float64),
        count_min=np.array([w.count_min for w in wells], dtype=np.float64),
        own=np.arange(len(wells)) < len(own),
    )


def competition_setting(conditions: BindingConditions) -> CompetitionSetting:
    """Constants of the exact model under these conditions."""
    return CompetitionSetting(
        radioligand_molar=conditions.radioligand_molar,
        kd_molar=conditions.apparent_kd_molar,
        cpm_per_molar=conditions.cpm_per_molar,
        background_cpm=conditions.background_cpm,
        masking_factor=conditions.masking_factor,
    )


@dataclass(frozen=True, slots=True)
class CompoundFits:
    """The fits of one compound; those that made no sense are None.

    Attributes:
        exact: Exact mass action, with controls: the primary model for Ki.
        one_site: Slope -1, for the IC50.
        four: Free slope; `one_site_same_weights` has its weights, for the F test.
        plateaus: Slope -1 on the compound's wells alone, for plateaus of its own.
        two_sites: Tried when the interval of the slope is shallow of -1; with the weights of `four`.
    """

    one_site: Fit
    plateaus: Fit | None = None
    exact: Fit | None = None
    four: Fit | None = None
    one_site_same_weights: Fit | None = None
    two_sites: Fit | None = None


@dataclass(frozen=True, slots=True)
class CurveFitter:
    """Fits curves of one plate: constants of the assay and the weighting.

    Attributes:
        setting: Constants of the exact model.
        weighting: Kind of weighting.
        cv: Relative standard deviation for `counting`.
    """

    setting: CompetitionSetting
    weighting: Weighting

    def options(self, data: CurveData) -> FitOptions:
        """Fit options for these points."""
        w = self.weighting
        own = Weighting(
            w.kind, count_min=data.count_min, cv=w.cv, background_cpm=self.setting.background_cpm
        )
        return FitOptions(weighting=own, starts=1, tolerance=1e-7)

    def one_site(self, data: CurveData) -> Fit:
        """One-site curve; the start is the best of a grid over the range of the doses."""
        own = data.log10_molar[data.own]
        middle = np.linspace(own.min() - 0.5, own.max() + 0.5, 41)
        start = sigmoid_grid(data.log10_molar, data.cpm, (ONE_SITE_HILL,), middle)[0, :3]
        return fit(ONE_SITE, data.log10_molar, data.cpm, start=start, options=self.options(data))

    def exact(self, data: CurveData, one_site: Fit) -> Fit:
        """Exact mass action from the plateaus and IC50 of a one-site fit.

        Raises:
            AnalysisError: The plateaus contradict the radioactivity added.
        """
        top, bottom, log_ic50 = one_site.free_values
        start = start_from_plateaus(
            self.setting, float(top), float(bottom), 10.0 ** float(log_ic50)
        )
        model = competition_mass_action(self.setting)
        return fit(model, data.molar, data.cpm, start=start, options=self.options(data))

    def four(self, data: CurveData, one_site: Fit) -> tuple[Fit, Fit]:
        """Free slope, and slope -1 with the same weights."""
        options = self.options(data)
        start = np.append(one_site.free_values, ONE_SITE_HILL)
        full = fit(FOUR_PARAMETER, data.log10_molar, data.cpm, start=start, options=options)
        held = FitOptions(weighting=given_weights(full.weights), starts=1, tolerance=1e-7)
        simple = fit(ONE_SITE, data.log10_molar, data.cpm, start=one_site.free_values, options=held)
        return full, simple

    def two_sites(self, data: CurveData, four: Fit) -> Fit | None:
        """Two sites with the weights of the free-slope fit, or None if they cannot be fitted."""
        held = FitOptions(weighting=given_weights(four.weights), starts=3, tolerance=1e-7)
        own = data.log10_molar[data.own]
        top, bottom, middle = (four[name].value for name in ("Top", "Bottom", "LogIC50"))
        if not own.min() - 2.0 < middle < own.max() + 2.0:
            return None
        try:
            tries = [
                fit(
                    TWO_SITES,
                    data.log10_molar,
                    data.cpm,
                    start=np.array((top, bottom, middle - gap, middle + gap, share)),
                    options=held,
                )
                for gap in (0.6, 1.2)
                for share in (0.3, 0.7)
            ]
        except AnalysisError:
            return None
        return min(tries, key=lambda tried: tried.ss)

    def own_plateaus(self, data: CurveData) -> Fit | None:
        """One-site curve without control wells; None if its wells cannot carry it."""
        alone = data.subset(data.own)
        if np.unique(alone.log10_molar).size < FEWEST_FOR_OWN_PLATEAUS:
            return None
        try:
            return self.one_site(alone)
        except AnalysisError:
            return None


def dose_levels(data: CurveData) -> tuple[FloatArray, FloatArray]:
    """Distinct concentrations (rounded to 1e-6 in log10), rising, and mean gross cpm."""
    keys = np.round(data.log10_molar[data.own], 6)
    values, labels = np.unique(keys, return_inverse=True)
    sums = np.bincount(labels, data.cpm[data.own], minlength=values.size)
    return 10.0**values, sums / np.bincount(labels, minlength=values.size)


def in_percent(cpm: float, high_cpm: float, low_cpm: float) -> float:
    """Gross cpm in percent of control."""
    return 100.0 * (cpm - low_cpm) / (high_cpm - low_cpm) if high_cpm != low_cpm else math.nan
