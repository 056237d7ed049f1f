"""The black box: every byte of every instrument, with its time, as transcripts in the run folder."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from platectl.domain.clock import Clock
from platectl.domain.errors import StoreError
from platectl.domain.transcript import Side, escape


class WireRecorder:
    """Writes one transcript for each conversation; the text is that of `platectl.domain.transcript`.

    The first conversation of a wire is `flex.txt`, later ones are `flex~2.txt` and so on, also
    after a restart. Every piece is handed to the operating system at once, so that nothing is
    missing after the death of this process.

    Lifetime: files are opened at the first byte and closed by `close`.
    """

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._files: list[BinaryIO] = []
        self._conversations: dict[str, int] = {}
        self._sent: dict[str, Any] = {}

    def writer(self, wire: str) -> Callable[[Side, bytes], None]:
        """Return the function that writes down the pieces of one conversation on a wire."""
        file: BinaryIO | None = None

        def write(side: Side, data: bytes) -> None:
            nonlocal file
            if side == ">":
                self._sent.setdefault(wire, sha256()).update(data)
            if self._folder is None:
                return
            try:
                file = file or self._open(self._folder, wire)
                line = f"@{self._clock.monotonic_s():.12f} {side} {escape(data)}\n"
                file.write(line.encode("ascii"))
            except OSError as error:
                raise StoreError(f"the black box of {wire} cannot be written: {error}") from error

        return write

    def bytes_sent(self, wire: str) -> str:
        """SHA-256, hexadecimal, of what a wire was told since this was last asked."""
        digest = self._sent.pop(wire, None)
        return str(digest.hexdigest()) if digest is not None else ""

    def _open(self, folder: Path, wire: str) -> BinaryIO:
        folder.mkdir(parents=True, exist_ok=True)
        number = self._conversations.get(wire, 0)
        while True:
            number += 1
            path = folder / (f"{wire}.txt" if number == 1 else f"{wire}~{number}.txt")
            if not path.exists():
                break
        self._conversations[wire] = number
        file = path.open("wb", buffering=0)
        file.write(f"# {wire}; source: recorded by platectl during the run\n".encode("ascii"))
        self._files.append(file)
        return file

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        self._files.clear()
