"""What a compiled run needs to be there before it starts: liquids, labware, activity, room."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from platectl.domain.assay import AssayProtocol
from platectl.domain.labware import LabwareKind
from platectl.domain.layout import PLATE
from platectl.domain.radioactivity import days_since, decayed, molar_activity_mbq
from platectl.domain.run import CompiledRun
from platectl.domain.step_docs import HarvestDoc
from platectl.domain.steps import Step
from platectl.planning.portions import Portion, portions, stock_name
from platectl.planning.slots import SlotDemand, slot_demands
from platectl.planning.waste import WasteDemand, tip_uses, waste_demands
from platectl.steps import kind_of
from platectl.steps.harvest import ServedHarvest
from platectl.steps.people import Manual

LITRE_PER_UL = 1e-6
#: what is prepared beyond need of a liquid that the protocol does not list
EXCESS = 0.1


@dataclass(frozen=True, slots=True)
class LiquidDemand:
    """One liquid of a run.

    `drawn_ul` is what the steps take, priming included; `loaded_ul` what the loadings ask for, with
    dead volumes and their own margin; `prepare_ul` what a person best prepares: that, the liquid's
    excess, and rounded up. `activity_mbq` is of the loaded volume on the day of the run.
    `longest_s` is the longest time from a loading to the last use of what it loaded. `made` are
    plates that a person prepares well by well. What no loading asks for is `beside` them: stocks
    that go into those plates, and the wash buffer of a harvester.
    """

    name: str
    liquid: str
    components: tuple[str, ...]
    plates: tuple[str, ...]
    portions: tuple[Portion, ...]
    drawn_ul: float
    loaded_ul: float
    prepare_ul: float
    activity_mbq: float
    substance: str
    temperature_c: float | None
    help: str
    longest_s: float
    last_use_s: float
    radioactive: bool
    made: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything that a run needs; activities are those on the day of the run, MBq."""

    at: datetime
    liquids: tuple[LiquidDemand, ...]
    consumables: Mapping[str, int]
    activity_mbq: Mapping[str, float]
    waste: tuple[WasteDemand, ...]
    slots: tuple[SlotDemand, ...]
    disk_bytes: int


def demand(run: CompiledRun, at: datetime, kinds: Mapping[str, LabwareKind]) -> Demand:
    """Sum up what a run needs that begins at an aware moment; `kinds` is the labware catalogue."""
    loaded = portions(run)
    activities = {id(p): _activity_mbq(run, p, at) for p in loaded}
    groups: dict[str, list[Portion]] = defaultdict(list)
    for portion in loaded:
        groups[portion.name].append(portion)
    liquids = [_liquid(run, name, group, activities) for name, group in groups.items()]
    return Demand(
        at=at,
        liquids=(*liquids, *_beside_the_loadings(run, loaded, set(groups))),
        consumables=consumables(run),
        activity_mbq=_by_substance(run, loaded, activities),
        waste=waste_demands(run, [(p, activities[id(p)]) for p in loaded], kinds),
        slots=slot_demands(run),
        disk_bytes=disk_bytes(run),
    )


def consumables(run: CompiledRun) -> dict[str, int]:
    """Labware by catalogue kind, heat seals, and what manual steps use."""
    counted: Counter[str] = Counter()
    for step in run.steps:
        if step.kind == "load":
            counted.update(str(item["kind"]) for item in step.params["place"])
        elif step.kind == "seal":
            counted["heat_seal"] += 1
        elif step.kind == "manual":
            work = kind_of(step)
            counted.update(work.uses if isinstance(work, Manual) else {})
    return dict(sorted(counted.items()))


def mbq_per_mol(protocol: AssayProtocol, at: datetime) -> float:
    """Activity of a mole of the protocol's radioligand at an aware moment, MBq."""
    binding = protocol.of_binding
    stated = date.fromisoformat(binding.specific_activity_date)
    days = days_since(stated, at)
    return decayed(molar_activity_mbq(binding.specific_activity), days=days)


def round_up_ul(volume_ul: float) -> float:
    """Up to two digits: 9856 uL is 9900 uL, 560155 uL is 570000 uL."""
    if volume_ul <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(volume_ul)) - 1)
    return math.ceil(round(volume_ul / step, 9)) * step


def disk_bytes(run: CompiledRun) -> int:
    """Space that a run folder takes, from what was seen of runs, twice over.

    Ledger and wire for each stroke of a pipette, each value that is read and each well that is
    counted; results and report for each plate.
    """
    total = 1e6 + 1e6 * len(run.plates) + 5e3 * len(run.steps)
    for step in run.steps:
        if step.kind in {"transfer", "filter"}:
            total += 3e3 * _strokes(step)
        elif step.kind == "read":
            length_s = step.params["baseline_s"] + step.params["record_s"]
            frames = length_s / step.params["interval_s"] + 1
            total += 100.0 * frames * len(step.params["wells"]) * len(step.params["channels"])
        elif step.kind == "count":
            total += 2e4 * len(step.params["wells"])
    return round(2 * total)


def _strokes(step: Step) -> int:
    """Moves of all tip uses, mixing and stirring counted."""
    moves = (move for use in tip_uses(kind_of(step)) for move in use.moves)
    return sum(1 + move.mix_cycles + move.stir_cycles for move in moves)


def _radioligand_molar(run: CompiledRun, portion: Portion) -> float:
    protocol = run.protocols[portion.assay]
    if not protocol.is_binding:
        return 0.0
    return portion.contents.get(protocol.of_binding.radioligand, 0.0)


def _activity_mbq(run: CompiledRun, portion: Portion, at: datetime) -> float:
    """Molar x litres x specific activity, decayed to the moment."""
    molar = _radioligand_molar(run, portion)
    if not molar:
        return 0.0
    moles = molar * portion.volume_ul * LITRE_PER_UL
    return moles * mbq_per_mol(run.protocols[portion.assay], at)


def _by_substance(
    run: CompiledRun, loaded: Iterable[Portion], activities: Mapping[int, float]
) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for portion in loaded:
        if activities[id(portion)]:
            substance = run.protocols[portion.assay].of_binding.radioligand
            sums[substance] += activities[id(portion)]
    return dict(sums)


def _liquid(
    run: CompiledRun, name: str, group: Sequence[Portion], activities: Mapping[int, float]
) -> LiquidDemand:
    first = group[0]
    protocol = run.protocols[first.assay]
    doc = protocol.liquids.get(first.liquid)
    loaded_ul = sum(p.volume_ul for p in group)
    activity_mbq = sum(activities[id(p)] for p in group)
    excess = EXCESS if doc is None else doc.excess
    return LiquidDemand(
        name=name,
        liquid=first.liquid,
        components=tuple(sorted({c for p in group for c in p.contents})),
        plates=tuple(dict.fromkeys(p.plate for p in group)),
        portions=tuple(group),
        drawn_ul=sum(p.drawn_ul for p in group),
        loaded_ul=loaded_ul,
        prepare_ul=loaded_ul if first.made else round_up_ul(loaded_ul * (1 + excess)),
        activity_mbq=activity_mbq,
        substance=protocol.of_binding.radioligand if activity_mbq else "",
        temperature_c=doc.temperature if doc else None,
        help=doc.help if doc else protocol.labware[first.liquid].help if first.made else "",
        longest_s=max(p.last_use_s - p.loaded_s for p in group),
        last_use_s=max(p.last_use_s for p in group),
        radioactive=activity_mbq > 0 or bool(doc and doc.radioactive),
        made=first.made,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of a liquid that no loading asks for: what for, and when it must be there."""

    name: str
    plate: str
    use: str
    volume_ul: float
    needed_s: float


def _beside_the_loadings(
    run: CompiledRun, loaded: Sequence[Portion], known: set[str]
) -> list[LiquidDemand]:
    """Stocks for plates that a person makes well by well, and wash buffer of a harvester."""
    groups: dict[str, list[_Part]] = defaultdict(list)
    for part in (*_stocks_of_made(run, loaded), *_harvester_buffer(run)):
        groups[part.name].append(part)
    return [_beside(name, parts, known) for name, parts in groups.items()]


def _beside(name: str, parts: Sequence[_Part], known: set[str]) -> LiquidDemand:
    total_ul = sum(part.volume_ul for part in parts)
    uses = ", ".join(dict.fromkeys(part.use for part in parts))
    return LiquidDemand(
        name=f"{name} (for {uses})" if name in known else name,
        liquid=name,
        components=(),
        plates=tuple(dict.fromkeys(part.plate for part in parts)),
        portions=(),
        drawn_ul=total_ul,
        loaded_ul=total_ul,
        prepare_ul=round_up_ul(total_ul * (1 + EXCESS)),
        activity_mbq=0.0,
        substance="",
        temperature_c=None,
        help=f"for {uses}",
        longest_s=0.0,
        last_use_s=max(part.needed_s for part in parts),
        radioactive=False,
        beside=True,
    )


def _stocks_of_made(run: CompiledRun, loaded: Iterable[Portion]) -> Iterator[_Part]:
    for portion in loaded:
        protocol = run.protocols[portion.assay]
        for compound, molar in portion.contents.items() if portion.made else ():
            stock = _stock_molar(protocol, compound)
            if molar and stock:
                volume_ul = molar / stock * portion.volume_ul
                name = stock_name(compound, stock)
                yield _Part(name, portion.plate, portion.liquid, volume_ul, portion.loaded_s)


def _harvester_buffer(run: CompiledRun) -> Iterator[_Part]:
    """What a harvester washes with: the liquid that the protocol would have washed from."""
    protocols = {plate.name: run.protocols[plate.assay] for plate in run.plates}
    for step in run.steps:
        served = kind_of(step) if step.kind == "served_harvest" else None
        if not isinstance(served, ServedHarvest):
            continue
        protocol = protocols[step.plate]
        sources = [
            protocol.labware[name].liquid
            for doc in protocol.steps.values()
            if isinstance(doc, HarvestDoc)
            for name in doc.wash_from
        ]
        liquid = next((name for name in sources if name), "wash_buffer")
        volume_ul = served.washes * served.wash_ul * len(PLATE.by_row())
        yield _Part(liquid, step.plate, served.harvester, volume_ul, step.planned_end_s)


def _stock_molar(protocol: AssayProtocol, compound: str) -> float | None:
    """The strongest stock of a compound that a protocol names."""
    compounds = protocol.compounds
    named = [c.stock for c in compounds.controls.values() if c.compound == compound]
    named += [compounds.reference_stock] if compounds.reference == compound else []
    return max(named, default=None)
