"""Night orders: what is done about an error, in the order of the operator's rules."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.steps import Effect
from platectl.domain.units import DurationS

ErrorKind = Literal["refused", "fault", "link", "in_doubt", "window", "quality"]
#: what can be done; `hold` lets begun steps end and ends the process, to be resumed; `done` and
#: `not_done` are a person's words about an action in doubt; `elsewhere` gives the plate up, and the
#: instrument too if plates that come later can go to an equal one
Remedy = Literal[
    "retry",
    "skip",
    "drop_wells",
    "drop_plate",
    "hold",
    "abort",
    "done",
    "not_done",
    "go_on",
    "elsewhere",
]


class When(BaseModel):
    """Conditions of a rule; an empty one holds always. `attempts_below` counts this step's attempts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: tuple[ErrorKind, ...] = ()
    effect: tuple[Effect, ...] = ()
    kind: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    attempts_below: int | None = Field(default=None, ge=1)

    def holds(self, *, error: ErrorKind, effect: str, kind: str, code: str, attempt: int) -> bool:
        """Whether the rule speaks of this error of this step."""
        return (
            (not self.error or error in self.error)
            and (not self.effect or effect in self.effect)
            and (not self.kind or kind in self.kind)
            and (not self.code or code in self.code)
            and (self.attempts_below is None or attempt <= self.attempts_below)
        )


class Rule(BaseModel):
    """One rule. With `ask` a person chooses; `default` is taken after `patience`, or never (None)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: When = When()
    then: Remedy | Literal["ask"]
    wait: DurationS = Field(default=0.0, description="before a retry")
    options: tuple[Remedy, ...] = ()
    default: Remedy | None = None
    patience: DurationS | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Rule:
        if self.then == "ask" and (not self.options or self.default not in (None, *self.options)):
            raise ValueError("a rule that asks needs options, and its default must be one of them")
        if self.then != "ask" and (self.options or self.default):
            raise ValueError("options and default belong to a rule that asks")
        return self


class Policy(BaseModel):
    """An ordered list of rules; the first that holds is taken.

    `wake_above_plates`: a person is asked about a plate only when more plates than this are lost
    or about to be; until then the default is taken at once. What is in doubt is always asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    platectl: Literal[1] = 1
    wake_above_plates: int = Field(default=2, ge=0)
    rules: tuple[Rule, ...]

    def rule_for(
        self, *, error: ErrorKind, effect: str, kind: str, code: str, attempt: int
    ) -> Rule:
        """The first rule that speaks of an error; none: the run is aborted."""
        return next(
            (
                rule
                for rule in self.rules
                if rule.when.holds(
                    error=error, effect=effect, kind=kind, code=code, attempt=attempt
                )
            ),
            Rule(then="abort"),
        )
