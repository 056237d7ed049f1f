"""A simulated Hidex 300 SL: counts when a person presses start and drops a growing export file.

Source: 22 export files of a metrology laboratory, published with metpyrad; the relations between
their numbers hold here by construction. There is no wire: the operator's start arrives as a note
in `world.notices[f"{name}.start"]` with `title`, `wells` and `count_s`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from platectl.domain.wells import parse_well
from platectl.hal.stream import ByteStream
from platectl.simkit.drop import begin_late, free_name, started_by_hand
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import WorldError

CHANNELS: Final = 1024
ROW_OF_VIALS: Final = 12
#: from a captured reading: DTime 1.080 at 163 810 cpm
DEAD_S: Final = 2.93e-5
#: TDCR of the captured background vial
BACKGROUND_TDCR: Final = 0.622
#: how often the first repetition leaves a count out of its spectrum
LEFT_OUT: Final = 0.004
PIECE_S: Final = 1.0

_EMPTY_ROWS: Final = [f"{channel};0;0;0;0" for channel in range(1, CHANNELS + 1)]
_PLOT: Final = "\n".join(["Alpha:", *[";".join(["0"] * 64)] * 32, ""])
#: a beta spectrum of low energy, on the counter's logarithmic channels
_FIRST_CHANNEL: Final = 21
_HUMP: Final = np.exp(-0.5 * ((np.arange(200) - 95) / 38.0) ** 2)
_SHAPE: Final = _HUMP / _HUMP.sum()


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    overhead_s: float = 102.0
    background_cpm: float = 18.0
    notice_poll_s: float = 15.0


@dataclass(frozen=True, slots=True)
class _Reading:
    sample: int
    well: str
    cpm: float
    tdcr: float
    counts: int
    dead_time_factor: float
    count_s: int
    ended: datetime
    beta: np.ndarray
    beta_triple: np.ndarray


class Hidex300Simulator:
    """Counts one well after another and appends each reading to the file of its measurement.

    Faults, one occasion for each measurement: `silent` (start is not noticed), `reply_lost`
    (counts, drops no file), `late_reply` (`delay_s`; begins so much later), `garbled_reply` (a
    line of the first reading is unreadable), `growing_file` (`readings`, or half of them; stops
    in mid-reading and never goes on), `short_last_block` (`lines` are missing at the end, 10
    unless told), `start_time_nonsense` (hours off), `crlf`, `dead_pmt` (`from_reading`, 0 unless
    told: no triple coincidences and fewer counts from then on), `wrong_title` (`title`),
    `relation_broken` (`reading`, 0 unless told: its CPM does not fit its counts).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._rng = setup.world.rng(setup.name)

    async def serve(self, stream: ByteStream) -> None:
        """Close the conversation: this counter has no wire."""
        await stream.aclose()

    async def run(self) -> None:
        """Count whatever a person starts, until cancelled."""
        await started_by_hand(self._setup, self.measure, poll_s=self._options.notice_poll_s)

    async def measure(self, start: Mapping[str, Any]) -> Path | None:
        """Count the wells of one start; return the file that was dropped."""
        await begin_late(self._setup)
        wells, count_s = list(start["wells"]), round(float(start["count_s"]))
        export = self._open(str(start["title"]))
        stops_after = len(wells)
        if (growing := self._setup.faults.data("growing_file")) is not None:
            stops_after = int(growing.get("readings", len(wells) // 2))
        dead = self._setup.faults.data("dead_pmt")
        dead_from = len(wells) if dead is None else int(dead.get("from_reading", 0))
        broken = self._setup.faults.data("relation_broken")
        broken_at = -1 if broken is None else int(broken.get("reading", 0))
        cut = self._setup.faults.data("short_last_block")
        cut_lines = 0 if cut is None else int(cut.get("lines", 10))
        for index, well in enumerate(wells):
            await asyncio.sleep(count_s)
            reading = self._count(index, well, count_s, dead=index >= dead_from)
            text = write_block(reading, cpm_factor=1.1 if index == broken_at else 1.0)
            if index == stops_after:
                export.append(text[: len(text) // 3])
                return export.path
            if index == len(wells) - 1 and cut_lines:
                text = "\n".join(text.split("\n")[: -cut_lines - 1]) + "\n"
            await export.append_in_pieces(text)
            overhead_s = self._setup.world.takes_s(self._setup.name, self._options.overhead_s)
            await asyncio.sleep(max(0.0, overhead_s - PIECE_S))
        return export.path

    def _open(self, title: str) -> _Export:
        """Begin a file under a name that is free, and write its header."""
        if (wrong := self._setup.faults.data("wrong_title")) is not None:
            title = str(wrong.get("title", "Untitled"))
        begun = self._setup.clock.now()
        if self._setup.faults.data("start_time_nonsense") is not None:
            begun += timedelta(hours=5, minutes=56)
        lost = self._setup.faults.data("reply_lost") is not None or self._setup.folder is None
        path = (
            None
            if lost
            else free_name(self._setup.folder or Path(), title, ".csv", untitled="measurement")
        )
        export = _Export(
            path,
            crlf=self._setup.faults.data("crlf") is not None,
            garbled=self._setup.faults.data("garbled_reply") is not None,
        )
        export.append(
            f"{title}\nStart Time {begun.hour}:{begun:%M:%S}\n"
            "- ROI1 Free Channel Limits 1 - 1023, Type Beta\nCounting type: Low\n"
        )
        return export

    def _count(self, index: int, well: str, count_s: int, *, dead: bool) -> _Reading:
        """Draw one reading: counts by chance, the rest so that it fits them."""
        rate_cpm, tdcr = self._expected(well)
        if dead:  # one pair of three is left; a triple coincidence is a double one in that pair
            rate_cpm *= tdcr + (1 - tdcr) / 3
            tdcr = 0.0
        dead_time_factor = 1 + DEAD_S * rate_cpm / 60
        counts = int(self._rng.poisson(rate_cpm / 60 * count_s / dead_time_factor))
        beta = self._rng.multinomial(counts, _SHAPE)
        triple = self._rng.binomial(beta, tdcr)
        if counts:
            fullest = int(beta.argmax())
            left_out = 1 + int(self._rng.binomial(counts - 1, LEFT_OUT))
            beta[fullest] -= min(left_out, int(beta[fullest]))
        return _Reading(
            sample=index + 1,
            well=well,
            cpm=counts * 60 * dead_time_factor / count_s,
            tdcr=float(triple.sum()) / counts if counts else 0.0,
            counts=counts,
            dead_time_factor=dead_time_factor,
            count_s=count_s,
            ended=self._setup.clock.now(),
            beta=beta,
            beta_triple=triple,
        )

    def _expected(self, well: str) -> tuple[float, float]:
        """Rate with background, and the share of triple coincidences in it."""
        background_cpm = self._options.background_cpm
        position = self._setup.position or self._setup.name
        try:
            rate_cpm = max(0.0, float(self._setup.world.count_rates(position, [well])[0]))
            efficiency = float(self._setup.world.efficiency(position, [well])[0])
        except WorldError:  # nothing stands there, and the counter does not notice
            rate_cpm, efficiency = 0.0, 0.0
        total_cpm = rate_cpm + background_cpm
        if not total_cpm:
            return 0.0, 0.0
        triples_cpm = rate_cpm * efficiency + background_cpm * BACKGROUND_TDCR
        return total_cpm, min(1.0, triples_cpm / total_cpm)


class _Export:
    """A file that grows; without a path, what is written is lost."""

    def __init__(self, path: Path | None, *, crlf: bool, garbled: bool) -> None:
        self.path = path
        self._crlf = crlf
        self._garbled = garbled

    def append(self, text: str) -> None:
        if self._garbled and "\nCounts;" in text:
            text = text.replace("\nCounts;", "\nCo#nts;", 1)
            self._garbled = False
        if self.path is not None:
            data = text.encode("ascii", "replace")
            with self.path.open("ab") as file:
                file.write(data.replace(b"\n", b"\r\n") if self._crlf else data)

    async def append_in_pieces(self, text: str) -> None:
        """Write so that somebody who looks in between sees half a reading."""
        half = len(text) // 2
        self.append(text[:half])
        await asyncio.sleep(PIECE_S)
        self.append(text[half:])


def write_block(reading: _Reading, *, cpm_factor: float = 1.0) -> str:
    """Write the 1079 lines of one reading."""
    row, column = parse_well(reading.well)
    cpm = round(reading.cpm * cpm_factor, 2)
    dpm = round(cpm / reading.tdcr) if reading.tdcr else 0
    head = (
        f"Sample start\nSamp.;{reading.sample}\nRepe.;1\nVial;{row * ROW_OF_VIALS + column + 1}\n"
        f"WName;{chr(ord('A') + row)}{column + 1:02d}\nCPM;{cpm:.3f}\nDPM;{dpm}\n"
        f"TDCR;{reading.tdcr:.3f}\nChemi;0.00\nCounts;{reading.counts}\n"
        f"DTime;{reading.dead_time_factor:.3f}\nTime;{reading.count_s}\n"
        f"EndTime;{reading.ended:%d/%m/%Y %H:%M:%S}\nQPE;312.400\nQPI;118.250\nLumiCPS;12\n"
        "Temp;22.30\nColumn 17;0\nColumn 18;0\nColumn 19;0\nColumn 20;0\n"
        "Spectrum:;Alpha;Beta;Alpha Triple;Beta Triple\n"
    )
    rows = _EMPTY_ROWS.copy()
    beta, triple = reading.beta.tolist(), reading.beta_triple.tolist()
    for offset in np.flatnonzero(reading.beta + reading.beta_triple).tolist():
        channel = offset + _FIRST_CHANNEL
        rows[channel - 1] = f"{channel};0;{beta[offset]};0;{triple[offset]}"
    return "".join((head, "\n".join(rows), "\n", _PLOT))
