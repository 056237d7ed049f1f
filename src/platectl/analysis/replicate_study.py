"""Replicate-experiment study: do two runs of the same compounds agree, and how well?

Formulas: NIH/NCATS Assay Guidance Manual, section "Replicate-Experiment Study"; Eastwood et al.
2006, J Biomol Screen 11:253 (minimum significant ratio). With d the differences between two runs:
mean difference m, standard deviation s_d (n - 1), minimum significant difference 2 s_d, limits of
the mean m +/- 2 s_d/sqrt(n), limits of agreement m +/- 2 s_d. For potencies d is a difference of
log10, so all of these are powers of ten: mean ratio, MSR, ratio limits, limits of agreement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import QcMetric, State
from platectl.domain.result_rules import ReplicateLimits

FEWEST_PAIRS = 3
Scale = Literal["ratio", "difference"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One compound in two runs, in the unit of the readout."""

    compound: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class ReplicateStudy:
    """What two runs say about each other; first run over (minus) second run.

    Attributes:
        scale: "ratio" for potencies, "difference" for efficacies.
        pairs: Compounds in both runs.
        mean: Mean ratio MR, or mean difference MD.
        mean_limits: Ratio limits RL, or difference limits DL: 95 % limits of the mean.
        least_significant: MSR, or MSD: two values of one run each differ by more in 1 of 20 cases.
        agreement: Limits of agreement LsA: most single compounds lie within.
        spread: s_d, in log10 for ratios.
        checks: Verdicts against the limits.
    """

    scale: Scale
    pairs: tuple[Pair, ...]
    mean: float
    mean_limits: tuple[float, float]
    least_significant: float
    agreement: tuple[float, float]
    spread: float
    checks: tuple[QcMetric, ...]

    @property
    def passes(self) -> bool:
        """Whether no limit is broken."""
        return all(check.state != "fail" for check in self.checks)


def replicate_study(
    pairs: Sequence[Pair], *, scale: Scale = "ratio",
    limits: ReplicateLimits = ReplicateLimits(),  # noqa: B008 frozen
) -> ReplicateStudy:  # fmt: skip
    """Compare two runs.

    Raises:
        AnalysisError: Fewer than three compounds, one twice, or a value without a logarithm.
    """
    if len(pairs) < FEWEST_PAIRS:
        message = (
            f"{len(pairs)} compounds have a value in both runs; at least {FEWEST_PAIRS} are needed."
        )
        raise AnalysisError(message)
    names = [pair.compound for pair in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        message = f"{min(twice)} is given twice."
        raise AnalysisError(message)
    for pair in pairs:
        lowest = 0.0 if scale == "ratio" else -math.inf
        if not (lowest < pair.first < math.inf and lowest < pair.second < math.inf):
            message = f"{pair.compound} has a value that cannot be compared."
            raise AnalysisError(message)
    first, second = (np.array([getattr(p, n) for p in pairs]) for n in ("first", "second"))
    d = np.log10(first) - np.log10(second) if scale == "ratio" else first - second
    mean, spread, n = float(d.mean()), float(d.std(ddof=1)), len(pairs)
    error = 2.0 * spread / math.sqrt(n)

    def shown(value: float) -> float:
        return float(10.0**value) if scale == "ratio" else value

    study = ReplicateStudy(
        scale=scale,
        pairs=tuple(pairs),
        mean=shown(mean),
        mean_limits=(shown(mean - error), shown(mean + error)),
        least_significant=shown(2.0 * spread),
        agreement=(shown(mean - 2.0 * spread), shown(mean + 2.0 * spread)),
        spread=spread,
        checks=(),
    )
    return _judged(study, limits)


def least_discriminatory_ratio(msr: float, tests: int) -> float:
    """Ratio of two compounds, each tested so many times, that is significant: MSR^(1/sqrt n).

    Raises:
        AnalysisError: No tests, or an MSR below 1.
    """
    if tests < 1 or not msr >= 1.0:
        message = "The minimum significant ratio is at least 1, and tests are at least one."
        raise AnalysisError(message)
    return float(msr ** (1.0 / math.sqrt(tests)))


def _judged(study: ReplicateStudy, limits: ReplicateLimits) -> ReplicateStudy:
    ratio, n = study.scale == "ratio", len(study.pairs)
    none = 1.0 if ratio else 0.0
    low, high = study.mean_limits
    what, unit = ("ratio", "-fold") if ratio else ("difference", "")
    most = limits.msr if ratio else limits.difference
    same = low <= none <= high
    least = study.least_significant
    checks = [
        _check("compounds", float(n), f">= {limits.compounds}", n >= limits.compounds,
               f"{n} compounds have a value in both runs.", otherwise="flag"),
        _check(f"mean_{what}", study.mean, f"limits include {none:g}", same,
               f"The mean {what} is {study.mean:.3g} ({low:.3g} to {high:.3g}): "
               + ("the runs agree on average." if same else "one run gives higher values."),
               otherwise="flag"),
        _check("msr" if ratio else "msd", least, f"< {most:g}", least < most,
               f"Two results of one compound differ by more than {least:.3g}{unit} in 1 of 20 cases."),
    ]  # fmt: skip
    if ratio:
        bottom, top = study.agreement
        held = 1.0 / limits.agreement <= bottom and top <= limits.agreement
        limit = f"within 1/{limits.agreement:g} to {limits.agreement:g}"
        text = f"Ratios of single compounds lie between {bottom:.3g} and {top:.3g}."
        checks.append(_check("limits_of_agreement", top, limit, held, text))
    return ReplicateStudy(
        study.scale, study.pairs, study.mean, study.mean_limits, study.least_significant,
        study.agreement, study.spread, tuple(checks),
    )  # fmt: skip


def _check(
    name: str, value: float, limit: str, met: bool, text: str, *, otherwise: State = "fail"  # noqa: FBT001
) -> QcMetric:  # fmt: skip
    return QcMetric(name, value, limit, "pass" if met else otherwise, text)
