"""Pipetting: a list of tip uses, each with its moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from platectl.domain.steps import Effect
from platectl.domain.wells import PlateFormat, parse_well, well_name
from platectl.hal.liquids import LiquidHandler
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params

PLATE = PlateFormat.of(96)
ChannelSet = Literal["full", "column", "row", "single"]
TIP_CHANGE_S = 16.0
MOVE_S = 6.0
FINISH_S = 3.0


class Spot(Params):
    """A well of the first channel. `trough` wells serve all channels at once."""

    labware: str
    well: str = "A1"
    height_mm: float = Field(default=1.0, ge=0)
    trough: bool = False


class Move(Params):
    """Stir here, aspirate here, dispense there, then mix there."""

    source: Spot
    target: Spot
    volume_ul: float = Field(gt=0)
    mix_cycles: int = Field(default=0, ge=0)
    mix_ul: float = Field(default=0.0, ge=0)
    stir_cycles: int = Field(default=0, ge=0)
    stir_ul: float = Field(default=0.0, ge=0)


def covered(channels: ChannelSet, well: str) -> tuple[str, ...]:
    """Wells that a set of channels covers when its first channel is at `well`."""
    row, column = parse_well(well)
    if channels == "full":
        return PLATE.by_row()
    if channels == "column":
        return PLATE.column(column + 1)
    if channels == "row":
        return PLATE.row(well_name(row, 0)[:-1])
    return (well,)


class Handling(Params):
    """How a liquid is moved; see `platectl.domain.lab.LiquidClass`."""

    aspirate_ul_per_s: float = Field(default=80.0, gt=0)
    dispense_ul_per_s: float = Field(default=80.0, gt=0)
    settle_s: float = Field(default=0.0, ge=0)
    blow_out: bool = False
    touch_tip: bool = False

    def stroke_s(self, volume_ul: float) -> float:
        """Time that drawing and giving a volume takes."""
        flows = 1 / self.aspirate_ul_per_s + 1 / self.dispense_ul_per_s
        return volume_ul * flows + 2 * self.settle_s


class TipUse(Params):
    """Pick tips up, make moves, and drop the tips or put them back.

    Channels that are `idle`, counted from 0, meet empty wells only: they draw and deliver air.
    """

    channels: ChannelSet
    rack: str
    tip_well: str
    moves: tuple[Move, ...] = Field(min_length=1)
    finish: Literal["drop", "return"] = "drop"
    idle: frozenset[int] = frozenset()

    def wells(self, spot: Spot) -> tuple[tuple[str, str], ...]:
        """(labware, well) of each channel that works at a spot."""
        wells = enumerate(covered(self.channels, spot.well))
        return tuple(
            (spot.labware, spot.well if spot.trough else well)
            for channel, well in wells
            if channel not in self.idle
        )


def use_moves(use: TipUse) -> Iterable[LiquidMove]:
    """Liquid moves of one tip use, channel by channel."""
    for move in use.moves:
        for source, target in zip(use.wells(move.source), use.wells(move.target), strict=True):
            yield LiquidMove(source, target, move.volume_ul)


async def make_moves(name: str, use: TipUse, bench: Bench, how: Handling) -> None:
    """Fit the tips, make every move (each recorded before it is sent), let go of the tips."""
    handler: LiquidHandler = bench.instrument(name)

    async def pick_up() -> None:
        await handler.use_channels(use.channels)
        await handler.pick_up_tips(use.rack, use.tip_well)

    await bench.act(
        name, "pick_up_tips", pick_up, channels=use.channels, rack=use.rack, well=use.tip_well
    )
    for move in use.moves:
        source = f"{move.source.labware}/{move.source.well}"
        if move.stir_cycles:
            await bench.act(name, "stir", partial(_stir, handler, move, how), source=source)
        await bench.act(
            name, "transfer", partial(_one_move, handler, move, bench, how),
            source=source, target=f"{move.target.labware}/{move.target.well}", volume_ul=move.volume_ul,
        )  # fmt: skip
    if use.finish == "return":
        give_back = partial(handler.return_tips, use.rack, use.tip_well)
        await bench.act(name, "return_tips", give_back, rack=use.rack, well=use.tip_well)
    else:
        await bench.act(name, "drop_tips", handler.drop_tips)


async def _stroke(
    handler: LiquidHandler, here: Spot, there: Spot, volume_ul: float, how: Handling
) -> None:
    """Draw here and give there, and wait in the liquid after each."""
    await handler.aspirate(
        here.labware, here.well,
        volume_ul=volume_ul, flow_ul_per_s=how.aspirate_ul_per_s, height_mm=here.height_mm,
    )  # fmt: skip
    if how.settle_s:
        await asyncio.sleep(how.settle_s)
    await handler.dispense(
        there.labware, there.well,
        volume_ul=volume_ul, flow_ul_per_s=how.dispense_ul_per_s, height_mm=there.height_mm,
    )  # fmt: skip
    if how.settle_s:
        await asyncio.sleep(how.settle_s)


async def _stir(handler: LiquidHandler, move: Move, how: Handling) -> None:
    for _ in range(move.stir_cycles):
        await _stroke(handler, move.source, move.source, move.stir_ul, how)


async def _one_move(handler: Any, move: Move, bench: Bench, how: Handling) -> None:
    there = move.target
    await _stroke(handler, move.source, there, move.volume_ul, how)
    bench.note(delivered=f"{there.labware}/{there.well}")
    for _ in range(move.mix_cycles):
        await _stroke(handler, there, there, move.mix_ul, how)
    if how.blow_out:
        await handler.blow_out(
            there.labware,
            there.well,
            flow_ul_per_s=how.dispense_ul_per_s,
            height_mm=there.height_mm,
        )
    if how.touch_tip:
        await handler.touch_tip(there.labware, there.well)


class Transfer(Params):
    """Pipetting with one handler."""

    name: ClassVar[str] = "transfer"
    effect: ClassVar[Effect] = "consume"

    handler: str
    uses: tuple[TipUse, ...]
    handling: Handling = Handling()

    @property
    def duration_s(self) -> float:
        """Tip changes, moves, mixing and flow."""
        total = 0.0
        for use in self.uses:
            total += TIP_CHANGE_S
            for move in use.moves:
                for cycles, volume_ul in (
                    (1, move.volume_ul), (move.mix_cycles, move.mix_ul), (move.stir_cycles, move.stir_ul),
                ):  # fmt: skip
                    total += cycles * (MOVE_S + self.handling.stroke_s(volume_ul))
                total += FINISH_S * (self.handling.blow_out + self.handling.touch_tip)
        return total

    def instruments(self) -> tuple[str, ...]:
        """The handler."""
        return (self.handler,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """Every channel of every move."""
        for use in self.uses:
            yield from use_moves(use)

    async def execute(self, bench: Bench) -> Outcome:
        """Make all tip uses in order."""
        for use in self.uses:
            await make_moves(self.handler, use, bench, self.handling)
        return Outcome({"tip_uses": len(self.uses), "moves": sum(len(u.moves) for u in self.uses)})
