"""The metric of a plate that reports against a limit, and what the rules make of broken limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from platectl.domain.result_rules import CalciumLimits, QcLimits, Verdict

State = Literal["pass", "flag", "fail"]


@dataclass(frozen=True, slots=True)
class QcMetric:
    """One metric of a plate.

    Attributes:
        name: Short name for tables.
        value: As measured; None when it cannot be had.
        limit: The limit as text.
        state: "pass", "flag" or "fail".
        explanation: One plain sentence.
        wells: Wells concerned, when the finding is about some of them.
    """

    name: str
    value: float | None
    limit: str
    state: State
    explanation: str
    wells: tuple[str, ...] = ()


def judged(metrics: Sequence[QcMetric], limits: QcLimits | CalciumLimits) -> tuple[QcMetric, ...]:
    """Metrics with the lab's verdicts on broken limits; the name of a metric ends at its `[`."""
    verdicts: dict[str, Verdict] = {str(name): v for name, v in limits.verdicts.items()}
    return tuple(_judged(m, verdicts.get(m.name.partition("[")[0])) for m in metrics)


def _judged(metric: QcMetric, verdict: Verdict | None) -> QcMetric:
    if verdict is None or metric.state == "pass":
        return metric
    if verdict == "note":
        said = f"{metric.explanation} The rules only note it."
        return replace(metric, state="pass", explanation=said)
    return replace(metric, state=verdict)


def worst(states: tuple[State, ...]) -> State:
    """The worst of several states; pass if there are none."""
    if "fail" in states:
        return "fail"
    return "flag" if "flag" in states else "pass"
