"""Curves of binding over time; times in minutes, rates per minute and per molar per minute."""

from __future__ import annotations

from typing import Any

import numpy as np

from platectl.analysis.model import FloatArray, Model


def association(rate_unit_per_molar_min: float = 1.0) -> Model:
    """Association at one or more radioligand concentrations, without nonspecific binding.

    x has two rows: radioligand in molar, time in min. Kon comes out in the given unit, so that
    1e6 gives numbers near one.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        kon, koff, bmax = theta
        ligand, time_min = x
        rate = kon * rate_unit_per_molar_min * ligand
        total = rate + koff
        bound: FloatArray = -bmax * rate / total * np.expm1(-total * time_min)
        return bound

    return Model(
        name="Association kinetics, two or more concentrations",
        equation="kob = Kon*L + Koff; Y = Bmax*L/(L+Koff/Kon)*(1-exp(-kob*t))",
        parameters=("Kon", "Koff", "Bmax"),
        curve=curve,
    )


def association_plate(background_cpm: float, cpm_per_nanomolar: float) -> Model:
    """Layout K: total and nonspecific wells over time, in gross cpm, with ligand depletion.

    x has three rows: radioligand added in nanomolar, time in min, and 1 for total or 0 for
    nonspecific wells. Nonspecific binding is taken as immediate and linear in the radioligand.
    The specific part solves dB/dt = kon(L-B)(R-B) - koff B exactly, L and R in nanomolar.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        log_kd, log_koff, bmax, ns = theta
        ligand, time_min, is_total = x
        kd, koff = np.power(10.0, log_kd), np.power(10.0, log_koff)
        bound = _second_order(ligand, bmax / cpm_per_nanomolar, kd, koff, time_min)
        specific = cpm_per_nanomolar * bound
        counts: FloatArray = background_cpm + ns * ligand + is_total * specific
        return counts

    return Model(
        name="Association with depletion, total and nonspecific binding",
        equation="B1 < B2 roots of B^2 - (L+R+Kd)B + LR; k = Koff/Kd*(B2-B1); B = "
        "B1(1-e^-kt)/(1-B1/B2 e^-kt); total = cpm*B + NS*L + Background; "
        "nonspecific = NS*L + Background; R = Bmax/cpm; Kon = Koff/Kd",
        parameters=("LogKd_nM", "LogKoff", "Bmax", "NS"),
        curve=curve,
        guess=lambda x, y: _association_guess(x, y - background_cpm),
    )


def _second_order(ligand: Any, receptor: Any, kd: Any, koff: Any, time_min: Any) -> Any:
    """Complex of two partners over time from nothing, all in one unit of concentration."""
    total = ligand + receptor + kd
    root = np.sqrt(total * total - 4.0 * ligand * receptor)
    larger = 0.5 * (total + root)
    smaller = ligand * receptor / larger
    left = np.exp(-koff / kd * (larger - smaller) * time_min)
    return smaller * (1.0 - left) / (1.0 - smaller / larger * left)


def association_rates(background_cpm: float, cpm_per_nanomolar: float) -> Model:
    """`association_plate` with log kon (per nanomolar per min) in place of log Kd."""
    by_kd = association_plate(background_cpm, cpm_per_nanomolar)

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        log_kon, log_koff, bmax, ns = theta
        return by_kd.curve(x, (log_koff - log_kon, log_koff, bmax, ns))

    return Model(
        name=by_kd.name,
        equation=by_kd.equation,
        parameters=("LogKon_per_nM_min", "LogKoff", "Bmax", "NS"),
        curve=curve,
    )


def _association_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    """Grid over Kd and koff with Bmax and NS, which are linear, solved for each."""
    ligand, time_min, is_total = x
    starts, squares = [], []
    for log_kd in np.log10(np.median(ligand)) + np.arange(-1.5, 2.1, 0.5):
        for log_koff in np.arange(-3.5, 0.1, 0.25) - np.log10(np.median(time_min) / 30.0):
            kd, koff = 10.0**log_kd, 10.0**log_koff
            rise = -np.expm1(-koff * (1.0 + ligand / kd) * time_min)
            design = np.stack((is_total * ligand / (ligand + kd) * rise, ligand), axis=1)
            (bmax, ns), *_ = np.linalg.lstsq(design, y, rcond=None)
            starts.append((log_kd, log_koff, bmax, ns))
            squares.append(float(np.sum((y - design @ (bmax, ns)) ** 2)))
    return np.array(starts)[np.argsort(squares)[:4]]


def _decay_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    start, plateau, rate = theta
    curve: FloatArray = (start - plateau) * np.exp(-rate * x) + plateau
    return curve


def _decay_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    span = max(float(np.ptp(x)), float(np.finfo(np.float64).tiny))
    starts = []
    for rate in np.array([0.5, 1.0, 2.0, 5.0, 10.0, 20.0]) / span:
        part = np.exp(-rate * x)
        design = np.stack((part, 1.0 - part), axis=1)
        (start, plateau), *_ = np.linalg.lstsq(design, y, rcond=None)
        starts.append((start, plateau, rate))
    return np.array(starts)


DISSOCIATION = Model(
    name="Dissociation, one phase exponential decay",
    equation="Y = (Y0-Plateau)*exp(-K*t) + Plateau",
    parameters=("Y0", "Plateau", "K"),
    curve=_decay_curve,
    guess=_decay_guess,
)


def _two_phase_curve(x: FloatArray, theta: FloatArray) -> FloatArray:
    start, plateau, fast, slow, share = theta
    phases = share * np.exp(-fast * x) + (1.0 - share) * np.exp(-slow * x)
    curve: FloatArray = plateau + (start - plateau) * phases
    return curve


def _two_phase_guess(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.array(
        [
            (start, plateau, rate * spread, rate / spread, share)
            for start, plateau, rate in _decay_guess(x, y)[1:5]
            for spread in (1.5, 3.0)
            for share in (0.3, 0.6)
        ]
    )


DISSOCIATION_TWO_PHASE = Model(
    name="Dissociation, two phase exponential decay",
    equation="Y = Plateau + (Y0-Plateau)*(Fast*exp(-KFast*t) + (1-Fast)*exp(-KSlow*t))",
    parameters=("Y0", "Plateau", "KFast", "KSlow", "Fast"),
    curve=_two_phase_curve,
    guess=_two_phase_guess,
)


def motulsky_mahan(
    time_min: Any,
    *,
    k1_per_molar_min: float,
    k2_per_min: float,
    k3_per_molar_min: float,
    k4_per_min: float,
    radioligand_molar: float,
    competitor_molar: Any,
    bmax: float = 1.0,
) -> FloatArray:
    """Radioligand bound when it and a competitor are added together at time zero.

    Motulsky and Mahan 1984 in Prism's notation (k1, k2 radioligand on and off; k3, k4
    competitor), both ligands in excess over the receptor. Unit of the result: that of `bmax`.
    """
    inflow = k1_per_molar_min * radioligand_molar
    ka = inflow + k2_per_min
    entry = k3_per_molar_min * np.asarray(competitor_molar, dtype=np.float64)
    kb = entry + k4_per_min
    root = np.sqrt((ka - kb) ** 2 + 4.0 * inflow * entry)
    fast = 0.5 * (ka + kb + root)
    # The printed (ka+kb-root)/2 cancels when the competitor is fast; the product form does not.
    slow = (inflow * k4_per_min + k2_per_min * kb) / fast
    difference = fast - slow
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = k4_per_min * difference / (fast * slow)
        bound = bound + (k4_per_min - fast) / fast * np.exp(-fast * time_min)
        bound = bound - (k4_per_min - slow) / slow * np.exp(-slow * time_min)
        scaled = bmax * inflow / difference * bound
    # Equal rates need the competitor absent and k4 equal to kobs: plain association.
    plain = -bmax * inflow / ka * np.expm1(-ka * np.asarray(time_min, dtype=np.float64))
    result: FloatArray = np.where(difference > 1e-9 * fast, scaled, plain)
    return result
