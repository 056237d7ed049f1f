"""What a bridge remembers of the verbs of its device, in the next child too."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

Record = Mapping[str, Any]
#: states of a key that are no end
OPEN: Final = "begun"


@runtime_checkable
class Stoppable(Protocol):
    """A child in this process."""

    def stop(self) -> None:
        """Abort what is under way."""
        ...


class Memory:
    """Records in the order of time, in RAM; for children that are simulated in one process.

    A record is `{"since"}`, `{"key", "do", "with"}` when a verb begins, or `{"key", "end", "ok"}`.
    Whoever adds or clears has taken the device.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._last: dict[str, Record] = {}
        self._holder: object | None = None

    def take(self, who: object) -> bool:
        """Take the device; False while another child has it."""
        if self._holder is None:
            self._holder = who
        return self._holder is who

    def release(self, who: object) -> None:
        """Give the device back; harmless for one that does not have it."""
        if self._holder is who:
            self._holder = None

    def busy(self, who: object) -> bool:
        """Whether another child has the device."""
        return self._holder is not None and self._holder is not who

    def holder(self) -> str:
        """Which process has the device, for a message."""
        return ""

    def stop(self, who: object) -> None:
        """Have another child that has the device abort its verb."""
        if isinstance(self._holder, Stoppable) and self.busy(who):
            self._holder.stop()

    def look(self) -> None:
        """Learn what another child has added."""

    @property
    def since(self) -> str:
        """When what is remembered began, by the clock of the driver; empty: nothing is remembered."""
        return next((str(record["since"]) for record in self._records if "since" in record), "")

    def state(self, key: str) -> str:
        """How a verb ended, `begun` without an end, or empty."""
        record = self._last.get(key)
        return "" if record is None else str(record.get("end", OPEN))

    def result(self, key: str) -> Any:
        """What a verb that was done gave."""
        return self._last[key].get("ok")

    def states(self, prefix: str) -> dict[str, str]:
        """States of all keys that begin so."""
        return {key: self.state(key) for key in self._last if key.startswith(prefix)}

    def accomplished(self) -> list[Record]:
        """Beginnings of the verbs that were done, in the order in which they ended."""
        begun: dict[str, Record] = {}
        done: list[Record] = []
        for record in self._records:
            if "do" in record:
                begun[record["key"]] = record
            elif record.get("end") == "done":
                done.append(begun[record["key"]])
        return done

    def add(self, record: Record) -> None:
        """Add one record; it is durable on return."""
        self._records.append(record)
        if "key" in record:
            self._last[record["key"]] = record

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._last.clear()


class FileMemory(Memory):
    """Records in a file, one JSON line each; who has the device holds a lock on it.

    The kernel gives the lock back when the child dies. The number of the process is in a file beside it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._number = path.with_suffix(".pid")
        self._mine = False

    def take(self, who: object) -> bool:
        """Take the device, and learn what is in the file; False while another process has it."""
        del who
        if not self._mine:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self._mine = True
            self._number.write_text(str(os.getpid()), encoding="ascii")
            whole = self._whole()
            os.ftruncate(self._file, len(whole))  # a death left the rest half written
            self._learn(whole)
        return True

    def release(self, who: object) -> None:
        """Give the device back."""
        del who
        if self._mine:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._mine = False

    def busy(self, who: object) -> bool:
        """Whether another process has the device; looks for a moment."""
        del who
        if self._mine:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def holder(self) -> str:
        """Which process has the device, for a message."""
        with contextlib.suppress(OSError):
            return f" (process {self._number.read_text(encoding='ascii')})"
        return ""

    def stop(self, who: object) -> None:
        """Send SIGTERM to the process that has the device; it aborts its verb and ends."""
        with contextlib.suppress(OSError, ValueError):
            if self.busy(who):
                os.kill(int(self._number.read_text(encoding="ascii")), signal.SIGTERM)

    def look(self) -> None:
        """Read the file of another process."""
        if not self._mine:
            self._learn(self._whole())

    def add(self, record: Record) -> None:
        """Add one record and sync it."""
        os.write(self._file, json.dumps(record, sort_keys=True).encode() + b"\n")
        os.fdatasync(self._file)
        super().add(record)

    def clear(self) -> None:
        """Forget everything."""
        os.ftruncate(self._file, 0)
        super().clear()

    def _whole(self) -> bytes:
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        return content[: content.rfind(b"\n") + 1]

    def _learn(self, whole: bytes) -> None:
        super().clear()
        for line in whole.splitlines():
            super().add(json.loads(line))
