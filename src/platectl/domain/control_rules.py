"""Rules of control charts as data: when the reference compound says that an assay has changed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platectl.domain.doc import Doc

Side = Literal["any", "same", "opposite"]
Verdict = Literal["reject", "warn"]


class ControlRule(Doc):
    """One rule, judged at each point with those before it.

    It is broken when, of the last `of` points up to this one, at least `count` lie beyond `beyond`
    standard deviations from the centre; all on one side of it (`same`), at least one on each
    (`opposite`), or wherever they lie (`any`). The point that completes the pattern is one of them.
    """

    name: str = Field(min_length=1, max_length=20)
    count: int = Field(ge=1, le=50)
    of: int = Field(ge=1, le=50, description="points looked at, the newest included")
    beyond: float = Field(ge=0, le=10, description="standard deviations from the centre")
    side: Side = "any"
    verdict: Verdict = "reject"
    help: str = ""

    @model_validator(mode="after")
    def _can_be_broken(self) -> ControlRule:
        if self.count > self.of:
            raise ValueError(f"{self.count} of {self.of} points cannot be; lower count or raise of")
        if self.side == "opposite" and self.count < 2:  # noqa: PLR2004  # one point has one side
            raise ValueError("opposite sides take at least two points; raise count")
        return self


class Learning(Doc):
    """Which part of the history gives the limits: the first `points`, and not fewer than `least`."""

    points: int = Field(default=20, ge=3, le=1000, description="first points that limits come from")
    least: int = Field(default=8, ge=3, le=1000, description="with fewer there is no chart")

    @model_validator(mode="after")
    def _least_is_less(self) -> Learning:
        if self.least > self.points:
            raise ValueError("least cannot be more than points")
        return self


class ControlRules(Doc):
    """How a lab keeps control charts."""

    platectl: Literal[1]
    learn: Learning = Learning()
    rules: tuple[ControlRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_once(self) -> ControlRules:
        names = [rule.name for rule in self.rules]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two rules have the name {min(twice)!r}")
        return self
