"""How often a 95 % interval holds the truth, when its assumptions hold and when they fail.

python -m benchmarks.coverage --json
python -m benchmarks.coverage --markdown      # the tables of docs/reference/coverage.md

A share from n curves has a standard error of sqrt(0.95 * 0.05 / n): 0.3 % for 4000, 0.7 % for 1000.
Whether a profile interval holds the truth takes one refit with the parameter held there.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np

from benchmarks.coverage_scenes import SCENES, Scene
from benchmarks.random_curves import FAMILIES, Family
from platectl.analysis.batch import fit_curves
from platectl.analysis.batch_models import BATCH_MODELS
from platectl.analysis.batch_profile import profile_curves
from platectl.analysis.fit import Fit, FitOptions, fit, t_quantile


def family_coverage(family: Family, count: int, seed: int) -> dict[str, Any]:
    """Share of Wald and profile intervals that hold the truth, for each parameter."""
    if family.model.name in BATCH_MODELS:
        return _batch_coverage(family, 10 * count, seed)
    rng = np.random.default_rng(seed)
    names = family.model.parameters
    wald, profile, used = np.zeros(len(names)), np.zeros(len(names)), 0
    for _ in range(count):
        truth, _, y = family.curve(rng)
        with np.errstate(all="ignore"):
            fitted = fit(family.model, family.x, y, start=family.guess(truth))
        if fitted.status != "converged":
            continue
        used += 1
        for i, name in enumerate(names):
            estimate = fitted[name]
            wald[i] += estimate.wald_lower <= truth[i] <= estimate.wald_upper
            profile[i] += _profile_holds(fitted, name, float(truth[i]))
    shares = {"wald": wald / used, "profile": profile / used}
    return _report(names, shares, count, used)


def _profile_holds(fitted: Fit, name: str, value: float) -> bool:
    """Whether a value lies within the profile interval: one refit with the value held."""
    start = {p.name: p.value for p in fitted.parameters}
    options = FitOptions(fixed={name: value})
    with np.errstate(all="ignore"):
        held = fit(fitted.model, fitted.x, fitted.y, start=start, options=options)
    t = t_quantile(fitted.df, 0.95)
    return held.ss <= fitted.ss * (1.0 + t * t / fitted.df)


def _batch_coverage(family: Family, count: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = [family.curve(rng) for _ in range(count)]
    truth, y = np.array([m[0] for m in made]), np.array([m[2] for m in made])
    fits = fit_curves(family.model, family.x, y)
    good = fits.converged
    names = family.model.parameters
    wald = ((fits.wald_lower <= truth) & (truth <= fits.wald_upper))[good].mean(axis=0)
    found = profile_curves(fits, y)
    ends = [found[name] for name in names]
    profile = [
        ((e.lower <= truth[:, i]) & (truth[:, i] <= e.upper))[good].mean()
        for i, e in enumerate(ends)
    ]
    return _report(names, {"wald": wald, "profile": np.array(profile)}, count, int(good.sum()))


def _report(
    names: tuple[str, ...], shares: dict[str, np.ndarray], count: int, used: int
) -> dict[str, Any]:
    report: dict[str, Any] = {"curves": count, "converged": used}
    for kind, values in shares.items():
        report[kind] = {n: round(float(v), 4) for n, v in zip(names, values, strict=True)}
    return report


def scene_coverage(scene: Scene, count: int, seed: int) -> dict[str, Any]:
    """Coverage of LogIC50, its bias in SE, and how its scatter compares with the SE."""
    y = scene.make(np.random.default_rng(seed), count)
    fits = fit_curves(
        scene.model,
        scene.x,
        y,
        weighting=scene.weighting,
        fixed=dict(scene.fixed),
        thorough=False,
    )
    good = fits.converged
    place = scene.model.position("LogIC50")
    values, errors = fits.estimates[good, place], fits.standard_errors[good, place]
    wald = (fits.wald_lower[good, place] <= scene.truth) & (
        scene.truth <= fits.wald_upper[good, place]
    )
    if scene.weighting.depends_on_curve:
        found = profile_curves(fits, y, ("LogIC50",))["LogIC50"]
        held = (found.lower <= scene.truth) & (scene.truth <= found.upper)
    else:
        at_truth = {**dict(scene.fixed), "LogIC50": scene.truth}
        refits = fit_curves(scene.model, scene.x, y, fixed=at_truth, thorough=False)
        df = int(fits.df[0])
        held = refits.ss <= fits.ss * (1.0 + t_quantile(df, 0.95) ** 2 / df)
    spread = float(np.diff(np.quantile(values, (0.1587, 0.8413)))[0]) / 2.0
    return {
        "assumption": scene.assumption,
        "curves": count,
        "converged": int(good.sum()),
        "wald": round(float(wald.mean()), 4),
        "profile": round(float(held[good].mean()), 4),
        "bias_log10": round(float(np.median(values) - scene.truth), 4),
        "scatter_over_se": round(spread / float(np.median(errors)), 2),
    }


def markdown(models: dict[str, dict[str, Any]], scenes: list[dict[str, Any]]) -> str:
    """Both tables."""
    lines = ["| model | curves | Wald | profile |", "|---|---|---|---|"]
    for name, one in models.items():
        cells = [_range(one[kind]) for kind in ("wald", "profile")]
        lines.append(f"| {name} | {one['converged']} | {cells[0]} | {cells[1]} |")
    lines += ["", "| what fails | Wald | profile | bias, log10 | scatter / SE | converged |", "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {s['assumption']} | {100 * s['wald']:.1f} | {100 * s['profile']:.1f} | "
        f"{s['bias_log10']:+.3f} | {s['scatter_over_se']:.2f} | "
        f"{100 * s['converged'] / s['curves']:.0f} % |"
        for s in scenes
    ]
    return "\n".join(lines)


def _range(shares: dict[str, float]) -> str:
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    return f"{100 * shares[low]:.1f} ({low}) to {100 * shares[high]:.1f} ({high})"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--curves", type=int, default=400, help="of each model; ten times for batch models"
    )
    parser.add_argument("--scene-curves", type=int, default=4000)
    parser.add_argument("--models", nargs="*", default=list(FAMILIES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    models = {
        n: family_coverage(FAMILIES[n], options.curves, sum(n.encode())) for n in options.models
    }
    scenes = [scene_coverage(scene, options.scene_curves, 11) for scene in SCENES]
    if options.markdown:
        print(markdown(models, scenes))
        return
    report = {
        "standard_error": round(math.sqrt(0.95 * 0.05 / options.curves), 4),
        "models": models,
        "scenes": scenes,
    }
    if options.json:
        print(json.dumps(report))
        return
    print(markdown(models, scenes))


if __name__ == "__main__":
    main()
