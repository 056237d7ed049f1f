"""Steps of plate readers: the carriage, the temperature, and reads over time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from pydantic import Field

from platectl.domain.errors import InstrumentFaultError
from platectl.domain.steps import Effect
from platectl.hal.handling import Prompt
from platectl.hal.reading import Addition, Channel, Frame, Injection, KineticRead, PlateReader
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params
from platectl.steps.people import ask

POLL_S = 5.0


class Carriage(Params):
    """Put a reader's carriage out, or take it in."""

    name: ClassVar[str] = "carriage"
    effect: ClassVar[Effect] = "set"

    reader: str
    out: bool

    @property
    def duration_s(self) -> float:
        """Drawers take up to eight seconds."""
        return 8.0

    def instruments(self) -> tuple[str, ...]:
        """The reader."""
        return (self.reader,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Move the carriage."""
        reader: PlateReader = bench.instrument(self.reader)
        move = reader.open_drawer if self.out else reader.close_drawer
        await bench.act(self.reader, "open_drawer" if self.out else "close_drawer", move)
        return Outcome({})


class WarmReader(Params):
    """Bring a reader's chamber to its temperature and wait until it is there."""

    name: ClassVar[str] = "warm_reader"
    effect: ClassVar[Effect] = "set"

    reader: str
    temperature_c: float
    tolerance_c: float = Field(default=0.5, gt=0)
    limit_s: float = Field(default=1800.0, gt=0)

    @property
    def duration_s(self) -> float:
        """From room temperature."""
        return 600.0

    def instruments(self) -> tuple[str, ...]:
        """The reader."""
        return (self.reader,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Set and poll."""
        reader: PlateReader = bench.instrument(self.reader)
        warm = partial(reader.set_temperature, self.temperature_c)
        await bench.act(self.reader, "set_temperature", warm, temperature_c=self.temperature_c)
        limit_s = bench.clock.monotonic_s() + self.limit_s
        while (
            abs((actual := await reader.read_temperature_c()) - self.temperature_c)
            > self.tolerance_c
        ):
            if bench.clock.monotonic_s() > limit_s:
                raise InstrumentFaultError(
                    f"{self.reader} is at {actual:.1f} C after {self.limit_s / 60:.0f} min, "
                    f"{self.temperature_c:.1f} C wanted",
                    code="temperature",
                    instrument=self.reader,
                )
            await asyncio.sleep(POLL_S)
        return Outcome({"temperature_c": actual})


class Pipettor(Params):
    """What the reader's own pipettor adds during the read."""

    source: str
    volume_ul: float = Field(gt=0)
    speed_ul_per_s: float = Field(gt=0)
    height_mm: float = Field(ge=0)


class Read(Params):
    """Read a plate over time; with `pipettor` the reader adds to every well once."""

    name: ClassVar[str] = "read"
    effect: ClassVar[Effect] = "shot"

    reader: str
    operator: str | None = None
    labware: str
    title: str
    wells: tuple[str, ...] = Field(min_length=1)
    channels: tuple[tuple[float, float], ...] = Field(min_length=1)
    interval_s: float = Field(gt=0)
    baseline_s: float = Field(ge=0)
    record_s: float = Field(ge=0)
    pipettor: Pipettor | None = None
    columns: tuple[int, ...] = ()
    bottom: bool = True
    expected_s: float = Field(ge=0)

    @property
    def duration_s(self) -> float:
        """What the driver expects, and some handling."""
        return 20.0 + self.expected_s

    def instruments(self) -> tuple[str, ...]:
        """The reader, and who starts it."""
        return (self.reader, *((self.operator,) if self.operator else ()))

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """What the pipettor adds."""
        if self.pipettor is None:
            return
        for well in self.wells:
            source = (self.pipettor.source, well)
            yield LiquidMove(source, (self.labware, well), self.pipettor.volume_ul)

    def as_read(self) -> KineticRead:
        """The read as the reader's interface takes it."""
        added = self.pipettor
        return KineticRead(
            title=self.title,
            plate=self.labware,
            wells=self.wells,
            channels=tuple(Channel(*pair) for pair in self.channels),
            interval_s=self.interval_s,
            baseline_s=self.baseline_s,
            record_s=self.record_s,
            injection=None
            if added is None
            else Injection(added.source, added.volume_ul, added.speed_ul_per_s, added.height_mm),
            columns=self.columns,
            bottom=self.bottom,
        )

    async def execute(self, bench: Bench) -> Outcome:
        """Have it started, and keep every frame as it comes."""
        reader: PlateReader = bench.instrument(self.reader)
        if self.operator:
            await self._have_it_started(bench, self.operator)
        read = self.as_read()
        frames = await bench.act(
            self.reader, "read_kinetic", lambda: self._keep(bench, reader.read_kinetic(read)),
            follow=lambda: self._keep(bench, reader.reattach(read)),
            labware=self.labware, title=self.title, injects=self.pipettor is not None, wells=self.wells,
        )  # fmt: skip
        return Outcome({"frames": frames})

    async def _keep(self, bench: Bench, pieces: AsyncIterator[Frame | Addition]) -> int:
        """Keep every piece that the ledger does not have yet; returns how many frames came.

        An export that is read a second time is put on the clock of the first time, as far as the
        ledger has frames of it.
        """
        reader: PlateReader = bench.instrument(self.reader)
        exported = reader.features.delivery == "after"
        frames, late_s = 0, 0.0
        async with aclosing(pieces):  # type: ignore[type-var]  # the interface names an iterator; drivers give generators
            async for piece in pieces:
                if isinstance(piece, Addition):
                    fresh = {w: at - late_s for w, at in piece.at_s.items() if not bench.added(w)}
                    if fresh:
                        bench.observe("addition.seen", _addition(fresh, piece, self.labware))
                    continue
                frames += 1
                before_s = bench.seen((piece.index, piece.channel, piece.wells[0]))
                if before_s is None:
                    bench.observe("frame.taken", _frame(piece, self.labware, late_s))
                elif exported:
                    late_s = piece.at_s[0] - before_s
        return frames

    async def _have_it_started(self, bench: Bench, operator: str) -> None:
        data = {"instrument": self.reader, **self.model_dump(mode="json", exclude={"operator"})}
        text = f"Start {self.reader} on plate {self.labware} with the title {self.title}"
        await ask(bench, operator, Prompt("", "start_counter", text, ("done", "cannot"), data))


def _frame(frame: Frame, labware: str, late_s: float) -> dict[str, object]:
    """A frame as the ledger keeps it; what is no number is null."""
    return {
        "labware": labware,
        "index": frame.index,
        "channel": frame.channel,
        "wells": list(frame.wells),
        "at_s": [round(at - late_s, 4) for at in frame.at_s],
        "values": [value if math.isfinite(value) else None for value in frame.values],
        "flags": dict(frame.flags),
        "temperature_c": frame.temperature_c,
        "source": frame.source,
    }


def _addition(at_s: Mapping[str, float], addition: Addition, labware: str) -> dict[str, object]:
    return {
        "labware": labware,
        "at_s": {well: round(at, 4) for well, at in at_s.items()},
        "source": addition.source,
    }
