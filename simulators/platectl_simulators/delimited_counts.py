"""A simulated counter whose software writes delimited lines, as the lab file declares them.

Source: readers 5.4 and 5.5; no verbatim file is public, so that it writes what the settings of its instrument
say (`separator`, `columns`, `header`, `footer`, `line_end`, `well_form`, `decimal`, `encoding`, `states`). Several
detectors count at a time, each with its own efficiency beside the best. A person's start arrives as a note in
`world.notices[f"{name}.start"]` with `title`, `wells` and `count_s`. Files are dropped when a group of wells was
counted; without a folder each line is pushed over the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError
from platectl.domain.wells import PlateFormat, parse_well
from platectl.hal.stream import ByteStream
from platectl.simkit.drop import begin_late, started_by_hand
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError

#: share by which the efficiency of detectors differs before they are normalised
UNLIKE: Final = 0.05
LINE_ENDS: Final = {"crlf": "\r\n", "lf": "\n", "cr": "\r"}


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    separator: str = ","
    columns: tuple[str, ...] = ("plate", "well", "cpm")
    header: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    line_end: str = "crlf"
    encoding: str = "ascii"
    decimal: str = "."
    well_form: str = "A1"
    plate_wells: int = 96
    states: str = "title"
    time_format: str = ""
    detectors: int = 1
    overhead_s: float = 5.0
    background_cpm: float = 20.0
    notice_poll_s: float = 15.0


class DelimitedCountsSimulator:
    """Counts when a person presses start.

    Faults, one occasion for each measurement: `silent` (start is not noticed), `reply_lost` (writes nothing),
    `late_reply` (`delay_s`), `growing_file` (stops in the middle of a line after `readings`), `wrong_title`
    (`title`), `wrong_separator` (`separator`), `unit_in_number` (`reading`), `doubled_well` (`reading`: the next
    line is of the same well), `missing_well` (`reading`). One well at a time counts under all of them.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._rng = setup.world.rng(setup.name)
        gains = self._rng.uniform(1.0 - UNLIKE, 1.0, self._options.detectors)
        self._gains = gains / gains.max()
        self._streams: list[ByteStream] = []
        self._plate = PlateFormat.of(self._options.plate_wells)

    async def serve(self, stream: ByteStream) -> None:
        """Keep a conversation open, on which lines are pushed; nothing is answered."""
        self._streams.append(stream)
        with contextlib.suppress(DisconnectedError):
            while True:
                await stream.receive()
        self._streams.remove(stream)

    async def run(self) -> None:
        """Count whatever a person starts, until cancelled."""
        await started_by_hand(self._setup, self.measure, poll_s=self._options.notice_poll_s)

    async def measure(self, start: Mapping[str, Any]) -> Path | None:
        """Count the wells of one start; return the file that was dropped."""
        await begin_late(self._setup)
        title, wells = str(start["title"]), list(start["wells"])
        if (wrong := self._setup.faults.data("wrong_title")) is not None:
            title = str(wrong.get("title", "Untitled"))
        path = None
        if self._setup.folder is not None and self._setup.faults.data("reply_lost") is None:
            path = self._setup.folder / f"{title}.csv"
        options, size = self._options, self._options.detectors
        await self._write(path, [*options.header] if path else [])
        marks = {kind: self._mark(kind) for kind in ("growing_file", "unit_in_number", "doubled_well", "missing_well")}  # fmt: skip
        separator = str(
            (self._setup.faults.data("wrong_separator") or {}).get("separator", options.separator)
        )
        for first in range(0, len(wells), size):
            await asyncio.sleep(float(start["count_s"]))
            group = wells[first : first + size]
            lines = [
                self._line(title, well, index, float(start["count_s"]), separator, marks, first + index)
                for index, well in enumerate(group)
            ]  # fmt: skip
            if first <= marks["growing_file"] < first + size:
                await self._write(path, [], rest=lines[0][: len(lines[0]) // 2])
                return path
            await self._write(path, [line for line in lines if line])
            await asyncio.sleep(self._setup.world.takes_s(self._setup.name, options.overhead_s))
        await self._write(path, [*options.footer] if path else [])
        return path

    def _mark(self, kind: str) -> int:
        """At which reading a fault strikes; -1 for never."""
        data = self._setup.faults.data(kind)
        return -1 if data is None else int(data.get("reading", 1))

    def _line(
        self, title: str, well: str, detector: int, count_s: float, separator: str,
        marks: Mapping[str, int], number: int,
    ) -> str:  # fmt: skip
        """One line of counts, normalised to the best detector; empty for one that is left out."""
        gain = float(self._gains[detector])
        counts = int(self._rng.poisson(self._rate_cpm(well) * gain * count_s / 60.0))
        cpm = counts * 60.0 / count_s / gain
        if number == marks["missing_well"]:
            return ""
        unit = " cpm" if number == marks["unit_in_number"] else ""
        doubled = number == marks["doubled_well"]
        of = self._plate.by_row()[self._plate.index(well) - 1] if doubled else well
        cells = {
            "plate": title.rpartition("-")[0] if self._options.states == "barcode" else title,
            "well": self._written(of),
            "cpm": f"{cpm:.1f}" + unit,
            "cps": f"{cpm / 60:.3f}" + unit,
            "dpm": f"{cpm / 0.4:.1f}",
            "counts": str(counts),
            "count_s": f"{count_s:g}",
            "count_min": f"{count_s / 60:.2f}",
            "ended_at": self._setup.clock.now().strftime(self._options.time_format or "%H:%M"),
            "ignore": "0",
        }
        fractions = {"cpm", "cps", "dpm", "count_s", "count_min"}
        return separator.join(
            cells[c].replace(".", self._options.decimal) if c in fractions else cells[c]
            for c in self._options.columns
        )

    def _written(self, well: str) -> str:
        row, column = parse_well(well)
        forms = {
            "A01": f"{well[0]}{column + 1:02}",
            "by_row": str(row * self._plate.columns + column + 1),
            "by_column": str(column * self._plate.rows + row + 1),
        }
        return forms.get(self._options.well_form, well)

    def _rate_cpm(self, well: str) -> float:
        position = self._setup.position or self._setup.name
        with contextlib.suppress(
            WorldError
        ):  # nothing stands there, and the counter does not notice
            rate_cpm = float(self._setup.world.count_rates(position, [well])[0])
            return max(0.0, rate_cpm) + self._options.background_cpm
        return self._options.background_cpm

    async def _write(self, path: Path | None, lines: list[str], *, rest: str = "") -> None:
        """Append to the file, or push over the wire."""
        end = LINE_ENDS[self._options.line_end]
        data = ("".join(f"{line}{end}" for line in lines) + rest).encode(self._options.encoding)
        if path is not None:
            with path.open("ab") as file:
                file.write(data)
        elif self._setup.folder is None and data:
            for stream in self._streams:
                with contextlib.suppress(DisconnectedError):
                    await stream.send(data)
