"""The process that says that nothing happens, and how people hear of it."""

from __future__ import annotations

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.app.night import execute
from platectl.app.notify import load_notices, notify
from platectl.app.prepare import Options, prepare
from platectl.app.watchdog import OVER, Alarm, Limits, Now, Watchdog, judge
from platectl.cli.watchdog import watchdog
from platectl.domain.findings import InputRefusedError
from platectl.domain.notices import Mail, NoticeChannel, Notices, Webhook
from platectl.store.heartbeat import FILE, Beat, Heartbeat, boot_id, process_start, read_beat

STEP = {"step": "P1.B9", "title": "Harvest", "plate": "P1", "instruments": ["manifold"],
        "since_s": 100.0, "expected_s": 120.0}  # fmt: skip
BEAT = Beat(
    "run", "running", "2026-01-05T18:00:00+00:00", 1000.0, os.getpid(), process_start(os.getpid()),
    10**11, 3600.0, 0, (STEP,), boot_id(),
)  # fmt: skip
HERE = Now(1001.0, alive=True)


def kinds(alarms: list[Alarm]) -> list[str]:
    return [alarm.kind for alarm in alarms]


@pytest.mark.parametrize(
    ("beat", "now", "wanted"),
    [
        (BEAT, HERE, []),
        (BEAT, Now(1061.0, alive=True), ["engine_silent"]),
        (BEAT, Now(1001.0, alive=False), ["engine_dead"]),
        (replace(BEAT, questions=2), HERE, ["person_needed"]),
        (replace(BEAT, steps=({**STEP, "since_s": 541.0},)), HERE, ["step_overdue"]),
        (replace(BEAT, steps=({**STEP, "since_s": 541.0},), state="paused"), HERE, []),
        (replace(BEAT, free_bytes=10**8), HERE, ["disk_filling"]),
        (replace(BEAT, state="done"), Now(9999.0, alive=False), []),
        (replace(BEAT, state="held"), Now(9999.0, alive=False), []),
    ],
)
def test_what_is_wrong_is_said(beat: Beat, now: Now, wanted: list[str]) -> None:
    assert kinds(judge(None, beat, now, Limits())) == wanted


def test_a_disk_that_will_be_full_before_the_end_is_said_in_time() -> None:
    before = replace(
        BEAT, monotonic_s=940.0, wall="2026-01-05T17:59:00+00:00", free_bytes=10**11 + 10**10
    )
    assert kinds(judge(before, BEAT, HERE, Limits())) == ["disk_filling"]
    assert kinds(judge(before, replace(BEAT, planned_end_s=60.0), HERE, Limits())) == []


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(60, []), (63, ["clock_jump"]), (-30, ["clock_jump"])]
)
def test_a_clock_that_jumps_is_said(seconds: int, wanted: list[str]) -> None:
    before = replace(BEAT, monotonic_s=940.0, wall="2026-01-05T18:00:00+00:00")
    wall = (
        f"2026-01-05T18:01:{seconds - 60:02d}+00:00"
        if seconds >= 60
        else "2026-01-05T17:59:30+00:00"
    )
    assert kinds(judge(before, replace(BEAT, wall=wall), HERE, Limits())) == wanted


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_an_alarm_is_told_once_until_its_cause_is_gone(silences: list[bool]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder, told, clock = Path(name), list[Alarm](), [0.0]
        dog = Watchdog(folder, told.append, lambda: clock[0], lambda _: None)
        pulse, at = Heartbeat(folder), 0.0
        for silent in silences:
            at += 100.0
            beat_s = at - 90.0 if silent else at
            pulse.beat(state="running", wall=BEAT.wall, monotonic_s=beat_s, planned_end_s=0.0,
                       questions=0, steps=[])  # fmt: skip
            clock[0] = at
            assert dog.look() is None
    rises = sum(
        now and not before for before, now in zip([False, *silences], silences, strict=False)
    )
    assert len([a for a in told if a.kind == "engine_silent"]) == rises


@pytest.mark.parametrize("state", sorted(OVER))
def test_it_ends_with_the_run(tmp_path: Path, state: str) -> None:
    naps: list[float] = []
    dog = Watchdog(tmp_path, lambda _: None, lambda: 0.0, naps.append)
    Heartbeat(tmp_path).beat(
        state=state, wall=BEAT.wall, monotonic_s=0.0, planned_end_s=0.0, questions=0, steps=[]
    )
    assert dog.run(5.0).state == state
    assert naps == []


class Watched:
    """A watchdog over beats that a test writes, on a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s, self.told = folder, 0.0, list[Alarm]()
        self.dog = Watchdog(folder, self.told.append, lambda: self.now_s, lambda _: None)

    def look(self, now_s: float, beat: Beat | None = None) -> list[str]:
        """Kinds of what is told at one look."""
        self.now_s = now_s
        if beat is not None:
            (self.folder / FILE).write_text(json.dumps(asdict(beat)))
        before = len(self.told)
        self.dog.look()
        return kinds(self.told[before:])


def at(beat: Beat, passed_s: float, **change: Any) -> Beat:
    """A beat as it would be some seconds later."""
    wall = datetime.fromisoformat(beat.wall) + timedelta(seconds=passed_s)
    now_s = beat.monotonic_s + passed_s
    return replace(beat, wall=wall.isoformat(), monotonic_s=now_s, **change)


def test_an_overdue_step_is_named_with_its_instrument() -> None:
    (alarm,) = judge(None, replace(BEAT, steps=({**STEP, "since_s": 900.0},)), HERE, Limits())
    assert alarm.text.startswith("Harvest of P1 (P1.B9 on manifold) has taken 15 min")


def test_a_run_that_never_says_anything_is_told(tmp_path: Path) -> None:
    subject = Watched(tmp_path)
    assert [subject.look(s) for s in (0.0, 60.0, 61.0, 66.0)] == [[], [], ["engine_silent"], []]


def test_a_torn_beat_is_told_and_watched_on(tmp_path: Path) -> None:
    subject = Watched(tmp_path)
    (tmp_path / FILE).write_text("")
    assert subject.look(1000.0) == ["engine_silent"]
    assert subject.look(1000.0, BEAT) == []
    assert subject.look(1061.0) == ["engine_silent"]


def test_a_process_of_another_life_of_the_host_is_gone(tmp_path: Path) -> None:
    assert Watched(tmp_path).look(5.0, replace(BEAT, boot="another")) == ["engine_dead"]


def test_a_process_that_ended_and_is_not_buried_is_gone() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(child.pid) == ""
    child.wait()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.lists(st.integers(0, 4 * 10**8), min_size=30, max_size=60))
def test_a_disk_that_fills_in_spurts_is_told_once(looks: int, spurts: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        subject, free, told = Watched(Path(name)), 10**11, list[str]()
        for number, spurt in enumerate(spurts):
            free -= spurt + 10**9
            beat = at(BEAT, 5.0 * number, free_bytes=free, planned_end_s=28_800.0)
            for _ in range(looks):
                told += subject.look(beat.monotonic_s, beat)
    assert told == ["disk_filling"]


def test_one_spurt_at_the_start_is_no_rate(tmp_path: Path) -> None:
    subject = Watched(tmp_path)
    assert subject.look(1000.0, BEAT) == []
    assert subject.look(1005.0, at(BEAT, 5.0, free_bytes=BEAT.free_bytes - 10**9)) == []


def test_a_clock_that_was_set_is_told_once(tmp_path: Path) -> None:
    subject, told = Watched(tmp_path), list[str]()
    for number in range(60):
        ahead_s = 90.0 if number >= 10 else 0.0
        beat = replace(at(BEAT, 5.0 * number + ahead_s), monotonic_s=1000.0 + 5.0 * number)
        told += subject.look(beat.monotonic_s, beat) + subject.look(beat.monotonic_s + 2.0)
    assert told == ["clock_jump"]


@pytest.mark.parametrize(
    ("state", "event"),
    [("done", "end"), ("stopped", "end"), ("failed", "failure"), ("aborted", "failure"),
     ("held", "hold")],
)  # fmt: skip
def test_the_end_of_a_run_is_told(tmp_path: Path, state: str, event: str) -> None:
    (tmp_path / "run").mkdir()
    Heartbeat(tmp_path / "run").beat(
        state=state, wall=BEAT.wall, monotonic_s=0.0, planned_end_s=0.0, questions=0, steps=[]
    )
    tell = f'echo "$PLATECTL_EVENT" > {tmp_path / "heard"}'
    channel = {"command": ["/bin/sh", "-c", tell], "events": ["end", "failure", "hold"]}
    (tmp_path / "notify.yaml").write_text(json.dumps({"platectl": 1, "channels": [channel]}))
    words = ["run", "--store", str(tmp_path), "--notify", str(tmp_path / "notify.yaml")]
    assert CliRunner().invoke(watchdog, words).exit_code == 0
    assert (tmp_path / "heard").read_text() == f"{event}\n"


def test_every_run_leaves_a_last_beat(tmp_path: Path) -> None:
    assert read_beat(tmp_path) is None
    execute(prepare(Options("fura2-calcium")), tmp_path / "run")
    beat = read_beat(tmp_path / "run")
    assert beat is not None
    assert (beat.state, beat.steps, beat.pid) == ("done", (), os.getpid())


def test_the_watchdog_knows_neither_engine_nor_ledger(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    Heartbeat(tmp_path / "run").beat(
        state="done", wall=BEAT.wall, monotonic_s=0.0, planned_end_s=0.0, questions=0, steps=[]
    )
    program = (
        "import sys; from platectl.cli.watchdog import watchdog;"
        f"watchdog.main(['run', '--store', {str(tmp_path)!r}], standalone_mode=False);"
        "bad = [m for m in sys.modules if m.startswith(('platectl.engine', 'platectl.store.ledger',"
        "'sqlite3', 'numpy', 'scipy', 'platectl.steps', 'platectl_drivers'))]; print(bad)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["run is over: done", "[]"]


# Notices ----------------------------------------------------------------------------------------
def test_a_command_hears_it_all(tmp_path: Path) -> None:
    script = tmp_path / "tell.sh"
    script.write_text('#!/bin/sh\necho "$PLATECTL_EVENT $PLATECTL_RUN $(cat)" > "$1"\n')
    script.chmod(0o755)
    channel = NoticeChannel(command=(str(script), str(tmp_path / "heard")))
    assert notify(Notices(channels=(channel,)), "silence", "night-1", "the engine is gone") == []
    assert (tmp_path / "heard").read_text() == "silence night-1 the engine is gone\n"
    assert notify(Notices(channels=(channel,)), "end", "night-1", "over") == []
    assert "silence" in (tmp_path / "heard").read_text()


def test_a_channel_that_fails_does_not_stop_the_next(tmp_path: Path) -> None:
    bad = NoticeChannel(command=("/no/such/program",))
    good = NoticeChannel(command=("/bin/sh", "-c", f"cat > {tmp_path / 'heard'}"))
    problems = notify(Notices(channels=(bad, good)), "hold", "night-1", "come")
    assert len(problems) == 1
    assert "channel 1" in problems[0]
    assert (tmp_path / "heard").read_text() == "come"


class Rubbish(http.server.BaseHTTPRequestHandler):
    """Answers in no protocol."""

    def do_POST(self) -> None:  # the library's name
        self.wfile.write(b"rubbish\r\n\r\n")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def rubbish() -> Iterator[str]:
    """Address of a server that answers rubbish."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Rubbish)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize("bad", ["rubbish", "address", "header", "unset", "output"])
def test_whatever_is_wrong_with_a_channel_the_next_is_told_and_no_secret_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rubbish: str, bad: str
) -> None:
    monkeypatch.setenv("LAB_TOKEN", "s3cret\nx")
    channels = {
        "rubbish": NoticeChannel(webhook=Webhook(url=rubbish)),
        "address": NoticeChannel(webhook=Webhook(url="http://[")),
        "header": NoticeChannel(webhook=Webhook(url=rubbish, secret_env="LAB_TOKEN")),  # noqa: S106  # the name of a variable
        "unset": NoticeChannel(webhook=Webhook(url=rubbish, secret_env="NO_TOKEN")),  # noqa: S106  # as above
        "output": NoticeChannel(command=("/bin/sh", "-c", "printf '\\377'; exit 1")),
    }
    good = NoticeChannel(command=("/bin/sh", "-c", f"cat > {tmp_path / 'heard'}"))
    problems = notify(Notices(channels=(channels[bad], good)), "silence", "night-1", "come")
    assert len(problems) == 1
    assert "s3cret" not in problems[0]
    assert (tmp_path / "heard").read_text() == "come"


def test_a_webhook_carries_the_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str | None, dict[str, Any]]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["X-Token"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    monkeypatch.setenv("LAB_TOKEN", "s3cret")
    hook = Webhook(
        url=f"http://127.0.0.1:{server.server_port}/x",
        header="X-Token",
        secret_env="LAB_TOKEN",  # noqa: S106  # the name of a variable
    )
    assert notify(Notices(channels=(NoticeChannel(webhook=hook),)), "failure", "n", "broken") == []
    thread.join(10)
    server.server_close()
    assert heard == [("s3cret", {"event": "failure", "run": "n", "text": "broken"})]


def test_an_email_is_sent_with_subject_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Server:
        def __init__(self, host: str, port: int, timeout: float) -> None:
            sent.append((host, port, timeout))

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def starttls(self, *, context: ssl.SSLContext) -> None:
            sent.append(context.verify_mode)

        def login(self, user: str, password: str) -> None:
            sent.append((user, password))

        def send_message(self, message: Any) -> None:
            sent.append((message["To"], message["Subject"], message.get_content().strip()))

    monkeypatch.setattr("smtplib.SMTP", Server)
    monkeypatch.setenv("MAIL_PW", "pw")
    mail = Mail(
        host="mail.lab",
        sender="lab@x",
        to=("a@x", "b@x"),
        user="lab",
        password_env="MAIL_PW",  # noqa: S106  # the name of a variable
    )
    notify(Notices(channels=(NoticeChannel(mail=mail),)), "silence", "night-1", "nothing moves")
    assert sent == [
        ("mail.lab", 587, 10.0), ssl.CERT_REQUIRED, ("lab", "pw"),
        ("a@x, b@x", "platectl: silence of night-1", "nothing moves"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("platectl: 1\nchannels:\n  - {}\n", "exactly one"),
        ("platectl: 1\nchannels:\n  - {webhook: {url: 'ftp://x'}}\n", "url"),
        ("platectl: 1\nchannels:\n  - {command: [x], events: [dinner]}\n", "events"),
    ],
)
def test_notices_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(text)
    with pytest.raises(InputRefusedError, match=message):
        load_notices(path)
