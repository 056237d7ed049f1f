"""A step kind: parameters, effect class, estimated duration, liquid moves, and execution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from platectl.domain.steps import Effect
from platectl.steps.bench import Bench, Outcome


class Params(BaseModel):
    """Base of all step parameters: frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class LiquidMove:
    """One volume that goes from a well, or from a bottle (`labware` is then the liquid), to a well.

    `target` None is waste; `drained` says that what arrives passes through a filter at once.
    """

    source: tuple[str, str] | None
    target: tuple[str, str] | None
    volume_ul: float
    drained: bool = False


class StepKind(Protocol):
    """What a module of this package defines, once for each kind of step."""

    name: ClassVar[str]
    effect: ClassVar[Effect]

    @property
    def duration_s(self) -> float:
        """Estimated duration at the median of the instruments' profiles."""
        ...

    def instruments(self) -> tuple[str, ...]:
        """Names of the instruments that the step uses."""
        ...

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Every volume that the step moves, in order."""
        ...

    async def execute(self, bench: Bench) -> Outcome:
        """Do it. Errors of the HAL pass through unchanged."""
        ...
