"""Random curves of every model: the optimum and the intervals of other programs, or better.

python -m benchmarks.agreement --curves 10000 --json

The curves are shared out among the models. SciPy (`least_squares`, MINPACK) and lmfit start at the
truth, which no user has; the analysis starts from the data. A curve is lost when the analysis ends
with a sum of squares higher by more than 1e-9 of it. On a sample the profile intervals are compared
with `brentq` on SciPy refits. lmfit is optional; without it a line says so.
"""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.special import stdtrit

from benchmarks.random_curves import FAMILIES, Family
from platectl.analysis.batch import fit_curves
from platectl.analysis.batch_models import BATCH_MODELS
from platectl.analysis.errors import AnalysisError
from platectl.analysis.fit import Fit, fit
from platectl.analysis.profile import profile_interval

SAME_SS = 1e-9
TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


@dataclass(slots=True)
class Score:
    """How the curves of one model fared against one program."""

    same: int = 0
    lower: int = 0
    higher: int = 0
    worst: float = 0.0
    gap_se: list[float] = field(default_factory=list)

    def add(self, ours: float, theirs: float) -> bool:
        """Count one curve; whether both have the same optimum."""
        share = ours / theirs - 1.0 if np.isfinite(theirs) else -1.0
        if share > SAME_SS:
            self.higher += 1
            self.worst = max(self.worst, share)
        elif share < -SAME_SS:
            self.lower += 1
        else:
            self.same += 1
            return True
        return False

    def as_json(self) -> dict[str, Any]:
        """Counts, and the greatest and the 99th percentile difference in SE."""
        gaps = np.array(self.gap_se or [0.0])
        return {
            "same": self.same,
            "lower": self.lower,
            "higher": self.higher,
            "worst_excess": self.worst,
            "greatest_difference_se": float(gaps.max()),
        }


def by_scipy(family: Family, y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Estimates and sum of squares of MINPACK, scaled."""
    with np.errstate(all="ignore"):
        found = least_squares(
            lambda theta: np.nan_to_num(y - family.model.curve(family.x, theta), nan=1e9, posinf=1e9, neginf=-1e9),
            start, jac="3-point", method="trf", x_scale="jac", max_nfev=400, **TIGHT,
        )  # fmt: skip
    return found.x, 2.0 * float(found.cost)


def by_lmfit(
    lmfit: Any, family: Family, y: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, float]:
    """Estimates and sum of squares of lmfit's default method."""
    parameters = lmfit.Parameters()
    for i, value in enumerate(start):
        parameters.add(f"p{i}", value=float(value))

    def residuals(given: Any) -> np.ndarray:
        theta = np.array([given[f"p{i}"].value for i in range(start.size)])
        return np.nan_to_num(y - family.model.curve(family.x, theta), nan=1e9)

    with np.errstate(all="ignore"):
        found = lmfit.minimize(residuals, parameters, calc_covar=False, **TIGHT)
    theta = np.array([found.params[f"p{i}"].value for i in range(start.size)])
    return theta, float(found.chisqr)


def profile_by_brentq(family: Family, y: np.ndarray, fitted: Fit, position: int) -> list[float]:
    """Both ends of a profile interval by refits of SciPy and `brentq`, each from the one before."""
    best, ss = fitted.free_values, fitted.ss
    t = float(stdtrit(fitted.df, 0.975))
    error = float(np.sqrt(fitted.covariance[position, position]))
    goal = ss * (1.0 + t * t / fitted.df)
    rest = np.delete(np.arange(best.size), position)

    near: list[np.ndarray] = []

    def excess(value: float) -> float:
        def residuals(free: np.ndarray) -> np.ndarray:
            theta = best.copy()
            theta[rest], theta[position] = free, value
            return np.nan_to_num(y - family.model.curve(family.x, theta), nan=1e9)

        slope = fitted.covariance[rest, position] / fitted.covariance[position, position]
        starts = [best[rest] + slope * (value - best[position]), *near[-1:]]
        with np.errstate(all="ignore"):
            tried = [
                least_squares(residuals, start, jac="3-point", x_scale="jac", **TIGHT)
                for start in starts
            ]
        found = min(tried, key=lambda one: one.cost)
        near.append(found.x)
        return 2.0 * float(found.cost) - goal

    ends = []
    for sign in (-1.0, 1.0):
        near.clear()
        inside, reach = 0.0, 0.5 * t * error
        while excess(best[position] + sign * reach) < 0.0:
            inside, reach = reach, 1.25 * reach
        away = brentq(
            lambda d, s=sign: excess(best[position] + s * d), inside, reach, xtol=1e-7 * error
        )
        ends.append(float(best[position] + sign * away))
    return ends


def own_fit(family: Family, truth: np.ndarray, y: np.ndarray) -> Fit | None:
    """The analysis from the data, or from a displaced truth where the model cannot guess."""
    try:
        with np.errstate(all="ignore"):
            return fit(family.model, family.x, y, start=family.guess(truth))
    except AnalysisError:
        return None


def compare_family(
    name: str, count: int, sample: int, lmfit: Any, noise: float = 1.0
) -> dict[str, Any]:
    """Scores of one model; `noise` multiplies the scatter of its curves."""
    family = replace(FAMILIES[name], noise=noise * FAMILIES[name].noise)
    rng = np.random.default_rng(sum(name.encode()))
    peers = {"scipy": Score()} | ({"lmfit": Score()} if lmfit else {})
    statuses: dict[str, int] = {}
    curves, singles = [], []
    for _ in range(count):
        truth, _, y = family.curve(rng)
        mine = own_fit(family, truth, y)
        status = "refused" if mine is None else mine.status
        statuses[status] = statuses.get(status, 0) + 1
        curves.append(y)
        singles.append(mine)
        for peer, score in peers.items():
            theta, ss = (
                by_scipy(family, y, truth) if peer == "scipy" else by_lmfit(lmfit, family, y, truth)
            )
            same = score.add(np.inf if mine is None else mine.ss, ss)
            if same and mine is not None and mine.status == "converged":
                score.gap_se.append(_gap(theta, mine))
    report: dict[str, Any] = {"curves": count, "status": statuses}
    report |= {peer: score.as_json() for peer, score in peers.items()}
    if family.model.name in BATCH_MODELS:
        report["batch"] = compare_batch(family, np.array(curves), singles)
    solid = [(y, f) for y, f in zip(curves, singles, strict=True) if f and f.status == "converged"]
    report["profiles"] = compare_profiles(family, solid[:sample])
    return report


def _gap(theta: np.ndarray, mine: Fit) -> float:
    errors = np.sqrt(np.diag(mine.covariance))
    return float((np.abs(theta - mine.free_values) / errors).max())


def compare_batch(family: Family, curves: np.ndarray, singles: list[Fit | None]) -> dict[str, Any]:
    """The batch against the scalar path."""
    many = fit_curves(family.model, family.x, curves)
    score = Score()
    for row, single in enumerate(singles):
        if single is not None and score.add(float(many.ss[row]), single.ss):
            score.gap_se.append(_gap(many.estimates[row], single))
    return score.as_json()


def compare_profiles(family: Family, sample: list[tuple[np.ndarray, Fit]]) -> dict[str, Any]:
    """Greatest difference of the ends of profile intervals, in SE; open sides are left out."""
    gaps, open_sides, failed = [0.0], 0, 0
    for y, fitted in sample:
        for position, name in enumerate(family.model.parameters):
            interval = profile_interval(fitted, name)
            if not interval.bounded:
                open_sides += 1
                continue
            try:
                ends = profile_by_brentq(family, y, fitted, position)
            except ValueError:
                failed += 1
                continue
            error = fitted[name].standard_error
            gaps += [abs(interval.lower - ends[0]) / error, abs(interval.upper - ends[1]) / error]
    return {
        "intervals": (len(gaps) - 1) // 2,
        "open": open_sides,
        "peer_failed": failed,
        "greatest_difference_se": float(max(gaps)),
    }


def main() -> None:
    """Compare and print; the exit code is 1 if a curve is lost or an interval is off by 1e-3 SE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=1000, help="shared out among the models")
    parser.add_argument("--profiles", type=int, default=3, help="curves per model")
    parser.add_argument("--noise", type=float, default=1.0, help="factor of the scatter")
    parser.add_argument("--models", nargs="*", default=list(FAMILIES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        lmfit = importlib.import_module("lmfit")
    except ImportError:
        lmfit = None
    each = max(1, options.curves // len(options.models))
    found = {
        n: compare_family(n, each, options.profiles, lmfit, options.noise) for n in options.models
    }
    lost = sum(
        f[p]["higher"] for f in found.values() for p in ("scipy", "lmfit", "batch") if p in f
    )
    furthest = max(f["profiles"]["greatest_difference_se"] for f in found.values())
    report = {
        "curves": each * len(found),
        "noise": options.noise,
        "lmfit": lmfit.__version__ if lmfit else "not installed: SciPy only",
        "lost": lost,
        "profile_greatest_difference_se": furthest,
        "models": found,
    }
    if options.json:
        print(json.dumps(report))
    else:
        print(f"lmfit: {report['lmfit']}")
        for name, one in found.items():
            print(f"{name:28} {json.dumps(one)}")
        print(f"{report['curves']} curves, {lost} lost; profile intervals within {furthest:.1e} SE")
    raise SystemExit(1 if lost or furthest > 1e-3 else 0)


if __name__ == "__main__":
    main()
