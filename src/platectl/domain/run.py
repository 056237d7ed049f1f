"""The compiled run: every option resolved, frozen, and hashed; nothing on disk can change it later."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.assay import AssayProtocol
from platectl.domain.lab import Lab
from platectl.domain.layout import WellPlan
from platectl.domain.qualification import Unit
from platectl.domain.samples import Sample
from platectl.domain.steps import Hold, Step, Window


class PlatePlan(BaseModel):
    """One assay plate: its name in the run, barcode, and what every well is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    barcode: str
    wells: tuple[WellPlan, ...]
    assay: int = Field(default=0, description="which of the run's protocols")
    randomised: str = Field(default="", description="how the layout was drawn; empty if it was not")

    def compounds(self) -> tuple[str, ...]:
        """Compounds on the plate, in plate order."""
        return tuple(dict.fromkeys(w.compound for w in self.wells if w.compound))


class PlanNote(BaseModel):
    """How the times were found: method, and the proved lower bound of the end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    bound_s: float


class PlateTerms(BaseModel):
    """Terms of a plate in its night; times are seconds since the start. Lower priorities go first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: int = 1
    not_before_s: float = 0.0
    not_after_s: float | None = None


class Bounds(BaseModel):
    """What a night keeps to as a whole: how its clocks go, its end, and the terms of its plates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = "UTC"
    ends_s: float | None = None
    plates: dict[str, PlateTerms] = Field(default_factory=dict)


class Addition(BaseModel):
    """Plates that join a run while it goes on.

    `key` says what was asked for, so that it is added once. `steps` are those of the new plates, and
    loadings of the run that take other things away now; `times` are the planned start and end of
    all steps that had not begun.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    plates: tuple[PlatePlan, ...]
    terms: dict[str, PlateTerms]
    protocols: tuple[AssayProtocol, ...] = Field(description="those that the run has not yet")
    samples: tuple[Sample, ...]
    steps: tuple[Step, ...]
    windows: tuple[Window, ...]
    holds: tuple[Hold, ...]
    times: dict[str, tuple[float, float]]
    files: dict[str, str] = Field(default_factory=dict)


class CompiledRun(BaseModel):
    """Everything that a run is, before it starts. Times are seconds since its start.

    A night may hold plates of several assays: `protocol` is that of assay 0, `others` the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    platectl: str = Field(description="version that compiled it")
    title: str = ""
    starts: datetime | None = Field(default=None, description="when a planned night begins")
    protocol: AssayProtocol
    others: tuple[AssayProtocol, ...] = ()
    lab: Lab
    samples: tuple[Sample, ...]
    plates: tuple[PlatePlan, ...]
    steps: tuple[Step, ...]
    windows: tuple[Window, ...]
    holds: tuple[Hold, ...] = ()
    files: dict[str, str] = Field(default_factory=dict, description="file -> SHA-256")
    planned: PlanNote | None = None
    absences: dict[str, tuple[tuple[float, float], ...]] = Field(
        default_factory=dict, description="when people are not there"
    )
    qualified: dict[str, tuple[Unit, ...]] = Field(
        default_factory=dict,
        description="units of instruments that may answer, because their hardware tests passed",
    )
    equals: tuple[tuple[tuple[str, ...], ...], ...] = Field(
        default=(), description="equal instruments with their nests, in the same order"
    )

    bounds: Bounds | None = Field(default=None, description="none where nothing is kept to")

    @property
    def protocols(self) -> tuple[AssayProtocol, ...]:
        """Protocols by assay number."""
        return (self.protocol, *self.others)

    @property
    def heading(self) -> str:
        """What the run is, in a few words."""
        return self.title or "; ".join(p.title for p in self.protocols)

    @property
    def label(self) -> str:
        """Names of the protocols, as in an index."""
        return "+".join(dict.fromkeys(p.name for p in self.protocols))

    def seen_by(self, plate: PlatePlan) -> CompiledRun:
        """The run with the protocol of a plate in front."""
        return self.model_copy(update={"protocol": self.protocols[plate.assay]})

    def with_plates(self, addition: Addition) -> CompiledRun:
        """The run with plates that joined it, and the plan as it was then."""
        changed = {step.id: step for step in addition.steps}
        old = {step.id for step in self.steps}
        steps = [changed.get(step.id, step) for step in self.steps]
        steps += [step for step in addition.steps if step.id not in old]
        steps = [_timed(step, addition.times.get(step.id)) for step in steps]
        bounds = self.bounds or Bounds()
        return self.model_copy(
            update={
                "others": (*self.others, *addition.protocols),
                "samples": tuple(dict.fromkeys((*self.samples, *addition.samples))),
                "plates": (*self.plates, *addition.plates),
                "steps": tuple(sorted(steps, key=lambda s: (s.planned_start_s, s.planned_end_s))),
                "windows": (*self.windows, *addition.windows),
                "holds": (*self.holds, *addition.holds),
                "files": {**self.files, **addition.files},
                "bounds": bounds.model_copy(update={"plates": {**bounds.plates, **addition.terms}}),
            }
        )

    def hash(self) -> str:
        """SHA-256 over the whole content, hexadecimal."""
        left_out = {"bounds"} if self.bounds is None else None  # came later than the first runs
        content = self.model_dump(mode="json", exclude=left_out)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def planned_end_s(self) -> float:
        """When the last step is planned to end."""
        return max((step.planned_end_s for step in self.steps), default=0.0)


def _timed(step: Step, span: tuple[float, float] | None) -> Step:
    """A step at its planned time; what waits is as long as its plate has to."""
    if span is None:
        return step
    length_s = span[1] - span[0] if step.kind == "wait" else step.duration_s
    return step.model_copy(update={"planned_start_s": span[0], "duration_s": length_s})
