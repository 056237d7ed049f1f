"""Steps for plates with living cells: washing, and the way into and out of an incubator."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from pydantic import Field

from platectl.domain.layout import PLATE
from platectl.domain.steps import Effect
from platectl.hal.cells import Incubator, PlateWasher
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params


class Aspirate(Params):
    """Draw the wells of a plate down to a height; `volume_ul` is what that takes from a well."""

    name: ClassVar[str] = "aspirate_plate"
    effect: ClassVar[Effect] = "consume"

    washer: str
    labware: str
    volume_ul: float = Field(ge=0)
    height_mm: float = Field(gt=0)
    rate: int = Field(default=2, ge=1, le=5)

    @property
    def duration_s(self) -> float:
        """Manifold down, up, and away."""
        return 30.0

    def instruments(self) -> tuple[str, ...]:
        """The washer."""
        return (self.washer,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """From every well to waste."""
        return (LiquidMove((self.labware, w), None, self.volume_ul) for w in PLATE.by_row())

    async def execute(self, bench: Bench) -> Outcome:
        """Aspirate once."""
        washer: PlateWasher = bench.instrument(self.washer)
        await bench.act(
            self.washer, "aspirate", lambda: washer.aspirate(height_mm=self.height_mm, rate=self.rate),
            labware=self.labware, height_mm=self.height_mm,
        )  # fmt: skip
        return Outcome({})


class WashPlate(Params):
    """Exchange the liquid of all wells `cycles` times; the last fill stays."""

    name: ClassVar[str] = "wash_plate"
    effect: ClassVar[Effect] = "consume"

    washer: str
    labware: str
    liquid: str
    buffer: str
    cycles: int = Field(ge=1)
    volume_ul: float = Field(gt=0)
    height_mm: float = Field(gt=0)
    rate: int = Field(default=2, ge=1, le=5)
    flow: int = Field(default=5, ge=1)

    @property
    def duration_s(self) -> float:
        """About half a minute for each cycle."""
        return 30.0 + 30.0 * self.cycles

    def instruments(self) -> tuple[str, ...]:
        """The washer."""
        return (self.washer,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """As much comes from the bottle as goes to waste."""
        bottle = (f"bottle:{self.washer}.{self.buffer}", self.liquid)
        for well in PLATE.by_row():
            for _ in range(self.cycles):
                yield LiquidMove((self.labware, well), None, self.volume_ul)
                yield LiquidMove(bottle, (self.labware, well), self.volume_ul)

    async def execute(self, bench: Bench) -> Outcome:
        """Wash once."""
        washer: PlateWasher = bench.instrument(self.washer)
        wash = partial(
            washer.wash, buffer=self.buffer, cycles=self.cycles, volume_ul=self.volume_ul,
            aspirate_height_mm=self.height_mm, rate=self.rate, flow=self.flow, final_aspirate=False,
        )  # fmt: skip
        await bench.act(self.washer, "wash", wash, labware=self.labware, cycles=self.cycles)
        return Outcome({"cycles": self.cycles})


class PrimeWasher(Params):
    """Fill the tubing of a washer's buffer line."""

    name: ClassVar[str] = "prime_washer"
    effect: ClassVar[Effect] = "consume"

    washer: str
    liquid: str
    buffer: str
    volume_ul: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """A pump stroke and back."""
        return 20.0

    def instruments(self) -> tuple[str, ...]:
        """The washer."""
        return (self.washer,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """From the bottle to waste."""
        yield LiquidMove((f"bottle:{self.washer}.{self.buffer}", self.liquid), None, self.volume_ul)

    async def execute(self, bench: Bench) -> Outcome:
        """Prime once."""
        washer: PlateWasher = bench.instrument(self.washer)
        prime = partial(washer.prime, buffer=self.buffer, volume_ml=self.volume_ul / 1000.0)
        await bench.act(self.washer, "prime", prime, liquid=self.liquid, volume_ul=self.volume_ul)
        return Outcome({})


class StorePlate(Params):
    """From the incubator's transfer station into a slot."""

    name: ClassVar[str] = "store"
    effect: ClassVar[Effect] = "place"

    incubator: str
    labware: str
    slot: int = Field(ge=1)

    @property
    def duration_s(self) -> float:
        """Gate, shovel and lift."""
        return 25.0

    def instruments(self) -> tuple[str, ...]:
        """The incubator."""
        return (self.incubator,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Store, and read the climate."""
        incubator: Incubator = bench.instrument(self.incubator)
        store = partial(incubator.store, self.slot)
        await bench.act(self.incubator, "store", store, labware=self.labware, slot=self.slot)
        return Outcome({"temperature_c": (await incubator.read_climate()).temperature_c})


class FetchPlate(Params):
    """From a slot onto the incubator's transfer station."""

    name: ClassVar[str] = "fetch"
    effect: ClassVar[Effect] = "place"

    incubator: str
    labware: str
    slot: int = Field(ge=1)

    @property
    def duration_s(self) -> float:
        """Gate, shovel and lift."""
        return 25.0

    def instruments(self) -> tuple[str, ...]:
        """The incubator."""
        return (self.incubator,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Read the climate, and fetch."""
        incubator: Incubator = bench.instrument(self.incubator)
        climate = await incubator.read_climate()
        fetch = partial(incubator.fetch, self.slot)
        await bench.act(self.incubator, "fetch", fetch, labware=self.labware, slot=self.slot)
        return Outcome({"temperature_c": climate.temperature_c})


class WarmIncubator(Params):
    """Set the incubator's temperature; it holds it by itself."""

    name: ClassVar[str] = "warm_incubator"
    effect: ClassVar[Effect] = "set"

    incubator: str
    temperature_c: float

    @property
    def duration_s(self) -> float:
        """A setpoint."""
        return 2.0

    def instruments(self) -> tuple[str, ...]:
        """The incubator."""
        return (self.incubator,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Set once."""
        incubator: Incubator = bench.instrument(self.incubator)
        warm = partial(incubator.set_temperature, self.temperature_c)
        await bench.act(self.incubator, "set_temperature", warm, temperature_c=self.temperature_c)
        return Outcome({"temperature_c": (await incubator.read_climate()).temperature_c})
