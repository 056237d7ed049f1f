"""What a binding assay says about itself: the ligand, the receptor, the counting."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from platectl.domain.doc import Doc
from platectl.domain.units import (
    ActivityCiPerMmol,
    AssociationPerMolarMin,
    ConcentrationMolar,
    DurationS,
    Fraction,
    ProteinMgPerMl,
    RatePerMin,
    TemperatureC,
    VolumeUl,
)


class BindingDoc(Doc):
    """What binds, where, and how it is counted.

    `levels` are radioligand concentrations and `times` ages of the wells; the blocks of a layout
    refer to them by number (saturation and kinetics).
    """

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
    kon: AssociationPerMolarMin | None = None
    koff: RatePerMin | None = None
    levels: tuple[ConcentrationMolar, ...] = ()
    times: tuple[DurationS, ...] = ()
    masking: str | None = None
    masking_concentration: ConcentrationMolar | None = None
    masking_ki: ConcentrationMolar | None = Field(
        default=None, gt=0, description="Ki of the masking ligand at the site under study"
    )


class CountingDoc(Doc):
    """How counts become constants."""

    weighting: Literal["none", "Y", "Y2", "sd", "poisson", "counting"] = "counting"
    counting_cv: Fraction = 0.03
    efficiency: float = Field(default=0.42, gt=0, le=1)
    background_cpm: float = Field(default=18.0, ge=0)
    standards: str | None = Field(default=None, description="labware with counted aliquots")
    aliquots: tuple[str, ...] = Field(
        default=("A1:H1",),
        description="wells of the standards; of copied levels the plate map knows them",
    )
    blank_wells: str = "A2:H2"
    dilution_step_sd_log10: float = Field(default=0.012, ge=0)
    series_top_sd_log10: float = Field(default=0.012, ge=0)
