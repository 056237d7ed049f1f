"""What pipetting steps are made of: the handler with its deck, spots, and uses of tips."""

from __future__ import annotations

from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.steps.transfer import Handling, Move, Spot, TipUse

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


def handling_of(build: PlateBuilder, handler: str, name: str, source: str) -> Handling:
    """How the handler moves what stands in `source`: by the step's liquid class, or by that of the liquid.

    Raises:
        CannotBuildError: The lab has no such class, or the handler cannot do it.
    """
    liquid = build.protocol.liquids.get(build.protocol.labware[source].liquid or "")
    name = name or (liquid.handling if liquid else "")
    if not name:
        return Handling()
    known = build.facilities.lab.liquid_classes
    if name not in known:
        fix = f"use one of: {', '.join(known)}" if known else "add it to liquid_classes"
        raise CannotBuildError(f"the lab file has no liquid class {name!r}", fix)
    found = known[name]
    finishes = "TipFinisher" in build.facilities.drivers[handler].info.interfaces
    if (found.blow_out or found.touch_tip) and not finishes:
        message = f"{handler} can neither blow out nor touch the wall, as {name!r} asks"
        raise CannotBuildError(message, f"leave it out of liquid_classes.{name}")
    return Handling(
        aspirate_ul_per_s=found.aspirate_ul_per_s,
        dispense_ul_per_s=found.dispense_ul_per_s,
        settle_s=found.settle,
        blow_out=found.blow_out,
        touch_tip=found.touch_tip,
    )


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
