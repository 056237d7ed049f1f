"""When schedules fire, against the minutes of the year counted one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from platectl.domain.errors import UserInputError
from platectl.nights.calendar import (
    TIMING,
    Calendar,
    Cron,
    Interval,
    Once,
    Timing,
    firings,
    next_after,
)
from platectl.nights.cron import parse_cron

BERLIN = "Europe/Berlin"
ZONES = [
    BERLIN, "UTC", "America/New_York", "America/St_Johns", "America/Santiago", "Africa/Cairo",
    "Africa/Casablanca", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Dublin",
    "Pacific/Chatham", "America/Nuuk",
]  # fmt: skip
MINUTE = timedelta(minutes=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def counted(
    matches: Callable[[datetime], bool], zone: str, after: datetime, until: datetime
) -> list[datetime]:
    """Firings by looking at the wall clock of a zone, minute by minute."""
    found, there = [], ZoneInfo(zone)
    moment = after.replace(second=0, microsecond=0)
    shown = moment.astimezone(there).replace(tzinfo=None)
    latest = shown  # the latest time that the clock has ever shown
    for back in range(1, 24 * 60):
        latest = max(latest, (moment - back * MINUTE).astimezone(there).replace(tzinfo=None))
    while (moment := moment + MINUTE) <= until:
        shown = moment.astimezone(there).replace(tzinfo=None)
        new = []
        while latest < shown:
            latest += MINUTE
            new.append(latest)
        if any(matches(local) for local in new):
            found.append(moment)
    return found


def cron_matches(expression: str) -> Callable[[datetime], bool]:
    fields = parse_cron(expression)
    return lambda local: local.time() in fields.times and fields.fires_on(local.date())


def calendar_matches(timing: Calendar) -> Callable[[datetime], bool]:
    days = set[date]()
    for n in range(800):
        day = date(2025, 6, 1) + timedelta(days=n)
        if day.isoweekday() not in timing.weekdays:
            continue
        if day in timing.holidays and timing.instead:
            while day in timing.holidays or day.isoweekday() > 5:
                day += timedelta(days=1)
        if day not in timing.holidays:
            days.add(day)
    return lambda local: local.time() == timing.at and local.date() in days


fields = st.tuples(
    st.sampled_from(["0", "30", "*/15", "5,50", "10-20/5", "*/40"]),
    st.sampled_from(["*", "0", "1-3", "2", "*/6", "22", "23,0"]),
    st.sampled_from(["*", "*", "1", "25-31", "*/7", "29"]),
    st.sampled_from(["*", "*", "3,10", "mar-nov", "4"]),
    st.sampled_from(["*", "*", "sun", "mon-fri", "6,7", "fri-sun"]),
).map(" ".join)


@settings(deadline=None, max_examples=25)
@given(fields, st.sampled_from(ZONES), st.integers(0, 364))
def test_cron_fires_as_the_minutes_of_a_month_say(expression: str, zone: str, day: int) -> None:
    after = utc("2026-01-01T00:00") + timedelta(days=day)
    until = after + timedelta(days=31)

    found = list(firings(Cron(expression=expression, zone=zone), after, until))

    assert found == counted(cron_matches(expression), zone, after, until)


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("*/20 * * * *", BERLIN),
        ("30 2 * * *", BERLIN),
        ("0,30 0-3 * * sun", "America/New_York"),
        ("15 2 * * *", "Australia/Lord_Howe"),
        ("0 0 * * *", "Africa/Cairo"),
    ],
)
def test_cron_fires_as_the_minutes_of_a_whole_year_say(expression: str, zone: str) -> None:
    after, until = utc("2025-12-31T12:00"), utc("2027-01-01T12:00")

    found = list(firings(Cron(expression=expression, zone=zone), after, until))

    assert found == counted(cron_matches(expression), zone, after, until)


@settings(deadline=None, max_examples=20)
@given(
    weekdays=st.frozensets(st.integers(1, 7), min_size=1),
    minutes=st.integers(0, 24 * 60 - 1),
    holidays=st.frozensets(st.dates(date(2026, 3, 20), date(2026, 4, 10))),
    zone=st.sampled_from(ZONES),
    instead=st.booleans(),
)
def test_a_calendar_fires_as_the_minutes_say(
    weekdays: frozenset[int], minutes: int, holidays: frozenset[date], zone: str, instead: bool
) -> None:
    at = time(minutes // 60, minutes % 60)
    timing = Calendar(weekdays=weekdays, at=at, holidays=holidays, zone=zone, instead=instead)
    after, until = utc("2026-03-15T00:00"), utc("2026-04-20T00:00")

    found = list(firings(timing, after, until))

    assert found == counted(calendar_matches(timing), zone, after, until)


@settings(deadline=None)
@given(st.integers(60, 10**6), st.integers(-(10**7), 10**7), st.sampled_from(ZONES))
def test_an_interval_counts_elapsed_time_only(every_s: int, before_s: int, zone: str) -> None:
    anchor = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo(zone))
    after = anchor.astimezone(UTC) + timedelta(seconds=before_s)

    moment = next_after(Interval(every_s=every_s, anchor=anchor, zone=zone), after)

    assert moment is not None
    passed_s = (moment - anchor.astimezone(UTC)).total_seconds()
    assert passed_s % every_s == 0
    assert passed_s >= 0
    assert moment > after
    assert passed_s == 0 or (moment - after).total_seconds() <= every_s


@settings(deadline=None, max_examples=60)
@given(
    st.datetimes(local("2026-01-01"), local("2026-12-31")).map(
        lambda t: t.replace(second=0, microsecond=0)
    ),
    st.sampled_from(ZONES),
)
def test_once_is_the_first_minute_that_shows_the_time_or_a_later_one(
    wanted: datetime, zone: str
) -> None:
    after = wanted.replace(tzinfo=UTC) - timedelta(hours=30)

    found = next_after(Once(local=wanted, zone=zone), after)

    assert [found] == counted(lambda shown: shown == wanted, zone, after, after + timedelta(days=3))
    assert next_after(Once(local=wanted, zone=zone), found or after) is None


@pytest.mark.parametrize(
    ("shown", "moment"),
    [
        ("2026-03-29T02:30", "2026-03-29T01:00"),  # the gap
        ("2026-10-25T02:30", "2026-10-25T00:30"),  # twice
        ("2026-10-25T03:00", "2026-10-25T02:00"),
        ("2026-07-01T21:30", "2026-07-01T19:30"),
    ],
)
def test_the_hours_of_the_changes_in_berlin(shown: str, moment: str) -> None:
    once = Once(local=local(shown), zone=BERLIN)

    assert next_after(once, utc("2026-01-01T00:00")) == utc(moment)


def test_a_day_that_a_zone_left_out_ends_with_the_next_one() -> None:
    once = Once(local=local("2011-12-30T09:00"), zone="Pacific/Apia")

    assert next_after(once, utc("2011-01-01T00:00")) == utc("2011-12-30T10:00")


def test_two_times_in_one_gap_are_one_firing() -> None:
    twice = Cron(expression="15,45 2 * * *", zone=BERLIN)

    found = list(firings(twice, utc("2026-03-28T23:00"), utc("2026-03-29T12:00")))

    assert found == [utc("2026-03-29T01:00")]


def test_a_start_on_a_holiday_moves_to_the_next_working_day_and_meets_another_one_there() -> None:
    easter = Calendar(
        weekdays={5, 1, 2}, at=time(21), zone=BERLIN, instead=True,
        holidays={date(2026, 4, 3), date(2026, 4, 6)},
    )  # fmt: skip

    found = list(firings(easter, utc("2026-04-01T00:00"), utc("2026-04-08T00:00")))

    assert found == [utc("2026-04-07T19:00")]


def test_a_date_that_never_comes_has_no_next_firing() -> None:
    assert next_after(Cron(expression="0 0 30 2 *", zone="UTC"), utc("2026-01-01T00:00")) is None
    leap = next_after(Cron(expression="0 0 29 2 *", zone="UTC"), utc("2097-01-01T00:00"))
    assert leap == utc("2104-02-29T00:00")


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("* * * *", "4 fields"), ("60 * * * *", "minute"), ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"), ("* * * foo *", "month"), ("* * * * 8", "day of week"),
        ("5/2 * * * *", "range"), ("9-3 * * * *", "forwards"), ("*/0 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
    ],
)  # fmt: skip
def test_a_wrong_expression_names_its_field(expression: str, named: str) -> None:
    with pytest.raises(UserInputError, match=named):
        parse_cron(expression)


def test_an_interval_ends_with_the_calendar_of_the_computer() -> None:
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    timing = Interval(every_s=3 * 3600, anchor=last, zone="UTC")

    assert next_after(timing, last - timedelta(hours=1)) == last
    assert next_after(timing, last) is None


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="Mars/Olympus"):
        Cron(expression="0 22 * * *", zone="Mars/Olympus")


@pytest.mark.parametrize(
    "timing",
    [
        Once(local=local("2026-03-29T02:30"), zone=BERLIN),
        Cron(expression="0 22 * * mon-fri", zone=BERLIN),
        Interval(every_s=3600, anchor=utc("2026-01-01T00:00"), zone="UTC"),
        Calendar(weekdays={1}, at=time(22), holidays={date(2026, 12, 25)}, zone=BERLIN),
    ],
)
def test_a_timing_is_the_same_after_it_was_stored(timing: Timing) -> None:
    assert TIMING.validate_json(TIMING.dump_json(timing)) == timing
