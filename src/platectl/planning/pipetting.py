"""What pipetting steps are made of: the handler with its deck, spots, and uses of tips."""

from __future__ import annotations

from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.steps.transfer import Move, Spot, TipUse

DRAW_MM = 2.0
FREE_MM = 10.0


def on_deck(build: PlateBuilder, *labware: str) -> str:
    """The handler, with the labware on its deck."""
    handler = build.need("LiquidHandler", "to pipette")
    for name in labware:
        entry = build.facilities.lab.positions.get(build.spot.get(name, ""))
        if entry is not None and entry.handler == handler:
            continue
        lab = build.facilities.lab
        home = lab.workplace.get(name) or lab.placement.get(name)
        if home is None or lab.positions[home].handler != handler:
            raise CannotBuildError(
                f"{name!r} has no slot on the deck of {handler}",
                "add it to placement in the lab file",
            )
        build.bring(name, home)
    return handler


def check_volume(build: PlateBuilder, handler: str, volume_ul: float, tips: str) -> None:
    """Refuse a volume that the handler cannot do with these tips."""
    limits = build.facilities.drivers[handler].limits
    high = min(limits.max_volume_ul, build.kind(tips).tip_volume)
    if not limits.min_volume_ul <= volume_ul <= high:
        message = f"{handler} cannot pipette {volume_ul:g} uL with {tips}"
        raise CannotBuildError(message, f"use {limits.min_volume_ul:g} to {high:g} uL")


def full_head(tips: str, moves: list[Move], *, keep: bool = False) -> TipUse:
    """A use of all channels; the tips go back to their rack when they are kept."""
    return TipUse(
        channels="full",
        rack=tips,
        tip_well="A1",
        moves=tuple(moves),
        finish="return" if keep else "drop",
    )


def spot(build: PlateBuilder, labware: str, height_mm: float = DRAW_MM) -> Spot:
    """The first well of a labware; a reservoir is one well for all channels."""
    trough = build.kind(labware).role == "reservoir"
    return Spot(labware=build.named(labware), height_mm=height_mm, trough=trough)
