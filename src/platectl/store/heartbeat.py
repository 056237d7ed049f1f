"""The pulse of an engine: a small file in the run folder that says what it does and when it said so."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from platectl.domain.errors import StoreError

FILE: Final = "heartbeat.json"
_START_FIELD: Final = 19  # of /proc/<pid>/stat, counted from after the command's name


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat. `wall` is ISO 8601 UTC, `monotonic_s` the host's; `steps` are under way.

    Each step is `{step, title, plate, since_s, expected_s}`; `planned_end_s` counts from now.
    """

    run: str
    state: str
    wall: str
    monotonic_s: float
    pid: int
    started: str
    free_bytes: int
    planned_end_s: float = 0.0
    questions: int = 0
    steps: tuple[dict[str, Any], ...] = field(default=())


def process_start(pid: int) -> str:
    """When a process started, as the kernel counts; empty when there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[_START_FIELD]


class Heartbeat:
    """Writes beats; a reader sees the old one or the new one, never half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = process_start(os.getpid())

    def beat(
        self, *, state: str, wall: str, monotonic_s: float, planned_end_s: float, questions: int,
        steps: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        """Write one; a full disk is no reason to stop, the silence will be noticed."""
        beat = Beat(
            self._folder.name, state, wall, monotonic_s, os.getpid(), self._started,
            shutil.disk_usage(self._folder).free, planned_end_s, questions, tuple(steps),
        )  # fmt: skip
        new = self._folder / f"{FILE}.new"
        try:
            new.write_text(json.dumps(asdict(beat)), encoding="utf-8")
            new.replace(self._folder / FILE)
        except OSError:
            return


def read_beat(folder: Path) -> Beat | None:
    """The last beat of a run; None when there never was one.

    Raises:
        StoreError: The file is none of ours.
    """
    try:
        fields = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Beat(**{**fields, "steps": tuple(fields["steps"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder / FILE} cannot be read: {error}") from error
