"""What the daemon needs from above: processes of runs, eyes on them, and somebody to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from platectl.domain.notices import NoticeKind
from platectl.nights.outbox import Notice, Sent
from platectl.nights.submission import Needs, Subject, Submission


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands.

    `entries` is the length of its ledger, 0 when it was never begun, and `status` what the ledger
    says; both are unknown of one that is `alive`. `code` is the exit code of its last process when
    that was our child; `said` the end of what it said. `why` is the ledger's reason for holding it.
    """

    alive: bool
    entries: int = 0
    status: str = "new"
    code: int | None = None
    said: str = ""
    why: str = ""
    outcome: Mapping[str, Any] = field(default_factory=dict)


class Children(Protocol):
    """Processes that drive runs; they outlive the daemon."""

    async def examine(self, subject: Subject, due: datetime) -> Needs:
        """Compile a run that was due at some moment and say what it needs.

        Raises:
            UserInputError: It is refused; with all findings.
        """
        ...

    def begin(self, submission: Submission) -> None:
        """Begin the process of a run that was never begun; its name is that of the claim.

        Raises:
            OSError: No process can be made.
        """
        ...

    def go_on(self, submission: Submission) -> None:
        """Begin a process that resumes a run.

        Raises:
            OSError: No process can be made.
        """
        ...

    def look(self, submission: Submission) -> Standing:
        """Where its run stands."""
        ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something is wrong with a run that goes; `about` tells alarms of one kind apart."""

    kind: NoticeKind
    about: str
    text: str


class Watch(Protocol):
    """Eyes on runs that go."""

    def look(self, submission: Submission) -> list[Alarm]:
        """What is wrong now and was not before."""
        ...


class Post(Protocol):
    """The way to people."""

    async def send(self, notice: Notice) -> Sent:
        """Tell those who were not told yet."""
        ...

    def keep(self, name: str, text: str) -> None:
        """Keep a report under a name."""
        ...
