"""Filtration: stamp the plate onto a filter under vacuum and wash it, or have a harvester do it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from pydantic import Field

from platectl.domain.steps import Effect
from platectl.hal.handling import Harvester
from platectl.hal.liquids import VacuumFiltration
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params
from platectl.steps.transfer import TIP_CHANGE_S, Handling, TipUse, make_moves, use_moves


class Filter(Params):
    """Draw liquid through a filter plate on a vacuum manifold: suspension first, then washes.

    `suspension` is None for a rinse. `settle_s` is how long the vacuum goes on after each use.
    """

    name: ClassVar[str] = "filter"
    effect: ClassVar[Effect] = "consume"

    handler: str
    vacuum: str
    suspension: TipUse | None
    washes: tuple[TipUse, ...] = ()
    gauge_mbar: float = Field(lt=0)
    settle_s: float = Field(default=5.0, ge=0)
    flow_ul_per_s: float = Field(default=300.0, gt=0)

    @property
    def duration_s(self) -> float:
        """Tips, moves, flow and vacuum."""
        uses = [u for u in (self.suspension, *self.washes) if u]
        moves = [move for use in uses for move in use.moves]
        pumping = sum(6.0 + 2 * move.volume_ul / self.flow_ul_per_s for move in moves)
        return 20.0 + TIP_CHANGE_S * len(uses) + pumping + self.settle_s

    def instruments(self) -> tuple[str, ...]:
        """Handler and manifold."""
        return (self.handler, self.vacuum)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Everything that arrives on the filter passes to waste."""
        for use in (self.suspension, *self.washes):
            for move in use_moves(use) if use else ():
                yield LiquidMove(move.source, move.target, move.volume_ul, drained=True)

    async def execute(self, bench: Bench) -> Outcome:
        """Vacuum on, suspension, washes, settle, vacuum off whatever happens."""
        vacuum: VacuumFiltration = bench.instrument(self.vacuum)
        draw = partial(vacuum.start_vacuum, gauge_mbar=self.gauge_mbar)
        await bench.act(self.vacuum, "start_vacuum", draw, effect="set", gauge_mbar=self.gauge_mbar)
        how = Handling(aspirate_ul_per_s=self.flow_ul_per_s, dispense_ul_per_s=self.flow_ul_per_s)
        try:
            wetted_s = bench.clock.monotonic_s()
            for use in (self.suspension, *self.washes):
                if use is not None:
                    await make_moves(self.handler, use, bench, how)
            await bench.wait_until(bench.clock.monotonic_s() + self.settle_s)
            wetted_s = bench.clock.monotonic_s() - wetted_s
        finally:
            await vacuum.stop_vacuum()
        return Outcome(
            {"wetted_s": round(wetted_s, 1), "washes": sum(len(u.moves) for u in self.washes)}
        )


class ServedHarvest(Params):
    """A harvester that does the whole filtration, by itself or with a person at it."""

    name: ClassVar[str] = "served_harvest"
    effect: ClassVar[Effect] = "consume"

    harvester: str
    operator: str | None = None
    labware: str
    filter_plate: str
    washes: int = Field(ge=0)
    wash_ul: float = Field(gt=0)
    volume_ul: float = Field(gt=0)

    @property
    def duration_s(self) -> float:
        """Two minutes with handling."""
        return 120.0

    def instruments(self) -> tuple[str, ...]:
        """The harvester, and who works it."""
        return (self.harvester, *((self.operator,) if self.operator else ()))

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """The harvester brings its own wash buffer."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Harvest once."""
        harvester: Harvester = bench.instrument(self.harvester)
        wash_ml = self.wash_ul / 1000.0
        harvest = partial(
            harvester.harvest, plate=self.labware, filter_plate=self.filter_plate,
            washes=self.washes, wash_ml=wash_ml,
        )  # fmt: skip
        await bench.act(
            self.harvester, "harvest", harvest, plate=self.labware,
            filter_plate=self.filter_plate, washes=self.washes, wash_ml=wash_ml,
        )  # fmt: skip
        return Outcome({"washes": self.washes})
