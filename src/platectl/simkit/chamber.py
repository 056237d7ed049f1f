"""Heated places: they follow their targets with a time constant, and the world follows them."""

from __future__ import annotations

import math

from platectl.simkit.simulator import SimulatorSetup


class Nest:
    """What is heated at the position of one instrument; it follows its target with a time constant.

    There is no background task: the world learns the temperature by `tell_world`.
    """

    def __init__(self, setup: SimulatorSetup, *, tau_s: float) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._tau_s = tau_s
        self._from_c: float | None = None
        self._since_s = 0.0
        self.target_c: float | None = None

    def heat(self, target_c: float | None) -> None:
        """Go to a temperature; None lets it go back to that of the room."""
        if target_c is None and self._from_c is None:
            return
        self._from_c, self._since_s = self.actual_c(), self._setup.clock.monotonic_s()
        self.target_c = target_c

    def actual_c(self) -> float:
        """Present temperature."""
        world = self._setup.world
        if self._from_c is None:
            return world.temperature_c(self._position)
        goal_c = world.truth.environment.room if self.target_c is None else self.target_c
        goal_c -= self._misses_by_c()
        left = math.exp(-(self._setup.clock.monotonic_s() - self._since_s) / self._tau_s)
        return goal_c + (self._from_c - goal_c) * left

    def tell_world(self) -> None:
        """Tell the world, in hundredths of a degree, if it was ever heated."""
        if self._from_c is not None:
            self._setup.world.set_temperature(self._position, round(self.actual_c(), 2))

    def _misses_by_c(self) -> float:
        return 0.0


class Chamber(Nest):
    """A chamber that is measured in tenths of a degree; the world learns what is measured.

    Fault `cold` (standing; data: `by_c`, default 5) keeps it so far below its target.
    """

    def actual_c(self) -> float:
        """Present temperature; tells the world."""
        actual_c = super().actual_c()
        if self._from_c is not None:
            actual_c = round(actual_c, 1)
            self._setup.world.set_temperature(self._position, actual_c)
        return actual_c

    def _misses_by_c(self) -> float:
        cold = self._setup.faults.standing("cold")
        return float(cold.data.get("by_c", 5.0)) if cold and self.target_c is not None else 0.0
