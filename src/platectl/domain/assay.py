"""The assay protocol: what is done to a plate, with parameters, windows, analysis and limits."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from platectl.domain.binding import BindingDoc, CountingDoc
from platectl.domain.calcium import CalciumDoc
from platectl.domain.doc import Doc
from platectl.domain.layout import ControlRole, Layout
from platectl.domain.result_rules import (
    CalciumLimits,
    QcLimits,
    binding_limits,
    calcium_limits,
)
from platectl.domain.step_docs import AnyStepDoc
from platectl.domain.steps import Edge
from platectl.domain.units import ConcentrationMolar, DurationS, Fraction, TemperatureC, VolumeUl

Mode = Literal["competition", "saturation", "kinetics", "agonist", "modulator", "antagonist"]
BINDING_MODES = frozenset({"competition", "saturation", "kinetics"})
Dimension = Literal[
    "volume", "duration", "concentration", "temperature", "protein", "activity", "fraction", "speed",
    "pressure", "density", "association", "rate", "integer", "number", "text", "date", "levels",
    "times",
]  # fmt: skip


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
    handling: str = Field(default="", description="liquid class of the lab file; empty: water")
    light: DurationS | None = Field(
        default=None, description="plates that got it may stand in light so long at a time"
    )
    prime: VolumeUl = Field(default=0.0, description="volume to fill a dispenser's tubing")
    help: str = ""


class Prefill(Doc):
    """A liquid that is in certain wells when the labware is loaded."""

    liquid: str
    volume: VolumeUl


class LabwareUse(Doc):
    """A labware of the assay: catalogue kind, and the liquid that it holds when it is loaded."""

    kind: str
    liquid: str | None = None
    filled: Prefill | None = Field(
        default=None, description="what is in every well when it is loaded, exactly so much"
    )
    prefill: dict[ControlRole, Prefill] = Field(
        default_factory=dict, description="what a person puts into the wells of a role beforehand"
    )
    clean: bool = Field(
        default=False, description="nothing that handled radioactive plates may handle it"
    )
    radioactive: bool = Field(default=False, description="holds activity when it is loaded")
    prepared: Literal["radioligand", "agonist"] | None = Field(
        default=None, description="a plate that a person prepares well by well from the plate map"
    )
    help: str = ""


class WindowDoc(Doc):
    """A bound on the time between two steps of a plate."""

    since: str
    since_edge: Edge = "end"
    until: str
    until_edge: Edge = "start"
    at_least: DurationS = 0.0
    at_most: DurationS | None = None
    ideal: DurationS | None = None
    within: DurationS | None = Field(
        default=None, description="tolerance around `ideal`, in place of at_least and at_most"
    )
    hard: bool = True

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if self.within is not None and (self.ideal is None or self.at_least or self.at_most):
            raise ValueError("'within' goes with 'ideal' alone, without at_least and at_most")
        return self

    @property
    def bounds_s(self) -> tuple[float, float | None]:
        """Least and most, seconds."""
        if self.within is not None and self.ideal is not None:
            return max(self.ideal - self.within, 0.0), self.ideal + self.within
        return self.at_least, self.at_most


class ControlDoc(Doc):
    """The compound of a control: its stock, and how much of it is in the well in the end."""

    compound: str
    stock: ConcentrationMolar
    final: ConcentrationMolar


class CompoundsDoc(Doc):
    """How compounds are diluted, the reference, and the compounds of the controls."""

    reference: str
    reference_stock: ConcentrationMolar
    reference_top: ConcentrationMolar
    vehicle: str = "dmso"
    vehicle_fold: float = Field(gt=1, description="vehicle plate concentration over final")
    final_volume: VolumeUl = Field(gt=0, description="of an assay well when everything is in")
    dilution_factor: float = Field(gt=1, le=20)
    points: int = Field(ge=3, le=24)
    replicates: int = Field(default=3, ge=1)
    controls: dict[ControlRole, ControlDoc] = Field(default_factory=dict)


class AssayProtocol(Doc):
    """One assay. `extends` names protocols whose parts this one keeps or replaces, in order."""

    platectl: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    mode: Mode
    extends: str | tuple[str, ...] | None = None
    abstract: bool = False
    samples: str | None = Field(
        default=None, description="sample sheet of its own, taken when the operator gives none"
    )
    parameters: dict[str, Parameter]
    compounds: CompoundsDoc
    binding: BindingDoc | None = None
    calcium: CalciumDoc | None = None
    liquids: dict[str, Liquid]
    labware: dict[str, LabwareUse]
    layouts: dict[str, Layout]
    layout: str
    steps: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9_]{0,15}$")], AnyStepDoc] = Field(
        min_length=1
    )
    windows: dict[str, WindowDoc] = Field(default_factory=dict)
    analysis: CountingDoc = CountingDoc()
    qc: dict[str, float] = Field(default_factory=dict)

    @property
    def is_binding(self) -> bool:
        """Whether wells are counted, not read."""
        return self.mode in BINDING_MODES

    @property
    def is_radioactive(self) -> bool:
        """Whether plates of this assay hold activity at some time."""
        liquids, labware = self.liquids.values(), self.labware.values()
        return any(x.radioactive for x in liquids) or any(
            x.radioactive or x.prepared == "radioligand" for x in labware
        )

    @property
    def of_binding(self) -> BindingDoc:
        """The binding part, which every binding assay has."""
        assert self.binding is not None  # noqa: S101  # checked when the file is read
        return self.binding

    @property
    def of_calcium(self) -> CalciumDoc:
        """The calcium part, which every calcium assay has."""
        assert self.calcium is not None  # noqa: S101  # checked when the file is read
        return self.calcium

    @model_validator(mode="after")
    def _part_of_its_mode(self) -> Self:
        wanted = "binding" if self.is_binding else "calcium"
        if getattr(self, wanted) is None:
            raise ValueError(f"mode {self.mode} needs the part '{wanted}'")
        if self.mode in {"modulator", "antagonist"} and self.of_calcium.stimulus is None:
            raise ValueError(f"mode {self.mode} needs a stimulus: write calcium.stimulus")
        return self

    @model_validator(mode="after")
    def _limits_are_known(self) -> Self:
        try:
            if self.is_binding:
                binding_limits(QcLimits(), self.qc, self.compounds.reference)
            else:
                calcium_limits(CalciumLimits(), self.qc)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            known = ", ".join(sorted((QcLimits if self.is_binding else CalciumLimits).model_fields))
            message = "is no limit" if first["type"] == "extra_forbidden" else first["msg"].lower()
            raise ValueError(f"qc.{place}: {message}; use one of {known}") from None
        return self
