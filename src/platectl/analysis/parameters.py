"""Which parameters of a model are free, fixed, or shared between groups of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platectl.analysis.errors import AnalysisError
from platectl.analysis.model import FloatArray, Model
from platectl.domain.codes import Code


@dataclass(frozen=True, slots=True)
class ParameterLayout:
    """Map from the free parameters to theta of the model.

    Attributes:
        names: Full list; a parameter of one group only is written `LogIC50[haloperidol]`.
        index: Position in `names` for each theta, shape (parameters,) or (parameters, points).
        free: Positions that are fitted.
        values: Values of all, with those of free parameters as placeholders.
    """

    names: tuple[str, ...]
    index: NDArray[np.intp]
    free: NDArray[np.intp]
    values: FloatArray

    def full(self, free: FloatArray) -> FloatArray:
        """All values with the free ones put in, shape (names,)."""
        values = self.values.copy()
        values[self.free] = free
        return values

    def theta(self, free: FloatArray) -> FloatArray:
        """Theta as the model takes it."""
        return self.full(free)[self.index]

    def free_jacobian(self, jacobian: FloatArray) -> FloatArray:
        """Derivatives by the free parameters from those by theta, shape (points, free)."""
        if self.index.ndim == 1:
            return jacobian[:, self.free]
        chosen = [(jacobian * (k == self.index.T)).sum(axis=1) for k in self.free]
        return np.stack(chosen, axis=1) if chosen else np.empty((jacobian.shape[0], 0))

    def fixing(self, name: str) -> tuple[ParameterLayout, int]:
        """The same layout with one more parameter fixed, and its position among the free ones."""
        if name not in self.names or self.names.index(name) not in self.free:
            message = f"'{name}' is not a free parameter of this fit."
            raise AnalysisError(message, Code.NAME_UNKNOWN)
        place = int(np.flatnonzero(self.free == self.names.index(name))[0])
        rest = np.delete(self.free, place)
        return ParameterLayout(self.names, self.index, rest, self.values), place


def parameter_layout(
    model: Model,
    groups: Sequence[str] | None,
    shared: Sequence[str],
    fixed: Mapping[str, float],
) -> ParameterLayout:
    """Layout of one group of points, or of several when `groups` labels them.

    Raises:
        AnalysisError: A shared or fixed name is unknown, or a fixed value is not finite.
    """
    if groups is None:
        return single_layout(model, fixed)
    return grouped_layout(model, groups, shared, fixed)


def single_layout(model: Model, fixed: Mapping[str, float]) -> ParameterLayout:
    """Layout of one group of points.

    Raises:
        AnalysisError: A fixed name is not a parameter of the model, or its value is not finite.
    """
    values = np.ones(len(model.parameters))
    for name, value in fixed.items():
        values[model.position(name)] = _finite(name, value)
    free = [i for i, name in enumerate(model.parameters) if name not in fixed]
    index = np.arange(len(model.parameters), dtype=np.intp)
    return ParameterLayout(model.parameters, index, np.array(free, dtype=np.intp), values)


def grouped_layout(
    model: Model, groups: Sequence[str], shared: Sequence[str], fixed: Mapping[str, float]
) -> ParameterLayout:
    """Layout of several groups; parameters in `shared` or `fixed` are the same in all.

    Raises:
        AnalysisError: A shared or fixed name is not a parameter of the model.
    """
    labels = tuple(dict.fromkeys(groups))
    place = np.array([labels.index(group) for group in groups], dtype=np.intp)
    for name in (*shared, *fixed):
        model.position(name)
    names: list[str] = []
    rows = []
    for name in model.parameters:
        own = (name,) if name in shared or name in fixed else _per_group(name, labels)
        rows.append(len(names) + (place if len(own) > 1 else np.zeros_like(place)))
        names.extend(own)
    values = np.array([_finite(name, fixed.get(name, 1.0)) for name in names])
    free = [i for i, name in enumerate(names) if name not in fixed]
    return ParameterLayout(tuple(names), np.stack(rows), np.array(free, dtype=np.intp), values)


def _per_group(name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}[{label}]" for label in labels)


def _finite(name: str, value: float) -> float:
    if not np.isfinite(value):
        message = f"The fixed value of '{name}' is not a finite number."
        raise AnalysisError(message, Code.NOT_FINITE)
    return float(value)
