"""Shaking, heating and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from pydantic import Field

from platectl.domain.clock import MOMENT_S
from platectl.domain.errors import InstrumentFaultError
from platectl.domain.steps import Anchor, Effect
from platectl.hal.handling import Shaker, ThermalNest
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params


class Shake(Params):
    """Shake the plate on a shaker's nest."""

    name: ClassVar[str] = "shake"
    effect: ClassVar[Effect] = "set"

    shaker: str
    speed_rpm: float = Field(gt=0)
    shake_s: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """Clamping, ramps and braking take about 12 s."""
        return self.shake_s + 12.0

    def instruments(self) -> tuple[str, ...]:
        """The shaker."""
        return (self.shaker,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Shake for the whole time."""
        shaker: Shaker = bench.instrument(self.shaker)
        shake = partial(shaker.shake, speed_rpm=self.speed_rpm, duration_s=self.shake_s)
        await bench.act(
            self.shaker, "shake", shake, speed_rpm=self.speed_rpm, duration_s=self.shake_s
        )
        return Outcome({"temperature_c": await shaker.read_temperature_c()})


class Preheat(Params):
    """Bring a nest to its temperature and wait until it is there."""

    name: ClassVar[str] = "preheat"
    effect: ClassVar[Effect] = "set"

    shaker: str = Field(description="a shaker, or another nest with a temperature")
    temperature_c: float
    expected_s: float = Field(default=300.0, ge=0)
    tolerance_c: float = Field(default=0.5, gt=0)
    limit_s: float = Field(default=1800.0, gt=0)

    @property
    def duration_s(self) -> float:
        """From room temperature."""
        return self.expected_s

    def instruments(self) -> tuple[str, ...]:
        """The shaker."""
        return (self.shaker,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Set and poll."""
        shaker: ThermalNest = bench.instrument(self.shaker)
        heat = partial(shaker.set_temperature, self.temperature_c)
        await bench.act(self.shaker, "set_temperature", heat, temperature_c=self.temperature_c)
        limit_s = bench.clock.monotonic_s() + self.limit_s
        while (
            abs((actual := await shaker.read_temperature_c()) - self.temperature_c)
            > self.tolerance_c
        ):
            if bench.clock.monotonic_s() > limit_s:
                raise InstrumentFaultError(
                    f"{self.shaker} is at {actual:.1f} C after {self.limit_s / 60:.0f} min, "
                    f"{self.temperature_c:.1f} C wanted",
                    code="not_heating",
                    instrument=self.shaker,
                )
            await asyncio.sleep(5.0)
        return Outcome({"temperature_c": actual})


class Wait(Params):
    """Let time pass until a moment; a deadline from ledger times, not a sleep."""

    name: ClassVar[str] = "wait"
    effect: ClassVar[Effect] = "wait"

    until: Anchor
    expected_s: float = Field(ge=0)
    reason: str = ""
    monitor: str | None = Field(default=None, description="shaker whose temperature is recorded")

    @property
    def duration_s(self) -> float:
        """As planned; the deadline decides."""
        return self.expected_s

    def instruments(self) -> tuple[str, ...]:
        """The monitored nest, if any."""
        return (self.monitor,) if self.monitor else ()

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Sleep to the deadline, reading the nest's temperature every ten minutes."""
        due_s = bench.moment_s(self.until)
        temperatures: list[float] = []
        while self.monitor and due_s - bench.clock.monotonic_s() > MOMENT_S:
            shaker: Shaker = bench.instrument(self.monitor)
            temperatures.append(await shaker.read_temperature_c())
            await bench.wait_until(min(due_s, bench.clock.monotonic_s() + 600.0))
        await bench.wait_until(due_s)
        if not temperatures:
            return Outcome({})
        return Outcome(
            {"temperature_min_c": min(temperatures), "temperature_max_c": max(temperatures)}
        )
