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
from platectl.domain.errors import PlatectlError
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
        """Read until cancelled; a signal that does not answer delays no other."""
        async with asyncio.TaskGroup() as group:
            for name, suspender in self._suspenders.items():
                group.create_task(self._follow(name, suspender))

    async def _follow(self, name: str, suspender: Suspender) -> None:
        while True:
            await self._take(name, suspender)
            await asyncio.sleep(EVERY_S)

    async def _take(self, name: str, suspender: Suspender) -> None:
        kind, where = suspender.parts
        try:
            if kind == "temperature":
                await self._temperature(name, where)
            else:
                value = await self._line(kind, where)
                self._feed.update(name, value, self._clock.monotonic_s())
        except (OSError, ValueError, PlatectlError) as error:
            log.warning("signal.read.failed", signal=suspender.signal, error=str(error))

    async def _line(self, kind: str, where: str) -> float:
        """Free megabytes, or what the file of a supply or a door says."""
        if kind == "disk":
            return shutil.disk_usage(self._folder).free / MEGABYTE
        return parse_line_state(await asyncio.to_thread(Path(where).read_text, encoding="utf-8"))

    async def _temperature(self, name: str, where: str) -> None:
        """Take the temperature of an instrument that does nothing; one that works is excused.

        The value is taken before a step can have the instrument, so that the step sees it.
        """
        async with self._borrow(where) as mine:
            if mine:
                value = await self._read_c(self._instruments[where])
                self._feed.update(name, value, self._clock.monotonic_s())
            else:
                self._feed.excuse(name, self._clock.monotonic_s())

    @staticmethod
    async def _read_c(instrument: Any) -> float:
        if hasattr(instrument, "read_climate"):
            return float((await instrument.read_climate()).temperature_c)
        return float(await instrument.read_temperature_c())
