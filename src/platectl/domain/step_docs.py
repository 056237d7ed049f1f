"""The steps that a protocol can ask for: one document class for each `do`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from platectl.domain.doc import Doc
from platectl.domain.layout import ControlRole, Role
from platectl.domain.steps import Edge
from platectl.domain.units import (
    DurationS,
    Fraction,
    PressureMbar,
    SpeedRpm,
    TemperatureC,
    VolumeUl,
)


class StepDoc(Doc):
    """Common to all steps of a protocol. `after` defaults to the step written before it."""

    title: str = ""
    after: tuple[str, ...] | None = None


class LoadDoc(StepDoc):
    """A person loads everything that the plate needs."""

    do: Literal["load"]


class PlaceDoc(StepDoc):
    """Carry a labware to a place: `manifold`, `dryer`, `hotel`, `block` (heated or cooled), `home`."""

    do: Literal["place"]
    labware: str
    to: Literal["manifold", "dryer", "hotel", "block", "home"]


class PreheatDoc(StepDoc):
    """Bring the incubation nest, the reader, the incubator or a cold block to temperature."""

    do: Literal["preheat"]
    temperature: TemperatureC
    where: Literal["nest", "reader", "incubator", "block"] = "nest"


class PipettingDoc(StepDoc):
    """Common to steps of a liquid handler."""

    handling: str = Field(
        default="", description="liquid class of the lab file; empty: that of the source's liquid"
    )


class DispenseDoc(StepDoc):
    """Bulk-dispense a liquid into whole columns."""

    do: Literal["dispense"]
    liquid: str
    into: str
    volume: VolumeUl
    columns: str = Field(default="1-12", pattern=r"^\d{1,2}(-\d{1,2})?$")


class RefillDoc(StepDoc):
    """Pump a liquid into a one-well reservoir that stands at a syringe pump."""

    do: Literal["refill"]
    liquid: str
    into: str
    volume: VolumeUl
    flow_ul_per_s: float = Field(default=200.0, gt=0)


class DiluteDoc(PipettingDoc):
    """Make the compound series in vehicle, following the plate map."""

    do: Literal["dilute"]
    stocks: str
    into: str
    tips: str
    transfer: VolumeUl
    control_volume: VolumeUl
    mix_cycles: int = Field(default=3, ge=0, le=20)
    series: tuple[Literal["test", "reference"], ...] = ("test", "reference")
    fills: dict[ControlRole, tuple[Role, ...]] = Field(
        default_factory=dict,
        description="control -> roles whose wells get its compound; every control its own if empty",
    )
    fold: float | None = Field(
        default=None, gt=1, description="vehicle plate over final, if not that of compounds"
    )


class FillDoc(PipettingDoc):
    """Fill a plate from a reservoir: all wells at once, or those of some roles alone.

    `only` and `skip` name roles of the plate map; then whole columns are filled where they can be,
    other wells one by one, without touching what is in them.
    """

    do: Literal["fill"]
    source: str
    into: str
    tips: str
    volume: VolumeUl
    only: tuple[Role, ...] = ()
    skip: tuple[Role, ...] = ()


class StampDoc(PipettingDoc):
    """Copy all wells of a plate into another, with all channels; `then` goes on with the same tips.

    `paced_by` names a later read: when its reader takes the columns one after another, they are
    copied one after another at the same pace, so that all wells are exposed for the same time.
    """

    do: Literal["stamp"]
    source: str
    into: str
    tips: str
    volume: VolumeUl
    mix_cycles: int = Field(default=3, ge=0, le=20)
    mix_volume: VolumeUl = 0.0
    then_into: str | None = None
    then_volume: VolumeUl = 0.0
    paced_by: str | None = None


class AliquotDoc(PipettingDoc):
    """Copy columns of a plate into columns of another, well by well: `columns` says which."""

    do: Literal["aliquot"]
    source: str
    into: str
    columns: dict[
        Annotated[int, Field(ge=1, le=12)], Annotated[str, Field(pattern=r"^\d{1,2}(-\d{1,2})?$")]
    ]
    tips: str
    volume: VolumeUl


class StaggerDoc(PipettingDoc):
    """Add a liquid row by row, each row so long before a later step as its time point says."""

    do: Literal["stagger"]
    source: str
    into: str
    tips: str
    volume: VolumeUl
    before: str
    stir_cycles: int = Field(default=3, ge=0, le=20, description="in the source, before each row")


class LidDoc(StepDoc):
    """Carry the lid onto the plate, or off it."""

    do: Literal["lid", "unlid"]
    labware: str
    lid: str


class ShakeDoc(StepDoc):
    """Shake the plate on its nest."""

    do: Literal["shake"]
    labware: str
    speed: SpeedRpm
    duration: DurationS


class IncubateDoc(StepDoc):
    """Keep the plate on its nest so that `until` can begin at the given age of the wells."""

    do: Literal["incubate"]
    labware: str
    since: str
    since_edge: Edge = "middle"
    duration: DurationS
    until: str


class RinseDoc(StepDoc):
    """Draw buffer through the filter plate."""

    do: Literal["rinse"]
    filter: str
    wash_from: str
    tips: str
    volume: VolumeUl
    gauge: PressureMbar


class HarvestDoc(StepDoc):
    """Filter the plate and wash it."""

    do: Literal["harvest"]
    source: str
    filter: str
    volume: VolumeUl
    tips: str
    wash_tips: str
    wash_from: tuple[str, ...] = Field(min_length=1)
    washes: int = Field(ge=0, le=10)
    wash_volume: VolumeUl
    gauge: PressureMbar


class RestDoc(StepDoc):
    """Let a labware stand for a time at a place."""

    do: Literal["rest"]
    labware: str
    to: Literal["dryer", "hotel", "incubator", "reader", "block"]
    duration: DurationS


class AspirateDoc(StepDoc):
    """Draw all wells of a plate down with the washer."""

    do: Literal["aspirate"]
    labware: str
    volume: VolumeUl = Field(description="what is drawn from a well")
    height_mm: float = Field(gt=0, le=20, description="of the tubes above the well bottom")
    rate: int = Field(default=2, ge=1, le=5)


class WashDoc(StepDoc):
    """Exchange the liquid of a plate with the washer; the last fill stays."""

    do: Literal["wash"]
    labware: str
    liquid: str
    cycles: int = Field(ge=1, le=20)
    volume: VolumeUl
    height_mm: float = Field(gt=0, le=20)
    rate: int = Field(default=2, ge=1, le=5)


class AdditionDoc(Doc):
    """What is added to the wells during a read, from the same wells of another plate.

    The reader's pipettor does it where there is one (with `reader_tips` if it needs tips),
    otherwise the handler with `tips` while the plate is out of the reader.
    """

    source: str
    volume: VolumeUl
    speed_ul_per_s: float = Field(gt=0, le=500)
    height_mm: float = Field(ge=0, le=20)
    tips: str
    reader_tips: str | None = None


class ReadDoc(StepDoc):
    """Read a plate over time, with or without an addition."""

    do: Literal["read"]
    labware: str
    interval: DurationS
    baseline: DurationS = 0.0
    record: DurationS
    addition: AdditionDoc | None = None
    columns: tuple[int, ...] = Field(
        default=(), description="order of columns of a column-wise reader"
    )


class ManualDoc(StepDoc):
    """Something that a person does and confirms."""

    do: Literal["manual"]
    text: str
    labware: str | None = Field(
        default=None, description="labware whose barcode the person scans to confirm"
    )
    uses: dict[str, int] = Field(
        default_factory=dict, description="consumable of the stock file -> how many it takes"
    )
    expected: DurationS


class SealDoc(StepDoc):
    """Heat-seal a plate."""

    do: Literal["seal"]
    labware: str
    temperature: TemperatureC
    duration: DurationS


class PeelDoc(StepDoc):
    """Take the seal off a plate; the peeler's times and places are those of its maker."""

    do: Literal["peel"]
    labware: str
    adhere: DurationS = Field(default=2.5, description="tape on the seal before it is pulled")
    begin_mm: float = Field(default=0.0, description="from the maker's default, along the plate")
    fast: bool = False


class ScanDoc(StepDoc):
    """Read the barcode of a plate: nothing more is done to it unless it is the plate of the run."""

    do: Literal["scan"]
    labware: str


class WeighDoc(StepDoc):
    """Weigh a plate; with `since`, an earlier weighing, judge what was poured into it meanwhile.

    What it should have gained is known from the steps between. Weigh it without lid, sealed both times or
    neither, close to the pouring: what evaporates is missing.
    """

    do: Literal["weigh"]
    labware: str
    since: str | None = None
    tolerance: Fraction = Field(default=0.05, gt=0, lt=1, description="of what should be gained")
    temperature: TemperatureC = Field(default=22.0, description="of the liquid")
    density: float = Field(
        default=1.0, gt=0.5, lt=3, description="of the liquid over that of water"
    )
    outside: Literal["note", "hold", "fault"] = Field(
        default="hold",
        description="note: write it down; hold: plates that have not begun wait for a decision "
        "(night orders: quality); fault: decide about this plate (night orders: code volume)",
    )


class CountDoc(StepDoc):
    """Count wells; `wells` `map` means every well that the plate map uses."""

    do: Literal["count"]
    labware: str
    wells: str = "map"
    duration: DurationS
    title: str = ""


AnyStepDoc = Annotated[
    LoadDoc | PlaceDoc | PreheatDoc | DispenseDoc | RefillDoc | DiluteDoc | FillDoc | StampDoc | AliquotDoc
    | StaggerDoc | LidDoc | ShakeDoc | IncubateDoc | RinseDoc | HarvestDoc | RestDoc | ManualDoc
    | SealDoc | PeelDoc | ScanDoc | WeighDoc | CountDoc | AspirateDoc | WashDoc | ReadDoc,
    Field(discriminator="do"),
]  # fmt: skip
