"""What a run needs against what the stock file says is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from platectl.app.preflight.model import Check
from platectl.domain.lab import Lab
from platectl.domain.local_time import elapsed_s, later
from platectl.domain.radioactivity import format_activity
from platectl.domain.run import CompiledRun
from platectl.domain.stock import Reagent, Stock, WasteStream
from platectl.domain.units import format_duration, format_volume
from platectl.planning.demand import Demand, LiquidDemand
from platectl.planning.slots import SlotDemand
from platectl.planning.waste import WasteDemand

Entries = Mapping[str, Reagent]
NOT_LISTED = "not listed"


def supply_checks(run: CompiledRun, found: Demand, stock: Stock) -> Iterator[Check]:
    """Reagents, labware, radioactivity, waste, and positions that are taken already."""
    yield from _reagents(found, stock)
    yield from _consumables(found, stock)
    yield from _activities(found, stock)
    for need in found.waste:
        yield from _waste(need, stock)
    yield from _occupied(run, stock)


def slot_checks(slots: Iterable[SlotDemand]) -> Iterator[Check]:
    """Places in which labware waits: the most at once."""
    for slot in slots:
        enough = slot.peak <= slot.there
        yield Check(
            f"places {slot.use}", f"{slot.peak} at once", str(slot.there),
            "yes" if enough else "no", "" if enough else "plan fewer plates, or add positions",
        )  # fmt: skip


def matching(liquid: LiquidDemand, stock: Stock) -> dict[str, Reagent]:
    """Entries of the stock that are a liquid; one that holds other components is not."""
    found = {}
    for name, entry in stock.reagents.items():
        called = entry.liquid or name
        if called not in {liquid.name, liquid.liquid}:
            continue
        same = set(entry.holds) == set(liquid.components)
        told_apart = liquid.name != liquid.liquid and not liquid.beside
        certain = called == liquid.name or not told_apart
        if liquid.beside or same or (certain and not entry.holds):
            found[name] = entry
    return found


def misnamed(found: Demand, stock: Stock) -> Iterator[str]:
    """Entries that nothing needs, while something of nearly their name is lacking.

    Entries of other nights are none of these.
    """
    known = [(liquid, matching(liquid, stock)) for liquid in found.liquids if not liquid.made]
    used = {name for _, entries in known for name in entries}
    lacking = {
        name.lower(): name
        for liquid, entries in known if not entries
        for name in (liquid.name, liquid.liquid)
    }  # fmt: skip
    for name, entry in stock.reagents.items():
        called = entry.liquid or name
        near = get_close_matches(called.lower(), lacking, n=1)
        if name not in used and near and lacking[near[0]] != called:
            yield (
                f"reagents.{name} of the stock file: {called!r} is nothing that is needed and counts "
                f"for nothing; the nearest name that is lacking is {lacking[near[0]]!r}"
            )


def _reagents(found: Demand, stock: Stock) -> Iterator[Check]:
    groups: dict[tuple[str, ...], list[LiquidDemand]] = defaultdict(list)
    for liquid in found.liquids:
        entries = matching(liquid, stock)
        if not liquid.made and (entries or not liquid.radioactive):
            groups[tuple(entries) or (f"{liquid.name}?",)].append(liquid)
    for names, liquids in groups.items():
        entries = {name: stock.reagents[name] for name in names if name in stock.reagents}
        yield _volume(found, liquids, entries, stock)
        for name, entry in entries.items():
            if entry.life is not None:
                yield _life(found, liquids, name, entry)


def _volume(
    found: Demand, liquids: Sequence[LiquidDemand], entries: Entries, stock: Stock
) -> Check:
    needed_ul = sum(liquid.loaded_ul for liquid in liquids)
    last = later(found.at, max(liquid.last_use_s for liquid in liquids)).date()
    expired = [n for n, e in entries.items() if e.expires is not None and e.expires < last]
    there_ul = sum(e.volume for n, e in entries.items() if n not in expired)
    there = format_volume(there_ul) if entries else _others(liquids[0], stock)
    if expired:
        there += f" ({', '.join(expired)} expired)"
    short = needed_ul > there_ul + 0.5
    best = sum(liquid.prepare_ul for liquid in liquids)
    return Check(
        f"reagent {liquids[0].name}", format_volume(needed_ul), there, "no" if short else "yes",
        f"prepare {format_volume(best)} and write it into the stock file" if short else "",
    )  # fmt: skip


def _others(liquid: LiquidDemand, stock: Stock) -> str:
    """What is there of the name, but is something else."""
    others = [e.holds for n, e in stock.reagents.items() if (e.liquid or n) == liquid.liquid]
    held = "; ".join(" and ".join(holds) for holds in others if holds)
    return f"one with {held}" if held else NOT_LISTED


def _life(found: Demand, liquids: Sequence[LiquidDemand], name: str, entry: Reagent) -> Check:
    """Its age at the last use: since it was prepared, or since it was loaded."""
    if entry.prepared is None:
        age_s = max(liquid.longest_s for liquid in liquids)
    else:
        last = later(found.at, max(liquid.last_use_s for liquid in liquids))
        age_s = elapsed_s(entry.prepared, last)
    life_s = entry.life or 0.0
    return Check(
        f"life {name}", f"{format_duration(age_s)} until its last use", format_duration(life_s),
        "yes" if age_s <= life_s else "no", "" if age_s <= life_s else "prepare it later, or anew",
    )  # fmt: skip


def _consumables(found: Demand, stock: Stock) -> Iterator[Check]:
    for kind, number in found.consumables.items():
        there = stock.consumables.get(kind)
        enough = there is not None and there >= number
        yield Check(
            f"consumable {kind}", str(number), NOT_LISTED if there is None else str(there),
            "yes" if enough else "no", "" if enough else f"fetch {number - (there or 0)}",
        )  # fmt: skip


def _activities(found: Demand, stock: Stock) -> Iterator[Check]:
    """Activity on hand on the day, for what is not there as a ready solution."""
    for substance in found.activity_mbq:
        needed = sum(
            liquid.activity_mbq
            for liquid in found.liquids
            if liquid.substance == substance and not matching(liquid, stock)
        )
        if not needed:
            continue
        there = stock.activity_mbq(substance, found.at)
        yield Check(
            f"activity {substance}", format_activity(needed), format_activity(there),
            "yes" if there >= needed else "no",
            "" if there >= needed else "order more, or correct its date and activity",
        )  # fmt: skip


def _waste(need: WasteDemand, stock: Stock) -> Iterator[Check]:
    streams = [stream for stream in stock.waste.values() if stream.takes == need.kind]
    name = f"waste {need.kind}"
    if need.volume_ul:
        room = sum((s.volume or 0.0) - s.filled for s in streams)
        yield _room(f"{name} volume", need.volume_ul <= room, streams,
                    format_volume(need.volume_ul), format_volume(room))  # fmt: skip
    if need.items:
        free = sum((s.items or 0) - s.filled_items for s in streams)
        yield _room(f"{name} items", need.items <= free, streams, str(need.items), str(free))
    if need.activity_mbq and streams and all(s.activity_limit is not None for s in streams):
        left = sum((s.activity_limit or 0.0) - s.activity for s in streams)
        yield _room(f"{name} activity", need.activity_mbq <= left, streams,
                    format_activity(need.activity_mbq), format_activity(max(left, 0.0)))  # fmt: skip


def _room(
    name: str, enough: bool, streams: Sequence[WasteStream], needed: str, there: str  # noqa: FBT001  # of a comparison
) -> Check:  # fmt: skip
    return Check(
        name, f"room for {needed}", there if streams else "no container that takes it",
        "yes" if enough else "no", "" if enough else "empty a container, or add one",
    )  # fmt: skip


def _occupied(run: CompiledRun, stock: Stock) -> Iterator[Check]:
    if not stock.occupied:
        return
    used = _used_positions(run)
    unknown = [place for place in stock.occupied if place not in run.lab.positions]
    taken = [place for place in stock.occupied if place in used]
    fix = f"clear {', '.join(taken)}" if taken else ""
    if unknown:
        fix = f"{', '.join(unknown)}: no position of the lab; correct the stock file"
    yield Check(
        "positions", "those of the plan free", f"{', '.join(stock.occupied)} occupied",
        "no" if taken or unknown else "yes", fix,
    )  # fmt: skip


def _used_positions(run: CompiledRun) -> set[str]:
    lab: Lab = run.lab
    held = {hold.resource for hold in run.holds} | {r for s in run.steps for r in s.resources}
    loaded = {
        str(item["position"])
        for step in run.steps
        if step.kind == "load"
        for item in step.params["place"]
    }
    return (held | loaded) & set(lab.positions)
