"""Simulated instruments that a person starts, and the files by which they answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from platectl.simkit.simulator import SimulatorSetup


async def started_by_hand(
    setup: SimulatorSetup, do: Callable[[Mapping[str, Any]], Awaitable[object]], *, poll_s: float
) -> None:
    """Do whatever a person starts, one after another, until cancelled.

    A start is a note in `world.notices[f"{name}.start"]`. Fault `silent`: it is not noticed.
    """
    notices = setup.world.notices.setdefault(f"{setup.name}.start", [])
    while True:
        while notices:
            start = notices.pop(0)
            if setup.faults.strike("silent") is None:
                await do(start)
        await asyncio.sleep(poll_s)


async def begin_late(setup: SimulatorSetup) -> None:
    """Fault `late_reply`: wait for its `delay_s`, ten minutes unless told."""
    if (late := setup.faults.data("late_reply")) is not None:
        await asyncio.sleep(float(late.get("delay_s", 600.0)))


def free_name(folder: Path, title: str, suffix: str, *, untitled: str = "Untitled") -> Path:
    """A name after the title that no file has yet, as the makers' software gives it."""
    stem = re.sub(r"[^A-Za-z0-9 ._-]", "_", title).strip(" .") or untitled
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem} ({number}){suffix}"
    return path


async def write_in_pieces(path: Path, pieces: Iterable[bytes], *, piece_s: float) -> None:
    """Let a file grow by a piece every `piece_s`."""
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        await asyncio.sleep(piece_s)
