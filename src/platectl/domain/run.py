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

    def hash(self) -> str:
        """SHA-256 over the whole content, hexadecimal."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def planned_end_s(self) -> float:
        """When the last step is planned to end."""
        return max((step.planned_end_s for step in self.steps), default=0.0)
