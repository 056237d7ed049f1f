"""A simulated EnVision or EnSight: reads what a person starts, exports a file when it is done.

There is no wire: the operator's start arrives as a note in `world.notices[f"{name}.start"]` with `title`, `wells` and
either `count_s`, for a luminescence of that time, or `mode` with `excitation_nm`, `emission_nm`, `integration_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from platectl.domain.wells import PlateFormat
from platectl.hal.stream import ByteStream
from platectl.simkit.drop import begin_late, started_by_hand, write_in_pieces
from platectl.simkit.photometer import Photometer
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError
from platectl_simulators.envision_csv.export import Read, envision, kaleido

ABSORBANCE_SD: Final = 0.001
PIECE_S: Final = 1.0


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    software: Literal["envision", "kaleido"] = "envision"
    states: str = "title"
    plate_wells: int = 96
    label: str = "US LUM 96"
    crosstalk: bool = False
    well_s: float = 0.5
    dark_cps: float = 20.0
    notice_poll_s: float = 5.0


class EnvisionCsvSimulator:
    """Reads one plate at a time.

    Faults, one occasion for each read: `silent` (start is not noticed), `reply_lost` (exports nothing),
    `late_reply` (`delay_s`), `garbled_reply` (a value is unreadable), `growing_file` (the file stops half-way),
    `wrong_title` (`title`), `stops` (the last `wells` are not read, 1 unless told).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._rng = setup.world.rng(setup.name)
        self._photometer = Photometer(self._rng)

    async def serve(self, stream: ByteStream) -> None:
        """Close the conversation: this reader has no wire."""
        await stream.aclose()

    async def run(self) -> None:
        """Read whatever a person starts, until cancelled."""
        await started_by_hand(self._setup, self.read, poll_s=self._options.notice_poll_s)

    async def read(self, start: Mapping[str, Any]) -> Path | None:
        """Read the wells of one start; return the file that was dropped."""
        await begin_late(self._setup)
        title = str(start["title"])
        if (wrong := self._setup.faults.data("wrong_title")) is not None:
            title = str(wrong.get("title", "Untitled"))
        mode = str(start.get("mode", "luminescence"))
        integration_s = float(start.get("count_s", start.get("integration_s", 0.1)))
        begun = self._setup.clock.now()
        wells = list(start["wells"])
        if (stops := self._setup.faults.data("stops")) is not None:
            wells = wells[: -int(stops.get("wells", 1))]
        values: dict[str, str] = {}
        for well in wells:
            await asyncio.sleep(self._options.well_s + integration_s)
            values[well] = self._value(well, mode, start, integration_s)
        states = self._options.states
        code = {"title": title, "barcode": title.rpartition("-")[0]}.get(states, "")
        read = Read(
            code, self._options.label, mode, values, PlateFormat.of(self._options.plate_wells),
            integration_s, self._setup.world.temperature_c(self._position), begun,
            self._setup.clock.now(), self._options.crosstalk,
        )  # fmt: skip
        return await self._export(read, title)

    @property
    def _position(self) -> str:
        return self._setup.position or self._setup.name

    def _value(self, well: str, mode: str, start: Mapping[str, Any], integration_s: float) -> str:
        """One well as it is printed; what is not there is dark."""
        world, light = self._setup.world, np.zeros(1)
        with contextlib.suppress(WorldError):
            if mode == "absorbance":
                wavelength_nm = float(start["excitation_nm"])
                light = world.absorbance(self._position, [well], wavelength_nm=wavelength_nm)
            elif mode == "luminescence":
                light = world.count_rates(self._position, [well]) / 60.0
            else:
                light = world.fluorescence(
                    self._position, [well], excitation_nm=float(start["excitation_nm"]),
                    emission_nm=float(start["emission_nm"]),
                )  # fmt: skip
        if mode == "absorbance":
            return f"{float(light[0]) + ABSORBANCE_SD * float(self._rng.standard_normal()):.4f}"
        if mode == "fluorescence":
            return f"{max(0, round(float(self._photometer.measure(light)[0])))}"
        rate = max(0.0, float(light[0])) + self._options.dark_cps
        return f"{int(self._rng.poisson(rate * integration_s)) / integration_s:.10g}"

    async def _export(self, read: Read, title: str) -> Path | None:
        data = (envision if self._options.software == "envision" else kaleido)(read)
        if self._setup.faults.data("garbled_reply") is not None:
            data = data.replace(f"\nA,{read.values['A1']},".encode(), b"\nA,1#3,")
        cut_short = self._setup.faults.data("growing_file") is not None
        if self._setup.faults.data("reply_lost") is not None or self._setup.folder is None:
            return None
        path = self._setup.folder / f"{title}.csv"
        half = len(data) // 2
        pieces = (data[:half], data[half:])
        await write_in_pieces(path, pieces[:1] if cut_short else pieces, piece_s=PIECE_S)
        return path
