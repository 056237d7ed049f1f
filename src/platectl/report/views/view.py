"""What a view of a plate's result gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from platectl.analysis.limits import QcMetric, State
from platectl.report.picture import Picture
from platectl.report.values import Row


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a plate's chapter: pictures, or a table with its head first, or both."""

    title: str
    pictures: Sequence[Picture] = ()
    table: Sequence[Sequence[str]] = ()
    note: str = ""


#: what a counter's value of a well is called
GROSS_CPM: Final = "gross cpm"


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
        """Age of every well whose filtration was recorded."""
        ...

    def remarked(self, well: str) -> bool:
        """Whether the analysis says anything about a well."""
        ...

    def sections(self) -> list[Section]:
        """Pictures and tables in the order of the report."""
        ...
