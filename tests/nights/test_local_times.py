"""Clock times of a night are those on the wall, whatever the clocks do between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from platectl.domain.local_time import elapsed_s, instant, later, shown_later
from platectl.domain.night import NightDoc
from platectl.planning.explain import Words

BERLIN = ZoneInfo("Europe/Berlin")
MIDSUMMER = datetime.fromisoformat("2026-07-01 18:00")
JANUARY = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)


def night(**fields: Any) -> NightDoc:
    plates = [{"protocol": "sigma1-binding"}]
    return NightDoc.model_validate(
        {"platectl": 1, "night": "n", "zone": "Europe/Berlin", "plates": plates, **fields}
    )


def test_a_night_after_the_clocks_changed_begins_when_its_file_says() -> None:
    begins = night(starts="2026-07-01 18:00").begins(JANUARY)

    assert begins.replace(tzinfo=None) == MIDSUMMER
    assert begins.astimezone(UTC) == datetime(2026, 7, 1, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (datetime(2026, 3, 28, 22, tzinfo=UTC), "2026-03-29 18:00"),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "2026-10-25 18:00"),
    ],
)
def test_a_bare_clock_time_means_the_clock_after_the_change(now: datetime, shown: str) -> None:
    assert f"{night(starts='18:00').begins(now):%Y-%m-%d %H:%M}" == shown


def test_a_time_that_a_change_leaves_out_is_the_first_after_it_as_schedules_have_it() -> None:
    local = datetime.fromisoformat("2026-03-29 02:30")

    begins = night(starts="2026-03-29 02:30").begins(JANUARY)

    assert begins.astimezone(UTC) == instant(local, BERLIN)
    assert f"{begins:%H:%M}" == "03:00"


def test_who_is_there_until_nine_leaves_at_nine_on_the_morning_of_the_change() -> None:
    doc = night(starts="2026-03-28 22:00", people={"person": [{"from": "07:00", "until": "09:00"}]})
    begins = doc.begins(JANUARY)

    (_, first), (second, _) = doc.absences(begins)["person"][:2]

    assert f"{later(begins, first):%a %H:%M}" == "Sun 07:00"
    assert f"{later(begins, second):%a %H:%M}" == "Sun 09:00"
    assert (first, second) == (8 * 3600.0, 10 * 3600.0)


def test_refusals_show_the_clock_after_the_change() -> None:
    begins = datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN)

    assert Words(starts=begins).at(10 * 3600.0) == "Sun 09:00"
    assert elapsed_s(begins, datetime(2026, 3, 29, 9, 0, tzinfo=BERLIN)) == 10 * 3600.0


def test_the_date_stands_beside_a_weekday_that_would_come_twice() -> None:
    begins = datetime(2026, 1, 5, 18, 0, tzinfo=BERLIN)

    assert shown_later(begins, 3600.0) == "Mon 19:00"
    assert shown_later(begins, 3600.0, span_s=9 * 86400.0) == "Mon 5 Jan 19:00"
    assert shown_later(begins, 8 * 86400.0) == "Tue 13 Jan 18:00"


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("9999-12-31 18:00", "is not of this time"),
        ("0001-01-01 00:00", "is not of this time"),
        ("2026-01-05", "names no time of the day"),
        ("2026-01-05 18:00+01:00", "names a zone"),
    ],
)
def test_a_moment_that_means_nothing_is_refused(moment: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        night(starts=moment, zone="Asia/Tokyo")
