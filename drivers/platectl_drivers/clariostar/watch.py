"""Follows the records of a run as they fill: which are over, and when each well was read."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from platectl.domain.errors import MalformedReplyError
from platectl.hal.reading import Frame, KineticRead, ReadFlag
from platectl_drivers.clariostar.data import Record
from platectl_drivers.clariostar.run import scan_order
from platectl_drivers.clariostar.settings import PLATE

#: spread of counts (sum of squares) from which they make a line
ENOUGH = 10.0


class Watch:
    """Collects what is seen of each record and turns it into frames, in order.

    `see` takes a record and when it was so on the host's clock; `over` gives the records that will
    not change any more. A record that was never seen is all missing. `changed_s` is when
    the last new value was seen, or when the run should begin. A watch that `joined` a run which
    somebody else began owes the records that it did not see whole, or not fill, until `ended`: they
    may be among the unread ones, and get their times from those that it saw fill.
    """

    def __init__(
        self, read: KineticRead, *, pace_s: float, begun_s: float, source: str, joined: bool = False
    ) -> None:
        self._read = read
        self._joined = joined
        self._owed: list[int] = []
        self._planned_pace_s = pace_s
        self._source = source
        self._by_row = tuple(sorted(read.wells, key=PLATE.index))
        self._place = {well: place for place, well in enumerate(scan_order(read.wells))}
        self._seen: dict[int, Record] = {}
        self._points: dict[int, list[tuple[int, float]]] = {}
        self._first_s: dict[int, float] = {}
        self._begun_s: dict[int, float] = {0: begun_s - read.interval_s}
        self._next = 1
        self.changed_s = begun_s

    @property
    def complete(self) -> bool:
        """Whether every record was turned into frames."""
        return self._next > self._read.passes

    @property
    def last_is_whole(self) -> bool:
        """Whether the last record was seen whole."""
        return self._is_whole(self._read.passes)

    @property
    def served(self) -> bool:
        """Whether nothing is left that unread records could give."""
        return self.last_is_whole and all(map(self._is_whole, self._owed))

    @property
    def progress(self) -> tuple[int, int]:
        """The latest record and how many of its values are there."""
        number = max(self._seen, default=0)
        return number, self._seen[number].complete if number else 0

    def see(self, record: Record, now_s: float, at_s: float | None) -> None:
        """Take a record that has come now, and was so at `at_s`; None when that is not known.

        Raises:
            MalformedReplyError: It is not one of this read.
        """
        shape = len(record.values), len(record.values[0])
        wanted = len(self._read.channels), len(self._read.wells)
        if shape != wanted or record.number > self._read.passes:
            raise MalformedReplyError(
                f"record {record.number} of {shape[0]} chromatics and {shape[1]} wells does not "
                f"belong to a read of {self._read.passes} cycles, {wanted[0]} and {wanted[1]}"
            )
        progress, before = self.progress, self._seen.get(record.number)
        if before is None or record.complete >= before.complete:
            self._seen[record.number] = record
        if self.progress != progress:
            self.changed_s = now_s
        if at_s is None or record.whole:
            return
        if record.wells_done:
            self._points.setdefault(record.number, []).append((record.wells_done, at_s))
        else:
            self._first_s.setdefault(record.number, at_s)

    def over(self, *, ended: bool = False) -> list[Frame]:
        """Frames of the records that are whole, or that a later one, or the end, has closed."""
        frames: list[Frame] = []
        latest = max(self._seen, default=0)
        while self._next < latest or (self._next == latest and (ended or self._seen[latest].whole)):
            if self._joined and not (self._is_whole(self._next) and self._is_timed(self._next)):
                self._owed.append(self._next)
            else:
                frames += self._frames(self._next, self._seen.get(self._next))
            self._next += 1
        if ended:
            for number in self._owed:
                frames += self._frames(number, self._seen.get(number))
            self._owed.clear()
        return frames

    def _is_timed(self, number: int) -> bool:
        return number in self._points or number in self._first_s

    def _is_whole(self, number: int) -> bool:
        record = self._seen.get(number)
        return record is not None and record.whole

    def _frames(self, number: int, record: Record | None) -> list[Frame]:
        ends_s = self._ends_s(number, record)
        channels = len(self._read.channels)
        frames = []
        for channel in range(channels):
            early_s = (ends_s[1] - ends_s[0]) * (1 - (channel + 0.5) / channels)
            values, flags = self._values(channel, record)
            frames.append(
                Frame(
                    index=number - 1,
                    channel=channel,
                    wells=self._read.wells,
                    at_s=tuple(ends_s[self._place[w] + 1] - early_s for w in self._read.wells),
                    values=values,
                    flags=flags,
                    temperature_c=record.temperature_c if record else None,
                    source=f"{self._source}: record {number}",
                )
            )
        return frames

    def _values(
        self, channel: int, record: Record | None
    ) -> tuple[tuple[float, ...], dict[str, ReadFlag]]:
        if record is None:
            return (math.nan,) * len(self._read.wells), dict.fromkeys(self._read.wells, "missing")
        by_well = dict(zip(self._by_row, record.values[channel], strict=True))
        flags: dict[str, ReadFlag] = {}
        for well in self._read.wells:
            if by_well[well] >= record.limit:
                flags[well] = "saturated"
            elif by_well[well] == 0 and not record.whole:
                flags[well] = "missing"
        values = tuple(
            math.nan if flags.get(well) == "missing" else float(by_well[well])
            for well in self._read.wells
        )
        return values, flags

    def _ends_s(self, number: int, record: Record | None) -> Sequence[float]:
        """Times at which 0, 1, 2, … wells of a record were done, on the host's clock."""
        points = self._points.get(number, [])
        pace_s = self._pace_s()
        if points:  # a count stands for half a well more on average
            begun_s = statistics.fmean(at_s - pace_s * (done + 0.5) for done, at_s in points)
        else:
            begun_s = self._begun_unseen_s(number, record)
        self._begun_s[number] = begun_s
        return [begun_s + count * pace_s for count in range(len(self._by_row) + 1)]

    def _pace_s(self) -> float:
        """Time from well to well: the slope that all records have in common, or as planned."""
        rise = run = 0.0
        for points in self._points.values():
            middle = statistics.fmean(done for done, _ in points)
            rise += sum((done - middle) * at_s for done, at_s in points)
            run += sum((done - middle) ** 2 for done, _ in points)
        return rise / run if run >= ENOUGH else self._planned_pace_s

    def _begun_unseen_s(self, number: int, record: Record | None) -> float:
        """Start of a record without a count: when it was first seen, or by the one before it."""
        if number in self._first_s:
            return self._first_s[number]
        before = max(self._begun_s)
        if record is not None and before in self._seen:
            return self._begun_s[before] + record.start_s - self._seen[before].start_s
        return self._begun_s[before] + (number - before) * self._read.interval_s
