"""When a schedule fires: pure functions on aware datetimes.

A local time means the first instant at which the local clock shows that time or a later one. So a
time that the spring change leaves out fires at the first instant after the gap, and a time that the
autumn change brings twice fires once, the first time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from platectl.domain.errors import UserInputError
from platectl.domain.local_time import instant
from platectl.nights.cron import parse_cron

#: a schedule that does not fire for so long never does; the 29th of February may stay away for eight years
_HORIZON_DAYS: Final = 9 * 366
#: a day that a zone left out altogether (Samoa, 2011) ends one later
_EARLIER_DAYS: Final = 2
_WORKING_DAYS: Final = frozenset(range(1, 6))


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{name!r} is no time zone; write one like Europe/Berlin") from None
    return name


def _cron(expression: str) -> str:
    try:
        parse_cron(expression)
    except UserInputError as error:
        raise ValueError(str(error)) from None
    return expression


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


Zone = Annotated[str, AfterValidator(_known_zone)]


class _Timing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Zone


class Once(_Timing):
    """One local time of one day."""

    kind: Literal["once"] = "once"
    local: Annotated[datetime, AfterValidator(_whole_seconds)]


class Cron(_Timing):
    """A cron expression of five fields, in local time."""

    kind: Literal["cron"] = "cron"
    expression: Annotated[str, AfterValidator(_cron)]


class Interval(_Timing):
    """Every so many seconds of elapsed time, from an anchor on; local time has no part in it."""

    kind: Literal["interval"] = "interval"
    every_s: int = Field(ge=60)
    anchor: Annotated[AwareDatetime, AfterValidator(_whole_seconds)]


class Calendar(_Timing):
    """Weekdays (ISO, Monday is 1) at a local time, without holidays.

    With `instead`, a start that a holiday takes away moves to the next working day: the next day
    from Monday to Friday that is no holiday.
    """

    kind: Literal["calendar"] = "calendar"
    weekdays: frozenset[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1)
    at: time
    holidays: frozenset[date] = frozenset()
    instead: bool = False

    def fires_on(self, day: date) -> bool:
        """Whether it fires on a local date."""
        if day in self.holidays:
            return False
        if day.isoweekday() in self.weekdays:
            return True
        return self.instead and self._works(day) and self._owed(day)

    def _works(self, day: date) -> bool:
        return day.isoweekday() in _WORKING_DAYS and day not in self.holidays

    def _owed(self, day: date) -> bool:
        """Whether a start was put off to this day, since the last working day."""
        before = day - timedelta(days=1)
        while not self._works(before):
            if before in self.holidays and before.isoweekday() in self.weekdays:
                return True
            before -= timedelta(days=1)
        return False


Timing = Annotated[Once | Cron | Interval | Calendar, Field(discriminator="kind")]
TIMING: Final[TypeAdapter[Timing]] = TypeAdapter(Timing)


def next_after(timing: Timing, after: datetime) -> datetime | None:
    """The first firing later than `after` (aware), in UTC; None when there is none any more."""
    zone = ZoneInfo(timing.zone)
    if isinstance(timing, Interval):
        periods = max(0, (after - timing.anchor) // timedelta(seconds=timing.every_s) + 1)
        try:
            return timing.anchor.astimezone(UTC) + periods * timedelta(seconds=timing.every_s)
        except OverflowError:  # the calendar of this computer ends before
            return None
    if isinstance(timing, Once):
        only = instant(timing.local, zone)
        return only if only > after else None
    if isinstance(timing, Cron):
        fields = parse_cron(timing.expression)
        return _next_local(after, zone, fields.fires_on, fields.times)
    return _next_local(after, zone, timing.fires_on, (timing.at,))


def firings(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    """All firings later than `after` and not later than `until`, in order, in UTC."""
    moment = next_after(timing, after)
    while moment is not None and moment <= until:
        yield moment
        moment = next_after(timing, moment)


def describe(timing: Timing) -> str:
    """A timing in words."""
    if isinstance(timing, Once):
        return f"once at {timing.local:%Y-%m-%d %H:%M} {timing.zone}"
    if isinstance(timing, Cron):
        return f"cron {timing.expression} {timing.zone}"
    if isinstance(timing, Interval):
        return f"every {timing.every_s / 3600:g} h from {timing.anchor.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    names = " ".join(day for n, day in enumerate(WEEKDAYS, start=1) if n in timing.weekdays)
    holidays = f", {len(timing.holidays)} holidays" if timing.holidays else ""
    instead = " (next working day instead)" if timing.instead else ""
    return f"{names} at {timing.at:%H:%M} {timing.zone}{holidays}{instead}"


WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _next_local(
    after: datetime, zone: ZoneInfo, fires_on: Callable[[date], bool], times: tuple[time, ...]
) -> datetime | None:
    """The first local time of a firing day that is later; instants never go back with local times."""
    day = after.astimezone(zone).date() - timedelta(days=_EARLIER_DAYS)
    for _ in range(_HORIZON_DAYS):
        if fires_on(day):
            of_day = partial(_of_day, day, zone)
            place = bisect_right(times, after, key=of_day)
            if place < len(times):
                return of_day(times[place])
        day += timedelta(days=1)
    return None


def _of_day(day: date, zone: ZoneInfo, at: time) -> datetime:
    return instant(datetime.combine(day, at), zone)
