"""Reads the signals of a lab's suspenders: disk, files, and temperatures of idle instruments."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import structlog

from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError, RefusedError
from platectl.domain.suspenders import Suspender, parse_line_state
from platectl.engine.suspenders import Suspenders

log = structlog.get_logger()
EVERY_S: Final = 10.0
MEGABYTE: Final = 1e6


class Signals:
    """Reads every signal again and again; what cannot be read becomes stale by itself."""

    def __init__(
        self, suspenders: Mapping[str, Suspender], feed: Suspenders, *, clock: Clock, folder: Path,
        instruments: Mapping[str, Any], borrow: Callable[[str], AbstractAsyncContextManager[bool]],
    ) -> None:  # fmt: skip
        self._suspenders = suspenders
        self._feed = feed
        self._clock = clock
        self._folder = folder
        self._instruments = instruments
        self._borrow = borrow

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for name, suspender in self._suspenders.items():
                value = await self._read(suspender)
                self._feed.update(name, value, self._clock.monotonic_s())
            await asyncio.sleep(EVERY_S)

    async def _read(self, suspender: Suspender) -> float | None:
        kind, where = suspender.parts
        try:
            if kind == "disk":
                return shutil.disk_usage(self._folder).free / MEGABYTE
            if kind in {"ups", "door"}:
                text = await asyncio.to_thread(Path(where).read_text, encoding="utf-8")
                return parse_line_state(text)
            return await self._temperature_c(where)
        except (OSError, ValueError, InstrumentError, RefusedError) as error:
            log.warning("signal.read.failed", signal=suspender.signal, error=str(error))
            return None

    async def _temperature_c(self, name: str) -> float | None:
        """Temperature of an instrument that does nothing; None while it works."""
        instrument = self._instruments[name]
        async with self._borrow(name) as mine:
            if not mine:
                return None
            if hasattr(instrument, "read_climate"):
                return float((await instrument.read_climate()).temperature_c)
            return float(await instrument.read_temperature_c())
