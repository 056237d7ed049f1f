"""What a curve is: named parameters, an equation, values and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.errors import AnalysisError
from platectl.domain.codes import Code

FloatArray: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = Callable[[FloatArray, Any], FloatArray]
Derivatives: TypeAlias = Callable[[FloatArray, Any], FloatArray]
Guess: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]

_CENTRAL_STEP = float(np.cbrt(np.finfo(np.float64).eps))


@dataclass(frozen=True, slots=True)
class Model:
    """A family of curves y = f(x; theta).

    `curve(x, theta)` takes x of shape (points,) or (regressors, points) and theta of shape
    (parameters,) or (parameters, points), and gives shape (points,). The second form of theta
    lets groups of points have parameters of their own, so curves must be elementwise in theta.

    Attributes:
        name: What a report calls the model.
        equation: The equation as text, for reports.
        parameters: Names in the order of theta.
        curve: Values.
        derivatives: d curve / d theta, shape (points, parameters); central differences if None.
        guess: Candidate starts from x and y, shape (starts, parameters).
        source: Where the equation comes from.
        contains: Names of the models that this one becomes for some values of the parameters they
            do not have, or at the end of their range; for the F test.
    """

    name: str
    equation: str
    parameters: tuple[str, ...]
    curve: Curve
    derivatives: Derivatives | None = None
    guess: Guess | None = None
    source: str = ""
    contains: tuple[str, ...] = ()

    def jacobian(self, x: FloatArray, theta: FloatArray) -> FloatArray:
        """Derivatives by parameter, shape (points, parameters)."""
        if self.derivatives is not None:
            return self.derivatives(x, theta)
        return central_differences(self.curve, x, theta)

    def position(self, parameter: str) -> int:
        """Index of a parameter in theta.

        Raises:
            AnalysisError: The model has no parameter of that name.
        """
        if parameter not in self.parameters:
            known = ", ".join(self.parameters)
            message = f"Model '{self.name}' has no parameter '{parameter}' (it has {known})."
            raise AnalysisError(message, Code.NAME_UNKNOWN)
        return self.parameters.index(parameter)


def central_differences(curve: Curve, x: FloatArray, theta: FloatArray) -> FloatArray:
    """Numerical Jacobian with steps of cbrt(eps) relative to each parameter."""
    columns = []
    for i in range(len(theta)):
        step = _CENTRAL_STEP * np.where(theta[i] == 0.0, 1.0, np.abs(theta[i]))
        above, below = theta.copy(), theta.copy()
        above[i] += step
        below[i] -= step
        columns.append((curve(x, above) - curve(x, below)) / (above[i] - below[i]))
    return np.stack(columns, axis=1)


def stack_columns(columns: Sequence[Any], points: int) -> FloatArray:
    """Join per-parameter derivatives, some of them scalars, into (points, parameters)."""
    joined = np.empty((points, len(columns)))
    for i, column in enumerate(columns):
        joined[:, i] = column
    return joined
