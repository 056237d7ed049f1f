"""Calcium plates: EC50 of every compound, traces, calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.analysis.calcium import CalciumPlateResult, ResponseResult
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.report import FitReport
from platectl.report.model import PlateReport
from platectl.report.values import MOLAR, Row, constant, finite, plate_remarks, positive
from platectl.report.views.diagnostics import diagnostics
from platectl.report.views.view import Section, named

METHODS = (
    "The mean of wells with unloaded cells is subtracted from the counts at 340 and 380 nm; the "
    "readings at 380 nm are brought to the times of those at 340 nm; their quotient is the ratio. "
    "The response of a well is its projection on the plate's mean response, at the true time since "
    "its addition. Curves are fitted to responses with the wells at dose zero as points; weights "
    "follow from a constant share of the response, and intervals are 95 % profile intervals "
    "widened by the preparation of the dilutions. Calcium is calculated by Grynkiewicz's equation "
    "from the plate's own calibrators."
)
_USABLE = {"ok", "bound", "no response"}


@dataclass(frozen=True, slots=True)
class CalciumView:
    """View of a calcium plate."""

    plate: PlateReport
    result: CalciumPlateResult

    @property
    def measured(self) -> str:
        """What the map of the plate shows."""
        return "F380 at rest, counts"

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
        """One row per compound."""
        return [self._row(compound) for compound in self.result.compounds]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A calibration that cannot be used."""
        problem = self.result.calibration.problem
        return (f"{self.plate.name}: calcium is not calculated. {problem}",) if problem else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Flags of compounds, and readings that were left out."""
        said = [f"{c.compound}: {f.sentence}" for c in self.result.compounds for f in c.flags]
        for reason in ("injection artefact", "too faint", "no reading"):
            wells = [t.trace.well for t in self.result.traces if reason in t.left_out.values()
                     and t.trace.role != "unloaded"]  # fmt: skip
            if wells:
                said.append(f"Readings left out ({reason}) in {len(wells)} wells: {_some(wells)}.")
        return tuple(said)

    @property
    def details(self) -> Mapping[str, Any]:
        """Conditions, calibration, stimulus, the features of every well, and every fit."""
        return {
            "conditions": self.result.conditions,
            "calibration": self.result.calibration,
            "background": self.result.background,
            "stimulus": self.result.stimulus,
            "dead_time_s": self.result.dead_time_s,
            "features": self.result.features,
            "fits": self._fits(),
        }

    def ages_min(self) -> Mapping[str, float]:
        """Age of the dye in each well when its addition or first reading came."""
        return self._recorded("age_min")

    def left_out(self) -> Mapping[str, str]:
        """Wells that were excluded, and points that a rule took out of a fit."""
        points = (p for c in self.result.compounds for p in c.points)
        return {p.well: p.excluded for p in points if p.excluded} | {
            t.trace.well: t.trace.excluded for t in self.result.traces if t.trace.excluded
        }

    def noted(self) -> Mapping[str, Sequence[str]]:
        """What metrics name, and readings that were left out."""
        found = named(self.qc)
        for trace in (t for t in self.result.traces if t.trace.role != "unloaded"):
            for reason, count in Counter(trace.left_out.values()).items():
                plural = "s" if count > 1 else ""
                found.setdefault(trace.trace.well, []).append(f"{count} reading{plural}: {reason}")
        return found

    def readouts(self) -> Mapping[str, Mapping[str, float]]:
        """What each trace came to."""
        features = self.result.features
        return {
            "dye age, min": self._recorded("age_min"),
            "pre-incubation, min": self._recorded("preincubation_min"),
            "ratio at rest": {f.well: f.baseline for f in features},
            "response, ratio": {f.well: f.amplitude for f in features},
            "noise, SD": {f.well: f.noise for f in features},
            "peak after, s": {f.well: f.time_to_peak_s for f in features if f.responds},
        }

    def sections(self) -> list[Section]:
        """Plate of traces, traces of each dose, curves, calibration, and how well the fits do."""
        from platectl.report.calcium_curves import dose_curves
        from platectl.report.calcium_traces import overlays, small_traces

        dead = self.result.dead_time_s
        note = (
            ""
            if dead is None
            else (
                f"The first reading came {dead[0]:.1f} to {dead[1]:.1f} s after the addition to its well."
            )
        )
        return [
            Section("Dose and response", dose_curves(self.result)),
            Section("Traces of each dose", overlays(self.result), note=note),
            Section("Ratio of every well", small_traces(self.result)),
            Section("Calibration", table=self._calibration()),
            diagnostics(self._fits()),
        ]  # fmt: skip

    def _fits(self) -> dict[str, Mapping[str, FitReport]]:
        return {c.compound: c.fits or {} for c in self.result.compounds}

    def _recorded(self, column: str) -> dict[str, float]:
        """What was recorded of wells under a name."""
        found = {well: reading.get(column) for well, reading in self.plate.counts.items()}
        return {well: value for well, value in found.items() if value is not None}

    def _calibration(self) -> list[list[str]]:
        c, table = self.result.calibration, [["what", "value"]]
        table += [["Rmin", f"{c.rmin:.3f}"], ["Rmax", f"{c.rmax:.2f}"], ["beta", f"{c.beta:.2f}"],
                  ["Kd", f"{1e9 * c.kd_molar:.0f} nM at {self.result.conditions.temperature_c:g} °C"],
                  ["wells", ", ".join(c.wells)]]  # fmt: skip
        rest = [f.calcium_baseline_molar for f, t in
                zip(self.result.features, self.result.traces, strict=True)
                if t.trace.role not in {"unloaded", "rmin", "rmax"}]  # fmt: skip
        known = [value for value in rest if math.isfinite(value)]
        if known:
            table.append(["calcium at rest", f"{1e9 * sum(known) / len(known):.0f} nM"])
        empty = self.result.background
        table.append(["background", f"{empty.at_340:.0f} and {empty.at_380:.0f} counts"])
        if (stimulus := self.result.stimulus) is not None:
            table.append(["stimulus", f"{100 * stimulus.share:.0f} % of the agonist's maximum"])
        return table

    def _row(self, compound: ResponseResult) -> Row:
        flags, sentences = plate_remarks(self.qc)
        usable = compound.status in _USABLE and compound.qualifier != "~" and self.state != "fail"
        own = {flag.name for flag in compound.flags} - {"out_of_range", "no_response"}
        status: State = "fail" if not usable else "flag" if own or self.state == "flag" else "pass"
        hill = compound.hill
        return {
            "compound": compound.compound,
            "role": compound.role,
            "site": self.result.conditions.cells,
            **constant(compound.quantity, compound.value_molar, compound.lower_molar,
                       compound.upper_molar, MOLAR),
            "qualifier": compound.qualifier,
            "status": status,
            "agonist": self.result.conditions.agonist,
            "stimulus_molar": self.result.conditions.stimulus_molar,
            "temperature_c": finite(self.result.conditions.temperature_c),
            "model": compound.model,
            "effect_percent": finite(compound.effect_percent),
            "falling_molar": positive(compound.falling_molar),
            "hill": finite(hill[0]) if hill else None,
            "hill_lower": finite(hill[1]) if hill else None,
            "hill_upper": finite(hill[2]) if hill else None,
            "series": compound.series,
            "flags": [flag.name for flag in compound.flags] + flags,
            "remarks": [flag.sentence for flag in compound.flags] + sentences,
        }  # fmt: skip


def _some(wells: list[str]) -> str:
    shown = ", ".join(wells[:8])
    return f"{shown} and others" if len(wells) > 8 else shown  # noqa: PLR2004  # a line's worth
