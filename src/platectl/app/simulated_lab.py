"""The simulators of a lab, in this process: what stands behind the wires of a simulated run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog

from platectl.app.simulation import build_simulator, build_world
from platectl.domain.clock import Clock
from platectl.domain.lab import Lab
from platectl.files.lab import load_catalogue
from platectl.hal.stream import ByteStream, Connector
from platectl.simkit.line_faults import LineFaults
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import Simulator
from platectl.simkit.world import Truth, World

log = structlog.get_logger()


class SimulatedLab:
    """One world with all simulators of a lab; their state survives every conversation.

    Lifetime: made inside a running loop; `aclose` stops what the simulators do by themselves.
    `folder` is the run folder, in which instruments drop their files. `line_faults` are faults by
    wire, `shaker` or `vacuum.relay`, before which those of the truth file give way; they count over
    all conversations, those of a later engine too.
    """

    def __init__(
        self, lab: Lab, truth: Truth, clock: Clock, *, seed: int, folder: Path,
        line_faults: Mapping[str, LineFaults] | None = None,
    ) -> None:  # fmt: skip
        self._line_faults = {**truth.line_faults(seed=seed), **(line_faults or {})}
        self.world: World = build_world(lab, truth, clock, seed=seed, catalogue=load_catalogue(lab))
        self._background: set[asyncio.Task[None]] = set()
        self._simulators = dict[str, Simulator]()
        for name, entry in lab.instruments.items():
            drops = None if entry.drop_folder is None else (folder / entry.drop_folder).resolve()
            if drops is not None:
                drops.mkdir(parents=True, exist_ok=True)
            made = build_simulator(name, lab, self.world, clock, folder=drops)
            self._simulators[name] = made
            if hasattr(made, "run"):
                self._start(f"{name}.run", made.run())

    async def serve(self, wire: str, stream: ByteStream) -> None:
        """Hold one conversation on a wire; a dead simulator is a closed line, not a silent one."""
        name, _, extra = wire.partition(".")
        simulator = self._simulators[name]
        try:
            await (getattr(simulator, f"serve_{extra}") if extra else simulator.serve)(stream)
        finally:
            await stream.aclose()

    def connector(self, wire: str) -> Connector:
        """Return what opens conversations on a wire, `flex` or `manifold.relay`."""

        async def connect() -> ByteStream:
            ours, theirs = pipe()
            self._start(f"{wire}.serve", self.serve(wire, theirs))
            return ours

        faults = self._line_faults.get(wire)
        return connect if faults is None else faults.on(connect)

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_guarded(name, work), name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def aclose(self) -> None:
        """Stop the simulators."""
        left = list(self._background)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _guarded(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Log what kills a simulator; the run then sees a closed conversation."""
    try:
        await work
    except Exception as error:  # a defect of a simulator must not hang the run
        log.exception("simulator.failed", simulator=name, error=repr(error))
