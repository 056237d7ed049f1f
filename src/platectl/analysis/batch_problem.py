"""Sums of squares and their derivatives for many curves between two plateaus.

Variable projection (Golub and Pereyra 1973): free plateaus are solved exactly for each shape, so
the search runs over the shape only, with Kaufman's (1975) Jacobian, the slopes of the curve with
their part along the plateaus' columns removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.batch_levels import Levels
from platectl.analysis.batch_models import PlateauModel
from platectl.analysis.model import FloatArray

Chosen = NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one shape per curve gives; arrays have shape (curves,) unless said otherwise.

    Attributes:
        first: First plateau, held or solved.
        second: Second plateau, held or solved.
        ss: Weighted sum of squares about the means.
        gradient: J'r of each free shape parameter, shape (free, curves).
        information: J'J of the free shape parameters, shape (free, free, curves).
    """

    first: FloatArray
    second: FloatArray
    ss: FloatArray
    gradient: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True)
class BatchProblem:
    """Curves, model and what is held; parameters by position, plateaus first.

    Attributes:
        model: The family.
        levels: Means and weights.
        held: Values of held parameters, each of shape (curves,) or a number.
    """

    model: PlateauModel
    levels: Levels
    held: Mapping[int, FloatArray] = field(default_factory=dict)
    root: FloatArray = field(init=False)
    data: FloatArray = field(init=False)
    total: FloatArray = field(init=False)
    centre: FloatArray = field(init=False)
    centred: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        root = np.sqrt(self.levels.weight)
        data = root * self.levels.mean
        total = self.levels.weight.sum(axis=0)
        centre = self._along(root, data) / total
        for name, value in (
            ("root", root),
            ("data", data),
            ("total", total),
            ("centre", centre),
            ("centred", data - root * centre),
        ):
            object.__setattr__(self, name, value)

    @property
    def curves(self) -> int:
        """Number of curves."""
        return int(self.levels.mean.shape[1])

    @property
    def free_shape(self) -> tuple[int, ...]:
        """Positions within the shape that are searched."""
        count = len(self.model.model.parameters) - 2
        return tuple(j for j in range(count) if j + 2 not in self.held)

    @property
    def free(self) -> tuple[int, ...]:
        """Positions of all free parameters."""
        count = len(self.model.model.parameters)
        return tuple(i for i in range(count) if i not in self.held)

    def take(self, chosen: Chosen) -> BatchProblem:
        """The same problem for some of the curves."""
        held = {i: value[chosen] for i, value in self.held.items()}
        return BatchProblem(self.model, self.levels.take(chosen), held)

    def holding(self, position: int, value: FloatArray) -> BatchProblem:
        """The same problem with one more parameter held."""
        return BatchProblem(self.model, self.levels, {**self.held, position: value})

    def shape_from(self, searched: FloatArray) -> list[FloatArray]:
        """All shape parameters from those that are searched, shape (free, curves)."""
        rows = iter(searched)
        positions = range(2, len(self.model.model.parameters))
        return [self.held[i] if i in self.held else next(rows) for i in positions]

    def evaluate(self, searched: FloatArray) -> Evaluation:
        """Solve the plateaus and give sum of squares, gradient and information."""
        shape = self.shape_from(searched)
        u = self.model.fraction(self.levels.x, shape)
        first, second, residual, basis = self._plateaus(u)
        slopes = self.model.slopes(self.levels.x, shape, u) if len(searched) else ()
        chosen = [self.root * slopes[j] for j in self.free_shape]
        gap = first - second
        ss = _dot(residual, residual)
        gradient = np.empty((len(chosen), self.curves))
        information = np.empty((len(chosen), len(chosen), self.curves))
        square = gap * gap
        projected = [[self._along(axis, column) for axis in basis] for column in chosen]
        for j, column in enumerate(chosen):
            gradient[j] = gap * _dot(column, residual)
            for k in range(j + 1):
                lost = sum(a * b for a, b in zip(projected[j], projected[k], strict=True))
                information[j, k] = square * (_dot(column, chosen[k]) - lost)
                information[k, j] = information[j, k]
        return Evaluation(first, second, ss, gradient, information)

    def _plateaus(
        self, u: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, tuple[FloatArray, ...]]:
        """Plateaus, residuals, and the orthonormal columns that the free plateaus span."""
        first, second = self.held.get(0), self.held.get(1)
        part = self.root * u
        if first is None and second is None:
            return self._both_free(part)
        rest = self.root - part
        if first is not None and second is not None:
            return first, second, self.data - first * part - second * rest, ()
        if first is not None:
            solved, residual, column = _one_free(self.data - first * part, rest)
            return first, solved, residual, (column,)
        known = self.held[1]
        solved, residual, column = _one_free(self.data - known * rest, part)
        return solved, known, residual, (column,)

    def _both_free(
        self, part: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, tuple[FloatArray, ...]]:
        middle = self._along(self.root, part) / self.total
        part -= self.root * middle
        length = _dot(part, part)
        gap = _dot(part, self.centred) / length
        low = self.centre - gap * middle
        residual = self.centred - gap * part
        part /= np.sqrt(length)
        return low + gap, low, residual, (self.root / np.sqrt(self.total), part)

    def _along(self, axis: FloatArray, column: FloatArray) -> FloatArray:
        if axis.shape[1] == 1:
            flat: FloatArray = axis[:, 0] @ column
            return flat
        return _dot(axis, column)

    def normal_matrix(self, theta: FloatArray) -> FloatArray:
        """J'J of all free parameters at theta of shape (parameters, curves): (free, free, curves)."""
        shape = list(theta[2:])
        u = self.model.fraction(self.levels.x, shape)
        slopes = self.model.slopes(self.levels.x, shape, u)
        gap = theta[0] - theta[1]
        columns = (self.root * u, self.root * (1.0 - u), *(self.root * gap * s for s in slopes))
        chosen = [columns[i] for i in self.free]
        normal = np.empty((len(chosen), len(chosen), self.curves))
        for j, column in enumerate(chosen):
            for k in range(j + 1):
                normal[j, k] = normal[k, j] = _dot(column, chosen[k])
        return normal


def _one_free(left: FloatArray, column: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A plateau solved from what is left of the data, the residuals, and its unit column."""
    length = _dot(column, column)
    solved = _dot(column, left) / length
    return solved, left - solved * column, column / np.sqrt(length)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Sum over the levels of a product, shape (curves,)."""
    summed: FloatArray = np.einsum("ij,ij->j", a, b)
    return summed
