"""From an IC50 to Ki: Cheng-Prusoff, Goldstein-Barrett, Munson-Rodbard, and back.

All concentrations in molar. `Ki` is exact for one site only with Munson-Rodbard or a fit of the
exact model; Cheng-Prusoff needs free concentrations and overestimates Ki when ligand is depleted.
"""

from __future__ import annotations

import math

from platectl.analysis.errors import AnalysisError
from platectl.analysis.points import as_points
from platectl.domain.codes import Code

_ROUNDING = 1e-6


def _number(name: str, value: float) -> float:
    found = as_points(value, name, missing=True, infinite=True)
    if found.ndim:
        message = f"{name} must be one number, not {found.size} in an array."
        raise AnalysisError(message, Code.ARRAY_SHAPE)
    return float(found)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < _number(name, value) < math.inf:
            message = f"{name} must be finite and above zero, not {value!r}."
            raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)


def _bound(bound_over_free: float) -> float:
    y0 = _number("bound_over_free", bound_over_free)
    if not 0.0 <= y0 < math.inf:
        message = f"bound_over_free must be finite and not below zero, not {bound_over_free!r}."
        raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    return y0


def cheng_prusoff(ic50_molar: float, *, radioligand_molar: float, kd_molar: float) -> float:
    """Ki = IC50/(1 + L/Kd) (Cheng and Prusoff 1973).

    Raises:
        AnalysisError: A concentration that is not one finite number above zero.
    """
    _positive(ic50_molar=ic50_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    return ic50_molar / (1.0 + radioligand_molar / kd_molar)


def goldstein_barrett(
    ic50_molar: float, *, free_zero_molar: float, free_half_molar: float, kd_molar: float
) -> float:
    """Ki = IC50/(2 L50/L0 - 1 + L50/Kd): radioligand depleted (Goldstein and Barrett 1987).

    L0 and L50 are free radioligand at zero and 50 % inhibition. Exact with the free IC50; with
    the total IC50 it neglects what the receptor takes of the competitor.

    Raises:
        AnalysisError: A concentration that is not one finite number above zero, or L50 below L0: a
            competitor sets radioligand free.
    """
    _positive(
        ic50_molar=ic50_molar,
        free_zero_molar=free_zero_molar,
        free_half_molar=free_half_molar,
        kd_molar=kd_molar,
    )
    if free_half_molar < (1.0 - _ROUNDING) * free_zero_molar:
        message = (
            f"free_half_molar ({free_half_molar:g}) cannot be below free_zero_molar "
            f"({free_zero_molar:g}): a competitor sets radioligand free."
        )
        raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    factor = 2.0 * free_half_molar / free_zero_molar - 1.0 + free_half_molar / kd_molar
    return ic50_molar / factor


def munson_rodbard(
    ic50_molar: float, *, radioligand_molar: float, kd_molar: float, bound_over_free: float
) -> float:
    """Exact Ki of one site from the total IC50 (Munson and Rodbard 1988).

    `Ki = IC50/(1 + L(y0+2)/(2 Kd (y0+1)) + y0) - Kd y0/(y0+2)`, with y0 specific bound/free
    radioligand without competitor. A value at or below zero means the IC50 is no larger than
    depletion alone explains.

    Raises:
        AnalysisError: A concentration that is not one finite number above zero, or y0 that is not
            one finite number from zero up.
    """
    _positive(ic50_molar=ic50_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    y0 = _bound(bound_over_free)
    factor = 1.0 + radioligand_molar * (y0 + 2.0) / (2.0 * kd_molar * (y0 + 1.0)) + y0
    return ic50_molar / factor - kd_molar * y0 / (y0 + 2.0)


def ic50_from_ki(
    ki_molar: float, *, radioligand_molar: float, kd_molar: float, bound_over_free: float
) -> float:
    """Total IC50 that Munson-Rodbard turns into this Ki.

    Raises:
        AnalysisError: As `munson_rodbard`.
    """
    _positive(ki_molar=ki_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    y0 = _bound(bound_over_free)
    factor = 1.0 + radioligand_molar * (y0 + 2.0) / (2.0 * kd_molar * (y0 + 1.0)) + y0
    return (ki_molar + kd_molar * y0 / (y0 + 2.0)) * factor
