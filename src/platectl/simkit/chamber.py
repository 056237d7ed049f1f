"""A heated place: follows its target with a time constant, and the world follows it."""

from __future__ import annotations

import math

from platectl.simkit.simulator import SimulatorSetup


class Chamber:
    """Holds the temperature of the position of one instrument.

    There is no background task: the world learns the temperature, in tenths of a degree, whenever
    `actual_c` is asked for. Fault `cold` (standing; data: `by_c`, default 5) keeps the chamber so
    far below its target.
    """

    def __init__(self, setup: SimulatorSetup, *, tau_s: float) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._tau_s = tau_s
        self._from_c: float | None = None
        self._since_s = 0.0
        self.target_c: float | None = None

    def heat(self, target_c: float | None) -> None:
        """Go to a temperature; None lets the chamber go back to that of the room."""
        if target_c is None and self._from_c is None:
            return
        self._from_c, self._since_s = self.actual_c(), self._setup.clock.monotonic_s()
        self.target_c = target_c

    def actual_c(self) -> float:
        """Present temperature; tells the world."""
        world = self._setup.world
        if self._from_c is None:
            return world.temperature_c(self._position)
        goal_c = world.truth.environment.room if self.target_c is None else self.target_c
        cold = self._setup.faults.standing("cold")
        if cold is not None and self.target_c is not None:
            goal_c -= float(cold.data.get("by_c", 5.0))
        left = math.exp(-(self._setup.clock.monotonic_s() - self._since_s) / self._tau_s)
        actual_c = round(goal_c + (self._from_c - goal_c) * left, 1)
        world.set_temperature(self._position, actual_c)
        return actual_c
