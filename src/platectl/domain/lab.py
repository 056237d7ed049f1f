"""The lab file: which instruments stand where, on which addresses, with which labware and people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.labware import LabwareKind
from platectl.domain.suspenders import Suspender
from platectl.domain.units import DurationS, TemperatureC


class InstrumentEntry(BaseModel):
    """One instrument. `settings` are the driver's, `simulator` the simulator's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: str
    address: str = Field(
        description='"sim:", "serial:/dev/ttyUSB0?baud=9600", "tcp:host:port", "none:", …'
    )
    wires: dict[str, str] = Field(
        default_factory=dict, description="addresses of further wires, such as the relay of a valve"
    )
    uses: dict[str, str] = Field(
        default_factory=dict,
        description="what it needs -> another instrument of this file, whose address it may share",
    )
    nests: dict[str, str] = Field(
        default_factory=dict, description="further nests -> positions: source and tips of a reader"
    )
    drops: str | None = Field(default=None, description="folder into which it drops result files")
    position: str | None = Field(default=None, description="where a plate stands in it")
    liquids: tuple[str, ...] = Field(default=(), description="liquids that a dispenser may carry")
    settings: dict[str, Any] = Field(default_factory=dict)
    simulator: dict[str, Any] = Field(default_factory=dict)
    serial_number: str = Field(
        default="", description="from its label, for an instrument that does not state it itself"
    )
    radioactive: bool = Field(default=False, description="only radioactive plates may use it")
    stays_clean: bool = Field(
        default=False,
        description="may handle clean labware after radioactive plates, because it takes nothing along",
    )
    allow_paper: bool = Field(
        default=False, description="allow a driver that was never verified on a real instrument"
    )

    @property
    def places(self) -> dict[tuple[str, ...], str]:
        """Where its addresses stand in the file -> the addresses."""
        return {("address",): self.address, **{("wires", w): a for w, a in self.wires.items()}}

    @property
    def drop_folder(self) -> str | None:
        """Folder of result files, relative to the run folder."""
        if self.address.startswith("drop:"):
            return self.address.removeprefix("drop:")
        return self.drops


class LiquidClass(BaseModel):
    """How a handler moves a liquid: flows, how long it waits in the liquid, how the tip is emptied."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aspirate_ul_per_s: float = Field(default=80.0, gt=0, le=1000)
    dispense_ul_per_s: float = Field(default=80.0, gt=0, le=1000)
    settle: DurationS = Field(default=0.0, description="in the liquid after each stroke", le=60)
    blow_out: bool = Field(default=False, description="push the last drop out at the target")
    touch_tip: bool = Field(default=False, description="wipe the tip at the wall of the target")


class PositionEntry(BaseModel):
    """A place where labware can stand, alone or on a handler's deck.

    `slot` is its name on the deck, or its number in an incubator, which is then the `handler`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    handler: str | None = None
    slot: str | None = None
    temperature: TemperatureC | None = None
    dark: bool = False
    radioactive: bool = Field(
        default=False, description="only labware of radioactive plates may stand there"
    )
    use: Literal["deck", "nest", "hotel", "dryer", "lid_park", "incubator"] = "nest"


class Lab(BaseModel):
    """A lab. `simulated` labs run in virtual time on one simulated world."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platectl: Literal[1]
    name: str
    simulated: bool = False
    people: tuple[str, ...] = ()
    instruments: dict[str, InstrumentEntry]
    positions: dict[str, PositionEntry]
    placement: dict[str, str] = Field(
        default_factory=dict, description="labware of a protocol -> position where it is loaded"
    )
    workplace: dict[str, str] = Field(
        default_factory=dict,
        description="labware -> deck position to which it is carried for pipetting, if not loaded there",
    )
    labware: dict[str, LabwareKind] = Field(default_factory=dict)
    liquid_classes: dict[str, LiquidClass] = Field(
        default_factory=dict, description="`handling` of a liquid or step of a protocol -> how"
    )
    suspenders: dict[str, Suspender] = Field(
        default_factory=dict, description="conditions that hold whatever uses something up"
    )

    def instrument_at(self, position: str) -> str | None:
        """Name of the instrument whose nest a position is."""
        return next((n for n, e in self.instruments.items() if e.position == position), None)
