"""What comes of a calcium plate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platectl.analysis.calcium.calibration import Calibration
from platectl.analysis.calcium.features import WellFeatures
from platectl.analysis.calcium.signal import Background, RatioTrace
from platectl.analysis.calcium.traces import CalciumConditions
from platectl.analysis.limits import QcMetric, State
from platectl.analysis.qualifiers import Flag
from platectl.analysis.report import FitReport


@dataclass(frozen=True, slots=True)
class DosePoint:
    """One well of a curve: concentration in molar (0 for controls), rise, and the curve there."""

    well: str
    concentration_molar: float
    amplitude: float
    fitted: float | None
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class BandPoint:
    """The curve with its 95 % band at one dose."""

    log10_molar: float
    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ResponseResult:
    """One compound of a plate.

    Attributes:
        quantity: EC50 or IC50.
        value_molar: None without a response, or when no number is due.
        qualifier: "=", ">", "<", "~", or "none" for a compound without response.
        model: Name of the chosen model.
        hill: Slope with interval, when it is free.
        falling_molar: Midpoint of the falling side of a bell-shaped curve.
        effect_percent: Top of the curve in percent of the positive control.
        bell_evidence: AICc of the monotone minus the bell-shaped curve; above 0 speaks for the bell.
    """

    compound: str
    role: str
    quantity: str
    value_molar: float | None
    lower_molar: float | None
    upper_molar: float | None
    qualifier: str
    status: str
    flags: tuple[Flag, ...]
    model: str = ""
    hill: tuple[float, float, float] | None = None
    falling_molar: float | None = None
    effect_percent: float | None = None
    bell_evidence: float | None = None
    series: int = 0
    points: tuple[DosePoint, ...] = ()
    curve: tuple[BandPoint, ...] = ()
    fits: Mapping[str, FitReport] | None = None


@dataclass(frozen=True, slots=True)
class StimulusCheck:
    """What the stimulus was on this plate's own agonist curve.

    Attributes:
        ec20_molar: EC20 (EC80 for antagonists) of the agonist with its 95 % interval.
        share: Response of the stimulus wells over the agonist's full response.
    """

    ec20_molar: float
    lower_molar: float
    upper_molar: float
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class CalciumPlateResult:
    """One analysed plate; `traces` and `features` are in the order of the wells given."""

    state: State
    qc: tuple[QcMetric, ...]
    compounds: tuple[ResponseResult, ...]
    conditions: CalciumConditions
    background: Background
    calibration: Calibration
    features: tuple[WellFeatures, ...]
    traces: tuple[RatioTrace, ...]
    stimulus: StimulusCheck | None
    dead_time_s: tuple[float, float] | None
