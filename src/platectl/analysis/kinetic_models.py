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
        source="GraphPad Prism Curve Fitting Guide, association kinetics, two or more concentrations",
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
        source="mass action with the radioligand depleted, integrated in closed form",
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
        source=by_kd.source,
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
    source="GraphPad Prism Curve Fitting Guide, dissociation, one phase exponential decay",
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
    contains=(DISSOCIATION.name,),
    equation="Y = Plateau + (Y0-Plateau)*(Fast*exp(-KFast*t) + (1-Fast)*exp(-KSlow*t))",
    source="GraphPad Prism Curve Fitting Guide, two phase decay",
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


def competitive_kinetics(
    k1_per_molar_min: float, k2_per_min: float, competitor_rate_unit: float = 1.0
) -> Model:
    """Rates of an unlabelled ligand from its competition with a radioligand over time.

    Motulsky and Mahan 1984. x has three rows: radioligand in molar, competitor in molar, time in
    min. LogK3 is log10 of K3 in the given unit (per molar per min), LogK4 log10 of K4 per min.
    """

    def curve(x: FloatArray, theta: FloatArray) -> FloatArray:
        log_k3, log_k4, bmax = theta
        radioligand, competitor, time_min = x
        return motulsky_mahan(
            time_min,
            k1_per_molar_min=k1_per_molar_min,
            k2_per_min=k2_per_min,
            k3_per_molar_min=competitor_rate_unit * np.power(10.0, log_k3),
            k4_per_min=np.power(10.0, log_k4),
            radioligand_molar=radioligand,
            competitor_molar=competitor,
            bmax=bmax,
        )

    def guess(x: FloatArray, y: FloatArray) -> FloatArray:
        middle = np.log10(1.0 / (np.median(x[1][x[1] > 0.0]) * np.median(x[2])))
        slow = np.log10(1.0 / np.median(x[2]))
        rows = []
        for log_k3 in middle - np.log10(competitor_rate_unit) + np.arange(-2.0, 2.1, 0.5):
            for log_k4 in slow + np.arange(-2.0, 2.1, 0.5):
                unit = curve(x, np.array((log_k3, log_k4, 1.0)))
                bmax = float(unit @ y / (unit @ unit))
                rows.append((log_k3, log_k4, bmax, float(np.sum((y - bmax * unit) ** 2))))
        found = np.array(rows)
        return found[np.argsort(found[:, 3], kind="stable")[:6], :3]

    return Model(
        name="Kinetics of competitive binding",
        equation="KA = K1*L + K2; KB = K3*I + K4; S = sqrt((KA-KB)^2 + 4*K1*K3*L*I); "
        "KF, KS = (KA+KB +- S)/2; Y = Bmax*K1*L/(KF-KS)*(K4*(KF-KS)/(KF*KS) "
        "+ (K4-KF)/KF*exp(-KF*t) - (K4-KS)/KS*exp(-KS*t))",
        source="Motulsky and Mahan 1984, Mol Pharmacol 25:1; GraphPad Prism Curve Fitting Guide, kinetics of competitive binding",
        parameters=("LogK3", "LogK4", "Bmax"),
        curve=curve,
        guess=guess,
    )
