"""What of a SiLA server stands for the verbs of platectl, as the lab file says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.errors import MalformedReplyError, RefusedError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Part):
    """One parameter: an argument of the verb times `scale` plus `offset`, or a fixed `value`."""

    of: str = ""
    value: bool | int | float | str | None = None
    scale: float = 1.0
    offset: float = 0.0
    type: Literal["real", "integer", "string"] = "real"

    @model_validator(mode="after")
    def _one_of_both(self) -> Parameter:
        if bool(self.of) == (self.value is not None):
            raise ValueError("give either of: ARGUMENT or value: VALUE")
        return self

    def said(self, arguments: Mapping[str, Any]) -> Any:
        """What goes to the server.

        Raises:
            RefusedError: No such argument, or no whole number where one is wanted.
        """
        if not self.of:
            return self.value
        if self.of not in arguments:
            raise RefusedError(
                f"the verb has no argument {self.of!r}; it has {', '.join(arguments)}"
            )
        number = round(float(arguments[self.of]) * self.scale + self.offset, 9)
        if not math.isfinite(number):
            raise RefusedError(f"{self.of} is no number")
        if self.type == "real":
            return number
        if not number.is_integer():
            raise RefusedError(f"the server takes whole numbers, {self.of} is {number:g}")
        return int(number) if self.type == "integer" else str(int(number))


class Call(_Part):
    """One command, `Feature.Command`; `wait` names an argument with the seconds until the next one."""

    command: str
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    wait: str = ""


class Reading(_Part):
    """One property, `Feature.Property`, times `scale` plus `offset`."""

    property: str
    scale: float = 1.0
    offset: float = 0.0

    def heard(self, value: Any) -> float:
        """A number out of what the server says.

        Raises:
            MalformedReplyError: It is none.
        """
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedReplyError(f"{self.property} is {value!r}, and no number")
        return round(value * self.scale + self.offset, 6)


class Settings(_Part):
    """Commands by verb, properties by what they say, and how patient to be."""

    verbs: dict[str, tuple[Call, ...]]
    readings: dict[str, Reading] = Field(default_factory=dict)
    abort: tuple[Call, ...] = Field(default=(), description="what stops motion at once")
    reply_s: float = Field(
        default=15.0, gt=0, description="for answers that nothing has to move for"
    )
    silent_s: float = Field(
        default=30.0, gt=0, description="longest without a word while a command runs"
    )
    temperature_c: tuple[float, float] = (4.0, 70.0)
    speed_rpm: tuple[float, float] = (200.0, 1200.0)
    seal_c: tuple[float, float] = (50.0, 200.0)
    seal_s: tuple[float, float] = (0.5, 12.0)
    slots: int = Field(default=0, ge=0)
