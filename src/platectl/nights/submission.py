"""What is submitted: arguments of `platectl run`, what they need, and how far it came."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from platectl.domain.local_time import later
from platectl.nights.book import moment_of, stamp

State = Literal["queued", "claimed", "running", "held", "done", "failed", "cancelled"]
Restart = Literal["resume", "hold"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Arguments of `platectl run` with absolute paths, and the files among them."""

    arguments: tuple[str, ...]
    files: tuple[str, ...] = ()

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        """As it was stored."""
        content = json.loads(text)
        return cls(tuple(content["arguments"]), tuple(content["files"]))

    @property
    def title(self) -> str:
        """What is run, in one word."""
        return Path(self.arguments[0]).stem if self.arguments else "run"

    def __str__(self) -> str:
        return " ".join(self.arguments)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a compiled run needs: instruments of a lab, and how long it is planned to take.

    `lab` is the path of the lab file, or the name of a bundled lab; `addresses` are those of real
    ports. `lasting` says that what stands in the instruments outlives the process of the run; `files` are
    those that were read, with their SHA-256; `starts` is the planned start of a night that waits for it.
    """

    lab: str
    instruments: tuple[str, ...]
    planned_s: float
    lasting: bool = True
    files: dict[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    starts: datetime | None = None

    def ends(self, begun: datetime) -> datetime:
        """When a run that is begun at `begun`, and waits for its start, is planned to be over."""
        return later(max(begun, self.starts or begun), self.planned_s)

    def plain(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {**asdict(self), "starts": self.starts and stamp(self.starts)}

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(self.plain())

    @classmethod
    def of(cls, text: str) -> Self:
        """As it was stored."""
        content = json.loads(text)
        lists = {name: tuple(content.get(name, ())) for name in ("instruments", "addresses")}
        return cls(**{**content, **lists, "starts": _moment(content.get("starts"))})


@dataclass(frozen=True, slots=True)
class Submission:
    """One run that was asked for.

    `start` is the firing that asked for it; `not_after` is when it has to be over; `tries` counts
    the processes begun for it since it last made progress; `entries` is the length of its ledger
    when the last one was begun.
    """

    id: int
    subject: Subject
    priority: int
    submitted: datetime
    files: dict[str, str]
    restart: Restart
    state: State
    reason: str = ""
    start: str | None = None
    not_after: datetime | None = None
    needs: Needs | None = None
    run: str | None = None
    tries: int = 0
    entries: int = 0
    began: datetime | None = None
    ended: datetime | None = None
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def due(self) -> datetime:
        """When it was asked for: the firing of its schedule, or when a person submitted it."""
        return self.submitted if self.start is None else due_of(self.start)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.run or f"submission {self.id} ({self.subject.title})"

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """Read a row of the book."""
        return cls(
            id=row["id"], subject=Subject.of(row["subject"]), priority=row["priority"],
            submitted=moment_of(row["submitted"]), files=json.loads(row["files"]),
            restart=row["restart"], state=row["state"], reason=row["reason"], start=row["start"],
            not_after=_moment(row["not_after"]), needs=row["needs"] and Needs.of(row["needs"]),
            run=row["run"], tries=row["tries"], entries=row["entries"],
            began=_moment(row["began"]), ended=_moment(row["ended"]),
            outcome=json.loads(row["outcome"] or "{}"),
        )  # fmt: skip


def start_id(schedule: str, due: datetime) -> str:
    """Identity of a start."""
    return f"{schedule}@{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def due_of(start: str) -> datetime:
    """When a start of this identity was due."""
    return datetime.fromisoformat(start.rpartition("@")[2])


def outcome_in_words(outcome: Mapping[str, Any]) -> list[str]:
    """What a run brought: results that pass, plates that fail, plates that were given up."""
    said = []
    if "results" in outcome:
        said.append(f"{outcome['passed']} of {outcome['results']} results pass")
    if failed := outcome.get("failed"):
        said.append("failed: " + ", ".join(failed))
    if dropped := outcome.get("dropped"):
        said.append("given up: " + ", ".join(dropped))
    return said


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment_of(text)


def hashes(files: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file, hexadecimal; empty for one that cannot be read."""
    found = {}
    for file in files:
        try:
            found[file] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        except OSError:
            found[file] = ""
    return found
