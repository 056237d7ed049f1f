"""The truth about living cells: what raises their calcium, what modulates it, and the dye."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.units import ConcentrationMolar, DurationS, Fraction, RatePerMin


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Agonist(_Part):
    """A compound that raises calcium by itself."""

    receptor: str = Field(description="agonists of one receptor share its response and antagonists")
    ec50: ConcentrationMolar = Field(gt=0, description="of the rise of the ratio")
    hill: float = Field(default=1.0, gt=0, le=5, description="slope")
    emax: float = Field(default=1.0, gt=0, le=2, description="of the full response of the cells")


class Antagonist(_Part):
    """A compound that blocks a receptor, or the site of modulators, competitively."""

    receptor: str = Field(description="receptor of agonists, or `sigma1`")
    kb: ConcentrationMolar = Field(gt=0, description="dissociation constant")


class Modulator(_Part):
    """A compound that does nothing alone and makes responses larger: bell-shaped.

    The response is multiplied by 1 + effect f, f = C/(C+EC50)/(1+(C/IC50)^2).
    """

    ec50: ConcentrationMolar = Field(gt=0, description="of the rising side")
    ic50: ConcentrationMolar = Field(gt=0, description="of the falling side")
    effect: float = Field(default=0.6, ge=0, le=3, description="largest relative increase")
    onset: DurationS = Field(default=120.0, gt=0, description="time constant of its onset")


class CellLine(_Part):
    """How cells respond and take up dye. Ratios are F340/F380 after background."""

    model: Literal["phenomenological", "li_rinzel"] = Field(
        default="phenomenological", description="how calcium follows a stimulus"
    )
    population: int = Field(default=200, ge=1, le=2000, description="cells of a well (li_rinzel)")
    sensitivity_cv: Fraction = Field(default=0.6, ge=0, description="between cells (li_rinzel)")
    ip3_per_ratio: float = Field(
        default=0.3, gt=0, description="uM of IP3 for a response of 1 (li_rinzel)"
    )
    resting_ratio: float = Field(default=0.65, gt=0, description="at rest; 0.65 is 56 nM calcium")
    full_response: float = Field(default=2.0, gt=0, description="largest rise of the ratio")
    rise: DurationS = Field(default=3.0, gt=0, description="time constant of the rise")
    decay: DurationS = Field(default=45.0, gt=0, description="time constant of the decay")
    plateau: Fraction = Field(default=0.15, ge=0, le=0.9, description="late level over the peak")
    well_cv: Fraction = Field(default=0.08, ge=0, description="of responses between wells")
    day_cv: Fraction = Field(default=0.15, ge=0, description="of responses between days (seeds)")
    loading_cv: Fraction = Field(default=0.12, ge=0, description="of the dye between wells")
    uptake: RatePerMin = Field(default=0.08, gt=0, description="of the ester at 37 C and 5 uM")
    hydrolysis: RatePerMin = Field(default=0.2, gt=0, description="of the ester inside, 37 C")
    leak: RatePerMin = Field(default=0.01, ge=0, description="of the dye without probenecid")
    leak_probenecid: RatePerMin = Field(default=0.002, ge=0, description="the same with it")
    q10: float = Field(default=2.2, ge=1, description="of uptake, hydrolysis and leak")
    loose: Fraction = Field(default=0.005, ge=0, description="cells lost by a gentle aspiration")


class Fura2(_Part):
    """Photophysics of the dye in this reader: counts at unit loading."""

    kd: ConcentrationMolar = Field(default=224e-9, gt=0, description="for calcium, 37 C, 1 mM Mg")
    rmin: float = Field(default=0.35, gt=0, description="ratio without calcium")
    rmax: float = Field(default=7.6, gt=0, description="ratio at saturating calcium")
    free_380: float = Field(default=5600.0, gt=0, description="counts at 380 nm without calcium")
    bound_380: float = Field(default=980.0, gt=0, description="counts at 380 nm, saturated")
    background_340: float = Field(default=210.0, ge=0, description="without dye")
    background_380: float = Field(default=260.0, ge=0, description="without dye")
    bleaching: Fraction = Field(default=1e-4, ge=0, description="dye lost by one reading")
    medium_seen: Fraction = Field(
        default=0.2, ge=0, le=1, description="light of the medium that the bottom optics collect"
    )

    @property
    def beta(self) -> float:
        """F380 without over F380 with saturating calcium."""
        return self.free_380 / self.bound_380


class Glow(_Part):
    """Fluorescence of a compound itself, counts per micromolar in the well."""

    at_340: float = Field(default=0.0, ge=0, description="excited at 340 nm")
    at_380: float = Field(default=0.0, ge=0, description="excited at 380 nm")


class Absorber(_Part):
    """A band of absorption of a dissolved compound."""

    peak_nm: float = Field(gt=0, description="wavelength of the peak")
    width_nm: float = Field(gt=0, description="standard deviation of the band")
    per_molar_cm: float = Field(gt=0, description="molar absorbance at the peak, per cm")
