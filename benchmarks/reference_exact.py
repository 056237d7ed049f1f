"""The exact tables, the sampled trace, and the real Fura-2 transients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.reference_rows import (
    CLOSED_FORM,
    ERROR_SHARE,
    ESTIMATE_SE,
    STATISTIC,
    Case,
    Row,
    numbers,
    table,
)
from platectl.analysis.calcium.calibration import Calibration
from platectl.analysis.calcium.features import Template, features_of
from platectl.analysis.calcium.signal import Background, ratio_trace
from platectl.analysis.calcium.traces import WellTrace
from platectl.analysis.counting import (
    decayed_specific_activity,
    dpm_from_cpm,
    fmol_from_dpm,
    molar_from_fmol,
    pmol_per_mg,
)
from platectl.analysis.fit import Fit, fit
from platectl.analysis.ki import cheng_prusoff, goldstein_barrett, munson_rodbard
from platectl.analysis.kinetic_models import motulsky_mahan
from platectl.analysis.mass_action import equilibrium
from platectl.analysis.model import Model

NANO = 1e-9
BASELINE_POINTS = 9
FITTED_FROM = (
    23  # the decay from the 24th sample on; CalciOMatic leaves the points about the peak out
)


def _values(folder: Path, file: str) -> Iterator[tuple[Case, dict[str, float]]]:
    for number, row in enumerate(table(folder, file), start=1):
        yield (
            Case(file, f"row {number}"),
            {name: float(value) for name, value in row.items() if name != "trace"},
        )


def _all(case: Case, found: dict[str, float], v: dict[str, float]) -> Iterator[Row]:
    for name, value in found.items():
        yield case.relative(name, v[name], float(value), CLOSED_FORM)


def mass_action(folder: Path) -> Iterator[Row]:
    """Two ligands, one receptor."""
    for case, v in _values(folder, "closed-form/mass_action_competition.csv"):
        ligands = np.array([v["L_total_nM"], v["I_total_nM"]]) * NANO
        constants = np.array([v["Kd_nM"], v["Ki_nM"]]) * NANO
        made = equilibrium(v["R_total_nM"] * NANO, ligands, constants)
        bound, free = made.bound_molar / NANO, made.free_molar / NANO
        found = {
            "R_free_nM": float(made.free_receptor_molar) / NANO,
            "RL_nM": bound[0],
            "RI_nM": bound[1],
            "L_free_nM": free[0],
            "I_free_nM": free[1],
        }
        yield from _all(case, found, v)


def ki_corrections(folder: Path) -> Iterator[Row]:
    """IC50 to Ki in the ways of three papers."""
    for case, v in _values(folder, "closed-form/ic50_to_ki_corrections.csv"):
        total, kd, bound = v["L_total_nM"] * NANO, v["Kd_nM"] * NANO, v["RL0_nM"] * NANO
        ic50, free_ic50 = v["IC50_total_nM"] * NANO, v["IC50_free_nM"] * NANO
        assay = {"radioligand_molar": total, "kd_molar": kd}
        free = {"free_zero_molar": total - bound, "free_half_molar": total - 0.5 * bound}
        ratio = bound / (total - bound)
        found = {
            "Ki_ChengPrusoff": cheng_prusoff(ic50, **assay),
            "Ki_GoldsteinBarrett_totalI": goldstein_barrett(ic50, **free, kd_molar=kd),
            "Ki_GoldsteinBarrett_freeI": goldstein_barrett(free_ic50, **free, kd_molar=kd),
            "Ki_MunsonRodbard": munson_rodbard(ic50, **assay, bound_over_free=ratio),
        }
        yield from _all(case, {name: value / NANO for name, value in found.items()}, v)


def competitive_kinetics(folder: Path) -> Iterator[Row]:
    """Motulsky and Mahan."""
    for case, v in _values(folder, "closed-form/motulsky_mahan.csv"):
        bound = motulsky_mahan(
            v["t_min"],
            k1_per_molar_min=v["k1_per_M_min"],
            k2_per_min=v["k2_per_min"],
            k3_per_molar_min=v["k3_per_M_min"],
            k4_per_min=v["k4_per_min"],
            radioligand_molar=v["L_nM"] * NANO,
            competitor_molar=v["I_nM"] * NANO,
            bmax=v["Bmax"],
        )
        yield from _all(case, {"bound": float(bound)}, v)


def counting(folder: Path) -> Iterator[Row]:
    """Counts to amounts."""
    for case, v in _values(folder, "closed-form/counting_conversion.csv"):
        activity = decayed_specific_activity(v["SA_ref_Ci_per_mmol"], days=v["days_since_ref"])
        dpm = dpm_from_cpm(
            v["cpm_gross"], background_cpm=v["cpm_background"], efficiency=v["efficiency"]
        )
        fmol = fmol_from_dpm(dpm, specific_activity_ci_per_mmol=activity)
        found = {
            "SA_today_Ci_per_mmol": activity,
            "dpm": dpm,
            "fmol": fmol,
            "nM_in_volume": molar_from_fmol(fmol, volume_ul=1e3 * v["volume_mL"]) / NANO,
            "pmol_per_mg": pmol_per_mg(fmol, protein_ug=v["protein_ug"]),
        }
        yield from _all(case, found, v)


def fura2_calibration(folder: Path) -> Iterator[Row]:
    """Grynkiewicz; calcium at Rmin is not calculable, so zero is met by no number."""
    for case, v in _values(folder, "closed-form/fura2_calibration.csv"):
        made = Calibration(v["Rmin"], v["Rmax"], v["Sf2"] / v["Sb2"], v["Kd_nM"] * NANO, "", ())
        ratio = (v["F340_raw"] - v["bg340"]) / (v["F380_raw"] - v["bg380"])
        found = {
            "ratio_bg_subtracted": ratio,
            "ratio_without_bg_subtraction": v["F340_raw"] / v["F380_raw"],
        }
        yield from _all(case, found, v)
        calcium = float(made.calcium_molar(np.array([v["ratio_bg_subtracted"]]))[0]) / NANO
        if v["Ca_nM_expected"] > 0.0:
            yield from _all(case, {"Ca_nM_expected": calcium}, v)
        else:
            yield case.absolute("Ca_nM_expected", 0.0, np.nan_to_num(calcium), 0.0)


def _transient(t: np.ndarray, theta: np.ndarray) -> np.ndarray:
    rest, height, decay, rise = theta
    since = np.maximum(t - 30.0, 0.0)
    return rest + height * (np.exp(-since / decay) - np.exp(-since / rise))


def sampled_trace(folder: Path) -> Iterator[Row]:
    """Features of the trace as sampled, and of the curve through it."""
    t, ratio = numbers(table(folder, "closed-form/traces.csv"), "t_s", "ratio")
    for case, v in _values(folder, "closed-form/traces_features.csv"):
        none = np.zeros(0)
        well = WellTrace("A1", "test", "S", 1e-6, "s", 0, t, ratio * 1e3, t, np.full(t.shape, 1e3),
                         v["t_injection_s"], none, none)  # fmt: skip
        unknown = Calibration(np.nan, np.nan, np.nan, 224e-9, "none", ())
        made = features_of(
            ratio_trace(well, Background(0.0, 0.0, 1)), Template(none, none), unknown
        )
        model = Model("transient", "", ("rest", "height", "decay", "rise"), _transient)
        curve = fit(model, t, ratio, start=np.array((0.9, 1.0, 40.0, 4.0)))
        _, height, decay, rise = curve.free_values
        peak = np.log(decay / rise) * decay * rise / (decay - rise)
        span = v["t_end_s"] - v["t_injection_s"]
        area = decay * -np.expm1(-span / decay) - rise * -np.expm1(-span / rise)
        found = {
            "baseline_ratio": made.baseline,
            "delta_peak_sampled": made.delta_max,
            "time_to_peak_sampled_s": made.time_to_peak_s,
            "auc_trapezoid_sampled": made.area,
            "delta_peak_analytic": height * (np.exp(-peak / decay) - np.exp(-peak / rise)),
            "time_to_peak_analytic_s": peak,
            "auc_analytic": height * area,
        }
        yield from _all(case, {name: float(value) for name, value in found.items()}, v)


class Transient:
    """One real transient: counts, calibration, and calcium with its covariance."""

    def __init__(self, folder: Path, meta: dict[str, str]) -> None:
        self.key = (meta["experiment"], meta["stim"])
        rows = table(folder, "fura2-real/cockroach_fura2_traces.csv")
        own = [row for row in rows if (row["experiment"], row["stim"]) == self.key]
        t, adu340, adu380, self.expected_um = numbers(
            own, "t_s", "adu340", "adu380", "Ca_uM_expected"
        )
        m = {name: float(value) for name, value in meta.items()}
        onset = int(m["idx_stimulus_1based"]) - 1
        self.t_s = t - t[onset]
        share = m["pixels"] / m["pixels_background"]
        low = adu340 - share * m["adu340_background"]
        high = adu380 - share * m["adu380_background"]
        ratio = low / m["exposure340_s"] / (high / m["exposure380_s"])
        made = Calibration(m["R_min"], m["R_max"], 1.0, m["K_eff_uM"] * 1e-6, "", ())
        self.calcium_um = made.calcium_molar(ratio) * 1e6
        slope = m["K_eff_uM"] * (m["R_max"] - m["R_min"]) / (m["R_max"] - ratio) ** 2 * ratio
        by340, by380 = slope / low, -slope / high
        own_noise = by340**2 * adu340 + by380**2 * adu380
        common = m["adu340_background"] * np.outer(by340, by340)
        common += m["adu380_background"] * np.outer(by380, by380)
        self.covariance = np.diag(own_noise) + common
        self.used = np.r_[np.arange(BASELINE_POINTS), np.arange(FITTED_FROM, t.size)]

    def decay(self, *, weighted: bool) -> Fit:
        """Jump and exponential decay; weighted by the inverse covariance, parameters as logs."""
        chosen = self.used
        t, y = self.t_s[chosen], self.calcium_um[chosen]
        names = ("Ca0", "dCa", "tau_s")
        start = np.array((y[:BASELINE_POINTS].mean(), float(np.ptp(y)), 6.0))
        if not weighted:
            return fit(Model("jump and decay", "", names, _decay), t, y, start=start)
        whiten = np.linalg.inv(np.linalg.cholesky(self.covariance[np.ix_(chosen, chosen)]))
        model = Model(
            "jump and decay, whitened",
            "",
            ("log_Ca0", "log_dCa", "log_tau"),
            lambda x, theta: whiten @ _decay(x, np.exp(theta)),
        )
        return fit(model, t, whiten @ y, start=np.log(start))


def _decay(t: np.ndarray, theta: np.ndarray) -> np.ndarray:
    rest, jump, tau = theta
    return rest + np.where(t < 0.0, 0.0, jump * np.exp(-np.maximum(t, 0.0) / tau))


def real_transients(folder: Path) -> Iterator[Row]:
    """Calcium, features, and the fits of CalciOMatic (generalised least squares of the ratio)."""
    prefix = "fura2-real/cockroach_fura2"
    features = table(folder, f"{prefix}_features.csv")
    package = table(folder, f"{prefix}_package_fits.csv")
    for meta in table(folder, f"{prefix}_meta.csv"):
        one = Transient(folder, meta)
        name = f"experiment {one.key[0]} stimulus {one.key[1]}"
        gap = np.abs(one.calcium_um / one.expected_um - 1.0)
        worst = int(gap.argmax())
        yield Case(f"{prefix}_traces.csv", name).relative(
            f"Ca_uM, worst of {gap.size} samples",
            float(one.expected_um[worst]),
            float(one.calcium_um[worst]),
            CLOSED_FORM,
        )
        case = Case(f"{prefix}_features.csv", name)
        for row in (r for r in features if (r["experiment"], r["stim"]) == one.key):
            yield from _feature(case, row, one)
        case, fitted = Case(f"{prefix}_package_fits.csv", name), one.decay(weighted=True)
        for row in (r for r in package if (r["experiment"], r["stim"]) == one.key):
            parameter = fitted[row["parameter"]]
            yield case.in_errors(
                row["parameter"],
                float(row["estimate"]),
                parameter.value,
                parameter.standard_error,
                ESTIMATE_SE,
            )


def _feature(case: Case, row: dict[str, str], one: Transient) -> Iterator[Row]:
    name, expected = row["quantity"], float(row["value"])
    if row["se"]:
        parameter, error = one.decay(weighted=False)[name], float(row["se"])
        yield case.in_errors(name, expected, parameter.value, error, ESTIMATE_SE)
        yield case.relative(f"SE {name}", error, parameter.standard_error, ERROR_SHARE)
        return
    baseline = float(one.calcium_um[:BASELINE_POINTS].mean())
    after = one.calcium_um[BASELINE_POINTS:]
    found = {
        "baseline_mean_first9": baseline,
        "peak_after_stim": float(after.max()),
        "delta_peak": float(after.max()) - baseline,
        "time_of_peak_minus_time_of_sample10_s": float(one.t_s[BASELINE_POINTS + after.argmax()]),
    }
    yield case.relative(name, expected, found[name], STATISTIC)
