"""What a run consists of once an assay is compiled: steps, windows between them, and their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Effect = Literal["pure", "query", "set", "place", "consume", "shot", "wait"]
Edge = Literal["start", "middle", "end"]


class Anchor(BaseModel):
    """A moment: an edge of a step, plus an offset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    edge: Edge = "end"
    offset_s: float = 0.0


class Step(BaseModel):
    """One unit of a run.

    `params` belong to the kind and are validated by it. `resources` are the instruments and
    positions that nobody else may use meanwhile; `not_before` delays the start to a moment. `radioactive`
    steps work with what holds activity, `clean` ones with what activity must not reach, and `dark` ones with
    what must not see light.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    kind: str
    plate: str
    title: str
    effect: Effect
    params: dict[str, Any] = Field(default_factory=dict)
    after: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    duration_s: float = Field(ge=0)
    not_before: Anchor | None = None
    radioactive: bool = False
    clean: bool = False
    dark: bool = False
    planned_start_s: float = 0.0

    @property
    def planned_end_s(self) -> float:
        """Planned end, seconds since the start of the run."""
        return self.planned_start_s + self.duration_s

    def mentions(self, name: str) -> bool:
        """Whether the step uses an instrument or a position, or tells someone about it."""
        return name in self.resources or _mentions(self.params, name)

    def with_names(self, names: Mapping[str, str]) -> Step:
        """The same step with other instruments and positions."""
        resources = tuple(dict.fromkeys(names.get(name, name) for name in self.resources))
        return self.model_copy(
            update={"resources": resources, "params": _renamed(self.params, names)}
        )


def _mentions(value: object, name: str) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(inner, name) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_mentions(inner, name) for inner in value)
    return isinstance(value, str) and name in {value, value.partition(".")[0]}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(inner, names) for inner in value]
    return _other(value, names) if isinstance(value, str) else value


def _other(value: str, names: Mapping[str, str]) -> str:
    """Another name; a part of an instrument, such as a bottle, goes with it (`washer2.A`)."""
    head, dot, part = value.partition(".")
    return names.get(value, f"{names.get(head, head)}{dot}{part}")


class Hold(BaseModel):
    """A position that is taken from the start of one step to the end of another.

    What is `kept` there stays afterwards, until a person takes it away when a later plate is loaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: str
    first: str
    last: str
    kept: bool = False


class Window(BaseModel):
    """A bound on the time between two moments of a plate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    plate: str
    start: Anchor
    end: Anchor
    at_least_s: float = 0.0
    at_most_s: float | None = None
    ideal_s: float | None = None
    hard: bool = True

    def verdict(self, elapsed_s: float, *, tolerance_s: float = 0.5) -> str | None:
        """Say how an elapsed time breaks the window; None when it is kept."""
        if elapsed_s < self.at_least_s - tolerance_s:
            return f"{elapsed_s / 60:.1f} min, at least {self.at_least_s / 60:.1f} min wanted"
        if self.at_most_s is not None and elapsed_s > self.at_most_s + tolerance_s:
            return f"{elapsed_s / 60:.1f} min, at most {self.at_most_s / 60:.1f} min allowed"
        return None
