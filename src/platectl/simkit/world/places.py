"""Positions, what stands on them, and what cannot be done there."""

from __future__ import annotations

from dataclasses import dataclass, field

from platectl.simkit.world.matter import Held


class WorldError(Exception):
    """Something physically impossible was asked; the simulator turns it into its own fault.

    `reason` is one of: collision, nothing_there, no_such_position, no_such_well, overflow, empty,
    sealed (or under a lid), no_tips.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Position:
    """A place; None follows the room. `stack` is bottom first: a plate, then its lid."""

    name: str
    temperature_c: float | None = None
    dark: bool = False
    vacuum: bool = False
    stack: list[Held] = field(default_factory=list)

    def plate(self) -> Held | None:
        """The plate (not the lid) that stands here."""
        return next((held for held in self.stack if held.kind.role != "lid"), None)

    def lidded(self) -> bool:
        """Whether a lid lies on the plate."""
        return any(held.kind.role == "lid" for held in self.stack)
