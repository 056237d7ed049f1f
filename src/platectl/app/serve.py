"""The daemon put together: book, clock, processes of runs, watchdogs, people to tell, local socket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from platectl.app.channel import control_path
from platectl.app.notify import tell_channels
from platectl.app.processes import RunProcesses
from platectl.app.watchdog import Alarm as RunAlarm
from platectl.app.watchdog import Limits, Watchdog
from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.domain.notices import Notices
from platectl.nights.book import Book, stamp
from platectl.nights.clockwork import ApsClockwork
from platectl.nights.daemon import Daemon, Manners
from platectl.nights.outbox import Notice, Sent
from platectl.nights.ports import Alarm
from platectl.nights.submission import Submission
from platectl.store.heartbeat import FILE
from platectl.store.lock import FileLock, Owner
from platectl.transport.control_socket import ControlServer
from platectl.transport.wall_clock import WallClock

log = structlog.get_logger()
LOCK: Final = "serve.lock"
#: a run that has not said anything for so long after its begin is silent
_FIRST_BEAT_S: Final = 600.0


class Watchdogs:
    """One watchdog for each run that goes; who is dead, the daemon sees by itself."""

    def __init__(self, store: Path, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._dogs: dict[str, Watchdog] = {}
        self._heard: list[RunAlarm] = []

    def look(self, submission: Submission) -> list[Alarm]:
        """What is wrong now and was not before."""
        run = str(submission.run)
        began = submission.began or self._clock.now()
        waited_s = (self._clock.now() - began).total_seconds()
        if not (self._store / run / FILE).exists() and waited_s < _FIRST_BEAT_S:
            return []
        if run not in self._dogs:
            self._dogs[run] = Watchdog(
                self._store / run, self._heard.append, self._clock.monotonic_s, _never, Limits()
            )
        self._heard.clear()
        self._dogs[run].look()
        return [
            Alarm(
                "person_needed" if a.kind == "person_needed" else "silence",
                a.kind + a.about,
                a.text,
            )
            for a in self._heard
            if a.kind != "engine_dead"
        ]


def _never(_: float) -> None:
    """The daemon's turns are the watchdogs' rhythm."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Tells people over the channels of a notices file; reports are kept in the runs folder."""

    store: Path
    notices: Notices

    async def send(self, notice: Notice) -> Sent:
        """Tell every channel that wants to know and was not told yet."""
        found = await asyncio.to_thread(
            tell_channels, self.notices, notice.kind, notice.run, notice.text, told=notice.told
        )
        problems = [problem for problem in found.values() if problem]
        log.info("notice", kind=notice.kind, run=notice.run, text=notice.text, problems=problems)
        return Sent(not problems, [channel for channel, problem in found.items() if not problem])

    def keep(self, name: str, text: str) -> None:
        """Keep a morning report; a full disk is no reason not to send it."""
        try:
            (self.store / f"morning-{name}.txt").write_text(text, encoding="utf-8")
        except OSError as error:
            log.warning("report.not_kept", error=str(error))


@dataclass(frozen=True, slots=True)
class Service:
    """What a daemon serves, and how. `command` begins the processes of runs."""

    store: Path
    command: Sequence[str]
    notices: Notices = field(default_factory=Notices)
    manners: Manners = field(default_factory=Manners)
    open_book: Callable[[Path], Book] = Book

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C; runs go on without the daemon.

        Raises:
            StoreError: Another daemon serves the folder, or the disk refuses.
        """
        asyncio.run(self._run())

    async def _run(self) -> None:
        clock = WallClock()
        since = stamp(clock.now())
        with ExitStack() as stack:
            store = self.store.resolve()
            owner = Owner.me("platectl serve", since)
            lock = FileLock(store / LOCK, owner, subject=f"the queue of {store}")
            stack.callback(lock.release)
            book = stack.enter_context(self.open_book(store))
            daemon = Daemon(
                book, clock, ApsClockwork(), RunProcesses(store, self.command),
                Watchdogs(store, clock), Mail(store, self.notices), self.manners,
            )  # fmt: skip
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, daemon.stop)
            counter = Counter(daemon, since)
            stack.enter_context(ControlServer(control_path(store), counter.handle))
            log.info("serving", store=str(store), pid=os.getpid())
            await daemon.run()


@dataclass(frozen=True, slots=True)
class Counter:
    """Where others ask the daemon; called in the socket's threads."""

    daemon: Daemon
    since: str

    def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request: `status`, or `look` to have it turn at once."""
        word = request.get("say")
        if word == "look":
            self.daemon.wake()
        elif word != "status":
            raise UserInputError(f"{word!r} is no word of the daemon")
        return {"pid": os.getpid(), "since": self.since, **self.daemon.status()}


UNIT: Final = """[Unit]
Description=platectl: schedules and queue of plate runs
Wants=time-sync.target
After=time-sync.target network.target

[Service]
ExecStart={command}
EnvironmentFile=-/etc/platectl/secrets
Restart=always
RestartSec=2
# runs are processes of their own: they go on while the daemon is stopped or restarted
KillMode=process
User={user}

[Install]
WantedBy=multi-user.target
"""


def unit(command: str, user: str) -> str:
    """The systemd unit of a daemon that is started by `command`."""
    return UNIT.format(command=command, user=user)
