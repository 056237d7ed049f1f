"""How fast many curves are fitted, against a loop of `scipy.optimize.curve_fit` in the same run.

python -m benchmarks.fit --curves 32000 --json
python -m benchmarks.fit --curves 1000000 --stream --json

Curves are four-parameter competition curves: 12 doses in triplicate, counts with 2.5 % pipetting
error and Poisson noise. The loop does what a user would: a start from the data, `curve_fit` with its
defaults. It runs on a part of the curves and its rate is scaled; `loop_curves` says on how many.
Estimates are compared with `curve_fit` at tolerances of 1e-15 with the analytic Jacobian.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from platectl.analysis.batch import fit_curve_stream, fit_curves
from platectl.analysis.batch_profile import profile_curves
from platectl.analysis.dose_response import FOUR_PARAMETER
from platectl.analysis.fit import fit
from platectl.analysis.profile import profile_interval

X = np.repeat(np.linspace(-10.5, -5.0, 12), 3)
SAME_SS = 1e-9


def four(x: np.ndarray, top: float, bottom: float, middle: float, hill: float) -> np.ndarray:
    """The four-parameter curve as a user would write it."""
    return bottom + (top - bottom) / (1.0 + 10.0 ** ((middle - x) * hill))


def slopes(x: np.ndarray, *theta: float) -> np.ndarray:
    """Its derivatives."""
    return FOUR_PARAMETER.jacobian(x, np.array(theta))


def competition_curves(count: int, seed: int) -> np.ndarray:
    """Curves with the noise of a counted plate, shape (curves, points)."""
    rng = np.random.default_rng(seed)
    top, bottom = rng.uniform(800.0, 1500.0, count), rng.uniform(50.0, 200.0, count)
    middle, hill = rng.uniform(-9.0, -6.5, count), -np.exp(rng.normal(0.0, 0.2, count))
    columns = (value[:, None] for value in (top, bottom, middle, hill))
    with np.errstate(over="ignore"):
        clean = four(X, *columns)
    cpm = clean * (1.0 + 0.025 * rng.normal(size=clean.shape))
    return rng.poisson(2.0 * cpm) / 2.0


def start(y: np.ndarray) -> tuple[float, float, float, float]:
    """First values from the data: extremes, and the dose nearest to half height."""
    high, low = float(y.max()), float(y.min())
    middle = float(X[np.abs(y - 0.5 * (high + low)).argmin()])
    return high, low, middle, -1.0


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of some work."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def loop(y: np.ndarray, **settings: Any) -> np.ndarray:
    """One `curve_fit` after another; a row of nan where it gives up."""
    found = np.full((len(y), 4), np.nan)
    with np.errstate(all="ignore"):
        for i, row in enumerate(y):
            try:
                found[i] = curve_fit(four, X, row, p0=start(row), **settings)[0]
            except RuntimeError:
                continue
    return found


def exact(y: np.ndarray, near: np.ndarray) -> np.ndarray:
    """`curve_fit` as exact as MINPACK gets."""
    found = near.copy()
    tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
    for i, row in enumerate(y):
        if np.isfinite(near[i]).all():
            found[i] = curve_fit(four, X, row, p0=near[i], jac=slopes, **tight)[0]
    return found


def against_curve_fit(count: int, part: int, repeats: int) -> dict[str, Any]:
    """Rates, their ratio, and the differences of the estimates."""
    y = competition_curves(count, 1)
    some = y[:part]
    fit_curves(FOUR_PARAMETER, X, y[:100])
    loops, batches, jacobians = [], [], []
    for _ in range(repeats):
        batches.append(seconds(lambda: fit_curves(FOUR_PARAMETER, X, y), 3) / count)
        loops.append(seconds(lambda: loop(some), 1) / part)
        jacobians.append(seconds(lambda: loop(some, jac=slopes), 1) / part)
    batch, single, jacobian = (statistics.median(t) for t in (batches, loops, jacobians))
    return {
        "curves": count,
        "points": X.size,
        "loop_curves": part,
        "batch_per_s": round(1.0 / batch),
        "curve_fit_per_s": round(1.0 / single),
        "ratio_to_curve_fit": round(single / batch, 1),
        "ratio_to_curve_fit_with_jacobian": round(jacobian / batch, 1),
        **differences(y, some),
    }


def differences(y: np.ndarray, some: np.ndarray) -> dict[str, Any]:
    """Estimates of the batch against the exact ones of `curve_fit`."""
    many = fit_curves(FOUR_PARAMETER, X, y)
    found = exact(some, loop(some))
    ss = np.array(
        [np.sum((row - four(X, *theta)) ** 2) for row, theta in zip(some, found, strict=True)]
    )
    ours = many.ss[: len(some)]
    same = np.abs(ss - ours) <= SAME_SS * ours
    gap = np.abs(found - many.estimates[: len(some)]) / many.standard_errors[: len(some)]
    return {
        "greatest_difference_se": float(gap[same].max()),
        "compared": int(same.sum()),
        "curve_fit_higher_or_failed": int((~(ss <= ours * (1.0 + SAME_SS))).sum()),
        "batch_higher": int((ours > ss * (1.0 + SAME_SS)).sum()),
        "left_to_scalar": many.scalar,
        "not_converged": int((~many.converged).sum()),
    }


def profiles(count: int, part: int) -> dict[str, Any]:
    """Profile intervals of all four parameters against a scalar loop."""
    y = competition_curves(count, 2)
    many = fit_curves(FOUR_PARAMETER, X, y)
    singles = [fit(FOUR_PARAMETER, X, row) for row in y[:part]]
    batch = seconds(lambda: profile_curves(many, y), 3) / count
    names = FOUR_PARAMETER.parameters
    began = time.perf_counter()
    each = [[profile_interval(single, name) for name in names] for single in singles]
    single = (time.perf_counter() - began) / part
    found = profile_curves(many, y)
    gaps = [
        max(abs(interval.lower - found[name].lower[i]), abs(interval.upper - found[name].upper[i]))
        / many.standard_errors[i, j]
        for i, row in enumerate(each)
        for j, (name, interval) in enumerate(zip(names, row, strict=True))
    ]
    return {
        "profile_curves": count,
        "profile_loop_curves": part,
        "profiles_per_s": round(1.0 / batch),
        "profile_ratio": round(single / batch, 1),
        "profile_greatest_difference_se": float(max(gaps)),
    }


def stream(count: int, block: int) -> dict[str, Any]:
    """Fit blocks as they come; how fast, and how much memory at the peak."""
    fit_curves(FOUR_PARAMETER, X, competition_curves(100, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    made = [0.0]

    def blocks() -> Iterator[np.ndarray]:
        for at in range(0, count, block):
            began = time.perf_counter()
            y = competition_curves(min(block, count - at), at)
            made[0] += time.perf_counter() - began
            yield y

    began = time.perf_counter()
    fitted = converged = 0
    for part in fit_curve_stream(FOUR_PARAMETER, X, blocks()):
        fitted += len(part)
        converged += int(part.converged.sum())
    spent = time.perf_counter() - began - made[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return {
        "curves": fitted,
        "block": block,
        "converged": converged,
        "fit_s": round(spent, 2),
        "per_s": round(fitted / spent),
        "memory_before_mb": round(before, 1),
        "memory_peak_mb": round(peak, 1),
        "all_data_would_be_mb": round(count * X.size * 8 / 2**20, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=32000)
    parser.add_argument("--loop-curves", type=int, default=4000, help="how many curve_fit does")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stream", action="store_true", help="in blocks, with the peak of memory")
    parser.add_argument("--block", type=int, default=8192)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.stream:
        report = stream(options.curves, options.block)
    else:
        part = min(options.loop_curves, options.curves)
        report = against_curve_fit(options.curves, part, options.repeats)
        report |= profiles(min(4000, options.curves), min(60, options.curves))
    if options.json:
        print(json.dumps(report))
        return
    for key, value in report.items():
        print(f"{key:34} {value}")


if __name__ == "__main__":
    main()
