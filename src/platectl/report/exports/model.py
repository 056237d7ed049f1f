"""What an export is made of: the report of a run, and the readings as the ledger has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from platectl.report.model import RunReport
from platectl.report.values import Row


@dataclass(frozen=True, slots=True)
class Exported:
    """One run as it is exported.

    Attributes:
        report: Its report.
        counts: One row per counted well: `plate`, `labware`, `step`, `instrument`, `well`, `cpm`,
            `counts`, `live_s`, `dpm`, `tdcr`, `ended_at`, `flags`, `source`.
        readings: One row per value of a kinetic read: `plate`, `labware`, `step`, `instrument`,
            `well`, `channel`, `excitation_nm`, `emission_nm`, `index`, `at_s`, `value` (RFU; None
            where it is no number), `flag`, `temperature_c`, `source`.
        drivers: Instrument of the lab file -> its driver.
        zero: Moment at which `at_s` is zero; None where nothing was read.
    """

    report: RunReport
    counts: Sequence[Row] = ()
    readings: Sequence[Row] = ()
    drivers: Mapping[str, str] = field(default_factory=dict)
    zero: datetime | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: As in the rows.
        kind: Type of its values: text, a whole number, a number, yes or no, or a list of texts.
        unit: Such as "M" or "s"; empty without one.
        meaning: One sentence.
        nullable: Whether a text may be missing, as opposed to empty.
    """

    name: str
    kind: str
    unit: str = ""
    meaning: str = ""
    nullable: bool = True

    @property
    def head(self) -> str:
        """Name with unit, as it stands over the column."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows have a value for each column; None where there is none."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
