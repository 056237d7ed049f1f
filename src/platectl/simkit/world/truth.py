"""The truth of a simulated lab: affinities, rates, errors of instruments. A file that users may edit."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.units import (
    ActivityCiPerMmol,
    AssociationPerMolarMin,
    ConcentrationMolar,
    DensityFmolPerMg,
    DurationS,
    Fraction,
    TemperatureC,
    VolumeUl,
)
from platectl.simkit.faults import Fault, FaultPlan


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ligand(_Part):
    """A ligand: dissociation constant at each site, association rates, and its tritium if any."""

    sites: dict[str, ConcentrationMolar] = Field(default_factory=dict)
    kon_25: AssociationPerMolarMin = 4e7
    kon_37: AssociationPerMolarMin = 1e8
    specific_activity: ActivityCiPerMmol | None = None
    specific_activity_date: date = date(2026, 1, 5)

    def kon(self, temperature_c: float) -> float:
        """Association rate, /nM/min: log-linear in temperature between the two stated points."""
        share = (temperature_c - 25.0) / 12.0
        return 1e-9 * math.exp(math.log(self.kon_25) + share * math.log(self.kon_37 / self.kon_25))


class Membranes(_Part):
    """Receptor density of a tissue at each site, and its variation between lots."""

    sites: dict[str, DensityFmolPerMg]
    lot_cv: Fraction = 0.05


class Pipetting(_Part):
    """Errors of a pipette at a volume: `up_to`, random CV, and SD of the bias of a tip."""

    up_to: VolumeUl
    cv: Fraction
    bias: Fraction


class LiquidHandling(_Part):
    """Errors of liquid handling."""

    pipettes: tuple[Pipetting, ...]
    bulk_cv: Fraction = 0.03
    bulk_bias: Fraction = 0.005
    additive: VolumeUl = 0.05
    carry_over: float = Field(default=3e-5, ge=0, le=0.01)

    def at(self, volume_ul: float) -> Pipetting:
        """Errors at a volume."""
        return next((p for p in self.pipettes if volume_ul <= p.up_to), self.pipettes[-1])


class Filtration(_Part):
    """What a filter keeps."""

    nsb_fraction: Fraction = 0.005
    nsb_lot_cv: Fraction = 0.15
    nsb_without_membranes: Fraction = 0.001
    nsb_factor_unsoaked: float = Field(default=6.0, ge=1)
    holdup: VolumeUl = 30.0
    recovery: Fraction = 0.97
    recovery_sd: Fraction = 0.01
    cold_factor: float = Field(
        default=0.1, gt=0, description="dissociation rate in cold buffer over warm"
    )
    dry_after: DurationS = 2700.0


class Counting(_Part):
    """What turns disintegrations into counts."""

    efficiency: float = Field(default=0.42, gt=0, le=1)
    efficiency_cv: Fraction = 0.005
    wet_factor: float = Field(default=0.75, gt=0, le=1)
    without_cocktail: float = Field(default=0.02, ge=0, le=1)
    crosstalk: Fraction = 0.0002
    luminescence_cpm: float = Field(default=60.0, ge=0)
    luminescence_decay: DurationS = 300.0
    half_life_days: float = Field(default=4500.0, gt=0)


class Environment(_Part):
    """Room, evaporation and unevenness of plates."""

    room: TemperatureC = 22.0
    evaporation_ul_per_h: tuple[float, float, float] = (0.8, 1.6, 2.0)
    lidded_factor: float = 0.15
    gradient_sd: Fraction = 0.01


class FaultEntry(_Part):
    """A fault that strikes an instrument or the world."""

    instrument: str
    kind: str
    after: int = 0
    times: int | None = 1
    data: dict[str, Any] = Field(default_factory=dict)


class Truth(_Part):
    """Everything that is true in a simulated lab."""

    platectl: int = 1
    ligands: dict[str, Ligand]
    membranes: dict[str, Membranes]
    liquid_handling: LiquidHandling
    filtration: Filtration = Filtration()
    counting: Counting = Counting()
    environment: Environment = Environment()
    faults: tuple[FaultEntry, ...] = ()

    def ligand(self, name: str) -> Ligand | None:
        """Look a ligand up by name, upper or lower case."""
        return next(
            (found for n, found in self.ligands.items() if n.casefold() == name.casefold()), None
        )

    @property
    def sites(self) -> tuple[str, ...]:
        """All receptor sites, in order of appearance."""
        return tuple(dict.fromkeys(s for m in self.membranes.values() for s in m.sites))

    def fault_plans(self) -> dict[str, FaultPlan]:
        """Faults by instrument."""
        names = dict.fromkeys(f.instrument for f in self.faults)
        return {
            n: FaultPlan(
                Fault(f.kind, f.after, f.times, f.data) for f in self.faults if f.instrument == n
            )
            for n in names
        }
