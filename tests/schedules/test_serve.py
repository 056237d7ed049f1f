"""The daemon as a process, and the commands around it."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from benchmarks.serve_stub import WORLD
from click.testing import CliRunner, Result
from tests.schedules.test_schedules import NIGHTLY

from platectl.app.channel import control_path
from platectl.app.needs import needs_of
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.processes import RunProcesses
from platectl.app.run_report import build_report
from platectl.app.serve import Mail, Watchdogs, unit
from platectl.cli import subject as subjects
from platectl.cli.main import cli
from platectl.cli.subject import subject_of
from platectl.domain.errors import StoreError
from platectl.domain.notices import NoticeChannel, Notices
from platectl.nights.book import Book
from platectl.nights.calendar import Once
from platectl.nights.clockwork import ApsClockwork
from platectl.nights.outbox import Notice
from platectl.nights.queue import Queue
from platectl.nights.schedules import Schedule, Schedules
from platectl.nights.submission import Needs, Subject
from platectl.report.export import results_json
from platectl.store.heartbeat import Heartbeat
from platectl.store.lock import Owner, RunLock
from platectl.transport.wall_clock import WallClock

ROOT = Path(__file__).parents[2]
SOCKETS = "XDG_RUNTIME_DIR"


@pytest.fixture(autouse=True)
def _own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKETS, str(tmp_path / "run"))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run needs is known; compiling it has tests of its own."""
    needs = Needs("lab", ("reader",), 3600.0)
    monkeypatch.setattr("platectl.cli.schedule.examine", lambda *_: needs)
    monkeypatch.setattr("platectl.cli.queue.examine", lambda *_: needs)


def say(*words: str, store: Path) -> Result:
    return CliRunner().invoke(cli, [*words, "--store", str(store)], catch_exceptions=True)


def told(*words: str, store: Path) -> Any:
    result = say(*words, "--json", store=store)
    assert result.exception is None, result.output
    return json.loads(result.output.splitlines()[-1])


def test_a_killed_daemon_loses_nothing_and_runs_nothing_twice() -> None:
    command = [sys.executable, "-m", "benchmarks.serve_kill", "--kills", "6", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    found = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout else {}
    assert ran.returncode == 0, found or ran.stderr
    assert found["kills"] == 6
    assert found["runs"] == found["submissions"] == 12
    assert not found["doubled"] + found["lost"] + found["overlaps"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_daemon_that_is_killed_hundreds_of_times_loses_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.serve_kill", "--kills", "300", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout or ran.stderr


@contextmanager
def serving(store: Path, *, every: str = "0.1") -> Iterator[subprocess.Popen[str]]:
    """A real daemon, which begins the stub instead of runs."""
    stub = store / "stub"
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/benchmarks/serve_stub.py "$@"\n')
    stub.chmod(0o755)
    words = ["serve", "--store", str(store), "--every", every, "--runner", str(stub)]
    daemon = subprocess.Popen([sys.executable, "-m", "platectl", *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        _until(lambda: told_status(store)["serving"])
        yield daemon
    finally:
        if daemon.poll() is None:
            daemon.kill()
        daemon.communicate()


def told_status(store: Path) -> dict[str, Any]:
    result = say("serve", "--status", "--json", store=store)
    found: dict[str, Any] = json.loads(result.output)
    return found


def _until(done: Any, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        threading.Event().wait(0.05)


def test_a_daemon_serves_alone_tells_and_ends_with_sigterm(tmp_path: Path) -> None:
    assert told_status(tmp_path) == {"serving": False}
    with serving(tmp_path) as daemon:
        mode = stat.S_IMODE(control_path(tmp_path).stat().st_mode)
        with Book(tmp_path) as book:
            number = Queue(book).submit(Subject(("a",)), WallClock().now())
            subjects.wake(tmp_path)
            _until(lambda: Queue(book).get(number).state == "done")
        second = subprocess.run(
            [sys.executable, "-m", "platectl", "serve", "--store", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        status = told_status(tmp_path)

        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(10)

    assert mode == 0o600
    assert status["pid"] == daemon.pid
    assert second.returncode == 3
    assert f"process {daemon.pid}" in second.stderr
    assert code == 0


def test_a_run_goes_on_while_its_daemon_is_stopped_and_is_found_again(tmp_path: Path) -> None:
    with serving(tmp_path) as daemon, Book(tmp_path) as book:
        number = Queue(book).submit(Subject(("slow",)), WallClock().now())
        _until(lambda: Queue(book).get(number).state == "running")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0

    with serving(tmp_path), Book(tmp_path) as book:
        _until(lambda: Queue(book).get(number).state == "done")

    words = [line.split()[1] for line in (tmp_path / WORLD).read_text().splitlines()]
    assert words == ["begin", "deed", "end"]


def test_apscheduler_wakes_a_daemon_that_does_not_look_by_itself(tmp_path: Path) -> None:
    with serving(tmp_path, every="600"), Book(tmp_path) as book:
        queue = Queue(book)
        table = Schedules(book, queue)
        now = WallClock().now()
        at = (now + timedelta(seconds=2)).replace(tzinfo=None)
        table.add(Schedule("soon", Once(local=at, zone="UTC"), Subject(("a",))), now)
        subjects.wake(tmp_path)

        _until(lambda: table.starts("submitted"))
        _until(lambda: queue.all("running", "done"))

        (start,), (run,) = table.starts("submitted"), queue.all()
        assert run.start == start.id
        assert run.submitted - start.due < timedelta(seconds=2)


def test_apscheduler_calls_what_is_due_and_forgets_what_was_dropped() -> None:
    clockwork, fired = ApsClockwork(), list[str]()
    over = threading.Event()
    now = WallClock().now()

    clockwork.set("late", now - timedelta(hours=1), lambda: fired.append("late"))
    clockwork.set("dropped", now + timedelta(seconds=0.2), lambda: fired.append("dropped"))
    clockwork.set("last", now + timedelta(days=1), lambda: fired.append("never"))
    clockwork.set("last", now + timedelta(seconds=0.3), over.set)
    clockwork.drop("dropped")
    clockwork.drop("unknown")

    assert over.wait(10)
    clockwork.close()
    assert fired == ["late"]


@pytest.mark.usefixtures("known")
def test_a_schedule_is_added_shown_paused_and_removed(tmp_path: Path) -> None:
    made = told("schedule", "add", "nightly", "sigma1-binding", "--layout", "S8", "--cron",
                "30 21 * * mon-fri", "--zone", "Europe/Berlin", "--missed", "late within 90 min",
                "--not-after", "07:30", store=tmp_path)  # fmt: skip
    assert made["schedule"] == "nightly"
    (shown,) = told("schedule", "list", store=tmp_path)["schedules"]
    assert shown["arguments"] == ["sigma1-binding", "--layout", "S8"]
    assert shown["next"] == made["next"]
    with Book(tmp_path) as book:
        stored = Schedules(book, Queue(book)).get("nightly")
    assert (stored.missed, stored.late_s, str(stored.not_after)) == ("late", 5400, "07:30:00")
    coming = told("schedule", "next", "--count", "3", store=tmp_path)["next"]
    assert [row["schedule"] for row in coming] == ["nightly"] * 3

    assert say("schedule", "pause", "nightly", store=tmp_path).exit_code == 0
    assert told("schedule", "list", store=tmp_path)["schedules"][0]["next"] is None
    assert say("schedule", "resume", "nightly", store=tmp_path).exit_code == 0
    assert say("schedule", "remove", "nightly", store=tmp_path).exit_code == 0
    assert told("schedule", "list", store=tmp_path)["schedules"] == []


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "words",
    [
        ("--once", "2096-03-25 02:30"),
        ("--interval", "8 h", "--from", "2026-01-01 06:00"),
        (
            "--days",
            "mon,wed-fri",
            "--at",
            "21:30",
            "--holidays",
            "2026-12-25, 2026-12-26",
            "--instead",
        ),
    ],
)
def test_each_kind_of_schedule_can_be_added(tmp_path: Path, words: tuple[str, ...]) -> None:
    added = told("schedule", "add", "x", "sigma1-binding", *words, "--zone", "Europe/Berlin",
                 store=tmp_path)  # fmt: skip
    assert added["next"]
    assert say("schedule", "list", store=tmp_path).exit_code == 0


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give one of"),
        (("--cron", "* * * * *", "--once", "2030-01-01 10:00"), "give one of"),
        (("--cron", "99 * * * *"), "is no minute"),
        (("--cron", "0 1 * * *", "--zone", "Mars/Olympus"), "no time zone"),
        (("--once", "tomorrow"), "no local time"),
        (("--days", "mon"), "--days needs --at"),
        (("--days", "mon", "--at", "25:00"), "no time of the day"),
        (("--days", "mon", "--at", "21:00", "--holidays", "xmas"), "--holidays"),
        (("--cron", "0 1 * * *", "--missed", "later"), "late within"),
        (("--once", "2020-01-01 10:00"), "never fire"),
        (("--cron", "0 1 * * *", "--name", "x"), "cannot be submitted"),
        (("--cron", "0 1 * * *", "--holidays", "2026-12-25"), "--holidays goes with --days"),
        (("--once", "2099-01-01 10:00", "--at", "21:00"), "--at goes with --days"),
        (("--interval", "5 min"), "never catch up"),
        (("--days", "mon", "--at", "20:00", "--not-after", "20:01"), "never fit"),
        (("--cron", "0 1 * * *", "--missed", "late within -5 h"), "more than nothing"),
        (("--cron", "0 1 * * *", "--priority", "99999999999999999999"), "not in the range"),
    ],
)
def test_a_schedule_that_says_nothing_is_refused(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    result = say("schedule", "add", "x", "sigma1-binding", *words, store=tmp_path)

    assert result.exit_code != 0
    assert why in result.output + str(result.exception)


def test_a_missed_start_is_decided_by_the_name_of_its_schedule(tmp_path: Path) -> None:
    with Book(tmp_path) as book:
        table = Schedules(book, Queue(book))
        then = WallClock().now() - timedelta(days=2)
        table.add(Schedule("nightly", NIGHTLY, Subject(("x",))), then)
        table.consider("nightly", WallClock().now() - timedelta(minutes=2))
    (waits,) = told("schedule", "list", store=tmp_path)["decisions"]
    assert waits["start"].startswith("nightly@")

    result = say("schedule", "decide", "nightly", "run", "--by", "ada", store=tmp_path)

    assert result.exit_code == 0, result.output
    (queued,) = told("queue", store=tmp_path)["queue"]
    assert queued["start"] == waits["start"]
    assert "waits for a decision" in str(
        say("schedule", "decide", "nightly", "run", store=tmp_path).exception
    )


@pytest.mark.usefixtures("known")
def test_the_queue_is_filled_ranked_and_cancelled(tmp_path: Path) -> None:
    first = told("queue", "add", "sigma1-binding", store=tmp_path)["id"]
    second = told("queue", "add", "sigma2-binding", store=tmp_path)["id"]
    assert say("queue", "priority", str(second), "5", store=tmp_path).exit_code == 0
    assert [row["id"] for row in told("queue", store=tmp_path)["queue"]] == [second, first]

    assert say("queue", "cancel", str(first), "--by", "ada", store=tmp_path).exit_code == 0

    found = told("queue", store=tmp_path)
    assert [row["id"] for row in found["queue"]] == [second]
    assert found["over"][0]["reason"] == "cancelled by ada"
    assert say("queue", store=tmp_path).exit_code == 0


def test_paths_of_a_submission_are_absolute_and_its_files_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("assay.yaml", "sheet.csv", "map.csv"):
        (tmp_path / name).write_text("x")

    found = subject_of(
        [
            "assay.yaml",
            "--samples",
            "sheet.csv",
            "--layout",
            "map.csv",
            "--set",
            "a=1",
            "--set",
            "b=2",
        ]
    )

    whole = {name: str(tmp_path / name) for name in ("assay.yaml", "sheet.csv", "map.csv")}
    assert found.arguments[0] == whole["assay.yaml"]
    assert set(found.files) == set(whole.values())
    assert [a for a in found.arguments if "=" in a] == ["a=1", "b=2"]
    assert found == Subject.of(found.text())
    with pytest.raises(click.UsageError, match="one protocol"):
        subject_of(["a", "b"])


def test_a_named_run_that_was_begun_is_not_run_anew(tmp_path: Path) -> None:
    night, folder = prepare(Options("sigma1-binding", run="mine")), tmp_path / "mine"
    finished = execute(night, folder, record_wire=False)
    report = build_report("mine", night.compiled, finished.events, finished.plates)
    (folder / "results.json").write_text(results_json(report))
    with Book(tmp_path) as book:
        number = Queue(book).submit(Subject(("sigma1-binding",)), WallClock().now())
        mine = replace(Queue(book).get(number), run="mine")

    standing = RunProcesses(tmp_path, ()).look(mine)
    again = say("run", "sigma1-binding", "--name", "mine", store=tmp_path)

    assert (standing.alive, standing.status) == (False, "done")
    assert standing.entries == len(finished.events)
    assert standing.outcome["results"] == 3
    assert not standing.outcome["dropped"] + standing.outcome["failed"]
    assert isinstance(again.exception, StoreError)
    assert "platectl resume mine" in str(again.exception)


def test_needs_name_instruments_and_ports_but_no_people(tmp_path: Path) -> None:
    bundled = prepare(Options("sigma1-binding"))
    lab = bundled.compiled.lab
    counter = lab.instruments["counter"].model_copy(update={"address": "serial:/dev/ttyUSB0"})
    entries = {**lab.instruments, "counter": counter}
    real_lab = lab.model_copy(update={"simulated": False, "instruments": entries})
    compiled = bundled.compiled.model_copy(update={"lab": real_lab})
    real = replace(bundled, compiled=compiled, lab_file=tmp_path / "lab.yaml")

    needs, real_needs = needs_of(bundled), needs_of(real)

    assert "counter" in needs.instruments
    assert "person" not in needs.instruments
    assert needs.planned_s == bundled.compiled.planned_end_s
    assert not needs.lasting
    assert needs.addresses == ()
    assert all(Path(file).is_absolute() for file in needs.files)
    assert (real_needs.lab, real_needs.addresses) == (str(real.lab_file), ("serial:/dev/ttyUSB0",))
    assert real_needs.lasting
    assert Needs.of(real_needs.text()) == real_needs


async def test_a_ledger_that_nobody_can_read_is_no_run_that_was_never_begun(tmp_path: Path) -> None:
    with Book(tmp_path) as book:
        queue = Queue(book)
        number = queue.submit(Subject(("x",)), WallClock().now())
        queue.examined(number, Needs("lab", (), 1.0))
        claimed = queue.claim(number, WallClock().now())
    assert claimed is not None
    folder = tmp_path / str(claimed.run)
    folder.mkdir()
    (folder / "ledger.db").write_bytes(b"no database" * 500)

    standing = RunProcesses(tmp_path, ("true",)).look(claimed)

    assert standing.entries > 0
    assert standing.status == "unreadable"


def test_a_silent_run_is_told_once_and_a_question_too(tmp_path: Path) -> None:
    clock = WallClock()
    with Book(tmp_path) as book:
        number = Queue(book).submit(Subject(("x",)), clock.now())
        running = replace(Queue(book).get(number), run="r", began=clock.now())
    dogs = Watchdogs(tmp_path, clock)
    assert dogs.look(running) == []
    (tmp_path / "r").mkdir()
    Heartbeat(tmp_path / "r").beat(
        state="running", wall=clock.now().isoformat(), monotonic_s=clock.monotonic_s() - 100,
        planned_end_s=10.0, questions=1, steps=[],
    )  # fmt: skip

    assert [alarm.kind for alarm in dogs.look(running)] == ["silence", "person_needed"]
    assert dogs.look(running) == []


def test_a_run_that_somebody_drives_is_not_cancelled(tmp_path: Path) -> None:
    with Book(tmp_path) as book:
        queue = Queue(book)
        number = queue.submit(Subject(("x",)), WallClock().now())
        queue.examined(number, Needs("lab", ("reader",), 1.0))
        claimed = queue.claim(number, WallClock().now())
        queue.held(number, "held")
    assert claimed is not None
    lock = RunLock(tmp_path / str(claimed.run), Owner.me("platectl", "now"))

    refused = say("queue", "cancel", str(number), store=tmp_path)
    lock.release()
    done = say("queue", "cancel", str(number), store=tmp_path)

    assert "is driven by platectl" in str(refused.exception)
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--morning", "7"), "HH:MM"),
        (("--morning", "07:00", "--zone", "Mars/Olympus"), "no time zone"),
    ],
)
def test_a_morning_that_never_comes_is_refused(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    code = [sys.executable, "-m", "platectl", "serve", "--store", str(tmp_path), *words]
    ran = subprocess.run(code, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert why in ran.stderr


def test_the_store_belongs_to_the_word_that_changes_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["queue", "--store", str(tmp_path), "cancel", "1"])

    assert "write --store after cancel" in result.output


async def test_each_channel_is_told_once_and_tried_until_it_is_told(tmp_path: Path) -> None:
    good, bad = (NoticeChannel(command=(name,), events=("end",)) for name in ("true", "false"))
    mail = Mail(tmp_path, Notices(channels=(good, bad)))

    first = await mail.send(Notice(1, "end", "run", "text"))
    again = await mail.send(Notice(1, "end", "run", "text", told=frozenset(first.reached)))

    assert (first.whole, list(first.reached)) == (False, ["channel 1"])
    assert (again.whole, list(again.reached)) == (False, [])
    assert (await Mail(tmp_path, Notices()).send(Notice(1, "end", "run", "text"))).whole


def test_the_unit_in_the_repository_is_the_one_that_is_printed(tmp_path: Path) -> None:
    shipped = (ROOT / "packaging/platectl.service").read_text()
    (command,) = (line for line in shipped.splitlines() if line.startswith("ExecStart="))
    assert unit(command.removeprefix("ExecStart="), "platectl") == shipped
    assert "KillMode=process" in shipped

    printed = say(
        "serve", "--print-unit", "--morning", "07:00", "--zone", "Europe/Berlin", store=tmp_path
    )

    assert f"--store {tmp_path} --morning 07:00 --zone Europe/Berlin" in printed.output


def test_a_time_zone_is_found_on_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    from platectl.cli.zones import computer_zone

    monkeypatch.setenv("TZ", "America/New_York")
    assert computer_zone() == "America/New_York"
    monkeypatch.delenv("TZ")
    assert computer_zone()
