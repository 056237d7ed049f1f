"""The truth of a simulated lab: affinities, rates, errors of instruments. A file that users may edit."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.units import (
    ActivityCiPerMmol,
    AssociationPerMolarMin,
    ConcentrationMolar,
    DensityFmolPerMg,
    DurationS,
    Fraction,
    RatePerMin,
    TemperatureC,
    VolumeUl,
)
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.line_faults import LineFault, LineFaults
from platectl.simkit.world.truth_cells import (
    Absorber,
    Agonist,
    Antagonist,
    CellLine,
    Fura2,
    Glow,
    Modulator,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ligand(_Part):
    """A compound: what it binds to and how fast, and its tritium if it has any."""

    sites: dict[str, ConcentrationMolar] = Field(
        default_factory=dict, description="dissociation constant at each site, at any temperature"
    )
    kon_25: AssociationPerMolarMin = Field(
        default=4e7, gt=0, description="association rate at 25 C, same at every site"
    )
    kon_37: AssociationPerMolarMin = Field(
        default=1e8, gt=0, description="association rate at 37 C; log-linear in between and beyond"
    )
    specific_activity: ActivityCiPerMmol | None = Field(
        default=None, gt=0, description="of a tritiated ligand, on the reference date"
    )
    specific_activity_date: date = Field(
        default=date(2026, 1, 5), description="reference date of the specific activity"
    )
    sticky: Fraction = Field(
        default=0.0, ge=0, le=1, description="share lost to plastic each time it is aspirated"
    )

    def kon(self, temperature_c: float) -> float:
        """Association rate, /nM/min: log-linear in temperature between the two stated points."""
        share = (temperature_c - 25.0) / 12.0
        return 1e-9 * math.exp(math.log(self.kon_25) + share * math.log(self.kon_37 / self.kon_25))


class Membranes(_Part):
    """A membrane preparation."""

    sites: dict[str, DensityFmolPerMg] = Field(description="receptor density at each site")
    lot_cv: Fraction = Field(
        default=0.05, ge=0, description="spread of the density between lots (one lot for a seed)"
    )


class Pipetting(_Part):
    """Errors of a pipette up to a volume."""

    up_to: VolumeUl = Field(description="largest volume to which these errors apply")
    cv: Fraction = Field(ge=0, description="random error of one stroke")
    bias: Fraction = Field(ge=0, description="spread of the error that a tip keeps for its life")


class LiquidHandling(_Part):
    """Errors of liquid handling."""

    pipettes: tuple[Pipetting, ...] = Field(
        min_length=1, description="by volume, smallest first; the last serves all larger volumes"
    )
    bulk_cv: Fraction = Field(
        default=0.03, ge=0, description="random error of a bulk dispense into one well"
    )
    bulk_bias: Fraction = Field(
        default=0.005, ge=0, description="spread of the error that a connected line keeps"
    )
    additive: VolumeUl = Field(default=0.05, ge=0, description="volume error at any volume (SD)")
    carry_over: float = Field(
        default=3e-5, ge=0, le=0.01, description="share of its content that stays in an emptied tip"
    )
    settling: RatePerMin = Field(
        default=0.015, ge=0, description="rate at which membranes settle in an unstirred source"
    )

    def at(self, volume_ul: float) -> Pipetting:
        """Errors at a volume."""
        return next((p for p in self.pipettes if volume_ul <= p.up_to), self.pipettes[-1])


class Filtration(_Part):
    """What a filter keeps."""

    nsb_fraction: Fraction = Field(
        default=0.005, ge=0, le=1, description="share of the free ligand that stays, with membranes"
    )
    nsb_lot_cv: Fraction = Field(
        default=0.15, ge=0, description="spread of that share between lots (one lot for a seed)"
    )
    nsb_without_membranes: Fraction = Field(
        default=0.001, ge=0, le=1, description="share of the free ligand on a filter alone"
    )
    nsb_factor_unsoaked: float = Field(
        default=6.0, ge=1, description="more non-specific binding if the filter never saw PEI"
    )
    holdup: VolumeUl = Field(default=30.0, gt=0, description="liquid that a wet filter holds")
    recovery: Fraction = Field(default=0.97, ge=0, le=1, description="membranes caught by a filter")
    recovery_sd: Fraction = Field(default=0.01, ge=0, description="spread of the recovery")
    cold_factor: float = Field(
        default=0.1,
        ge=0,
        description="dissociation rate on the wet filter (ice-cold) relative to that at 37 C",
    )
    dry_after: DurationS = Field(
        default=2700.0, gt=0, description="time in which a wet filter dries at 40 C"
    )


class Counting(_Part):
    """What turns disintegrations into counts."""

    efficiency: float = Field(
        default=0.42, gt=0, le=1, description="counts per disintegration on a dry filter"
    )
    efficiency_solution: float = Field(
        default=0.42, gt=0, le=1, description="the same in a plain well with cocktail"
    )
    efficiency_cv: Fraction = Field(default=0.005, ge=0, description="spread between wells")
    wet_factor: float = Field(
        default=0.75, gt=0, le=1, description="efficiency of a wet filter over that of a dry one"
    )
    without_cocktail: float = Field(
        default=0.02, ge=0, le=1, description="efficiency with less than 20 uL of cocktail"
    )
    crosstalk: Fraction = Field(
        default=0.0002, ge=0, le=0.2, description="of a well's counts into each neighbour"
    )
    luminescence_cpm: float = Field(
        default=60.0, ge=0, description="light of fresh cocktail before any time in the dark"
    )
    luminescence_decay: DurationS = Field(
        default=300.0, gt=0, description="time constant with which that light fades in the dark"
    )
    half_life_days: float = Field(default=4500.0, gt=0, description="of tritium")


class Environment(_Part):
    """Room, evaporation and unevenness of plates."""

    room: TemperatureC = Field(
        default=22.0, description="temperature of all that is not controlled"
    )
    evaporation_ul_per_h: tuple[float, float, float] = Field(
        default=(0.8, 1.6, 2.0),
        description="from an open well at 37 C: inner, edge and corner wells",
    )
    lidded_factor: float = Field(default=0.15, ge=0, le=1, description="evaporation under a lid")
    sealed_factor: float = Field(default=0.02, ge=0, le=1, description="evaporation under a seal")
    gradient_sd: Fraction = Field(
        default=0.01,
        ge=0,
        description="spread of a plate's gradients and edge effect on the signal",
    )
    uneven_sd: Fraction = Field(
        default=0.06, ge=0, description="the same for a plate that the fault `uneven_plate` strikes"
    )


class Timing(_Part):
    """How constant durations are: spread of their logarithm. What is measured takes its exact time."""

    instruments_sd: Fraction = Field(default=0.0, ge=0, le=0.5, description="of instruments")
    people_sd: Fraction = Field(default=0.0, ge=0, le=1.0, description="of people")


LINE: Final = "line_"


class FaultEntry(_Part):
    """A fault that strikes an instrument or the world.

    A kind that begins with `line_` strikes the main wire of the instrument, between it and its
    driver, whatever the instrument is: `line_drop`, `line_delay`, `line_duplicate`, `line_garble`,
    `line_truncate`, `line_stall`, `line_disconnect`, `line_answer_late`, `line_lose_reply`. Their
    `after` counts the driver's sends; `data` may give `counts`, `direction`, `delay_s`, `flip`
    and `anew` (see `platectl.simkit.line_faults.LineFault`).
    """

    instrument: str = Field(description="name in the lab file, or `world`")
    kind: str = Field(
        description="a fault that the simulator or the world documents, or `line_` and a fault of its wire"
    )
    after: int = Field(default=0, ge=0, description="occasions that pass before it strikes")
    times: int | None = Field(default=1, description="how often it strikes; null is always")
    data: dict[str, Any] = Field(default_factory=dict, description="what the kind asks for")

    @model_validator(mode="after")
    def _line_faults_exist(self) -> Self:
        if self.of_the_line:
            self.line_fault()
        return self

    @property
    def of_the_line(self) -> bool:
        """Whether it strikes the wire of an instrument."""
        return self.kind.startswith(LINE)

    def line_fault(self) -> LineFault:
        """The fault of a wire that this is.

        Raises:
            ValueError: There is no such fault, or it does not take these data.
        """
        if self.instrument == "world":
            raise ValueError("the world has no wire; name an instrument")
        kind: Any = self.kind.removeprefix(LINE)
        try:
            return LineFault(kind, self.after, self.times, **self.data)
        except TypeError:
            given = ", ".join(map(repr, self.data.values()))
            names = ", ".join(self.data)
            raise ValueError(f"{self.kind} does not take {names} = {given}") from None


class Truth(_Part):
    """Everything that is true in a simulated lab, and what goes wrong in it (`faults`)."""

    platectl: int = Field(default=1, description="version of this file's form")
    ligands: dict[str, Ligand] = Field(
        description="by the name that sample sheets and protocols use, in any case"
    )
    membranes: dict[str, Membranes] = Field(description="by the name after `membranes:`")
    liquid_handling: LiquidHandling
    filtration: Filtration = Filtration()
    counting: Counting = Counting()
    environment: Environment = Environment()
    timing: Timing = Timing()
    cells: dict[str, CellLine] = Field(
        default_factory=dict, description="by the name after `cells:`"
    )
    agonists: dict[str, Agonist] = Field(
        default_factory=dict, description="compounds that raise calcium"
    )
    antagonists: dict[str, Antagonist] = Field(
        default_factory=dict, description="compounds that block a receptor or the sigma-1 site"
    )
    modulators: dict[str, Modulator] = Field(
        default_factory=dict, description="compounds that make responses larger"
    )
    fura2: Fura2 = Fura2()
    autofluorescence: dict[str, Glow] = Field(
        default_factory=dict, description="compounds that shine themselves"
    )
    absorbers: dict[str, Absorber] = Field(
        default_factory=dict, description="compounds that absorb light, for absorbance reads"
    )
    faults: tuple[FaultEntry, ...] = ()

    @model_validator(mode="after")
    def _sites_exist(self) -> Self:
        folded = [name.casefold() for name in self.ligands]
        if twice := {name for name in folded if folded.count(name) > 1}:
            raise ValueError(f"two ligands have the same name, {min(twice)!r}")
        for name, ligand in self.ligands.items():
            if unknown := set(ligand.sites) - set(self.sites):
                raise ValueError(
                    f"ligand {name!r} binds to {min(unknown)!r}, which no membranes have; "
                    f"sites are {', '.join(self.sites)}"
                )
        return self

    def ligand(self, name: str) -> Ligand | None:
        """Look a ligand up by name, upper or lower case."""
        wanted = name.casefold()
        return next((found for n, found in self.ligands.items() if n.casefold() == wanted), None)

    def acts_on_cells(self, name: str) -> bool:
        """Whether a compound is an agonist, an antagonist or a modulator, upper or lower case."""
        known = (*self.agonists, *self.antagonists, *self.modulators)
        return name.casefold() in {other.casefold() for other in known}

    @property
    def sites(self) -> tuple[str, ...]:
        """All receptor sites, in order of appearance."""
        return tuple(dict.fromkeys(s for m in self.membranes.values() for s in m.sites))

    def fault_plans(self) -> dict[str, FaultPlan]:
        """Faults by instrument, without those of its wire."""
        by_instrument: dict[str, list[Fault]] = {}
        for entry in self.faults:
            if entry.of_the_line:
                continue
            fault = Fault(entry.kind, entry.after, entry.times, entry.data)
            by_instrument.setdefault(entry.instrument, []).append(fault)
        return {name: FaultPlan(faults) for name, faults in by_instrument.items()}

    def line_faults(self, *, seed: int = 0) -> dict[str, LineFaults]:
        """Fresh faults of the main wire by instrument; `seed` decides which bytes are garbled."""
        by_instrument: dict[str, list[LineFault]] = {}
        for entry in self.faults:
            if entry.of_the_line:
                by_instrument.setdefault(entry.instrument, []).append(entry.line_fault())
        return {name: LineFaults(faults, seed=seed) for name, faults in by_instrument.items()}
