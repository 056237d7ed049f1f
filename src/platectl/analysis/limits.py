"""Acceptance limits of a plate as data, and the metric that reports against them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class ReferenceWindow:
    """Ki window of a reference compound, in molar."""

    lower_molar: float
    upper_molar: float


@dataclass(frozen=True, slots=True)
class QcLimits:
    """Limits per plate.

    Start values: Z', specific binding, Zone A and signal window after the Assay Guidance Manual;
    the others are recommendations to be replaced by the lab's own history.

    Attributes:
        z_prime_pass: Z' from here passes.
        z_prime_fail: Z' below here fails the plate.
        signal_to_background: Least totals/NSB.
        specific_binding: Least specific share of total binding.
        bound_of_added: Most bound/added without a note.
        cv_total: Highest CV of totals.
        cv_nsb: Highest CV of NSB.
        poisson_allowance: A CV up to this multiple of the Poisson CV is accepted instead.
        signal_window: Least signal window.
        reference_windows: Ki window per reference compound.
        reference_hill: Lowest and highest Hill slope of the reference.
        plateau_difference: Most difference of controls and curve plateaus, share of the window.
        gradient: Most difference of totals across the plate.
        radioligand_tolerance: Most relative deviation of measured from nominal radioligand.
        age_spread_min: Most difference in age between wells without a note.
        dead_group: Number of wells at background level that makes a finding.
        dead_margin: A well is at background level below background + this share of the NSB.
    """

    z_prime_pass: float = 0.5
    z_prime_fail: float = 0.4
    signal_to_background: float = 4.0
    specific_binding: float = 0.80
    bound_of_added: float = 0.10
    cv_total: float = 0.08
    cv_nsb: float = 0.20
    poisson_allowance: float = 1.5
    signal_window: float = 2.0
    reference_windows: dict[str, ReferenceWindow] = field(
        default_factory=lambda: {"haloperidol": ReferenceWindow(0.8e-9, 5e-9)}
    )
    reference_hill: tuple[float, float] = (-1.3, -0.7)
    plateau_difference: float = 0.10
    gradient: float = 0.10
    radioligand_tolerance: float = 0.15
    age_spread_min: float = 5.0
    dead_group: int = 3
    dead_margin: float = 0.35


def worst(states: tuple[State, ...]) -> State:
    """The worst of several states; pass if there are none."""
    if "fail" in states:
        return "fail"
    return "flag" if "flag" in states else "pass"
