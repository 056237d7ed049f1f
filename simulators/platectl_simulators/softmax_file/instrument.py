"""A simulated FlexStation 3: reads column after column, adds with its own tips, exports a file.

Source: shared/instruments-readers.md 1.8 and 1.10. There is no wire: the operator's start arrives
as a note in `world.notices[f"{name}.start"]` with what the read step says: `title`, `wells`,
`columns` (empty for those of the wells from left to right), `channels` (pairs of excitation and
emission), `interval_s`, `baseline_s`, `record_s`, and `pipettor` (with `volume_ul`) or None.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from platectl.domain.wells import parse_well
from platectl.hal.stream import ByteStream
from platectl.simkit.drop import begin_late, free_name, started_by_hand, write_in_pieces
from platectl.simkit.photometer import Photometer
from platectl.simkit.pipettor import ReaderPipettor
from platectl.simkit.simulator import SimulatorSetup, note_mishap
from platectl.simkit.world import WorldError
from platectl_simulators.softmax_file.export import PLATE, Section, Style, write_export

PIECE_S: Final = 1.0
PIECES: Final = 4


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument.

    `source` and `tips` are the positions of the compound plate and of the tip rack. `channel_s`
    lies between two wavelengths of one point, `transfer_lag_s` between the end of the baseline
    and the addition.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: str = ""
    tips: str = ""
    sections: Literal["plate", "column"] = "plate"
    column_overhead_s: float = 15.0
    channel_s: float = 0.5
    transfer_lag_s: float = 0.7
    full_scale: float = 65000.0
    notice_poll_s: float = 1.0
    export_s: float = 2.0
    layout: Literal["PlateFormat", "TimeFormat"] = "PlateFormat"
    encoding: Literal["utf-16-le", "utf-8", "mac-roman"] = "utf-16-le"


class SoftmaxFileSimulator:
    """Reads what a person starts, at every column's true times, and drops the export.

    Faults, one occasion for each read: `silent` (start is not noticed), `reply_lost` (reads,
    exports nothing), `late_reply` (begins `delay_s` later), `garbled_reply` (a number of the file
    is unreadable), `growing_file` (the copy of the file stops half-way), `stale_title` (the person
    forgot to rename the plate section: `title`, `Plate1` unless told), `no_date_line`,
    `reduced_data` (below the raw data), `stops` (`columns` are read, 1 unless told; the others
    stay empty). What the pipettor cannot do ends the read in the same way and is noted in
    `world.notices[f"{name}.mishap"]`.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._options = Options.model_validate(dict(setup.settings))
        self._pipettor = ReaderPipettor(setup, self._options.tips, self._options.source)
        self._photometer = Photometer(
            setup.world.rng(setup.name), full_scale=self._options.full_scale
        )

    async def serve(self, stream: ByteStream) -> None:
        """Close the conversation: this reader has no wire."""
        await stream.aclose()

    async def run(self) -> None:
        """Read whatever a person starts, until cancelled."""
        await started_by_hand(self._setup, self.read, poll_s=self._options.notice_poll_s)

    async def read(self, start: Mapping[str, Any]) -> Path | None:
        """Read all columns of one start; return the file that was dropped."""
        await begin_late(self._setup)
        title = str(start["title"])
        if (stale := self._setup.faults.data("stale_title")) is not None:
            title = str(stale.get("title", "Plate1"))
        sections = self._sections(start, title)
        columns = list(_columns(start))
        if (stops := self._setup.faults.data("stops")) is not None:
            columns = columns[: int(stops.get("columns", 1))]
        period_s = (
            float(start["baseline_s"]) + float(start["record_s"]) + self._options.column_overhead_s
        )
        begun_s = self._setup.clock.monotonic_s() + self._options.column_overhead_s
        for turn, column in enumerate(columns):
            section = sections[turn if self._options.sections == "column" else 0]
            try:
                await self._column(start, section, column, begun_s + turn * period_s)
            except WorldError as error:
                note_mishap(self._setup, error, column=column)
                break
        await asyncio.sleep(self._options.export_s)
        return await self._export(sections, title)

    def _sections(self, start: Mapping[str, Any], title: str) -> list[Section]:
        columns = _columns(start)
        interval_s = float(start["interval_s"])
        points = int((float(start["baseline_s"]) + float(start["record_s"])) / interval_s) + 1
        parts = [(title, columns)]
        if self._options.sections == "column":
            parts = [(f"{title} {column}", (column,)) for column in columns]
        return [
            Section(
                name=name,
                wavelengths=tuple((float(x), float(m)) for x, m in start["channels"]),
                points=points,
                interval_s=interval_s,
                bottom=True,
                columns=part,
                temperature_c=round(self._setup.world.temperature_c(self._position), 1),
            )
            for name, part in parts
        ]

    async def _column(
        self, start: Mapping[str, Any], section: Section, column: int, begun_s: float
    ) -> None:
        """Take tips and liquid, read over time, add once in between, and give the tips back."""
        asked = set(start["wells"])
        wells = [well for well in PLATE.column(column) if well in asked]
        events: list[tuple[float, Callable[[], None]]] = [
            (
                point * section.interval_s + channel * self._options.channel_s,
                partial(self._measure, section, wells, point, channel),
            )
            for point in range(section.points)
            for channel in range(len(section.wavelengths))
        ]
        if pipettor := start.get("pipettor"):
            volume_ul = float(pipettor["volume_ul"])
            tips = self._pipettor.aspirate(wells, volume_ul)
            adds_s = float(start["baseline_s"]) + self._options.transfer_lag_s
            events.append((adds_s, partial(self._pipettor.add, tips, wells, volume_ul)))
        for after_s, act in sorted(events, key=lambda event: event[0]):
            await self._until(begun_s + after_s)
            act()

    async def _until(self, due_s: float) -> None:
        await asyncio.sleep(max(0.0, due_s - self._setup.clock.monotonic_s()))

    def _measure(self, section: Section, wells: list[str], point: int, channel: int) -> None:
        excitation_nm, emission_nm = section.wavelengths[channel]
        signals = self._setup.world.fluorescence(
            self._position, wells, excitation_nm=excitation_nm, emission_nm=emission_nm
        )
        counts = np.round(self._photometer.measure(signals), 3)
        for well, value in zip(wells, counts.tolist(), strict=True):
            section.values[point, channel, well] = value

    async def _export(self, sections: list[Section], title: str) -> Path | None:
        style = Style(
            layout=self._options.layout,
            encoding=self._options.encoding,
            date_line=self._setup.faults.data("no_date_line") is None,
            reduced=self._setup.faults.data("reduced_data") is not None,
        )
        data = write_export(sections, title, self._setup.clock.now(), style)
        if self._setup.faults.data("garbled_reply") is not None:
            data = _garbled(data, style.encoding)
        cut_short = self._setup.faults.data("growing_file") is not None
        if self._setup.faults.data("reply_lost") is not None or self._setup.folder is None:
            return None
        path = free_name(self._setup.folder, title, ".txt")
        size = -(-len(data) // PIECES)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        await write_in_pieces(path, pieces[: PIECES // 2] if cut_short else pieces, piece_s=PIECE_S)
        return path


def _columns(start: Mapping[str, Any]) -> tuple[int, ...]:
    asked = start.get("columns") or sorted({parse_well(well)[1] + 1 for well in start["wells"]})
    return tuple(int(column) for column in asked)


def _garbled(data: bytes, encoding: str) -> bytes:
    """Make the decimal point of the last number something else."""
    point, other, end = (text.encode(encoding) for text in (".", "§", "~End"))
    at = data.rindex(point, 0, data.rindex(end))
    return data[:at] + other + data[at + len(point) :]
