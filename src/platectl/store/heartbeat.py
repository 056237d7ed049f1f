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
_STATE_FIELD: Final = 0  # of /proc/<pid>/stat, counted from after the command's name
_START_FIELD: Final = 19
_ENDED: Final = {"Z", "X"}  # processes that nobody has buried


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat. `wall` is ISO 8601 UTC, `monotonic_s` the host's; `steps` are under way.

    Each step is `{step, title, plate, instruments, since_s, expected_s}`; `planned_end_s` counts
    from now. `boot` tells one life of the host from the next: only within one do process numbers
    and monotonic times mean the same.
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
    boot: str = ""


def process_start(pid: int) -> str:
    """When a process started, as the kernel counts; empty when there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[_STATE_FIELD] in _ENDED else fields[_START_FIELD]


def boot_id() -> str:
    """Which life of this host it is; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Heartbeat:
    """Writes beats; a reader sees the old one or the new one, never half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = process_start(os.getpid())
        self._boot = boot_id()

    def beat(
        self, *, state: str, wall: str, monotonic_s: float, planned_end_s: float, questions: int,
        steps: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        """Write one; a full disk is no reason to stop, the silence will be noticed."""
        new = self._folder / f"{FILE}.new"
        try:
            beat = Beat(
                self._folder.name, state, wall, monotonic_s, os.getpid(), self._started,
                shutil.disk_usage(self._folder).free, planned_end_s, questions, tuple(steps),
                self._boot,
            )  # fmt: skip
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
