"""From an IC50 to Ki: Cheng-Prusoff, Goldstein-Barrett, Munson-Rodbard, and back.

All concentrations in molar. `Ki` is exact for one site only with Munson-Rodbard or a fit of the
exact model; Cheng-Prusoff needs free concentrations and overestimates Ki when ligand is depleted.
"""

from __future__ import annotations

from platectl.analysis.errors import AnalysisError


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < value < float("inf"):
            message = f"{name} must be finite and above zero, not {value!r}."
            raise AnalysisError(message)


def cheng_prusoff(ic50_molar: float, *, radioligand_molar: float, kd_molar: float) -> float:
    """Ki = IC50/(1 + L/Kd) (Cheng and Prusoff 1973)."""
    _positive(ic50_molar=ic50_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    return ic50_molar / (1.0 + radioligand_molar / kd_molar)


def goldstein_barrett(
    ic50_molar: float, *, free_zero_molar: float, free_half_molar: float, kd_molar: float
) -> float:
    """Ki = IC50/(2 L50/L0 - 1 + L50/Kd): radioligand depleted (Goldstein and Barrett 1987).

    L0 and L50 are free radioligand at zero and 50 % inhibition. Exact with the free IC50; with
    the total IC50 it neglects what the receptor takes of the competitor.
    """
    _positive(
        ic50_molar=ic50_molar,
        free_zero_molar=free_zero_molar,
        free_half_molar=free_half_molar,
        kd_molar=kd_molar,
    )
    factor = 2.0 * free_half_molar / free_zero_molar - 1.0 + free_half_molar / kd_molar
    return ic50_molar / factor


def munson_rodbard(
    ic50_molar: float, *, radioligand_molar: float, kd_molar: float, bound_over_free: float
) -> float:
    """Exact Ki of one site from the total IC50 (Munson and Rodbard 1988).

    `Ki = IC50/(1 + L(y0+2)/(2 Kd (y0+1)) + y0) - Kd y0/(y0+2)`, with y0 specific bound/free
    radioligand without competitor. A value at or below zero means the IC50 is no larger than
    depletion alone explains.
    """
    _positive(ic50_molar=ic50_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    y0 = bound_over_free
    factor = 1.0 + radioligand_molar * (y0 + 2.0) / (2.0 * kd_molar * (y0 + 1.0)) + y0
    return ic50_molar / factor - kd_molar * y0 / (y0 + 2.0)


def ic50_from_ki(
    ki_molar: float, *, radioligand_molar: float, kd_molar: float, bound_over_free: float
) -> float:
    """Total IC50 that Munson-Rodbard turns into this Ki."""
    _positive(ki_molar=ki_molar, radioligand_molar=radioligand_molar, kd_molar=kd_molar)
    y0 = bound_over_free
    factor = 1.0 + radioligand_molar * (y0 + 2.0) / (2.0 * kd_molar * (y0 + 1.0)) + y0
    return (ki_molar + kd_molar * y0 / (y0 + 2.0)) * factor
