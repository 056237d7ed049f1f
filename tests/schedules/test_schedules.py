"""Schedules over days and a year of virtual time: restarts, missed starts, a clock that is set."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schedules.daemon_bench import NIGHT, House, utc
from tests.schedules.test_calendar import BERLIN, calendar_matches, counted, cron_matches

from platectl.domain.errors import UserInputError
from platectl.nights.calendar import Calendar, Cron, Interval, Once, Timing
from platectl.nights.queue import Queue
from platectl.nights.schedules import GRACE, Schedule, Schedules
from platectl.nights.submission import Needs, Subject
from platectl.simkit.virtual_time import run_virtual

NIGHTLY = Cron(expression="30 21 * * *", zone=BERLIN)


def naive(timing: Timing, after: datetime, until: datetime) -> list[datetime]:
    """Firings by counting minutes."""
    if isinstance(timing, Interval):
        step, found = timedelta(seconds=timing.every_s), timing.anchor.astimezone(UTC)
        moments = []
        while found <= until:
            moments += [found] if found > after else []
            found += step
        return moments
    assert not isinstance(timing, Once)
    matches = (
        cron_matches(timing.expression) if isinstance(timing, Cron) else calendar_matches(timing)
    )
    return counted(matches, timing.zone, after, until)


def starts(house: House, name: str) -> list[tuple[datetime, str, str]]:
    found = house.daemon.schedules.starts("submitted", "missed", "asked", "skipped", schedule=name)
    return [(s.due, s.state, s.by) for s in found]


SCHEDULES = {
    "nightly": NIGHTLY,
    "gap": Cron(expression="30 2 * * *", zone="America/New_York"),
    "workdays": Calendar(
        weekdays={1, 2, 3, 4, 5}, at=time(2, 15), zone="Australia/Lord_Howe",
        holidays={utc("2026-04-03T00:00").date(), utc("2026-10-05T00:00").date()}, instead=True,
    ),
    "wash": Interval(every_s=8 * 3600, anchor=utc("2026-01-01T05:00"), zone=BERLIN),
}  # fmt: skip


def test_a_year_with_restarts_and_a_clock_that_is_set_fires_as_documented(tmp_path: Path) -> None:
    began, ended = "2026-01-01T00:00", "2027-01-01T00:00"
    down = [(f"2026-{month:02d}-{day:02d}T19:00", hours) for month, day, hours in [
        (1, 9, 12), (3, 28, 24), (3, 29, 3), (5, 4, 80), (8, 1, 1), (10, 24, 30), (11, 1, 24)]]  # fmt: skip
    ahead = [("2026-02-10T00:00", 9), ("2026-06-20T18:00", 30)]
    back = [("2026-04-18T12:30", 7), ("2026-10-28T22:00", 20)]

    async def year() -> dict[str, list[tuple[datetime, str, str]]]:
        house = House(tmp_path, began, every_s=6 * 3600.0)
        for name, timing in SCHEDULES.items():
            house.runs.needs[name] = Needs(name, ("reader",), 60.0)
            schedule = Schedule(name, timing, Subject((name,)), missed="skip")
            house.daemon.schedules.add(schedule, house.clock.now())
        house.up()
        for moment, hours, event in sorted(
            [(*d, "down") for d in down]
            + [(*a, "ahead") for a in ahead]
            + [(*b, "back") for b in back]
        ):
            await house.until(moment)
            if event == "down":
                await house.kill()
                await asyncio.sleep(hours * 3600)
                house.up()
            else:
                house.clock.off_s += 3600 * (hours if event == "ahead" else -hours)
                house.daemon.wake()
        await house.until(ended)
        found = {name: starts(house, name) for name in SCHEDULES}
        assert set(house.runs.began.values()) == {1}
        assert len(house.runs.began) == sum(
            s == "submitted" for f in found.values() for _, s, _ in f
        )
        await house.end()
        return found

    found = run_virtual(year())

    for name, timing in SCHEDULES.items():
        wanted = naive(timing, utc(began), utc(ended))
        assert [due for due, *_ in found[name]] == wanted
        for due, state, _ in found[name]:
            away = any(utc(m) <= due < utc(m) + timedelta(hours=h) - GRACE for m, h in down + ahead)
            assert state == ("skipped" if away else "submitted"), (name, due)


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_whatever_is_restarted_or_set_each_firing_is_there_once(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCHEDULES)))
    first = data.draw(st.sampled_from(["2026-03-25T00:00", "2026-10-22T00:00"]))
    events = data.draw(
        st.lists(
            st.tuples(
                st.integers(60, 60 * 36), st.sampled_from(["restart", "down", "set"]),
                st.integers(-60 * 30, 60 * 30),
            ),
            min_size=3, max_size=8,
        )
    )  # fmt: skip

    async def days(folder: Path) -> None:
        house = House(folder, first, every_s=1800.0)
        schedule = Schedule(name, SCHEDULES[name], NIGHT, missed="late", late_s=3600)
        house.runs.needs["night"] = Needs("lab", ("reader",), 60.0)
        house.daemon.schedules.add(schedule, house.clock.now())
        latest = house.clock.now()
        house.up()
        for minutes, event, by in events:
            await asyncio.sleep(minutes * 60)
            latest = max(latest, house.clock.now())
            if event == "set":
                house.clock.off_s += by * 60
            else:
                await house.kill()
                await asyncio.sleep(abs(by) * 60 if event == "down" else 0)
                house.up()
        await asyncio.sleep(3600)
        latest = max(latest, house.clock.now())
        await house.kill()
        house.daemon.schedules.consider(name, latest + timedelta(hours=2))

        found = starts(house, name)
        assert [due for due, *_ in found] == naive(
            SCHEDULES[name], utc(first), latest + timedelta(hours=2)
        )
        submissions = house.daemon.queue.all()
        assert set(Counter(s.start for s in submissions).values()) <= {1}
        assert set(house.runs.began.values()) <= {1}
        due_of = {f"{name}@{due:%Y-%m-%dT%H:%M:%SZ}": (due, by) for due, _, by in found}
        for submission in submissions:
            due, by = due_of[str(submission.start)]
            late = submission.submitted - due
            assert timedelta(0) <= late <= (GRACE if not by else timedelta(hours=1))
        house.book.close()

    with tempfile.TemporaryDirectory() as folder:
        run_virtual(days(Path(folder)))


async def test_a_missed_start_is_asked_and_a_person_decides(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    house.daemon.schedules.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    house.up()
    await house.until("2026-06-01T19:00")
    await house.kill()
    await house.until("2026-06-01T21:00")
    house.up()
    await asyncio.sleep(60)

    waits = house.daemon.schedules.starts("asked")
    assert [(s.id, s.reason) for s in waits] == [
        ("nightly@2026-06-01T19:30:00Z", "it would still fit")
    ]
    assert house.letters.texts("missed") == [
        (
            "nightly@2026-06-01T19:30:00Z was missed: it would still fit; "
            "`platectl schedule decide nightly run` or `skip`"
        )
    ]
    assert not house.runs.began

    house.daemon.schedules.decide(waits[0].id, run=True, by="ada", reason="", now=house.clock.now())
    await asyncio.sleep(1500)
    assert len(house.runs.began) == 1
    with pytest.raises(UserInputError, match="it is submitted"):
        house.daemon.schedules.decide(
            waits[0].id, run=True, by="bob", reason="", now=house.clock.now()
        )
    await house.end()


@pytest.mark.parametrize(
    ("missed", "late_s", "not_after", "state", "reason"),
    [
        ("skip", 0, None, "skipped", "missed by 1 h 30 min"),
        ("late", 7200, None, "submitted", "late by 1 h 30 min"),
        ("late", 3600, None, "asked", "it would still fit"),
        ("late", 7200, time(23, 45), "asked", "would end 15 min after"),
        ("ask", 0, time(23, 45), "asked", "would end 15 min after"),
        ("late", 7200, time(6, 0), "submitted", "late by"),
    ],
)
async def test_the_policy_of_a_schedule_judges_its_missed_starts(
    tmp_path: Path, missed: str, late_s: int, not_after: time | None, state: str, reason: str
) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    schedule = Schedule(
        "nightly", NIGHTLY, NIGHT, missed=missed, late_s=late_s, not_after=not_after,
    )  # type: ignore[arg-type]  # words of the table  # fmt: skip
    house.daemon.schedules.add(schedule, house.clock.now())
    await house.until("2026-06-01T21:00")
    house.up()
    await asyncio.sleep(60)

    found = house.daemon.schedules.last_start("nightly")
    assert found is not None
    assert found.state == state
    assert reason in found.reason
    assert len(house.runs.began) == (state == "submitted")
    await house.end()


async def test_of_many_missed_starts_only_the_last_is_asked(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    house.daemon.schedules.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    await house.until("2026-06-04T21:00")
    house.up()
    await asyncio.sleep(60)
    states = [state for _, state, _ in starts(house, "nightly")]
    assert states == ["skipped", "skipped", "skipped", "asked"]

    await house.until("2026-06-05T20:00")

    states = [state for _, state, _ in starts(house, "nightly")]
    assert states == ["skipped"] * 4 + ["submitted"]
    await house.end()


async def test_a_paused_schedule_misses_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    table = house.daemon.schedules
    table.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    house.up()
    table.pause("nightly")
    await house.until("2026-06-03T12:00")
    assert starts(house, "nightly") == []
    assert table.get("nightly").next(house.clock.now()) is None

    table.resume("nightly", house.clock.now())
    await house.until("2026-06-03T20:00")

    assert [(due, state) for due, state, _ in starts(house, "nightly")] == [
        (utc("2026-06-03T19:30"), "submitted")
    ]
    await house.end()


async def test_a_clock_that_is_set_back_fires_nothing_twice_and_says_so(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    house.daemon.schedules.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    house.up()
    await house.until("2026-06-01T19:40")
    house.clock.off_s -= 6 * 3600
    await house.until("2026-06-01T19:45")

    assert len(starts(house, "nightly")) == 1
    assert (
        "the clock was set back: nightly fires nothing before"
        in house.letters.texts("person_needed")[0]
    )
    house.daemon.schedules.resume("nightly", utc("2026-06-01T18:00"))
    house.daemon.schedules.consider("nightly", utc("2026-06-01T19:31"))
    assert len(starts(house, "nightly")) == 1
    assert len(house.daemon.queue.all()) == 1
    await house.end()


async def test_a_removed_schedule_asks_no_more(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    table = house.daemon.schedules
    table.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    await house.until("2026-06-01T21:00")
    table.consider("nightly", house.clock.now())

    table.remove("nightly", house.clock.now())

    assert [state for _, state, _ in starts(house, "nightly")] == ["skipped"]
    with pytest.raises(UserInputError, match="no schedule nightly"):
        table.get("nightly")
    await house.end()


@pytest.mark.parametrize(
    ("name", "timing", "why"),
    [
        ("a@b", NIGHTLY, "no name"),
        ("two words", NIGHTLY, "no name"),
        ("../x", NIGHTLY, "no name"),
        ("-q", NIGHTLY, "no name"),
        ("latest", NIGHTLY, "no name"),
        ("feb30", Cron(expression="0 0 30 2 *", zone="UTC"), "never fire"),
        ("taken", NIGHTLY, "already"),
    ],
)
async def test_a_schedule_that_cannot_be_is_refused(
    tmp_path: Path, name: str, timing: Timing, why: str
) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    table = Schedules(house.book, Queue(house.book))
    table.add(Schedule("taken", NIGHTLY, NIGHT), house.clock.now())

    with pytest.raises(UserInputError, match=why):
        table.add(Schedule(name, timing, NIGHT), house.clock.now())

    await house.end()


def test_the_limit_of_a_night_is_the_next_local_time() -> None:
    schedule = Schedule("n", NIGHTLY, NIGHT, not_after=time(2, 30))
    due = datetime(2026, 3, 28, 21, 30, tzinfo=ZoneInfo(BERLIN))

    assert schedule.limit(due) == utc("2026-03-29T01:00")


async def test_a_run_is_told_for_when_its_schedule_fired(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00", every_s=7.0)
    house.daemon.schedules.add(Schedule("nightly", NIGHTLY, NIGHT), house.clock.now())
    house.daemon.queue.submit(Subject(("by-hand",)), house.clock.now())
    house.up()
    await house.until("2026-06-01T19:31")

    assert house.runs.asked == {
        "night": utc("2026-06-01T19:30"),
        "by-hand": utc("2026-06-01T12:00"),
    }
    assert {s.due for s in house.daemon.queue.all()} == set(house.runs.asked.values())
    await house.end()


async def test_whether_a_missed_start_still_fits_counts_the_wait_for_its_night(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, "2026-06-01T12:00")
    house.runs.needs["night"] = Needs("lab", ("reader",), 3600.0, starts=utc("2026-06-01T23:00"))
    limited = Schedule("nightly", NIGHTLY, NIGHT, not_after=time(1, 45))
    house.daemon.schedules.add(limited, house.clock.now())
    await house.until("2026-06-01T20:00")
    house.up()
    await asyncio.sleep(60)

    found = house.daemon.schedules.last_start("nightly")

    assert found is not None
    assert found.reason == (
        "it begins at 2026-06-01 23:00 UTC, takes 1 h 00 min "
        "and would end 15 min after 2026-06-01 23:45 UTC"
    )
    await house.end()
