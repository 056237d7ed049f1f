"""What a hardware test of one unit showed: the record, and the unit for which it speaks."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

Kind = Literal["identification", "movement", "water", "gravimetric", "dye", "measurement"]
#: declined: nobody allowed it; broken: the instrument or its line failed; left_out: it cannot be done here
State = Literal["passed", "failed", "declined", "broken", "left_out"]
Verdict = Literal["passed", "failed", "incomplete"]


class Unit(BaseModel):
    """One instrument as it is today: a repaired or updated one is another."""

    model_config = ConfigDict(frozen=True)

    serial_number: str
    firmware: str = ""

    def __str__(self) -> str:
        return f"serial number {self.serial_number}" + (
            f", firmware {self.firmware}" if self.firmware else ""
        )


class StepRecord(BaseModel):
    """One step of a hardware test; `measured` carries units in its names, `at` is ISO 8601."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    asked: str
    state: State
    at: str
    says: str = ""
    measured: dict[str, Any] = Field(default_factory=dict)
    limits: dict[str, Any] = Field(default_factory=dict)


class Qualification(BaseModel):
    """The dated record of a hardware test.

    `serial_from` says whether the instrument states its serial number or the lab file does.
    """

    model_config = ConfigDict(frozen=True)

    platectl: Literal[1] = 1
    version: str
    instrument: str
    driver: str
    address: str
    simulated: bool
    model: str = ""
    serial_number: str = ""
    serial_from: Literal["instrument", "lab file", "nobody"] = "nobody"
    firmware: str = ""
    by: str
    began: str
    ended: str
    terms: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    steps: tuple[StepRecord, ...] = ()
    complete: bool = Field(default=True, description="the last step was reached")

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def verdict(self) -> Verdict:
        """Failed by one step, passed when all was done that can be done here."""
        states = {step.state for step in self.steps}
        if states & {"failed", "broken"}:
            return "failed"
        done = {step.kind for step in self.steps if step.state == "passed"}
        more = done - {"identification"}
        return "passed" if self.complete and more and "declined" not in states else "incomplete"

    @property
    def unit(self) -> Unit | None:
        """The unit; None when nobody says which one it is."""
        return (
            Unit(serial_number=self.serial_number, firmware=self.firmware)
            if self.serial_number
            else None
        )
