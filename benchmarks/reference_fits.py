"""The reference fits: NIST, drc, R, and the simulated plates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.reference_rows import (
    BOUND_SE,
    CLOSED_FORM,
    ERROR_SHARE,
    ESTIMATE_SE,
    STATISTIC,
    Case,
    Row,
    numbers,
    table,
)
from platectl.analysis.binding_models import saturation_naive, saturation_with_depletion
from platectl.analysis.compare import (
    aic,
    aicc,
    extra_sum_of_squares,
    log_likelihood,
    paired_t,
)
from platectl.analysis.dose_response import FOUR_PARAMETER, ONE_SITE, log_logistic, one_site_ki
from platectl.analysis.effective_dose import effective_dose, observed_covariance
from platectl.analysis.fit import Fit, FitOptions, fit
from platectl.analysis.kinetic_models import DISSOCIATION, association
from platectl.analysis.model import Model
from platectl.analysis.profile import profile_interval
from platectl.analysis.quality import control_statistics
from platectl.analysis.residuals import lack_of_fit
from platectl.analysis.weighting import Weighting

NIST_CURVES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Misra1a": lambda x, b: b[0] * (1.0 - np.exp(-b[1] * x)),
    "Rat42": lambda x, b: b[0] / (1.0 + np.exp(b[1] - b[2] * x)),
    "DanWood": lambda x, b: b[0] * x ** b[1],
    "Chwirut2": lambda x, b: np.exp(-b[0] * x) / (b[1] + b[2] * x),
}
NAMES = {
    "LogIC50_haloperidol": "LogIC50[haloperidol]",
    "LogIC50_cmpdA": "LogIC50[cmpdA]",
    "LogEC50": "LogIC50",
}
SIX_DIGITS = 0.5e-6


def nist(folder: Path) -> Iterator[Row]:
    """Certified values, standard deviations and residuals from both starts."""
    rows = table(folder, "nist-strd/certified.csv")
    for name, curve in NIST_CURVES.items():
        own = [row for row in rows if row["dataset"] == name]
        text = (folder / "nist-strd" / f"{name}.dat").read_text().splitlines()
        first = max(i for i, line in enumerate(text) if line.startswith("Data:")) + 1
        y, x = np.array([line.split() for line in text[first:] if line.strip()], dtype=float).T
        model = Model(name, "", tuple(row["parameter"] for row in own), curve)
        for number in ("start1", "start2"):
            case = Case(f"nist-strd/{name}.dat", number)
            (start,) = numbers(own, number)
            found = fit(model, x, y, start=start)
            for row in own:
                parameter = found[row["parameter"]]
                yield case.relative(
                    row["parameter"], float(row["certified"]), parameter.value, SIX_DIGITS
                )
                yield case.relative(
                    f"sd {row['parameter']}",
                    float(row["certified_sd"]),
                    parameter.standard_error,
                    ERROR_SHARE,
                )
            yield case.relative("residual SS", float(own[0]["residual_ss"]), found.ss, STATISTIC)
            residual = float(np.sqrt(found.residual_variance))
            yield case.relative("residual SD", float(own[0]["residual_sd"]), residual, STATISTIC)


class Plates:
    """Fits of the plates of one folder, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fit = cache(self._fit)

    def competition(self, compound: str) -> tuple[np.ndarray, np.ndarray]:
        """Log10 doses, empty for controls, and counts of one compound."""
        rows = [r for r in table(self._folder, "competition_cpm.csv") if r["compound"] == compound]
        x = [] if compound in {"TOTAL", "NSB"} else [float(row["log10_M"]) for row in rows]
        return np.array(x), np.array([float(row["cpm"]) for row in rows])

    def shared_plateaus(self, shared: tuple[str, ...] = ("Top", "Bottom")) -> Fit:
        """Both compounds together."""
        names = ("haloperidol", "cmpdA")
        x, y = (np.concatenate(part) for part in zip(*map(self.competition, names), strict=True))
        groups = [name for name in names for _ in range(36)]
        return fit(ONE_SITE, x, y, groups=groups, options=FitOptions(shared=shared))

    def _fit(self, case: str, model: str, weighting: str) -> Fit:
        options = FitOptions(weighting=Weighting(weighting))  # type: ignore[arg-type]
        kind, _, compound = case.partition("_")
        sigmoids = {"comp3": ONE_SITE, "comp4": FOUR_PARAMETER, "compKi": one_site_ki(4e-9, 4.8e-9)}
        if kind in sigmoids:
            return fit(sigmoids[kind], *self.competition(compound), options=options)
        if kind == "compC":
            plateaus = {"Top": "TOTAL", "Bottom": "NSB"}
            held = {name: self.competition(c)[1].mean() for name, c in plateaus.items()}
            return fit(ONE_SITE, *self.competition(compound), options=FitOptions(fixed=held))
        makers: dict[str, Callable[[], Fit]] = {
            "comp": self.shared_plateaus,
            "sat": lambda: self._saturation(compound, options),
            "association": self._association,
            "dissociation": self._dissociation,
            "agonist": lambda: self._sigmoid("agonist_delta_ratio.csv", options),
            "dnase": self.dnase,
            "ryegrass": lambda: self.ryegrass(model),
        }
        return makers[kind]()

    def _saturation(self, kind: str, options: FitOptions) -> Fit:
        rows = table(self._folder, "saturation_cpm.csv")
        naive = kind == "naive"
        added, cpm = numbers(rows, "nM_added" if naive else "cpm_added", "cpm")
        x = np.stack((added, [float(row["kind"] == "total") for row in rows]))
        model = saturation_naive() if naive else saturation_with_depletion()
        return fit(model, x, cpm, options=options)

    def _association(self) -> Fit:
        rows = table(self._folder, "association_cpm.csv")
        ligand, time_min, cpm = numbers(rows, "L_nM", "min", "cpm")
        x = np.stack((ligand * 1e-9, time_min))
        return fit(association(1e6), x, cpm, start=np.array((3.0, 0.05, 1500.0)))

    def _dissociation(self) -> Fit:
        points = numbers(table(self._folder, "dissociation_cpm.csv"), "min", "cpm")
        return fit(DISSOCIATION, *points, options=FitOptions(fixed={"Plateau": 0.0}))

    def _sigmoid(self, name: str, options: FitOptions) -> Fit:
        x, y = numbers(table(self._folder, name), "log10_M", "delta_ratio")
        return fit(FOUR_PARAMETER, x, y, options=options)

    def dnase(self, fixed: dict[str, float] | None = None) -> Fit:
        """Run 1 of DNase on log10 of the concentration."""
        conc, density = numbers(table(self._folder, "R_DNase_run1.csv"), "conc", "density")
        return fit(FOUR_PARAMETER, np.log10(conc), density, options=FitOptions(fixed=fixed or {}))

    def ryegrass(self, model: str) -> Fit:
        """A log-logistic fit, by drc's name of the model."""
        dose, length = numbers(table(self._folder, "drc_ryegrass.csv"), "conc", "rootl")
        kinds = {
            "LL.3": log_logistic(lower=False),
            "LL.4": log_logistic(),
            "LL.5": log_logistic(asymmetric=True),
        }
        return fit(kinds[model], dose, length)


def expected_fits(folder: Path, plates: Plates) -> Iterator[Row]:
    """Every fitted parameter of the two tables of exact least squares."""
    for file in ("expected_fits.csv", "expected_drc_exact_ls.csv"):
        for row in table(folder, file):
            if not row["se"]:
                continue
            case = Case(file, f"{row['case']} {row['model']} {row['weighting']}")
            found = plates.fit(row["case"], row["model"], row["weighting"])
            yield from _parameter(case, row, found)


def _parameter(case: Case, row: dict[str, str], found: Fit) -> Iterator[Row]:
    name = NAMES.get(row["parameter"], row["parameter"])
    value, error = found[name], float(row["se"])
    profile = profile_interval(found, name)
    yield case.in_errors(name, float(row["estimate"]), value.value, error, ESTIMATE_SE)
    yield case.relative(f"SE {name}", error, value.standard_error, ERROR_SHARE)
    for column, bound in (
        ("wald_lo", value.wald_lower),
        ("wald_hi", value.wald_upper),
        ("prof_lo", profile.lower),
        ("prof_hi", profile.upper),
    ):
        yield case.in_errors(f"{column} {name}", float(row[column]), bound, error, BOUND_SE)
    yield case.relative(f"SS with {name}", float(row["SS"]), found.ss, STATISTIC)
    yield case.absolute(f"AICc with {name}", float(row["AICc"]), aicc(found), 1e-4)


def derived_numbers(folder: Path, plates: Plates) -> Iterator[Row]:
    """Control means, plate statistics, F tests, and Kd in nM."""
    rows = [row for row in table(folder, "expected_fits.csv") if not row["se"]]
    total, nsb = plates.competition("TOTAL")[1], plates.competition("NSB")[1]
    s = control_statistics(total, nsb)
    exact = {
        "mean_total": s.mean_high,
        "mean_nsb": s.mean_low,
        "Zprime": s.z_prime,
        "S_over_B": s.signal_to_background,
        "CV_total_pct": 100.0 * s.cv_high,
        "CV_nsb_pct": 100.0 * s.cv_low,
        "SSMD": s.ssmd,
        "signal_window_AGM": s.signal_window,
        "robust_Zprime_medMAD": s.robust_z_prime,
    }
    for row in rows:
        case, name = Case("expected_fits.csv", row["case"]), row["parameter"]
        expected = float(row["estimate"])
        if name in exact:
            yield case.relative(name, expected, exact[name], CLOSED_FORM)
        elif name == "Kd_nM":
            weighting = row["model"].removeprefix("derived_")
            kd = plates.fit("sat_depletion", "", weighting)["KdCPM"].value / (24.9 * 250.0)
            yield case.relative(f"{name} {weighting}", expected, kd, STATISTIC)
        else:
            yield case.relative(name, expected, _tested(row["case"], name, plates), 1e-5)


def _tested(case: str, name: str, plates: Plates) -> float:
    if case == "comp_global":
        simple, full = plates.shared_plateaus(), plates.shared_plateaus(())
    else:
        compound = case.partition("_")[2]
        simple = plates.fit(f"comp3_{compound}", "", "none")
        full = plates.fit(f"comp4_{compound}", "", "none")
    test = extra_sum_of_squares(simple, full)
    return {
        "F": test.f,
        "p": test.p,
        "df1": float(test.df_extra),
        "df2": float(test.df_full),
        "AICc(3par)-AICc(4par)": aicc(simple) - aicc(full),
    }[name]


def drc_prints(folder: Path, plates: Plates) -> Iterator[Row]:
    """What drc printed, its standard errors from the observed Hessian."""
    file = "expected_drc.csv"
    for row in table(folder, file):
        case = Case(file, row["case"])
        name, expected = row["parameter"], float(row["estimate"])
        if row["model"] == "anova":
            test = extra_sum_of_squares(plates.ryegrass("LL.3"), plates.ryegrass("LL.4"))
            found = {"F": test.f, "p": test.p, "df_diff": float(test.df_extra)}[name]
            yield case.relative(name, expected, found, STATISTIC)
            continue
        fitted = plates.fit("ryegrass", row["model"], "none")
        if row["se"]:
            yield from _drc_parameter(case, row, fitted)
        else:
            yield case.relative(name, expected, _drc_statistic(name, fitted), STATISTIC)


def _drc_parameter(case: Case, row: dict[str, str], fitted: Fit) -> Iterator[Row]:
    covariance = observed_covariance(fitted)
    name, error = row["parameter"], float(row["se"])
    if name.startswith("ED"):
        dose = effective_dose(fitted, float(name.split(":")[-1]), covariance)
        value, own = dose.dose, dose.standard_error
    else:
        parameter = name.split(":")[0]
        place = fitted.model.position(parameter)
        value, own = fitted[parameter].value, float(np.sqrt(covariance[place, place]))
    half = fitted[fitted.model.parameters[0]]
    t = (half.wald_upper - half.value) / half.standard_error
    yield case.in_errors(name, float(row["estimate"]), value, error, ESTIMATE_SE)
    yield case.relative(f"SE {name}", error, own, ERROR_SHARE)
    yield case.in_errors(f"ci_lo {name}", float(row["ci_lo"]), value - t * own, error, BOUND_SE)
    yield case.in_errors(f"ci_hi {name}", float(row["ci_hi"]), value + t * own, error, BOUND_SE)


def _drc_statistic(name: str, fitted: Fit) -> float:
    if name.startswith("lack_of_fit"):
        test = lack_of_fit(fitted)
        assert test is not None
        return test.f if name.endswith("_F") else test.p
    return {
        "residual_SE": float(np.sqrt(fitted.residual_variance)),
        "df": float(fitted.df),
        "logLik": log_likelihood(fitted),
        "AIC": aic(fitted),
    }[name]


def published(folder: Path, plates: Plates) -> Iterator[Row]:
    """R's prints of DNase and GraphPad's of the paired test."""
    case = Case("R_DNase_run1.csv", "SSlogis")
    simple, ln10 = plates.dnase({"Bottom": 0.0}), np.log(10.0)
    top, middle, hill = (simple[name] for name in ("Top", "LogIC50", "HillSlope"))
    test = extra_sum_of_squares(simple, plates.dnase())
    residual = float(np.sqrt(simple.residual_variance))
    for name, expected, error, value, own in (
        ("Asym", 2.34518, 0.07815, top.value, top.standard_error),
        ("xmid", 1.48309, 0.08135, middle.value * ln10, middle.standard_error * ln10),
        ("scal", 1.04146, 0.03227, 1.0 / hill.value, hill.standard_error / hill.value**2),
    ):
        yield case.in_errors(name, expected, value, error, ESTIMATE_SE)
        yield case.relative(f"SE {name}", error, own, ERROR_SHARE)
    yield case.absolute("RSE", 0.01919, residual, 0.5e-5)
    yield case.absolute("F", 0.2098, test.f, 0.5e-4)
    yield case.absolute("p", 0.6551, test.p, 0.5e-4)
    asym, xmid = profile_interval(simple, "Top"), profile_interval(simple, "LogIC50")
    scal = profile_interval(simple, "HillSlope")
    for name, expected, bound, error in (
        ("profile lower Asym", 2.19354, asym.lower, 0.07815),
        ("profile upper Asym", 2.53880, asym.upper, 0.07815),
        ("profile lower xmid", 1.32145, xmid.lower * ln10, 0.08135),
        ("profile upper xmid", 1.67875, xmid.upper * ln10, 0.08135),
        ("profile lower scal", 0.97431, 1.0 / scal.upper, 0.03227),
        ("profile upper scal", 1.11494, 1.0 / scal.lower, 0.03227),
    ):
        yield case.in_errors(name, expected, bound, error, BOUND_SE)
    file = "graphpad_faq1765_paired_bmax.csv"
    paired = paired_t(*numbers(table(folder, file), "control_Bmax", "treated_Bmax"))
    case = Case(file, "paired t")
    yield case.absolute("p", 0.0150, paired.p, 0.5e-4)
    error = paired.difference / paired.t
    yield case.in_errors("lower", 149.70, paired.lower, error, BOUND_SE)
    yield case.in_errors("upper", 490.30, paired.upper, error, BOUND_SE)
