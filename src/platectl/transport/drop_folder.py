"""A folder of the file system into which an instrument's software drops files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from platectl.domain.errors import DisconnectedError, UserInputError

T = TypeVar("T")


class DropDirectory:
    """Reads from one directory and nothing outside it; satisfies `DropFolder`.

    With `in_thread`, files are read beside the event loop, so that a slow or hanging network
    share stops nobody else; under virtual time it must be off, because the clock would not wait.
    """

    def __init__(self, path: Path, *, in_thread: bool) -> None:
        self._path = path
        self._in_thread = in_thread

    async def names(self) -> list[str]:
        """Return the names of the visible regular files that are there now, sorted.

        Raises:
            DisconnectedError: The directory cannot be read.
        """
        return await self._do(self._names)

    async def read(self, name: str, *, longest: int = -1) -> bytes:
        """Return the present content of one file, or its first `longest` bytes.

        Raises:
            UserInputError: The name leads out of the directory.
            DisconnectedError: The file cannot be read.
        """
        return await self._do(lambda: self._read(name, longest))

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work) if self._in_thread else work()

    def _names(self) -> list[str]:
        with _file_errors(self._path), os.scandir(self._path) as entries:
            return sorted(e.name for e in entries if e.is_file() and not e.name.startswith("."))

    def _read(self, name: str, longest: int) -> bytes:
        if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
            raise UserInputError(f"{name!r} is not the name of a file in {self._path}")
        path = self._path / name
        with _file_errors(path):
            if path.is_symlink() and path.resolve().parent != self._path.resolve():
                raise UserInputError(f"{name!r} is a link that leads out of {self._path}")
            with path.open("rb") as file:
                return file.read(longest)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DisconnectedError(f"cannot read {path}: {error.strerror or error}") from error
