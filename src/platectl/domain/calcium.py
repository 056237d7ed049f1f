"""What a calcium assay says about itself: the dye, the read, the calibration."""

from __future__ import annotations

from pydantic import Field

from platectl.domain.doc import Doc
from platectl.domain.units import ConcentrationMolar, Fraction, TemperatureC


class CalciumDoc(Doc):
    """Cells, dye and limits of a Fura-2 assay."""

    cells: str
    dye: str = "Fura-2"
    kd: ConcentrationMolar = Field(gt=0, description="of the dye for calcium, at the temperature")
    temperature: TemperatureC
    agonist: str = Field(description="the reference agonist")
    target: str = Field(default="", description="what the agonist acts on")
    stimulus: ConcentrationMolar | None = Field(
        default=None, description="agonist added to every test well (modulator, antagonist)"
    )
    excitation_nm: tuple[float, float] = (340.0, 380.0)
    emission_nm: float = 510.0
    well_cv: Fraction = Field(default=0.08, description="of responses between wells")
