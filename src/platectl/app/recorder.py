"""The black box: every byte of every instrument, with its time, as transcripts in the run folder."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from platectl.domain.clock import Clock
from platectl.domain.transcript import Side, escape


class WireRecorder:
    """Writes one transcript for each instrument; the text is that of `platectl.domain.transcript`.

    Lifetime: files are opened at the first byte and closed by `close`.
    """

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._files: dict[str, TextIO] = {}
        self._sent: dict[str, Any] = {}

    def writer(self, instrument: str) -> Callable[[Side, bytes], None]:
        """Return the function that writes down one piece of one instrument's conversation."""

        def write(side: Side, data: bytes) -> None:
            if side == ">":
                self._sent.setdefault(instrument, sha256()).update(data)
            if self._folder is not None:
                file = self._file(instrument)
                file.write(f"@{self._clock.monotonic_s():.12f} {side} {escape(data)}\n")

        return write

    def bytes_sent(self, instrument: str) -> str:
        """SHA-256, hexadecimal, of what an instrument's main wire was told since this was last asked."""
        digest = self._sent.pop(instrument, None)
        return digest.hexdigest() if digest is not None else ""

    def _file(self, instrument: str) -> TextIO:
        if instrument not in self._files:
            assert self._folder is not None  # noqa: S101  # `write` checked it
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / f"{instrument}.txt").open("w", encoding="ascii")
            file.write(f"# {instrument}; source: recorded by platectl during the run\n")
            self._files[instrument] = file
        return self._files[instrument]

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
