"""One experiment of a simulated FLIPR: exposures, the addition, and the export."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from pathlib import PureWindowsPath
from typing import Any, Final

from platectl.simkit.drop import write_in_pieces
from platectl.simkit.photometer import Photometer
from platectl.simkit.pipettor import ReaderPipettor
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError
from platectl_simulators.flipr.export import WELLS, Recording, write_sequence
from platectl_simulators.flipr.options import FmpFile, Options

PIECE_S: Final = 0.7
PIECES: Final = 3


class _BreakdownError(Exception):
    """The instrument broke down by itself; `reason` is its code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Experiment:
    """Runs one protocol file at its true times, in the world."""

    def __init__(
        self, setup: SimulatorSetup, options: Options, protocol: FmpFile, data_file: str
    ) -> None:
        self._setup = setup
        self._options = options
        self._protocol = protocol
        self._recording = Recording(data_file, protocol.path, protocol.channels)
        self._photometer = Photometer(setup.world.rng(setup.name), full_scale=options.full_scale)
        self._position = setup.position or setup.name
        self._pipettor = ReaderPipettor(setup, options.tips, options.source)
        self._begun_s = 0.0
        self.stop = asyncio.Event()

    async def run(self) -> str:
        """Run to the end; returns what went wrong, or empty text."""
        self._begun_s = self._setup.clock.monotonic_s()
        try:
            for after_s, act in sorted(self._events(), key=lambda event: event[0]):
                if await self._stopped_before(self._begun_s + after_s):
                    return "stopped"
                act()
        except (WorldError, _BreakdownError) as error:
            self._recording.stopped = True
            return f"fatal {error.reason}"
        return ""

    async def export(self) -> None:
        """Drop the time sequence into the folder, as an export template would do by itself."""
        await asyncio.sleep(self._setup.world.takes_s(self._setup.name, self._options.export_s))
        faults = self._setup.faults
        data = write_sequence(
            self._recording, with_addition=faults.strike("export_without_addition") is None
        )
        if faults.strike("garbled_export") is not None:
            at = data.rindex(b".")
            data = data[:at] + b"?" + data[at + 1 :]
        pieces = PIECES - 1 if faults.strike("growing_export") is not None else PIECES
        if faults.strike("no_export") is not None or self._setup.folder is None:
            return
        stem = PureWindowsPath(self._recording.data_file).stem
        path = self._setup.folder / f"{re.sub(r'[^A-Za-z0-9 ._-]', '_', stem)}.txt"
        path.unlink(missing_ok=True)  # ScreenWorks overwrites
        size = -(-len(data) // PIECES)
        grown = [data[at : at + size] for at in range(0, len(data), size)]
        await write_in_pieces(path, grown[:pieces], piece_s=PIECE_S)

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        """What happens, at seconds after the start."""
        protocol, first_s = self._protocol, self._protocol.preparation_s
        events: list[tuple[float, Callable[[], None]]] = [
            (
                first_s + frame * protocol.interval_s + channel * self._options.exposure_s,
                partial(self._expose, channel),
            )
            for frame in range(protocol.frames)
            for channel in range(len(protocol.channels))
        ]
        if protocol.volume_ul is not None:
            tips = self._pipettor.aspirate(WELLS, protocol.volume_ul)
            added_s = first_s + protocol.baseline_s + self._options.dispense_lag_s
            events.append((added_s, partial(self._add, tips, protocol.volume_ul, added_s)))
        fault = self._setup.faults.strike("run_fault")
        if fault is not None:
            at_s = float(fault.data.get("at_s", 10.3))
            events.append((at_s, partial(_fail, str(fault.data.get("code", "1203")))))
        return events

    async def _stopped_before(self, due_s: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, due_s - self._setup.clock.monotonic_s())):
                await self.stop.wait()
        except TimeoutError:
            return False
        self._recording.stopped = True
        return True

    def _expose(self, channel: int) -> None:
        excitation_nm, emission_nm = self._protocol.channels[channel]
        signals = self._setup.world.fluorescence(
            self._position, WELLS, excitation_nm=excitation_nm, emission_nm=emission_nm
        )
        at_s = self._setup.clock.monotonic_s() - self._begun_s
        values = self._photometer.measure(signals, self._photometer.lamp()).tolist()
        self._recording.exposures[channel].append((at_s, values))

    def _add(self, tips: Any, volume_ul: float, added_s: float) -> None:
        self._pipettor.add(tips, WELLS, volume_ul)
        self._recording.added_s = added_s


def _fail(code: str) -> None:
    raise _BreakdownError(code)
