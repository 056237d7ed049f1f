"""What a report is given: a run, its plates and what happened to them, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from platectl.analysis.calcium import CalciumPlateResult
from platectl.analysis.kinetics import KineticsResult
from platectl.analysis.results import PlateResult
from platectl.analysis.saturation import SaturationResult
from platectl.domain.findings import Finding
from platectl.domain.layout import WellPlan

AnyResult = PlateResult | SaturationResult | KineticsResult | CalciumPlateResult
Standing = Literal["unsigned", "signed", "invalidated"]


@dataclass(frozen=True, slots=True)
class Basis:
    """What the results of a plate rest on, and whether a person vouches for them.

    Attributes:
        review: "invalidated" when a signature was given and does not hold any more.
        version: Of the analysis; None outside of a run.
        provenance: SHA-256 of the record below.
        record: Data, models, options, rules, versions and exclusions behind the results.
    """

    review: Standing = "unsigned"
    version: int | None = None
    provenance: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExcludedWell:
    """A well or point that is shown and not fitted: who left it out, why, when (ISO 8601)."""

    plate: str
    well: str
    by: str
    reason: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did with the data: a look, an exclusion, a version, a signature."""

    number: int
    at: str
    by: str
    what: str
    reason: str
    digest: str


@dataclass(frozen=True, slots=True)
class Review:
    """Who did what with the data of a run, and what holds now.

    Attributes:
        standing: Of the version shown.
        version: Number of the version shown; None before the first.
        sentence: What a reader has to know about signatures.
        deeds: All of them, oldest first.
        exclusions: Wells and points that no fit has.
        names: Code -> compound of a blinded run whose key was opened.
        study: Name of the key of a blinded run; empty where nothing was blinded.
    """

    standing: Standing = "unsigned"
    version: int | None = None
    sentence: str = "These results are not signed."
    deeds: tuple[Deed, ...] = ()
    exclusions: tuple[ExcludedWell, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    study: str = ""


@dataclass(frozen=True, slots=True)
class PlateReport:
    """One assay plate.

    Attributes:
        name: Name within the run.
        barcode: Of the plate.
        wells: What every well is.
        counts: Well -> reading with `cpm`, `counts`, `live_s`, `source`, `flags`; of cells
            `age_min` and `preincubation_min` too.
        result: Its analysis; None when the plate could not be analysed.
        problem: Why there is no result, one sentence.
        broken_windows: Windows that were not kept, `name: how`.
        gates: Plates of its assay that were no good while it went on, `name: why`.
        basis: What its results rest on, and whether they are signed.
    """

    name: str
    barcode: str
    wells: tuple[WellPlan, ...]
    counts: Mapping[str, Mapping[str, Any]]
    result: AnyResult | None
    problem: str = ""
    broken_windows: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    basis: Basis = Basis()

    def compounds(self) -> tuple[str, ...]:
        """Compounds on the plate, in plate order."""
        return tuple(dict.fromkeys(w.compound for w in self.wells if w.compound))


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One step as it ran; seconds since the start of the run, None where it never came to that."""

    id: str
    title: str
    plate: str
    instruments: tuple[str, ...]
    start_s: float | None
    end_s: float | None
    planned_start_s: float | None = None


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One time window: `verdict` says how it was broken, None when kept.

    `elapsed_s` is None when one of its two moments never came.
    """

    name: str
    plate: str
    elapsed_s: float | None
    verdict: str | None
    hard: bool

    @property
    def standing(self) -> str:
        """How it was broken, "kept", or "not reached"."""
        return self.verdict or ("not reached" if self.elapsed_s is None else "kept")


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run.

    Attributes:
        run: Name of the run.
        title: Title of the protocol.
        protocol: Name of the protocol.
        lab: Name of the lab.
        simulated: Whether the numbers come from a simulated world.
        started: ISO 8601.
        finished: ISO 8601; empty while it runs.
        status: Such as "finished", "failed" or "aborted".
        plates: In order of the run.
        steps: What was done when.
        windows: Time windows and whether they were kept.
        checks: Rows of (what, finding): barcodes that were compared, plates that were weighed.
        conditions: Rows of (what, value) for people.
        files: File -> SHA-256.
        warnings: Sentences that a reader has to see before any number.
        findings: Findings of the data that were read, which are among the warnings too.
        versions: Software -> version.
        run_hash: SHA-256 of the compiled run.
        review: Who did what with the data, and whether the results are signed.
    """

    run: str
    title: str
    protocol: str
    lab: str
    simulated: bool
    started: str
    finished: str
    status: str
    plates: tuple[PlateReport, ...]
    steps: tuple[TimelineRow, ...] = ()
    windows: tuple[WindowRow, ...] = ()
    checks: Sequence[tuple[str, str]] = ()
    conditions: Sequence[tuple[str, str]] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    run_hash: str = ""
    review: Review = Review()
