"""What a hardware test is made of: terms, steps, and what came of a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platectl.domain.errors import PlatectlError, UserInputError
from platectl.domain.qualification import Kind, State
from platectl.domain.units import TemperatureC, VolumeUl


class Terms(BaseModel):
    """What a lab asks of its instruments; all of it is kept in the record.

    Limits are the lab's, not the maker's. ISO 8655-6 asks for ten strokes; fewer say less.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    volume: VolumeUl = Field(default=30.0, gt=0, description="volume per well and stroke")
    repeats: int = Field(default=10, ge=3, description="strokes that are weighed")
    systematic_percent: float = Field(default=2.0, gt=0, description="limit for the mean")
    cv_percent: float = Field(default=2.0, gt=0, description="limit for the spread of strokes")
    water: TemperatureC | None = Field(
        default=None, description="temperature of the water; asked if not given"
    )
    pressure_hpa: float = Field(default=1013.25, gt=800, lt=1100)
    humidity_percent: float = Field(default=50.0, ge=0, le=100)
    dye: str = Field(default="fluorescein", description="dye of the dye check")
    dye_um: float = Field(default=10.0, gt=0, description="its concentration in micromolar")
    dye_cv_percent: float = Field(default=10.0, gt=0, description="limit for the spread over wells")
    dye_above_blank: float = Field(default=5.0, gt=1, description="least ratio of dye to blank")
    excitation_nm: float = Field(default=485.0, gt=0)
    emission_nm: float = Field(default=525.0, gt=0)
    interval_s: float | None = Field(
        default=None, gt=0, description="of a read; the shortest if not given"
    )
    record_s: float = Field(default=0.0, ge=0, description="length of a read")
    balance: str | None = Field(
        default=None, description="balance of the lab file; typed in if there is none"
    )
    reader: str | None = Field(default=None, description="reader of the lab file for the dye check")
    plate: str = Field(default="assay_plate_96", description="kind of the test plate")
    plate_at: str | None = Field(default=None, description="where the test plate stands; on a deck")
    tips: str = Field(default="tips_200", description="kind of the tips of a handler")
    tips_at: str | None = None
    source: str = Field(
        default="reservoir_1_290ml", description="kind of a handler's water reservoir"
    )
    source_at: str | None = None
    flow_ul_per_s: float = Field(default=50.0, gt=0)
    target_at: str | None = Field(default=None, description="second station of an arm's test")
    temperature: TemperatureC = Field(default=37.0, description="setpoint of heaters in a test")
    within_c: float = Field(default=1.0, gt=0, description="limit for temperatures")
    heat_s: float = Field(
        default=1200.0, gt=0, description="longest time until a setpoint is reached"
    )
    seal: TemperatureC = Field(default=165.0, description="sealing temperature")
    seal_s: float = Field(default=2.0, gt=0)
    slot: int = Field(default=1, ge=1, description="slot of an incubator")
    vacuum_mbar: float = Field(default=-300.0, lt=0, description="gauge pressure of a filtration")
    buffer: str = Field(default="A", description="line of a washer that carries the water")
    residual_ul: float = Field(
        default=10.0, gt=0, description="most that a washer may leave in a well"
    )
    height_mm: float = Field(default=3.0, gt=0, description="height of a washer's aspiration")
    count_s: float = Field(default=60.0, gt=0)
    background_cpm: float = Field(
        default=100.0, gt=0, description="most that an empty plate may count"
    )
    weight_percent: float = Field(
        default=0.1, gt=0, description="limit of a balance, of the check weight"
    )
    weight_cv_percent: float = Field(default=0.05, gt=0)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Terms:
        """Read what the operator set.

        Raises:
            UserInputError: No such term, or no such value.
        """
        try:
            return cls.model_validate(dict(said))
        except ValidationError as error:
            lines = [f"--set {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise UserInputError("\n".join(lines)) from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step; `left_out` with the reason is no failure."""

    state: State
    says: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, good: bool, says: str = "", **how: Any) -> Outcome:  # noqa: FBT001  # a verdict
        """Passed or failed."""
        return cls("passed" if good else "failed", says, **how)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what a person has to allow first, and what is then done."""

    name: str
    kind: Kind
    asks: str
    do: Callable[[], Awaitable[Outcome]]


class DeclinedError(PlatectlError):
    """A person did not allow it; `over` ends the whole test."""

    def __init__(self, message: str, *, over: bool = False) -> None:
        super().__init__(message)
        self.over = over
