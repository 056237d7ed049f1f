"""Who drives a run or an instrument: a lock that dies with its process, and an epoch that fences."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import mmap
import os
import platform
import struct
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from platectl.domain.errors import FencedError, StoreError

_EPOCH: Final = struct.Struct("<Q")
LOCK: Final = "owner.lock"
LOCKS: Final = "PLATECTL_LOCKS"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that drives something."""

    pid: int
    host: str
    user: str
    what: str
    since: str

    @classmethod
    def me(cls, what: str, since: str) -> Owner:
        """This process; `since` is ISO 8601."""
        return cls(os.getpid(), platform.node(), getpass.getuser(), what, since)

    def __str__(self) -> str:
        return f"{self.what} of {self.user} (process {self.pid} on {self.host}, since {self.since})"


class FileLock:
    """An exclusive lock on a file that holds its owner's name.

    The kernel gives it back when the process dies, so that a dead owner is never in the way.
    """

    def __init__(self, path: Path, owner: Owner, *, subject: str, force: bool = False) -> None:
        """Take the lock.

        Args:
            path: File of the lock.
            owner: Who takes it.
            subject: What is locked, for the message.
            force: Take it from a living owner, who must be fenced by other means.

        Raises:
            StoreError: Another living process holds it; names it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if force:
            path.unlink(missing_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held_by = _owner_in(self._file)
            os.close(self._file)
            raise StoreError(f"{subject} is driven by {held_by}") from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(owner)).encode(), 0)

    def release(self) -> None:
        """Give it back; harmless when repeated."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _owner_in(file: int) -> Owner | str:
    try:
        return Owner(**json.loads(os.pread(file, 4096, 0)))
    except (ValueError, TypeError):
        return "another process"


def owner_of(folder: Path) -> Owner | None:
    """The living process that drives a run folder; None when nobody does."""
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = _owner_in(file)
        return owner if isinstance(owner, Owner) else None
    finally:
        os.close(file)
    return None


class RunLock:
    """Ownership of a run folder: the lock, and an epoch in memory shared by all who ever drove it.

    `check` costs a memory read and is called before every byte that is sent: an engine that was
    stopped and continued after another one took over sends nothing more.
    """

    def __init__(self, folder: Path, owner: Owner, *, force: bool = False) -> None:
        """Take a run folder over.

        Raises:
            StoreError: Another living process drives it, and `force` was not given.
        """
        self._lock = FileLock(folder / LOCK, owner, subject=f"run {folder.name}", force=force)
        file = os.open(folder / "epoch", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(file).st_size < _EPOCH.size:
                os.ftruncate(file, _EPOCH.size)
            self._memory = mmap.mmap(file, _EPOCH.size)
        finally:
            os.close(file)
        self._mine = _EPOCH.unpack(self._memory)[0] + 1
        self._memory[:] = _EPOCH.pack(self._mine)
        self._folder = folder

    def check(self) -> None:
        """Return if this process still owns the run.

        Raises:
            FencedError: Another process has taken it over.
        """
        if _EPOCH.unpack(self._memory)[0] != self._mine:
            raise FencedError(
                f"run {self._folder.name} was taken over; this engine sends nothing more"
            )

    def release(self) -> None:
        """Give the run back."""
        self._lock.release()


def lock_instrument(address: str, owner: Owner) -> FileLock:
    """Take an instrument by its address, for all of platectl on this host.

    Raises:
        StoreError: Another living process drives it; names it.
    """
    base = Path(os.environ.get(LOCKS) or Path(tempfile.gettempdir()) / "platectl-locks")
    name = hashlib.sha256(address.encode()).hexdigest()[:32]
    return FileLock(base / name, owner, subject=f"instrument at {address}")
