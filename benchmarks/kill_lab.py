"""The lab of a killed night: simulators in a process of their own, and a book of what reached matter."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from platectl.app.prepare import Night
from platectl.app.simulated_lab import SimulatedLab
from platectl.simkit.lab_server import LabLoop, LabServer, LabTime
from platectl.simkit.virtual_time import VirtualClock

#: methods of the world that use something up or put something where it cannot be taken back
CONSUMING = (
    "new_tips", "aspirate", "dispense", "bulk_prime", "bulk_dispense", "aspirate_plate", "seal",
    "add_labware", "load_bottle", "fill", "lift", "set_down",
)  # fmt: skip


class Lab:
    """One simulated lab in a child process; `folder` is the run folder too."""

    def __init__(self, night: Night, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.socket = Path(f"{folder}.sock")
        self.book = Path(f"{folder}.deeds")
        self.errors = Path(f"{folder}.err")
        self._night = night
        self._outage_s = rng.choice((0.0, 0.05, 3.0, 20.0, 60.0))
        self._pid = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        ready, told = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                serve(self._night, self, told)
            finally:
                os._exit(0)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    @property
    def outage_s(self) -> float:
        """How long the lab is alone after a kill."""
        return self._outage_s

    def deeds(self) -> Counter[str]:
        """What reached matter, and how often."""
        return Counter(deed for _, deed in self.dated_deeds())

    def dated_deeds(self) -> list[tuple[float, str]]:
        """Time and deed, in order."""
        lines = self.book.read_text().splitlines() if self.book.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def complaint(self) -> str:
        """What a life said on its way out."""
        return self.errors.read_text()[-400:] if self.errors.exists() else ""


def serve(night: Night, lab: Lab, told: int) -> None:
    """Run the lab until it is killed."""
    time = LabTime()
    time.outage_s = lab.outage_s

    async def main() -> None:
        clock = VirtualClock()
        assert night.truth is not None
        behind = SimulatedLab(
            night.compiled.lab, night.truth, clock, seed=night.seed, folder=lab.folder
        )
        with lab.book.open("w", buffering=1) as book:
            for name in CONSUMING:
                method = getattr(behind.world, name)
                setattr(behind.world, name, _booked(method, name, book, clock))
            server = LabServer(time, lab.socket, behind.serve)
            os.write(told, b"x")
            await server.run()

    with asyncio.Runner(loop_factory=lambda: LabLoop(time)) as runner:
        runner.run(main())


def _booked(
    method: Callable[..., Any], name: str, book: TextIO, clock: VirtualClock
) -> Callable[..., Any]:
    def booked(*args: Any, **kwargs: Any) -> Any:
        shown = [getattr(a, "instrument", a) for a in args]
        deed = f"{name} {shown} {sorted(kwargs.items())}"
        result = method(*args, **kwargs)
        book.write(json.dumps([clock.monotonic_s(), deed]) + "\n")
        return result

    return booked
