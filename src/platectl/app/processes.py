"""Processes that drive runs: begun by the daemon, found again after its death."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from platectl.domain.errors import PlatectlError, UserInputError
from platectl.engine.state import RunState
from platectl.nights.book import stamp
from platectl.nights.ports import Standing
from platectl.nights.submission import Needs, Subject, Submission
from platectl.store.ledger import Ledger
from platectl.store.lock import owner_of

LOCK: Final = "process.lock"
LOG: Final = "process.log"
_TAIL: Final = 4000
_LINES: Final = 3


class RunProcesses:
    """Begins `platectl run` and `platectl resume` in sessions of their own.

    A process inherits a lock of its run folder and has it until it dies, from before it exists:
    whoever cannot take the lock knows that one lives, whatever became of its parent.
    """

    def __init__(self, store: Path, command: Sequence[str]) -> None:
        self._store = store
        self._command = tuple(command)
        self._ours: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: dict[str, tuple[tuple[int, ...], Standing]] = {}

    async def examine(self, subject: Subject, due: datetime) -> Needs:
        """Compile a run that was due at some moment, in a process of its own.

        Raises:
            UserInputError: It is refused; with what it said.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, "run", *subject.arguments, "--due", stamp(due), "--needs",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise UserInputError(f"no process can be made: {error}") from error
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        try:
            if process.returncode == 0:
                return Needs.of(out.decode().splitlines()[-1])
        except (ValueError, TypeError, KeyError, IndexError):
            pass
        text = err.decode(errors="replace").strip()
        raise UserInputError(text or f"it ended with exit code {process.returncode}")

    def begin(self, submission: Submission) -> None:
        """Begin the process of a run that was never begun.

        Raises:
            OSError: No process can be made.
        """
        when = ("--due", stamp(submission.due))
        name = ("--name", str(submission.run))
        self._begin(submission, ("run", *submission.subject.arguments, *when, *name))

    def go_on(self, submission: Submission) -> None:
        """Begin a process that resumes a run.

        Raises:
            OSError: No process can be made.
        """
        self._begin(submission, ("resume", str(submission.run)))

    def look(self, submission: Submission) -> Standing:
        """Where its run stands, by its lock and its ledger."""
        run = str(submission.run)
        folder = self._store / run
        code = self._ours[run].poll() if run in self._ours else None
        if _locked(folder / LOCK) or owner_of(folder) is not None:
            return Standing(alive=True)
        signs = _signs(folder)
        if run in self._seen and self._seen[run][0] == (*signs, -1 if code is None else code):
            return self._seen[run][1]
        standing = replace(_by_ledger(folder), code=code, said=_said(folder / LOG))
        self._seen[run] = ((*_signs(folder), -1 if code is None else code), standing)
        return standing

    def _begin(self, submission: Submission, words: Sequence[str]) -> None:
        run = str(submission.run)
        folder = self._store / run
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with (folder / LOG).open("ab") as log:
                self._ours[run] = subprocess.Popen(  # noqa: S603  # our own command, without a shell
                    [*self._command, *words, "--store", str(self._store), "--json"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, pass_fds=(lock,),
                )  # fmt: skip
        finally:
            os.close(lock)


def _locked(path: Path) -> bool:
    """Whether a living process has the lock."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _signs(folder: Path) -> tuple[int, ...]:
    """What changes when something was written."""
    found = []
    for name in ("ledger.db", "ledger.db-wal", "report.html", "results.json", LOG):
        with suppress(FileNotFoundError):
            stat = (folder / name).stat()
            found += [stat.st_mtime_ns, stat.st_size]
    return tuple(found)


def _by_ledger(folder: Path) -> Standing:
    """Entries, status, and what the run brought."""
    if not (folder / "ledger.db").exists():
        return Standing(alive=False, outcome=_outcome(folder, []))
    try:
        with Ledger.reading(folder / "ledger.db") as ledger:
            events = list(ledger.events())
            state, entries = RunState.of(events), ledger.seal().entries
    except PlatectlError:  # nobody can say that it was never begun
        return Standing(alive=False, entries=1, status="unreadable", outcome=_outcome(folder, []))
    held = (e.data["reasons"] for e in reversed(events) if e.kind == "run.held")
    return Standing(
        alive=False, entries=entries, status=state.status, outcome=_outcome(folder, sorted(state.dropped_plates)),
        why="; ".join(next(held, ())) if state.status == "held" else "",
    )  # fmt: skip


def _said(path: Path) -> str:
    """The last lines of what a process said, without its JSON."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join([line for line in lines if not line.startswith("{")][-_LINES:])


def _outcome(folder: Path, dropped: list[str]) -> dict[str, Any]:
    """What a run brought, for the morning report."""
    found: dict[str, Any] = {"dropped": dropped}
    page = folder / "report.html"
    try:
        results = json.loads(_results(folder).read_text(encoding="utf-8"))
        rows, plates = results["results"], results["plates"]
        found |= {
            "results": len(rows), "passed": sum(row["status"] == "pass" for row in rows),
            "failed": [plate["name"] for plate in plates if plate["state"] == "fail"],
            "review": results["review"]["standing"], "warnings": results["warnings"], "report": str(page),
        }  # fmt: skip
    except FileNotFoundError:
        tries = f"no results were written; `platectl report {folder.name}` tries again"
        found |= {"report": str(page)} if page.exists() else {"warnings": [tries]}
    except (OSError, ValueError, KeyError, TypeError):
        found["warnings"] = ["the results cannot be read"]
    return found


def _results(folder: Path) -> Path:
    """The results of a run, or those of the newest version where they are withheld; counts of them tell no compound."""
    made = sorted(
        (folder / "analyses").glob("*/results.json"), key=lambda path: int(path.parent.name)
    )
    stored = folder / "results.json"
    return stored if stored.exists() or not made else made[-1]
