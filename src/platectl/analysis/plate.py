"""What the analysis is given: counted wells and the conditions they were counted under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from platectl.analysis.counting import FEMTOMOL_PER_MOLAR_UL, cpm_per_molar
from platectl.analysis.errors import AnalysisError
from platectl.domain.codes import Code


@dataclass(frozen=True, slots=True)
class WellCount:
    """One counted well.

    Attributes:
        well: Name such as "A1".
        role: "test", "reference", "total", "nsb", "blank", "excluded" or another word that the
            analysis shows and does not use.
        compound: Compound of test and reference wells.
        concentration_molar: Its final concentration in the well.
        series: Identity of the independent dilution series, such as the row.
        dilution_steps: Serial dilution steps behind this concentration, 0 for the top one.
        gross_cpm: As counted: background included, decay not corrected.
        count_min: Live counting time.
        age_min: True incubation age when filtered.
        radioligand_molar: Nominal radioligand of this well (saturation and kinetics layouts).
        time_min: Time since the radioligand was added (kinetics layouts).
        flags: Whatever earlier stages had to say about the well; carried along.
        excluded: Reason for leaving the well out of fits; it is kept and shown.
    """

    well: str
    role: str
    compound: str | None
    concentration_molar: float | None
    series: str | None
    dilution_steps: int
    gross_cpm: float
    count_min: float
    age_min: float | None
    radioligand_molar: float | None = None
    time_min: float | None = None
    flags: tuple[str, ...] = ()
    excluded: str | None = None

    @property
    def used(self) -> bool:
        """Whether the well takes part in fits and statistics."""
        return self.excluded is None and self.role != "excluded"

    @property
    def row(self) -> str:
        """Row letters of the well name."""
        return self.well.rstrip("0123456789")

    @property
    def column(self) -> int:
        """Column number of the well name; 0 if the name has none."""
        digits = self.well[len(self.row) :]
        return int(digits) if digits else 0


@dataclass(frozen=True, slots=True)
class BindingConditions:
    """Conditions of a plate; every Ki travels with them.

    Attributes:
        site: Such as "sigma-1".
        radioligand: Such as "[3H](+)-pentazocine".
        tissue: Such as "guinea-pig brain".
        radioligand_molar: Measured total radioligand L in the well.
        radioligand_sd_log10: Its standard uncertainty in log10.
        kd_molar: Dissociation constant of the radioligand.
        kd_sd_log10: Its standard uncertainty in log10.
        specific_activity_ci_per_mmol: On the counting day.
        efficiency: Counts per disintegration, above 0 to 1.
        background_cpm: Of the counter.
        volume_ul: Of the incubation.
        protein_ug: In the well.
        temperature_c: Of the incubation.
        incubation_min: Planned incubation.
        kon_per_molar_min: Association rate constant, if measured.
        koff_per_min: Dissociation rate constant, if measured.
        nominal_radioligand_molar: Radioligand that was meant to be added.
        masking_molar: Ligand in every well that occupies another site.
        masking_ki_molar: Its Ki at the site under study, which it occupies weakly.
        harvested_share: Of the well's volume that was filtered; receptor densities allow for it.
    """

    site: str
    radioligand: str
    tissue: str
    radioligand_molar: float
    radioligand_sd_log10: float
    kd_molar: float
    kd_sd_log10: float
    specific_activity_ci_per_mmol: float
    efficiency: float
    background_cpm: float
    volume_ul: float
    protein_ug: float
    temperature_c: float
    incubation_min: float
    kon_per_molar_min: float | None = None
    koff_per_min: float | None = None
    nominal_radioligand_molar: float | None = None
    masking_molar: float | None = None
    masking_ki_molar: float | None = None
    harvested_share: float = 1.0

    @property
    def masking_factor(self) -> float:
        """1 + M/Km: how much weaker every ligand seems at a site that the masking ligand shares."""
        if self.masking_molar is None or self.masking_ki_molar is None:
            return 1.0
        return 1.0 + self.masking_molar / self.masking_ki_molar

    @property
    def apparent_kd_molar(self) -> float:
        """Kd(1 + M/Km), which is Kd without a masking ligand."""
        return self.kd_molar * self.masking_factor

    @property
    def cpm_per_molar(self) -> float:
        """Net cpm of one molar in the well."""
        return cpm_per_molar(
            efficiency=self.efficiency,
            specific_activity_ci_per_mmol=self.specific_activity_ci_per_mmol,
            volume_ul=self.volume_ul,
        )

    @property
    def added_cpm(self) -> float:
        """Net cpm of all radioligand in the well."""
        return self.radioligand_molar * self.cpm_per_molar

    @property
    def cpm_per_fmol(self) -> float:
        """Net cpm of one femtomole."""
        return self.cpm_per_molar / (FEMTOMOL_PER_MOLAR_UL * self.volume_ul)

    @property
    def saturation_ratio(self) -> float:
        """L/Kd, with the apparent Kd."""
        return self.radioligand_molar / self.apparent_kd_molar


_POSITIVE = (
    "radioligand_molar",
    "kd_molar",
    "specific_activity_ci_per_mmol",
    "efficiency",
    "volume_ul",
    "protein_ug",
    "harvested_share",
    "incubation_min",
)
_NOT_NEGATIVE = ("radioligand_sd_log10", "kd_sd_log10", "background_cpm")
_MAYBE_POSITIVE = (
    "kon_per_molar_min",
    "koff_per_min",
    "nominal_radioligand_molar",
    "masking_molar",
    "masking_ki_molar",
)
_LARGEST, _SMALLEST = 1e50, 1e-50
_WIDEST_SD_LOG10 = 10.0
_DOSES_MOLAR = (1e-18, 100.0)
"""One molecule in a microlitre, and more than any pure liquid."""


def is_number(value: object) -> bool:
    """Whether a value is a real number of a size that can be reckoned with; text and truth values are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    size = abs(float(value))
    return size == 0.0 or _SMALLEST < size < _LARGEST


def check_conditions(conditions: BindingConditions) -> None:
    """Refuse conditions that no calculation can use.

    Raises:
        AnalysisError: A quantity is not finite or out of its range; the sentence names it.
    """
    for name in _POSITIVE + _NOT_NEGATIVE + _MAYBE_POSITIVE:
        value = getattr(conditions, name)
        if value is None and name in _MAYBE_POSITIVE:
            continue
        if not (is_number(value) and (value >= 0.0 if name in _NOT_NEGATIVE else value > 0.0)):
            message = f"The plate's {name} must be finite and above zero, not {value!r}."
            raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    if not is_number(conditions.temperature_c):
        message = f"The plate's temperature_c must be a number, not {conditions.temperature_c!r}."
        raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    if max(conditions.radioligand_sd_log10, conditions.kd_sd_log10) > _WIDEST_SD_LOG10:
        message = f"An uncertainty of more than {_WIDEST_SD_LOG10:g} powers of ten says nothing."
        raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)
    if conditions.efficiency > 1.0:
        message = f"Counting efficiency {conditions.efficiency!r} is above 1."
        raise AnalysisError(message, Code.CONDITIONS_IMPOSSIBLE)


def check_wells(wells: Sequence[WellCount]) -> None:
    """Refuse wells that cannot have been counted.

    Raises:
        AnalysisError: No wells, a well given twice, or an impossible count, time or
            concentration in a well that is not excluded.
    """
    if not wells:
        message = "There are no wells to analyse."
        raise AnalysisError(message, Code.POINTS_FEW)
    seen: set[str] = set()
    for well in wells:
        if well.well in seen:
            message = f"Well {well.well} is given twice."
            raise AnalysisError(message, Code.WELL_TWICE)
        seen.add(well.well)
        if well.used:
            _check_well(well)


def _check_well(well: WellCount) -> None:
    problem, code = None, Code.DOSE_IMPOSSIBLE
    if not is_number(well.gross_cpm) or well.gross_cpm < 0.0:
        problem = f"has an impossible count ({well.gross_cpm!r} cpm)"
        code = _code(well.gross_cpm)
    elif not is_number(well.count_min) or well.count_min <= 0.0:
        problem = f"has an impossible counting time ({well.count_min!r} min)"
        code = Code.COUNT_TIME
    elif well.role in {"test", "reference"}:
        problem = _dose_problem(well)
    if problem is not None:
        message = f"Well {well.well} {problem}: correct it or exclude it with a reason."
        raise AnalysisError(message, code)


def _code(value: object) -> Code:
    if isinstance(value, bool) or not isinstance(value, Real):
        return Code.NOT_A_NUMBER
    return Code.COUNT_NEGATIVE if float(value) < 0.0 else Code.NOT_FINITE


def _dose_problem(well: WellCount) -> str | None:
    dose = well.concentration_molar
    if well.compound is None:
        return f"is a {well.role} well without a compound"
    if dose is None or not is_number(dose) or not _DOSES_MOLAR[0] <= dose <= _DOSES_MOLAR[1]:
        return f"has no usable concentration of {well.compound} ({dose!r} M)"
    if well.dilution_steps < 0:
        return f"has a negative number of dilution steps ({well.dilution_steps})"
    return None
