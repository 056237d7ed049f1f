"""Saturation plates: Kd and Bmax of the radioligand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.analysis.limits import QcMetric, State
from platectl.analysis.saturation import SaturationResult
from platectl.report.model import PlateReport
from platectl.report.values import MOLAR, Row, constant, of_conditions, plate_remarks
from platectl.report.views.diagnostics import diagnostics
from platectl.report.views.view import GROSS_CPM, Section, named, on_the_curve

METHODS = (
    "Gross counts per minute of total and non-specific wells are fitted together, with "
    "depletion of the radioligand; intervals are 95 % profile intervals. The radioligand of "
    "each level is that of its counted aliquots."
)


@dataclass(frozen=True, slots=True)
class SaturationView:
    """View of a saturation plate."""

    plate: PlateReport
    result: SaturationResult

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
        """Kd and Bmax."""
        result, failed = self.result, self.state == "fail"
        flags, sentences = plate_remarks(self.qc)
        common = {
            "compound": result.conditions.radioligand,
            "role": "radioligand",
            "site": result.conditions.site,
            "qualifier": "~" if failed else "=",
            "status": self.state,
            **of_conditions(result.conditions),
            "model": result.fits["depletion"].model,
            "flags": flags,
            "remarks": sentences,
        }
        found = (
            ("Kd", result.kd_molar, result.kd_lower_molar, result.kd_upper_molar, MOLAR),
            (
                "Bmax",
                result.bmax_pmol_per_mg,
                result.bmax_lower_pmol_per_mg,
                result.bmax_upper_pmol_per_mg,
                "pmol/mg",
            ),
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
        return {"conditions": self.result.conditions, "fits": self.result.fits}

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
        """Binding against radioligand, and Scatchard's view."""
        from platectl.report.saturation_plot import saturation

        kd = self.result.kd_naive_molar
        note = (
            ""
            if kd is None
            else (
                f"Taking added radioligand as free would give Kd {1e9 * kd:.3g} nM; at most "
                f"{100 * self.result.largest_bound_of_added:.1f} % of it was bound."
            )
        )
        return [Section("Saturation", [saturation(self.result)], note=note),
                diagnostics({self.result.conditions.radioligand: self.result.fits})]  # fmt: skip
