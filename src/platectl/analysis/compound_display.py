"""Points and curves of a compound as a report shows them; nothing is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from platectl.analysis.compound import CurveData
from platectl.analysis.fit import Fit
from platectl.analysis.plate import WellCount
from platectl.analysis.results import CurvePoint, FittedPoint

CURVE_POINTS = 61
MARGIN_DECADES = 0.5


def fitted_points(
    data: CurveData | None,
    exact: Fit | None,
    wells: Sequence[WellCount],
    masked: Mapping[str, str] | None = None,
    outliers: Sequence[str] = (),
) -> tuple[FittedPoint, ...]:
    """Every well of the curve with its residual, then every well left out with its reason.

    Args:
        data: Points of the fit; None if all wells are excluded.
        exact: The fit of those points; None if there is none.
        wells: All wells of the compound.
        masked: Reason by well for points that a rule took out of the fit.
        outliers: Wells to flag.
    """
    reasons = dict(masked or {})
    shown = (
        [] if data is None else [_shown(data, exact, i, outliers) for i in range(len(data.wells))]
    )
    inside = {point.well for point in shown}
    for well in wells:
        if well.well not in inside:
            reason = well.excluded or reasons.pop(well.well, "excluded")
            shown.append(_left_out(well, reason))
            reasons.pop(well.well, None)
    return tuple(shown)


def _shown(data: CurveData, exact: Fit | None, i: int, outliers: Sequence[str]) -> FittedPoint:
    well = data.wells[i]
    flags = (*well.flags, "outlier") if well.well in outliers else well.flags
    fitted = residual = scaled = None
    if exact is not None:
        fitted, residual = float(exact.fitted[i]), float(exact.residuals[i])
        if exact.df > 0 and exact.ss > 0.0:
            scaled = residual * math.sqrt(float(exact.weights[i]) / exact.residual_variance)
    return FittedPoint(
        well.well, well.role, float(data.molar[i]), well.gross_cpm, fitted, residual, scaled, flags
    )


def _left_out(well: WellCount, reason: str) -> FittedPoint:
    molar = math.nan if well.concentration_molar is None else well.concentration_molar
    return FittedPoint(
        well.well, well.role, molar, well.gross_cpm, None, None, None, well.flags, reason
    )


def curve_points(exact: Fit, data: CurveData) -> tuple[CurvePoint, ...]:
    """The fitted curve with its 95 % band over the range of the doses and half a decade more."""
    own = data.log10_molar[data.own]
    grid = np.linspace(own.min() - MARGIN_DECADES, own.max() + MARGIN_DECADES, CURVE_POINTS)
    doses = 10.0**grid
    lower, upper = exact.band(doses)
    rows = np.stack((grid, exact.predict(doses), lower, upper), axis=1).tolist()
    return tuple(CurvePoint(*row) for row in rows)
