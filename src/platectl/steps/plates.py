"""Moving, sealing and counting plates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from platectl.domain.steps import Effect
from platectl.hal.counting import Counter
from platectl.hal.handling import Peeler, PlateMover, Prompt, Sealer
from platectl.hal.liquids import LiquidHandler
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params
from platectl.steps.people import ask


class DeckNote(Params):
    """What a handler must be told about a move: the labware and its slot (None: it left)."""

    handler: str
    labware: str
    slot: str | None


class MovePlate(Params):
    """Carry labware from one position to another."""

    name: ClassVar[str] = "move"
    effect: ClassVar[Effect] = "place"

    mover: str
    labware: str
    source: str
    target: str
    notes: tuple[DeckNote, ...] = ()
    through: str | None = Field(default=None, description="handler whose gripper the mover is")
    dark: bool = Field(default=False, description="must not see light on its way")

    @property
    def duration_s(self) -> float:
        """A pick and a place."""
        return 35.0

    def instruments(self) -> tuple[str, ...]:
        """The mover, and handlers whose deck it reaches into."""
        handlers = [note.handler for note in self.notes]
        return (self.mover, *dict.fromkeys([self.through, *handlers] if self.through else handlers))

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Move, then tell the handlers."""
        mover: PlateMover = bench.instrument(self.mover)
        move = partial(mover.move_plate, self.source, self.target)
        await bench.act(
            self.mover, "move_plate", move, labware=self.labware, source=self.source, target=self.target
        )  # fmt: skip
        for note in self.notes:
            handler: LiquidHandler = bench.instrument(note.handler)
            tell = partial(handler.note_move, note.labware, note.slot)
            await bench.act(
                note.handler, "note_move", tell, effect="set", labware=note.labware, slot=note.slot
            )
        return Outcome({"at": self.target})


class Seal(Params):
    """Heat-seal the plate in the sealer."""

    name: ClassVar[str] = "seal"
    effect: ClassVar[Effect] = "consume"

    sealer: str
    temperature_c: float
    seal_s: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """Heating up, tray and press."""
        return 60.0 + self.seal_s

    def instruments(self) -> tuple[str, ...]:
        """The sealer."""
        return (self.sealer,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Seal once."""
        sealer: Sealer = bench.instrument(self.sealer)
        seal = partial(sealer.seal, temperature_c=self.temperature_c, duration_s=self.seal_s)
        await bench.act(
            self.sealer, "seal", seal, temperature_c=self.temperature_c, duration_s=self.seal_s
        )
        return Outcome({})


class Peel(Params):
    """Take the seal off the plate in the peeler."""

    name: ClassVar[str] = "peel"
    effect: ClassVar[Effect] = "consume"

    peeler: str
    adhere_s: float = Field(gt=0)
    begin_mm: float = 0.0
    fast: bool = False

    @property
    def duration_s(self) -> float:
        """Tray, tape and elevator."""
        return 25.0 + self.adhere_s

    def instruments(self) -> tuple[str, ...]:
        """The peeler."""
        return (self.peeler,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Peel once; what the peeler warns of is kept."""
        peeler: Peeler = bench.instrument(self.peeler)
        peel = partial(peeler.peel, adhere_s=self.adhere_s, begin_mm=self.begin_mm, fast=self.fast)
        warnings = await bench.act(
            self.peeler,
            "peel",
            peel,
            adhere_s=self.adhere_s,
            begin_mm=self.begin_mm,
            fast=self.fast,
        )
        return Outcome({"warnings": list(warnings or ())})


class Count(Params):
    """Count wells of the plate in the counter; a person presses start where the counter needs it."""

    name: ClassVar[str] = "count"
    effect: ClassVar[Effect] = "query"

    counter: str
    operator: str | None = None
    labware: str
    title: str
    wells: tuple[str, ...] = Field(min_length=1)
    count_s: float = Field(gt=0)
    detectors: int = Field(default=1, ge=1)
    overhead_s: float = Field(default=0.0, ge=0)

    @property
    def duration_s(self) -> float:
        """Groups of wells, each with its overhead."""
        groups = -(-len(self.wells) // self.detectors)
        return 180.0 + groups * (self.count_s + self.overhead_s)

    def instruments(self) -> tuple[str, ...]:
        """The counter."""
        return (self.counter,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Have it started, collect the result, and keep every reading."""
        counter: Counter = bench.instrument(self.counter)
        if self.operator:
            data = {"instrument": self.counter, "title": self.title, "wells": self.wells,
                    "count_s": self.count_s}  # fmt: skip
            text = f"Start the counter {self.counter} on plate {self.labware} with the title {self.title}"
            await ask(
                bench, self.operator, Prompt("", "start_counter", text, ("done", "cannot"), data)
            )
        rows: tuple[Mapping[str, Any], ...] = ()

        async def count() -> None:
            nonlocal rows
            found = await counter.count(title=self.title, wells=self.wells, count_s=self.count_s)
            rows = tuple(
                {"labware": self.labware, **asdict(reading), "flags": list(reading.flags)}
                for reading in found
            )

        await bench.act(
            self.counter, "count", count, labware=self.labware, title=self.title,
            wells=self.wells, count_s=self.count_s,
        )  # fmt: skip
        return Outcome({"wells": len(rows)}, rows)
