"""What a view of a plate's result gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from platectl.analysis.limits import QcMetric, State
from platectl.report.picture import Picture
from platectl.report.values import Row


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a plate's chapter: pictures, or a table with its head first, or both.

    A `folded` one is for those who look for it: closed on a page, and not in print.
    """

    title: str
    pictures: Sequence[Picture] = ()
    table: Sequence[Sequence[str]] = ()
    note: str = ""
    folded: bool = False


#: what a counter's value of a well is called
GROSS_CPM: Final = "gross cpm"


#: metric of a plate that names the wells which were excluded
EXCLUDED: Final = "excluded_wells"


def named(qc: Sequence[QcMetric]) -> dict[str, list[str]]:
    """Well -> metrics that name it and are not as they should be, in words."""
    found: dict[str, list[str]] = {}
    for metric in qc:
        for well in metric.wells if metric.state != "pass" and metric.name != EXCLUDED else ():
            found.setdefault(well, []).append(metric.name.replace("_", " "))
    return found


def excluded(qc: Sequence[QcMetric]) -> dict[str, str]:
    """Wells that a plate's metrics call excluded."""
    return {w: "excluded" for metric in qc if metric.name == EXCLUDED for w in metric.wells}


class FittedWell(Protocol):
    """A well with the curve there."""

    @property
    def well(self) -> str:
        """Its name."""
        ...

    @property
    def fitted_cpm(self) -> float | None:
        """The curve there; None without one."""
        ...


def on_the_curve(points: Iterable[FittedWell]) -> dict[str, float]:
    """What the fit gives for each well."""
    return {p.well: p.fitted_cpm for p in points if p.fitted_cpm is not None}


class View(Protocol):
    """One plate with its result. `methods` says in a few sentences how numbers came about."""

    @property
    def measured(self) -> str:
        """What the value of a well in the map of the plate is, with its unit."""
        ...

    @property
    def methods(self) -> str:
        """How the numbers came about."""
        ...

    @property
    def state(self) -> State:
        """State of the plate."""
        ...

    @property
    def qc(self) -> tuple[QcMetric, ...]:
        """Quality metrics of the plate."""
        ...

    @property
    def rows(self) -> list[Row]:
        """One row per constant, without the columns of the plate."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that a reader has to see before any number."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on single constants."""
        ...

    @property
    def details(self) -> Mapping[str, Any]:
        """What the JSON of a plate says beyond rows and quality."""
        ...

    def ages_min(self) -> Mapping[str, float]:
        """Age of every well whose filtration or read was recorded, min."""
        ...

    def left_out(self) -> Mapping[str, str]:
        """Well -> why it is in no fit."""
        ...

    def noted(self) -> Mapping[str, Sequence[str]]:
        """Well -> what the analysis remarks about it, though fits have it."""
        ...

    def readouts(self) -> Mapping[str, Mapping[str, float]]:
        """Further numbers of wells: what, with its unit -> well -> number."""
        ...

    def sections(self) -> list[Section]:
        """Pictures and tables in the order of the report."""
        ...
