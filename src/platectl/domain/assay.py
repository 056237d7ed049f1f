"""The assay protocol: what is done to a plate, with parameters, windows, analysis and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.layout import Layout
from platectl.domain.steps import Edge
from platectl.domain.units import (
    ActivityCiPerMmol,
    AssociationPerMolarMin,
    ConcentrationMolar,
    DurationS,
    Fraction,
    PressureMbar,
    ProteinMgPerMl,
    RatePerMin,
    SpeedRpm,
    TemperatureC,
    VolumeUl,
)

Dimension = Literal[
    "volume", "duration", "concentration", "temperature", "protein", "activity", "fraction", "speed",
    "pressure", "density", "association", "rate", "integer", "number", "text", "date", "levels",
    "times",
]  # fmt: skip


class Doc(BaseModel):
    """Base of everything in an assay file: frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(Doc):
    """A named value that steps refer to as `$name`, with its dimension and limits."""

    value: str | int | float | list[str]
    unit: Dimension
    min: str | int | float | None = None
    max: str | int | float | None = None
    choices: tuple[str | int | float, ...] = ()
    help: str = ""


class Component(Doc):
    """How much of something a liquid contains: as it stands in the bottle, or final in the well."""

    stock: str | float | None = Field(
        default=None, description="concentration in the liquid itself"
    )
    final: str | float | None = Field(default=None, description="concentration in the assay well")

    @model_validator(mode="after")
    def _one_of_two(self) -> Component:
        if (self.stock is None) == (self.final is None):
            raise ValueError("give either 'stock' or 'final', not both and not neither")
        return self


class Liquid(Doc):
    """A liquid. `stirred` sources keep membranes suspended; `excess` is prepared beyond need."""

    contents: dict[str, Component] = Field(default_factory=dict)
    stirred: bool = False
    temperature: TemperatureC | None = None
    excess: Fraction = 0.1
    radioactive: bool = False
    prime: VolumeUl = Field(default=0.0, description="volume to fill a dispenser's tubing")
    help: str = ""


class LabwareUse(Doc):
    """A labware of the assay: catalogue kind, and the liquid that it holds when it is loaded."""

    kind: str
    liquid: str | None = None
    help: str = ""


class StepDoc(Doc):
    """Common to all steps of a protocol. `after` defaults to the step written before it."""

    title: str = ""
    after: tuple[str, ...] | None = None


class LoadDoc(StepDoc):
    """A person loads everything that the plate needs."""

    do: Literal["load"]


class PlaceDoc(StepDoc):
    """Carry a labware to a place: `manifold`, `dryer`, `hotel`, `home`."""

    do: Literal["place"]
    labware: str
    to: Literal["manifold", "dryer", "hotel", "home"]


class PreheatDoc(StepDoc):
    """Bring the incubation nest to temperature."""

    do: Literal["preheat"]
    temperature: TemperatureC


class DispenseDoc(StepDoc):
    """Bulk-dispense a liquid into whole columns."""

    do: Literal["dispense"]
    liquid: str
    into: str
    volume: VolumeUl
    columns: str = Field(default="1-12", pattern=r"^\d{1,2}(-\d{1,2})?$")


class DiluteDoc(StepDoc):
    """Make the compound series in vehicle, following the plate map."""

    do: Literal["dilute"]
    stocks: str
    into: str
    tips: str
    transfer: VolumeUl
    control_volume: VolumeUl
    mix_cycles: int = Field(default=3, ge=0, le=20)


class FillDoc(StepDoc):
    """Fill all wells of a plate from a reservoir, with all channels."""

    do: Literal["fill"]
    source: str
    into: str
    tips: str
    volume: VolumeUl


class StampDoc(StepDoc):
    """Copy all wells of a plate into another, with all channels; `then` goes on with the same tips."""

    do: Literal["stamp"]
    source: str
    into: str
    tips: str
    volume: VolumeUl
    mix_cycles: int = Field(default=3, ge=0, le=20)
    mix_volume: VolumeUl = 0.0
    then_into: str | None = None
    then_volume: VolumeUl = 0.0


class AliquotDoc(StepDoc):
    """Copy one column of a plate into columns of another, well by well."""

    do: Literal["aliquot"]
    source: str
    source_column: int = Field(ge=1, le=12)
    into: str
    columns: str = Field(pattern=r"^\d{1,2}(-\d{1,2})?$")
    tips: str
    volume: VolumeUl


class StaggerDoc(StepDoc):
    """Add a liquid row by row, each row so long before a later step as its time point says."""

    do: Literal["stagger"]
    source: str
    into: str
    tips: str
    volume: VolumeUl
    before: str
    tolerance: DurationS


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
    to: Literal["dryer", "hotel"]
    duration: DurationS


class ManualDoc(StepDoc):
    """Something that a person does and confirms."""

    do: Literal["manual"]
    text: str
    expected: DurationS


class SealDoc(StepDoc):
    """Heat-seal a plate."""

    do: Literal["seal"]
    labware: str
    temperature: TemperatureC
    duration: DurationS


class CountDoc(StepDoc):
    """Count wells; `wells` `map` means every well that the plate map uses."""

    do: Literal["count"]
    labware: str
    wells: str = "map"
    duration: DurationS
    title: str = ""


AnyStepDoc = Annotated[
    LoadDoc | PlaceDoc | PreheatDoc | DispenseDoc | DiluteDoc | FillDoc | StampDoc | AliquotDoc
    | StaggerDoc | LidDoc | ShakeDoc | IncubateDoc | RinseDoc | HarvestDoc | RestDoc | ManualDoc
    | SealDoc | CountDoc,
    Field(discriminator="do"),
]  # fmt: skip


class WindowDoc(Doc):
    """A bound on the time between two steps of a plate."""

    since: str
    since_edge: Edge = "end"
    until: str
    until_edge: Edge = "start"
    at_least: DurationS = 0.0
    at_most: DurationS | None = None
    ideal: DurationS | None = None
    hard: bool = True


class BindingDoc(Doc):
    """What binds, where, and how it is counted."""

    site: str
    tissue: str
    radioligand: str
    kd: ConcentrationMolar
    kd_sd_log10: float = Field(default=0.0, ge=0)
    concentration: ConcentrationMolar
    specific_activity: ActivityCiPerMmol
    specific_activity_date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    temperature: TemperatureC
    incubation: DurationS
    protein: ProteinMgPerMl
    protein_volume: VolumeUl
    final_volume: VolumeUl
    kon: AssociationPerMolarMin | None = None
    koff: RatePerMin | None = None
    reference: str
    reference_stock: ConcentrationMolar
    reference_top: ConcentrationMolar
    nsb_ligand: str
    nsb_concentration: ConcentrationMolar
    nsb_stock: ConcentrationMolar
    vehicle: str = "dmso"
    vehicle_fold: float = Field(gt=1, description="vehicle plate concentration over final")
    dilution_factor: float = Field(gt=1, le=20)
    points: int = Field(ge=3, le=24)
    replicates: int = Field(default=3, ge=1)
    levels: tuple[ConcentrationMolar, ...] = ()
    times: tuple[DurationS, ...] = ()
    masking: str | None = None
    masking_concentration: ConcentrationMolar | None = None
    masking_ki: ConcentrationMolar | None = Field(
        default=None, gt=0, description="Ki of the masking ligand at the site under study"
    )


class AnalysisDoc(Doc):
    """How counts become constants."""

    weighting: Literal["none", "Y", "Y2", "sd", "poisson", "counting"] = "counting"
    counting_cv: Fraction = 0.03
    efficiency: float = Field(default=0.42, gt=0, le=1)
    background_cpm: float = Field(default=18.0, ge=0)
    standards: str | None = Field(default=None, description="labware with counted aliquots")
    aliquot_wells: str = "A1:H1"
    blank_wells: str = "A2:H2"
    aliquot_volume: VolumeUl = 25.0
    dilution_step_sd_log10: float = Field(default=0.012, ge=0)
    series_top_sd_log10: float = Field(default=0.012, ge=0)


class AssayProtocol(Doc):
    """One assay. `extends` names a protocol whose parts this one keeps or replaces."""

    platectl: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    mode: Literal["competition", "saturation", "kinetics"]
    extends: str | None = None
    abstract: bool = False
    parameters: dict[str, Parameter]
    binding: BindingDoc
    liquids: dict[str, Liquid]
    labware: dict[str, LabwareUse]
    layouts: dict[str, Layout]
    layout: str
    steps: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9_]{0,15}$")], AnyStepDoc] = Field(
        min_length=1
    )
    windows: dict[str, WindowDoc] = Field(default_factory=dict)
    analysis: AnalysisDoc = AnalysisDoc()
    qc: dict[str, float] = Field(default_factory=dict)
