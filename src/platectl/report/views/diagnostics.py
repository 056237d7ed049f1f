"""What the fits of a plate say about themselves, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

from platectl.analysis.report import FitReport
from platectl.report.views.view import Section

HEAD = ("of", "fit", "model", "weighting", "n", "df", "SS", "Sy.x", "R²", "AICc", "runs, p",
        "lack of fit, p", "normality, p", "largest dependency", "status")  # fmt: skip
NOTE = (
    "SS, Sy.x and R² are weighted as the fit was. Runs: too few for chance; lack of fit: against the scatter of "
    "replicates; normality of weighted residuals by D'Agostino and Pearson. The largest dependency of a parameter "
    "on the others is 1 where they cannot be told apart. Parameters with their intervals and covariance stand in "
    "results.json."
)


def diagnostics(fits: Mapping[str, Mapping[str, FitReport]]) -> Section:
    """A folded section with one line per fit.

    Args:
        fits: Compound or constant -> name of the fit -> its report.
    """
    rows = [_row(of, name, found) for of, own in fits.items() for name, found in own.items()]
    return Section("Diagnostics of the fits", table=[HEAD, *rows] if rows else (), note=NOTE, folded=True)  # fmt: skip


def _row(of: str, name: str, fit: FitReport) -> tuple[str, ...]:
    dependencies = [p.dependency for p in fit.parameters if math.isfinite(p.dependency)]
    lack = fit.lack_of_fit
    return (
        of, name, fit.model, fit.weighting, str(fit.points), str(fit.df), _number(fit.ss), _number(fit.sy_x),
        _number(fit.r2), _number(fit.aicc), _number(fit.runs.p), _number(lack.p if lack else None),
        _number(fit.normality_p), _number(max(dependencies, default=None)), fit.status,
    )  # fmt: skip


def _number(value: float | None) -> str:
    return f"{value:.4g}" if value is not None and math.isfinite(value) else "–"
