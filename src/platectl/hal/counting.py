"""Interface of scintillation counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from platectl.hal.instrument import Instrument


@dataclass(frozen=True, slots=True)
class CountReading:
    """One counted well.

    `cpm` is the gross rate corrected for dead time, background included. `counts` is the raw
    number, `live_s` the live time (real time divided by the dead-time factor). `tdcr` is the
    triple-to-double coincidence ratio where the counter has one; it estimates the efficiency.
    `source` names the file and the line, or the exchange, from which the reading came.
    `flags` name what is wrong with the reading; it is kept all the same.
    """

    well: str
    cpm: float
    counts: int
    live_s: float
    ended_at: str = ""
    dpm: float | None = None
    tdcr: float | None = None
    source: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterFeatures:
    """What a counter can do.

    `started_by` says who presses start; `detectors` how many wells are counted at once;
    `overhead_s` is the time per group of wells that is not counting.
    """

    started_by: Literal["driver", "operator"]
    detectors: int
    overhead_s: float
    plate_formats: tuple[int, ...] = (96,)
    notes: tuple[str, ...] = field(default_factory=tuple)


class Counter(Instrument, Protocol):
    """A plate scintillation counter."""

    @property
    def features(self) -> CounterFeatures:
        """What it can do."""
        ...

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Count the plate that stands in the counter, or collect the result that was started by hand.

        `title` identifies the measurement; a result under another title is never taken.
        Counting changes nothing on the plate, so that it may be repeated.

        Raises:
            InstrumentFaultError: The counter refused or stopped; readings so far are lost.
            ReplyTimeoutError: No whole result in the expected time plus its margin.
            MalformedReplyError: The result breaks the relations that its format guarantees.
        """
        ...
