"""Local times: when a zone's clock shows them, and what it shows later.

Python adds to a local time, and subtracts it from another of the same zone, as if no clock ever
changed. What has elapsed is therefore counted in UTC, here and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: runs are planned in these years
YEARS: Final = range(2000, 2200)
#: within so long the weekday says which day is meant
_WEEKDAYS_S: Final = 6 * 86400.0
_SECOND: Final = timedelta(seconds=1)


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which the clock of a zone shows a naive time or a later one."""
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(late, zone) == local:
        return late
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        early, late = (early, middle) if _shown(middle, zone) >= local else (middle, late)
    return late


def later(start: datetime, seconds: float) -> datetime:
    """The moment when so many seconds have elapsed since an aware one, in its zone."""
    return (start.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(start.tzinfo)


def elapsed_s(start: datetime, end: datetime) -> float:
    """Seconds that elapse between two aware moments."""
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()


def shown_later(start: datetime, seconds: float, *, span_s: float = 0.0) -> str:
    """What the clock shows when so many seconds have elapsed: weekday and time.

    Of a span of more than six days, or so long after the start, the date as well.
    """
    moment = later(start, seconds)
    day = f" {moment.day} {moment:%b}" if max(seconds, span_s) > _WEEKDAYS_S else ""
    return f"{moment:%a}{day} {moment:%H:%M}"


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
