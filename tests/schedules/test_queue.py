"""The queue: who starts when, what happens when processes die, what people decide."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.schedules.daemon_bench import House, utc

from platectl.domain.errors import UserInputError
from platectl.nights.leases import startable
from platectl.nights.submission import Needs, Subject, Submission

READER, WASHER = Needs("lab", ("reader",), 3600.0), Needs("lab", ("washer",), 3600.0)
BOTH = Needs("lab", ("reader", "washer"), 3600.0)
ELSEWHERE = Needs("other-lab", ("reader",), 3600.0)


def house_of(folder: Path, **needs: Needs) -> House:
    house = House(folder, "2026-06-01T12:00")
    house.runs.needs.update(needs)
    return house


def submit(house: House, title: str, *, priority: int = 0, **more: object) -> int:
    return house.daemon.queue.submit(
        Subject((title,)), house.clock.now(), priority=priority, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def states(house: House) -> dict[str, str]:
    return {s.subject.title: s.state for s in house.daemon.queue.all()}


async def test_runs_on_disjoint_instruments_go_at_once_and_others_wait(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=WASHER, c=READER, d=ELSEWHERE)
    for title in "abcd":
        submit(house, title)
    house.up()
    await asyncio.sleep(60)
    assert house.runs.alive() == ["a", "b", "d"]

    await asyncio.sleep(5400)

    assert house.runs.alive() == ["c"]
    assert states(house) == {"a": "done", "b": "done", "c": "running", "d": "done"}
    await house.end()


async def test_one_instrument_of_two_lab_files_has_one_run(tmp_path: Path) -> None:
    one = Needs("bench.yaml", ("reader",), 3600.0, addresses=("tcp:reader:23",))
    two = Needs("bench-2.yaml", ("counter",), 3600.0, addresses=("tcp:reader:23",))
    house = house_of(tmp_path, a=one, b=two)
    submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(60)
    assert house.runs.alive() == ["a"]
    assert house.daemon.queue.leases.of(1) == ("reader",)
    await house.end()


async def test_priority_goes_before_order(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER, c=READER)
    for title, priority in (("a", 0), ("b", 0), ("c", 5)):
        submit(house, title, priority=priority)
    house.up()
    await asyncio.sleep(60)
    assert house.runs.alive() == ["c"]
    await asyncio.sleep(5400)
    assert house.runs.alive() == ["a"]
    await house.end()


async def test_one_that_waits_for_two_instruments_is_not_starved(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, big=BOTH, b=WASHER, c=READER)
    for title in ("a", "big", "b", "c"):
        submit(house, title)
    house.up()
    await asyncio.sleep(60)
    assert house.runs.alive() == ["a"]
    await asyncio.sleep(3600 + 1200)
    assert house.runs.alive() == ["big"]
    await asyncio.sleep(3600 + 1200)
    assert sorted(house.runs.alive()) == ["b", "c"]
    await house.end()


@settings(deadline=None)
@given(
    st.lists(st.frozensets(st.sampled_from("abcd"), min_size=1), max_size=8),
    st.frozensets(st.sampled_from("abcd")),
)
def test_who_starts_shares_nothing_and_overtakes_nobody(
    wishes: list[frozenset[str]], lent: frozenset[str]
) -> None:
    waiting = [
        Submission(n, Subject(()), 0, utc("2026-06-01T12:00"), {}, "resume", "queued",
                   needs=Needs("lab", tuple(wish), 1.0))
        for n, wish in enumerate(wishes)
    ]  # fmt: skip

    found = {s.id for s in startable(waiting, {("lab", name): -1 for name in lent})}

    for number, wish in enumerate(wishes):
        ahead = frozenset[str]().union(lent, *wishes[:number])
        assert (number in found) == (not wish & ahead)


async def test_a_killed_daemon_finds_its_runs_again(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(60)
    await house.kill()
    house.up()
    await asyncio.sleep(60)
    assert house.runs.alive() == ["a"]
    await house.kill()
    await asyncio.sleep(7200)
    assert house.runs.alive() == []
    house.up()
    await asyncio.sleep(60)
    assert states(house) == {"a": "done", "b": "running"}
    assert set(house.runs.began.values()) == {1}
    assert not house.runs.resumed
    await house.end()


async def test_a_claim_whose_process_never_came_to_be_is_begun(tmp_path: Path) -> None:
    house = house_of(tmp_path)
    number = submit(house, "a")
    queue = house.daemon.queue
    queue.examined(number, READER)
    assert queue.claim(number, house.clock.now()) is not None
    await house.kill()

    house.up()
    await asyncio.sleep(60)

    assert states(house) == {"a": "running"}
    assert list(house.runs.began.values()) == [1]
    await house.end()


async def test_a_process_that_began_before_it_was_noted_is_adopted(tmp_path: Path) -> None:
    house = house_of(tmp_path)
    number = submit(house, "a")
    house.daemon.queue.examined(number, READER)
    claimed = house.daemon.queue.claim(number, house.clock.now())
    assert claimed is not None
    house.runs.begin(claimed)
    await house.kill()

    house.up()
    await asyncio.sleep(60)

    assert states(house) == {"a": "running"}
    assert list(house.runs.began.values()) == [1]
    await house.end()


async def test_a_run_that_was_cut_off_is_resumed(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER)
    house.runs.endings["a"] = "running"
    submit(house, "a")
    house.up()
    await asyncio.sleep(2 * 3600)

    assert states(house) == {"a": "done"}
    assert list(house.runs.resumed.values()) == [1]
    assert "was cut off and is resumed" in house.letters.texts("failure")[0]
    await house.end()


async def test_a_run_that_may_not_be_resumed_waits_with_its_instruments(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    house.runs.endings["a"] = "running"
    number = submit(house, "a", restart="hold")
    submit(house, "b")
    house.up()
    await asyncio.sleep(2 * 3600)
    assert states(house) == {"a": "held", "b": "queued"}
    assert "cut off; `platectl queue release 1`" in house.letters.texts("hold")[0]

    house.daemon.queue.release(number, "ada")
    await asyncio.sleep(3600)

    assert states(house) == {"a": "done", "b": "running"}
    assert sum(house.runs.resumed.values()) == 1
    await house.end()


async def test_a_held_run_that_a_person_resumed_is_seen(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER)
    house.runs.endings["a"] = "held"
    submit(house, "a")
    house.up()
    await asyncio.sleep(2 * 3600)
    held = house.daemon.queue.all("held")[0]

    house.runs.go_on(held)
    await asyncio.sleep(500)
    house.daemon.turn()
    assert states(house) == {"a": "running"}
    await asyncio.sleep(3600)
    assert states(house) == {"a": "done"}
    await house.end()


async def test_a_failed_run_keeps_its_instruments_until_a_person_looked(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    house.runs.endings["a"] = "failed"
    number = submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(3 * 3600)
    assert states(house) == {"a": "failed", "b": "queued"}

    assert house.daemon.queue.clear(number, "ada") == ("reader",)
    await asyncio.sleep(1200)

    assert states(house) == {"a": "failed", "b": "running"}
    with pytest.raises(UserInputError, match="keeps no instrument"):
        house.daemon.queue.clear(number, "ada")
    await house.end()


async def test_what_is_refused_is_held_for_a_person_and_lets_others_pass(tmp_path: Path) -> None:
    house = house_of(tmp_path, b=READER)
    house.runs.refusals["a"] = "a.yaml:3: no such layout"
    number = submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(60)
    assert states(house) == {"a": "held", "b": "running"}
    assert "no such layout" in house.letters.texts("failure")[0]

    house.runs.refusals.clear()
    house.daemon.queue.release(number, "ada")
    await asyncio.sleep(2 * 3600)

    assert states(house)["a"] == "done"
    await house.end()


async def test_a_run_that_its_preflight_refuses_waits_and_lends_nothing(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    house.runs.endings["a"] = "refused"
    number = submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(2 * 3600)
    assert states(house) == {"a": "held", "b": "running"}
    assert "buffer is short" in house.letters.texts("failure")[0]

    house.runs.endings.clear()
    house.daemon.queue.release(number, "ada")
    await asyncio.sleep(6 * 3600)

    assert states(house) == {"a": "done", "b": "done"}
    assert "1 of 2 results pass; failed: P2" in house.letters.texts("end")[-1]
    await house.end()


async def test_a_held_run_says_why_and_keeps_its_instruments_when_it_is_given_up(
    tmp_path: Path,
) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    house.runs.endings["a"] = "held"
    number = submit(house, "a")
    submit(house, "b")
    house.up()
    await asyncio.sleep(3 * 3600)
    assert "nobody knows whether it moved" in house.letters.texts("hold")[0]
    assert "nobody knows" in house.daemon.morning_text(
        house.clock.now(), since=house.clock.now() - timedelta(days=1)
    )

    house.daemon.queue.cancel(number, house.clock.now(), "ada", "")
    await asyncio.sleep(600)
    assert states(house) == {"a": "cancelled", "b": "queued"}
    house.daemon.queue.clear(number, "ada")
    await asyncio.sleep(600)

    assert states(house) == {"a": "cancelled", "b": "running"}
    await house.end()


async def test_what_was_cancelled_while_it_was_examined_stays_cancelled(tmp_path: Path) -> None:
    house = house_of(tmp_path)
    number = submit(house, "a")
    house.daemon.queue.cancel(number, house.clock.now(), "ada", "")

    assert not house.daemon.queue.held(number, "refused: too late")

    assert states(house) == {"a": "cancelled"}
    await house.end()


async def test_a_file_that_changed_before_the_start_is_named(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("before")
    number = house.daemon.queue.submit(
        Subject(("a", "--samples", str(sheet)), (str(sheet),)), house.clock.now()
    )
    sheet.write_text("after")
    house.up()
    await asyncio.sleep(60)
    assert states(house) == {"a": "held"}
    assert f"{sheet} changed since it was submitted" in house.letters.texts("person_needed")[0]

    house.daemon.queue.release(number, "ada")
    await asyncio.sleep(1200)

    assert states(house) == {"a": "running"}
    await house.end()


async def test_a_run_that_would_end_too_late_by_now_is_held(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    submit(house, "a")
    submit(house, "b", not_after=utc("2026-06-01T13:30"))
    house.up()
    await asyncio.sleep(2 * 3600)

    assert states(house) == {"a": "done", "b": "held"}
    assert "would end" in house.daemon.queue.all("held")[0].reason
    await house.end()


async def test_words_that_do_not_fit_a_state_are_refused(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER, b=READER)
    first, second = submit(house, "a"), submit(house, "b")
    house.up()
    await asyncio.sleep(60)
    queue, now = house.daemon.queue, house.clock.now()

    with pytest.raises(UserInputError, match="platectl stop"):
        queue.cancel(first, now, "ada", "")
    with pytest.raises(UserInputError, match="not held"):
        queue.release(first, "ada")
    with pytest.raises(UserInputError, match="not queued"):
        queue.rank(first, 3)
    with pytest.raises(UserInputError, match="no submission 99"):
        queue.get(99)
    queue.cancel(second, now, "ada", "wrong sheet")
    assert queue.get(second).reason == "cancelled by ada: wrong sheet"
    await house.end()


async def test_a_notice_that_nobody_took_is_tried_again_and_given_up(tmp_path: Path) -> None:
    house = house_of(tmp_path, a=READER)
    house.letters.reachable = False
    submit(house, "a")
    house.up()
    await asyncio.sleep(3700)
    await house.kill()
    house.letters.reachable = True
    house.up()
    await asyncio.sleep(60)
    assert len(house.letters.texts("end")) == 1

    house.letters.reachable = False
    put_at = house.clock.now()
    house.daemon.outbox.put("x", "failure", "a", "text", put_at)
    await asyncio.sleep(3 * 3600)
    house.letters.reachable = True
    await asyncio.sleep(3 * 3600)
    assert house.letters.texts("failure") == ["text"]

    house.letters.reachable = False
    house.daemon.outbox.put("y", "failure", "a", "never read", house.clock.now())
    await asyncio.sleep(2 * 86400)
    assert house.daemon.outbox.waiting(house.clock.now()) == []
    assert [n.text for n in house.daemon.outbox.undelivered(put_at)] == ["never read"]
    assert "never read" in house.daemon.morning_text(house.clock.now(), since=put_at)
    await house.end()
