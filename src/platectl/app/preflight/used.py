"""What runs have taken from the stock since it was counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platectl.app.preflight.supplies import matching
from platectl.domain.errors import StoreError
from platectl.domain.labware import LabwareKind
from platectl.domain.run import CompiledRun
from platectl.domain.stock import RadioactiveStock, Reagent, Stock, WasteStream
from platectl.planning.demand import Demand, demand
from platectl.planning.waste import WasteDemand
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Used:
    """What one run has taken for the plates that were loaded in it."""

    run: str
    plates: tuple[str, ...]
    demand: Demand


def used_since(
    folders: Iterable[Path], counted: datetime, run: CompiledRun, kinds: Mapping[str, LabwareKind]
) -> tuple[Used, ...]:
    """What was loaded in other runs of a run's lab after an aware moment."""
    found = (_used(folder, counted, run, kinds) for folder in folders)
    return tuple(used for used in found if used is not None)


def _used(
    folder: Path, counted: datetime, run: CompiledRun, kinds: Mapping[str, LabwareKind]
) -> Used | None:
    try:
        with Ledger.reading(folder / "ledger.db") as ledger:
            earlier = run_of(ledger)
            events = list(ledger.events())
    except StoreError:
        return None  # never begun
    if (earlier.lab.name, earlier.lab.simulated) != (run.lab.name, run.lab.simulated):
        return None
    loads = {step.id: step.plate for step in earlier.steps if step.kind == "load"}
    walls = [
        datetime.fromisoformat(e.wall) for e in events if e.kind == "step.done" and e.step in loads
    ]
    plates = tuple(
        loads[e.step]
        for e in events
        if e.kind == "step.done" and e.step in loads and datetime.fromisoformat(e.wall) > counted
    )
    if not plates:
        return None
    steps = tuple(step for step in earlier.steps if not step.plate or step.plate in plates)
    mine = tuple(plate for plate in earlier.plates if plate.name in plates)
    part = earlier.model_copy(update={"steps": steps, "plates": mine})
    return Used(folder.name, plates, demand(part, max(walls), kinds))


def left_of(stock: Stock, used: Iterable[Used]) -> Stock:
    """The stock without what was taken; waste containers with what came into them."""
    for one in used:
        stock = _without(stock, one.demand)
    return stock


def _without(stock: Stock, taken: Demand) -> Stock:
    reagents = dict(stock.reagents)
    for liquid in taken.liquids:
        if not liquid.made:
            _pour(reagents, matching(liquid, stock), liquid.loaded_ul)
    consumables = {
        kind: max(0, number - taken.consumables.get(kind, 0))
        for kind, number in stock.consumables.items()
    }
    radioactive = dict(stock.radioactive)
    for substance in taken.activity_mbq:
        mbq = sum(
            liquid.activity_mbq
            for liquid in taken.liquids
            if liquid.substance == substance and not matching(liquid, stock)
        )
        _draw(radioactive, substance, mbq, taken.at)
    waste = dict(stock.waste)
    for need in taken.waste:
        _throw(waste, need)
    return stock.model_copy(
        update={"reagents": reagents, "consumables": consumables, "radioactive": radioactive, "waste": waste}
    )  # fmt: skip


def _pour(reagents: dict[str, Reagent], entries: Mapping[str, Reagent], volume_ul: float) -> None:
    """Take a volume from the entries of one liquid, one after another."""
    for name in entries:
        entry = reagents[name]
        drawn_ul = min(entry.volume, volume_ul)
        reagents[name] = entry.model_copy(update={"volume": entry.volume - drawn_ul})
        volume_ul -= drawn_ul


def _draw(vials: dict[str, RadioactiveStock], substance: str, mbq: float, at: datetime) -> None:
    """Take activity of a moment from the vials of a substance, one after another."""
    for name, vial in vials.items():
        there = vial.activity_mbq(at)
        if vial.substance != substance or there <= 0:
            continue
        share = min(1.0, mbq / there)
        kept = {"activity": vial.activity * (1 - share), "volume": vial.volume * (1 - share)}
        vials[name] = vial.model_copy(update=kept)
        mbq -= share * there


def _throw(waste: dict[str, WasteStream], need: WasteDemand) -> None:
    """Fill the containers of a kind, one after another; the last takes what is left."""
    volume_ul, items, mbq = need.volume_ul, need.items, need.activity_mbq
    names = [name for name, stream in waste.items() if stream.takes == need.kind]
    for name in names:
        stream, last = waste[name], name == names[-1]
        liquid = (
            volume_ul if last else min(volume_ul, max(0.0, (stream.volume or 0.0) - stream.filled))
        )
        pieces = items if last else min(items, max(0, (stream.items or 0) - stream.filled_items))
        share = (
            1.0 if last else (liquid / volume_ul if volume_ul else pieces / items if items else 0.0)
        )
        more = {"filled": stream.filled + liquid, "filled_items": stream.filled_items + pieces,
                "activity": stream.activity + share * mbq}  # fmt: skip
        waste[name] = stream.model_copy(update=more)
        volume_ul, items, mbq = volume_ul - liquid, items - pieces, mbq * (1.0 - share)
