"""Kinetics plates: rate constants of the radioligand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.analysis.kinetics import Estimate, KineticsResult
from platectl.analysis.limits import QcMetric, State
from platectl.report.model import PlateReport
from platectl.report.values import MOLAR, Row, constant, of_conditions, plate_remarks
from platectl.report.views.diagnostics import diagnostics
from platectl.report.views.view import GROSS_CPM, Section, named, on_the_curve

METHODS = (
    "Association at all radioligand concentrations is fitted globally against the true age of "
    "each well, with depletion of the radioligand; intervals are 95 % profile intervals."
)


@dataclass(frozen=True, slots=True)
class KineticsView:
    """View of a kinetics plate."""

    plate: PlateReport
    result: KineticsResult

    @property
    def measured(self) -> str:
        """What the map of the plate shows."""
        return GROSS_CPM

    @property
    def methods(self) -> str:
        """How the numbers came about."""
        return METHODS

    @property
    def state(self) -> State:
        """State of the plate."""
        return self.result.state

    @property
    def qc(self) -> tuple[QcMetric, ...]:
        """Quality metrics."""
        return self.result.qc

    @property
    def rows(self) -> list[Row]:
        """Rate constants and the kinetic Kd."""
        result, failed = self.result, self.state == "fail"
        flags, sentences = plate_remarks(self.qc)
        common = {
            "compound": result.conditions.radioligand,
            "role": "radioligand",
            "site": result.conditions.site,
            "qualifier": "~" if failed else "=",
            "status": self.state,
            **of_conditions(result.conditions),
            "model": result.fits["association"].model,
            "flags": flags,
            "remarks": sentences,
        }
        found = (
            ("Kd (kinetic)", *_ends(result.kd_molar), MOLAR),
            ("kon", *_ends(result.kon_per_molar_min), "/M/min"),
            ("koff", *_ends(result.koff_per_min), "/min"),
        )
        return [{**common, **constant(*row)} for row in found]

    @property
    def warnings(self) -> tuple[str, ...]:
        """None beyond the quality metrics."""
        return ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Flags of the fit."""
        return tuple(flag.sentence for flag in self.result.flags)

    @property
    def details(self) -> Mapping[str, Any]:
        """Conditions and fits."""
        return {
            "conditions": self.result.conditions,
            "fits": self.result.fits,
            "required_min": self.result.required_min,
        }

    def ages_min(self) -> Mapping[str, float]:
        """Not part of this result."""
        return {}

    def left_out(self) -> Mapping[str, str]:
        """Wells that the fit leaves out."""
        return {p.well: p.excluded for p in self.result.points if p.excluded}

    def noted(self) -> Mapping[str, Sequence[str]]:
        """What metrics name."""
        return named(self.result.qc)

    def readouts(self) -> Mapping[str, Mapping[str, float]]:
        """The curve at each well."""
        return {"fitted cpm": on_the_curve(self.result.points)}

    def sections(self) -> list[Section]:
        """Association at every radioligand concentration."""
        from platectl.report.kinetics_plot import association

        note = (
            f"Five half-lives at the lowest concentration take {self.result.required_min:.0f} min; "
            f"the planned incubation reaches {100 * self.result.fraction_of_plateau:.1f} % of "
            "the plateau."
        )
        return [Section("Association", [association(self.result)], note=note),
                diagnostics({self.result.conditions.radioligand: self.result.fits})]  # fmt: skip


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.lower, estimate.upper
