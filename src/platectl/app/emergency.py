"""Stops the instruments of a run without its engine and without its database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any, Final

from platectl.app.wire import build_drivers
from platectl.domain.errors import PlatectlError, StoreError
from platectl.domain.lab import Lab
from platectl.domain.units import FROZEN
from platectl.store.lock import owner_of
from platectl.transport.wall_clock import WallClock

#: what one instrument may take to hear it
EACH_S: Final = 5.0
LAB_FILE: Final = "lab.json"


def keep_lab(folder: Path, lab: Lab, names: tuple[str, ...]) -> None:
    """Write what `abort_without_engine` needs beside the ledger."""
    content = {"lab": lab.model_dump(mode="json"), "instruments": names}
    (folder / LAB_FILE).write_text(json.dumps(content), encoding="utf-8")


def abort_without_engine(folder: Path) -> dict[str, str]:
    """Kill the engine of a run if it lives, and abort every instrument over lines of its own.

    Returns what came of each instrument.

    Raises:
        StoreError: The folder does not say which instruments there are.
    """
    _kill_owner(folder)
    try:
        content = json.loads((folder / LAB_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / LAB_FILE} cannot be read: {error}") from error
    lab = Lab.model_validate(content["lab"], context=FROZEN)
    if lab.simulated:
        return dict.fromkeys(content["instruments"], "simulated in the engine, which is gone")
    return asyncio.run(_abort_all(lab, tuple(content["instruments"]), folder))


def _kill_owner(folder: Path) -> None:
    owner = owner_of(folder)
    if owner is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGKILL)


async def _abort_all(lab: Lab, names: tuple[str, ...], folder: Path) -> dict[str, str]:
    drivers = build_drivers(lab, names, clock=WallClock(), folder=folder)

    async def one(name: str, driver: Any) -> tuple[str, str]:
        try:
            async with asyncio.timeout(EACH_S):
                await driver.observe()
                await driver.abort()
        except (PlatectlError, TimeoutError, OSError) as error:
            return name, f"NOT stopped: {str(error) or type(error).__name__}"
        finally:
            with contextlib.suppress(PlatectlError, OSError):
                await driver.aclose()
        return name, "stopped"

    return dict(await asyncio.gather(*(one(n, d) for n, d in drivers.items())))
