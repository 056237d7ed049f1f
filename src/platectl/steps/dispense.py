"""Bulk dispensing of whole columns, priming of the dispenser's line, and filling of reservoirs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from platectl.domain.steps import Effect
from platectl.domain.wells import PlateFormat
from platectl.hal.liquids import BulkDispenser, SyringePump
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params

PLATE = PlateFormat.of(96)


class Dispense(Params):
    """Fill columns of the plate that stands on the dispenser's nest."""

    name: ClassVar[str] = "dispense"
    effect: ClassVar[Effect] = "consume"

    dispenser: str
    liquid: str
    labware: str
    volumes_ul: dict[int, float] = Field(min_length=1)
    height_mm: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """About two seconds a column, plus the stroke."""
        return 8.0 + 2.0 * len(self.volumes_ul) + sum(self.volumes_ul.values()) / 150.0

    def instruments(self) -> tuple[str, ...]:
        """The dispenser."""
        return (self.dispenser,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """One move for each well, out of the bottle."""
        for column, volume_ul in self.volumes_ul.items():
            for well in PLATE.column(column):
                yield LiquidMove(
                    (f"bottle:{self.dispenser}", self.liquid), (self.labware, well), volume_ul
                )

    async def execute(self, bench: Bench) -> Outcome:
        """Dispense once; a lost answer leaves the step in doubt."""
        dispenser: BulkDispenser = bench.instrument(self.dispenser)
        fill = partial(dispenser.dispense_columns, self.volumes_ul, height_mm=self.height_mm)
        await bench.act(
            self.dispenser, "dispense_columns", fill, labware=self.labware, volumes_ul=self.volumes_ul
        )  # fmt: skip
        return Outcome({"columns": len(self.volumes_ul)})


class Prime(Params):
    """Fill the tubing of a dispenser."""

    name: ClassVar[str] = "prime"
    effect: ClassVar[Effect] = "consume"

    dispenser: str
    liquid: str
    volume_ul: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """A pump at about 1 mL/s, with handling."""
        return 10.0 + self.volume_ul / 500.0

    def instruments(self) -> tuple[str, ...]:
        """The dispenser."""
        return (self.dispenser,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Bottle to waste."""
        yield LiquidMove((f"bottle:{self.dispenser}", self.liquid), None, self.volume_ul)

    async def execute(self, bench: Bench) -> Outcome:
        """Prime once."""
        dispenser: BulkDispenser = bench.instrument(self.dispenser)
        prime = partial(dispenser.prime, volume_ul=self.volume_ul)
        await bench.act(self.dispenser, "prime", prime, volume_ul=self.volume_ul)
        return Outcome({"volume_ul": self.volume_ul})


class Refill(Params):
    """Fill the reservoir at a syringe pump, stroke by stroke."""

    name: ClassVar[str] = "refill"
    effect: ClassVar[Effect] = "consume"

    pump: str
    liquid: str
    labware: str
    strokes_ul: tuple[float, ...] = Field(min_length=1)
    flow_ul_per_s: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """Initialisation, and twice the flow."""
        pumping_s = 2 * sum(self.strokes_ul) / self.flow_ul_per_s
        return 5.0 + pumping_s + 2.0 * len(self.strokes_ul)

    def instruments(self) -> tuple[str, ...]:
        """The pump."""
        return (self.pump,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Out of the bottle into the reservoir."""
        for volume_ul in self.strokes_ul:
            yield LiquidMove((f"bottle:{self.pump}", self.liquid), (self.labware, "A1"), volume_ul)

    async def execute(self, bench: Bench) -> Outcome:
        """Each stroke is drawn once and given once; a lost answer leaves it in doubt."""
        pump: SyringePump = bench.instrument(self.pump)
        await bench.act(self.pump, "initialise", pump.initialise)
        for volume_ul in self.strokes_ul:
            how: dict[str, Any] = {"volume_ul": volume_ul, "flow_ul_per_s": self.flow_ul_per_s}
            await bench.act(self.pump, "aspirate", partial(pump.aspirate, **how), **how)
            give = partial(pump.dispense, **how)
            await bench.act(self.pump, "dispense", give, labware=self.labware, **how)
        return Outcome({"volume_ul": sum(self.strokes_ul), "strokes": len(self.strokes_ul)})
