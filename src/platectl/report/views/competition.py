"""Competition plates: Ki and IC50 of every compound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.analysis.counting_quality import COUNTING
from platectl.analysis.hill_slope import TwoSites
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.report import FitReport
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.report.model import PlateReport
from platectl.report.text import NOTHING, interval, molar, number
from platectl.report.values import (
    MOLAR,
    Row,
    constant,
    finite,
    from_log,
    of_conditions,
    plate_remarks,
    positive,
)
from platectl.report.views.diagnostics import diagnostics
from platectl.report.views.view import GROSS_CPM, Section, excluded, named, on_the_curve

SLOPES = ("compound", "Hill slope", "IC50, slope -1", "IC50, slope free", "95 % interval")
SITES = ("compound", "IC50, high affinity", "IC50, low affinity", "share of the high", "F test against one", "AICc, one - two", "two sites")  # fmt: skip
ROUTES = ("compound", "exact mass action (reported)", "Munson-Rodbard", "Goldstein-Barrett", "Cheng-Prusoff")  # fmt: skip
_USABLE = {"ok", "bound", "converged"}
FURTHEST = 30.0
_OWN = {"test", "reference"}
_HARMLESS = {"out_of_range", "inactive", "shallow", "steep"}

METHODS = (
    "Gross counts per minute are fitted with the totals and non-specific wells as points. "
    "Ki comes from exact mass action of receptor, radioligand and compound with depletion "
    "of both; IC50 and Hill slope from one-site and four-parameter curves. Variance is "
    "counting plus a constant share of the net counts, taken from the curve and iterated. A "
    "masking ligand that also holds the site under study raises Kd and every Ki by 1 + "
    "M/Km; the Ki that is reported is corrected for it. Where the interval of the Hill slope "
    "excludes -1, the IC50 with the slope free stands beside that of slope -1, and a shallow curve is "
    "fitted with two sites, compared with one by F test and AICc; the Ki reported stays that of one site."
)


@dataclass(frozen=True, slots=True)
class CompetitionView:
    """View of a competition plate."""

    plate: PlateReport
    result: PlateResult

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
        """One row per compound."""
        return [_row(self.result, compound) for compound in self.result.compounds]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Numbers that are no counts, and equilibrium that was not reached."""
        check = self.result.equilibrium
        wrong = [m.explanation for m in self.qc if m.name in COUNTING and m.state == "fail"]
        return (*wrong, *(() if check.state == "pass" else (check.message,)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Flags of compounds."""
        return tuple(f"{c.compound}: {f.sentence}" for c in self.result.compounds for f in c.flags)

    @property
    def details(self) -> Mapping[str, Any]:
        """Conditions, equilibrium, Ki by four routes, slopes other than -1, and every fit of every compound."""
        return {
            "conditions": self.result.conditions,
            "equilibrium": self.result.equilibrium,
            "ki_estimates": {c.compound: c.ki for c in self.result.compounds},
            "other_slopes": {
                c.compound: c.other_slope for c in self.result.compounds if c.other_slope
            },
            "fits": self._fits(),
        }

    def ages_min(self) -> Mapping[str, float]:
        """Age of every well whose filtration was recorded."""
        return {age.well: age.age_min for age in self.result.equilibrium.ages}

    def left_out(self) -> Mapping[str, str]:
        """Wells that were excluded, and points that a rule took out of a fit."""
        return excluded(self.qc) | {
            p.well: p.excluded for c in self.result.compounds for p in c.points if p.excluded
        }

    def noted(self) -> Mapping[str, Sequence[str]]:
        """What fits and metrics remark."""
        found = named(self.qc)
        for point in (p for c in self.result.compounds for p in c.points):
            for flag in point.flags:
                said, words = found.setdefault(point.well, []), flag.replace("_", " ")
                said += [words] if words not in said else []
        return found

    def readouts(self) -> Mapping[str, Mapping[str, float]]:
        """The curve at the wells of compounds, on which controls have no single place; ages."""
        own = (p for c in self.result.compounds for p in c.points if p.role in _OWN)
        return {"fitted cpm": on_the_curve(own), "age, min": self.ages_min()}

    def sections(self) -> list[Section]:
        """Curves with residuals, Ki by four routes, curves that are not of one site, and diagnostics."""
        from platectl.report.plots import curves

        routes = [list(ROUTES)]
        for compound in self.result.compounds:
            if compound.ki is not None:
                k = compound.ki
                four = (k.exact, k.munson_rodbard, k.goldstein_barrett, k.cheng_prusoff)
                routes.append([compound.compound, *(f"{1e9 * value:.3g}" for value in four)])
        check = self.result.equilibrium
        return [
            Section("Curves", curves(self.plate.name, self.plate.wells, self.result), note=check.message),
            Section("Ki by four routes (nM)", table=routes if len(routes) > 1 else ()),
            *_slopes(self.result.compounds),
            diagnostics(self._fits()),
        ]  # fmt: skip

    def _fits(self) -> dict[str, Mapping[str, FitReport]]:
        return {c.compound: c.fits for c in self.result.compounds}


def _slopes(compounds: Sequence[CompoundResult]) -> list[Section]:
    """Tables of the curves whose slope is not that of one site; none without such curves."""
    slopes, sites = [list(SLOPES)], [list(SITES)]
    for compound in compounds:
        found, hill = compound.other_slope, compound.hill
        if found is None or hill is None:
            continue
        free = found.log_ic50
        slopes.append([
            compound.compound,
            f"{hill.slope:.2f} ({hill.lower:.2f} to {hill.upper:.2f})",
            molar(positive(compound.ic50_molar)),
            molar(_open(free.value)),
            interval(_open(free.lower), _open(free.upper)),
        ])  # fmt: skip
        if found.two_sites is not None:
            sites.append(_sites(compound.compound, found.two_sites))
    titles = ("Hill slopes that are not of one site", "Two sites against one")
    both = zip(titles, (slopes, sites), strict=True)
    return [Section(title, table=table) for title, table in both if len(table) > 1]


def _sites(compound: str, two: TwoSites) -> list[str]:
    share, test = two.fraction_high, two.test
    ends = [
        f"{molar(_open(e.value))} ({interval(_open(e.lower), _open(e.upper))})"
        for e in (two.log_ic50_high, two.log_ic50_low)
    ]
    known = finite(share.lower) is not None and finite(share.upper) is not None
    between = f"{100.0 * share.lower:.0f} to {100.0 * share.upper:.0f}" if known else "open"
    return [
        compound,
        *ends,
        f"{100.0 * share.value:.0f} % ({between})",
        NOTHING
        if test is None
        else f"F({test.df_extra}, {test.df_full}) = {test.f:.3g}, p = {test.p:.2g}",
        number(finite(two.aicc.difference)),
        two.status
        if two.status != "converged"
        else "preferred"
        if two.preferred
        else "not preferred",
    ]


def _open(log10_molar: float) -> float | None:
    """One end of a log10 interval as molar; None where it is open or beyond all concentrations."""
    return positive(10.0**log10_molar) if abs(log10_molar) < FURTHEST else None


def row_status(plate: PlateResult, compound: CompoundResult) -> State:
    """`fail` without a value to use, `flag` with a remark on compound or plate, else `pass`.

    That a value is a bound is said by its qualifier and is no remark of its own.
    """
    usable = compound.status in _USABLE and compound.qualifier != "~"
    if plate.state == "fail" or compound.value_molar is None or not usable:
        return "fail"
    remarks = {flag.name for flag in compound.flags} - _HARMLESS
    return "flag" if remarks or plate.state == "flag" else "pass"


def _row(result: PlateResult, compound: CompoundResult) -> Row:
    failed = result.state == "fail"
    flags, sentences = plate_remarks(result.qc)
    hill = compound.hill
    return {
        "compound": compound.compound,
        "role": compound.role,
        "site": compound.site,
        **constant(
            compound.quantity,
            compound.value_molar,
            compound.lower_molar,
            compound.upper_molar,
            MOLAR,
        ),
        "qualifier": compound.qualifier,
        "status": row_status(result, compound),
        **of_conditions(compound.conditions),
        "lower_with_kd_molar": None if failed else from_log(compound.interval_with_kd, "lower"),
        "upper_with_kd_molar": None if failed else from_log(compound.interval_with_kd, "upper"),
        "ic50_molar": None if failed else positive(compound.ic50_molar),
        "ic50_lower_molar": None if failed else positive(compound.ic50_lower_molar),
        "ic50_upper_molar": None if failed else positive(compound.ic50_upper_molar),
        "model": compound.fits["mass action"].model if compound.fits else "",
        "hill": finite(hill.slope) if hill else None,
        "hill_lower": finite(hill.lower) if hill else None,
        "hill_upper": finite(hill.upper) if hill else None,
        "series": compound.series,
        "flags": [flag.name for flag in compound.flags] + flags,
        "remarks": [flag.sentence for flag in compound.flags] + sentences,
    }
