"""The morning report comes at its hour, whatever the night was like."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.schedules.daemon_bench import House
from tests.schedules.test_calendar import BERLIN

from platectl.nights.calendar import Cron
from platectl.nights.schedules import Schedule
from platectl.nights.submission import Needs, Subject

SEVEN = Cron(expression="0 7 * * *", zone=BERLIN)


async def test_the_report_of_a_failed_night_comes_at_seven_and_proposes_the_next(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, "2026-06-01T12:00", morning=SEVEN)
    house.runs.needs.update(
        bad=Needs("lab", ("reader",), 3600.0), good=Needs("lab", ("washer",), 3600.0)
    )
    house.runs.endings["bad"] = "failed"
    for title, minute in (("bad", 30), ("good", 31)):
        timing = Cron(expression=f"{minute} 21 * * *", zone=BERLIN)
        house.daemon.schedules.add(Schedule(title, timing, Subject((title,))), house.clock.now())
    house.up()
    await house.until("2026-06-02T04:55")
    assert house.letters.texts("morning") == []
    await house.until("2026-06-02T05:15")

    (text,) = house.letters.texts("morning")
    lines = text.splitlines()
    assert lines[0].startswith("Morning report of 2026-06-02 07:")
    assert lines[2] == "Failed:"
    assert "bad-20260601-193000-q1" in lines[3]
    assert "keeps reader; `platectl queue clear 1`" in text
    assert "1 of 2 results pass" in text
    assert "2026-06-02 21:31 Europe/Berlin: good, good" in text
    assert "repeat from good-20260601-193100-q2: P2" in text
    assert house.letters.kept == {"2026-06-02": text}
    await house.end()


async def test_a_report_that_was_missed_comes_late_and_once(tmp_path: Path) -> None:
    house = House(tmp_path, "2026-06-01T12:00", morning=SEVEN)
    house.up()
    await asyncio.sleep(60)
    await house.kill()
    await house.until("2026-06-03T09:00")
    house.up()
    await asyncio.sleep(60)
    await house.kill()
    house.clock.off_s -= 6 * 3600
    house.up()
    await house.until("2026-06-03T12:00")

    assert len(house.letters.texts("morning")) == 1
    assert "Nothing was run." in house.letters.texts("morning")[0]
    assert list(house.letters.kept) == ["2026-06-03"]
    await house.end()
