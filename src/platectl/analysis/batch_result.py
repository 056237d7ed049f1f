"""What a batch of fits gives: arrays with one row for each curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, FitOptions
from platectl.analysis.model import FloatArray, Model
from platectl.analysis.points import constant
from platectl.analysis.weighting import Weighting
from platectl.domain.codes import Code


@dataclass(frozen=True, slots=True, eq=False)
class CurveFits:
    """Fits of many curves over the same x.

    Attributes:
        model: What was fitted.
        options: With what.
        x: Shape (points,).
        estimates: Shape (curves, parameters), like the three below; not a number for a curve with
            fewer points than free parameters.
        standard_errors: Zero for fixed parameters.
        wald_lower: Lower ends of the Wald intervals; `wald_upper` are the upper ends.
        dependency: Prism's, zero for fixed parameters.
        ss: Weighted sum of squares, shape (curves,).
        df: Points minus free parameters, shape (curves,).
        status: As of `fit`, shape (curves,).
        scalar: How many curves were left to the scalar path.
    """

    model: Model
    options: FitOptions
    x: FloatArray
    estimates: FloatArray
    standard_errors: FloatArray
    wald_lower: FloatArray
    wald_upper: FloatArray
    dependency: FloatArray
    ss: FloatArray
    df: NDArray[np.intp]
    status: NDArray[np.str_]
    scalar: int

    def __len__(self) -> int:
        return len(self.ss)

    def estimate(self, name: str) -> FloatArray:
        """Estimates of one parameter, shape (curves,).

        Raises:
            AnalysisError: The model has no such parameter.
        """
        column: FloatArray = self.estimates[:, self.model.position(name)]
        return column

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which curves are well fitted, shape (curves,)."""
        good: NDArray[np.bool_] = self.status == "converged"
        return good


def empty_fits(model: Model, options: FitOptions, x: FloatArray, curves: int) -> CurveFits:
    """Room for the fits of some curves, all without a result yet."""
    shape = (curves, len(model.parameters))
    return CurveFits(
        model=model,
        options=options,
        x=x,
        estimates=np.full(shape, np.nan),
        standard_errors=np.full(shape, np.nan),
        wald_lower=np.full(shape, np.nan),
        wald_upper=np.full(shape, np.nan),
        dependency=np.full(shape, np.nan),
        ss=np.full(curves, np.nan),
        df=np.zeros(curves, dtype=np.intp),
        status=np.full(curves, "not converged", dtype="U14"),
        scalar=0,
    )


def put_scalar(fits: CurveFits, row: int, fitted: Fit) -> None:
    """Replace one row by a scalar fit."""
    for i, parameter in enumerate(fitted.parameters):
        fits.estimates[row, i] = parameter.value
        fits.standard_errors[row, i] = parameter.standard_error
        fits.wald_lower[row, i] = parameter.wald_lower
        fits.wald_upper[row, i] = parameter.wald_upper
        fits.dependency[row, i] = parameter.dependency
    fits.ss[row] = fitted.ss
    fits.df[row] = fitted.df
    fits.status[row] = fitted.status


def check_curves(x: FloatArray, y: FloatArray) -> None:
    """Refuse arrays that are not curves over one x.

    Raises:
        AnalysisError: Shapes do not match, x is not finite, or y is infinite somewhere.
    """
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != x.size:  # noqa: PLR2004 curves by points
        message = (
            f"Curves need x of shape (points,) and y of (curves, points), not {x.shape}, {y.shape}."
        )
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    if not x.size:
        message = "Curves need points."
        raise AnalysisError(message, Code.POINTS_FEW)
    if not np.isfinite(x).all() or np.isinf(y).any():
        message = "Curves need finite x, and y that is finite or missing (not a number)."
        raise AnalysisError(message, Code.NOT_FINITE)


def check_weighting(weighting: Weighting, shape: tuple[int, ...]) -> None:
    """Refuse weights that are not one for each point of these curves.

    Raises:
        AnalysisError: Another shape, values that are not finite and above zero, or several
            counting times.
    """
    if weighting.kind in {"poisson", "counting"} and np.size(weighting.count_min) > 1:
        message = "Many curves at once need one counting time for all points."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    if weighting.kind in {"sd", "given"}:
        values = weighting.values
        if values is None or values.shape not in {shape, shape[1:]}:
            message = f"Weighting '{weighting.kind}' needs one value for each point."
            raise AnalysisError(message, Code.ARRAY_SHAPE)
        if not (np.isfinite(values).all() and (values > 0.0).all()):
            message = f"Weighting '{weighting.kind}' needs finite values above zero."
            raise AnalysisError(message, Code.WEIGHTS_IMPOSSIBLE)


def withdraw_unknown(fits: CurveFits, y: FloatArray) -> None:
    """A response that is the same everywhere, or one dose alone, has no parameters."""
    one_dose = fits.x.size > 0 and np.ptp(fits.x) == 0.0
    nothing = constant(y) | one_dose
    for table in (fits.estimates, fits.standard_errors, fits.wald_lower, fits.wald_upper):
        table[nothing] = np.nan
    seen = ~np.isnan(y).all(axis=1)
    fits.status[nothing & seen] = "ambiguous"
