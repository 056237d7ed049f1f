"""Where everything ends: volumes, items and activity for each kind of waste.

Liquids and activity are followed through every move of the plan. Where nobody can know how
activity divides, it is counted in full on both sides: what passes a filter goes to the aqueous
waste, and the filter plate is taken to hold as much. What a limit allows is then allowed whatever
binds. Liquid that is left in bottles and reservoirs is poured away, in plates it stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from platectl.domain.labware import LabwareKind
from platectl.domain.layout import PLATE
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Step
from platectl.domain.stock import WASTE_KINDS, WasteKind
from platectl.planning.portions import Portion, steps_of
from platectl.planning.volumes import Well
from platectl.steps import kind_of
from platectl.steps.dispense import Prime
from platectl.steps.harvest import Filter, ServedHarvest
from platectl.steps.kind import LiquidMove, StepKind
from platectl.steps.transfer import TipUse, Transfer

#: content of scintillation cocktail, which makes waste organic
COCKTAIL = "cocktail"
LEAST_MBQ = 1e-15
Drain = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WasteDemand:
    """What goes to one kind of waste; activity on the day of the run."""

    kind: WasteKind
    volume_ul: float
    items: int
    activity_mbq: float


@dataclass(slots=True)
class _Amount:
    volume_ul: float = 0.0
    items: int = 0
    activity_mbq: float = 0.0
    organic: bool = False

    def add(self, volume_ul: float, activity_mbq: float, *, items: int = 0) -> None:
        self.volume_ul += volume_ul
        self.activity_mbq += activity_mbq
        self.items += items


@dataclass(slots=True)
class _Plate:
    """What the labware and the bottles of one plate hold."""

    wells: dict[Well, _Amount] = field(default_factory=lambda: defaultdict(_Amount))
    touched: set[str] = field(default_factory=set)

    def hot(self, labware: str) -> bool:
        """Whether a labware holds or held activity."""
        return labware in self.touched

    def organic(self, labware: str) -> bool:
        """Whether a labware holds cocktail."""
        return any(a.organic for (name, _), a in self.wells.items() if name == labware)


def waste_demands(
    run: CompiledRun, loaded: Sequence[tuple[Portion, float]], kinds: Mapping[str, LabwareKind]
) -> tuple[WasteDemand, ...]:
    """Follow what is loaded, each portion with its activity in MBq, to where it ends."""
    sums: dict[WasteKind, _Amount] = {kind: _Amount() for kind in WASTE_KINDS}
    drains: dict[Drain, _Amount] = defaultdict(_Amount)
    for plan in run.plates:
        steps = steps_of(run, plan.name)
        plate = _filled([(p, mbq) for p, mbq in loaded if p.plate == plan.name])
        for step in steps:
            _follow(plate, kind_of(step), drains)
        _left(plate, steps, kinds, sums)
    for drain in drains.values():
        sums[_liquid_kind(drain)].add(drain.volume_ul, drain.activity_mbq)
    return tuple(
        WasteDemand(kind, round(a.volume_ul, 3), a.items, a.activity_mbq)
        for kind, a in sums.items()
        if a.volume_ul or a.items
    )


def _filled(loaded: Iterable[tuple[Portion, float]]) -> _Plate:
    plate = _Plate()
    for portion, mbq in loaded:
        well = plate.wells[portion.source]
        well.add(portion.volume_ul, mbq)
        well.organic = bool(portion.contents.get(COCKTAIL))
        if mbq:
            plate.touched.add(portion.source[0])
    return plate


def _follow(plate: _Plate, kind: StepKind, drains: dict[Drain, _Amount]) -> None:
    for move in _moves(kind):
        taken = _take(plate, move)
        if move.target is None or move.drained:
            drain = drains[_drain_of(kind)]
            drain.add(taken.volume_ul, taken.activity_mbq)
            drain.organic |= taken.organic
        if move.target is not None:
            well = plate.wells[move.target]
            if move.drained:  # what stood on the filter goes along
                drains[_drain_of(kind)].volume_ul += well.volume_ul
                well.volume_ul = -taken.volume_ul
            well.add(taken.volume_ul, taken.activity_mbq)
            well.organic |= taken.organic
            if taken.activity_mbq > LEAST_MBQ:
                plate.touched.add(move.target[0])


def _moves(kind: StepKind) -> Iterator[LiquidMove]:
    """Liquid moves, with those that a harvester makes by itself."""
    yield from kind.liquid_moves()
    if isinstance(kind, ServedHarvest):
        for well in PLATE.by_row():
            here, there = (kind.labware, well), (kind.filter_plate, well)
            yield LiquidMove(here, there, kind.volume_ul, drained=True)
            yield LiquidMove(None, there, kind.washes * kind.wash_ul, drained=True)


def _take(plate: _Plate, move: LiquidMove) -> _Amount:
    if move.source is None:
        return _Amount(move.volume_ul)
    source = plate.wells[move.source]
    share = min(move.volume_ul / source.volume_ul, 1.0) if source.volume_ul > 0 else 0.0
    taken = _Amount(move.volume_ul, 0, share * source.activity_mbq, source.organic)
    source.add(-move.volume_ul, -taken.activity_mbq)
    return taken


def _drain_of(kind: StepKind) -> Drain:
    """The vessel into which a step lets run: one of each instrument, and one of each primed liquid."""
    if isinstance(kind, Filter):
        return kind.vacuum, ""
    return kind.instruments()[0], kind.liquid if isinstance(kind, Prime) else ""


def _liquid_kind(amount: _Amount) -> WasteKind:
    if amount.organic:
        return "organic_radioactive"
    return "aqueous_radioactive" if amount.activity_mbq > LEAST_MBQ else "ordinary"


def _left(
    plate: _Plate, steps: Sequence[Step], kinds: Mapping[str, LabwareKind],
    sums: dict[WasteKind, _Amount],
) -> None:  # fmt: skip
    """What is there when the plate is done: leftovers are poured away, labware is thrown away."""
    for (name, _), well in plate.wells.items():
        if name.startswith("bottle:"):
            sums[_liquid_kind(well)].add(max(well.volume_ul, 0.0), well.activity_mbq)
    hot_racks = _hot_racks(plate, steps)
    for load in (step for step in steps if step.kind == "load"):
        for item in load.params["place"]:
            name, kind = str(item["labware"]), kinds[str(item["kind"])]
            if kind.role in {"tip_rack", "lid"}:
                hot = name in hot_racks if kind.role == "tip_rack" else bool(plate.touched)
                sums["solid_radioactive" if hot else "ordinary"].add(0.0, 0.0, items=1)
            else:
                _labware_left(plate, name, kind, sums)


def _labware_left(
    plate: _Plate, name: str, kind: LabwareKind, sums: dict[WasteKind, _Amount]
) -> None:
    held = [amount for (labware, _), amount in plate.wells.items() if labware == name]
    volume_ul = sum(max(amount.volume_ul, 0.0) for amount in held)
    activity_mbq = sum(amount.activity_mbq for amount in held)
    if kind.role == "reservoir":
        for amount in held:
            sums[_liquid_kind(amount)].add(max(amount.volume_ul, 0.0), amount.activity_mbq)
        sums["solid_radioactive" if plate.hot(name) else "ordinary"].add(0.0, 0.0, items=1)
    elif plate.organic(name):
        sums["organic_radioactive"].add(volume_ul, activity_mbq, items=1)
    elif plate.hot(name):
        sums["solid_radioactive"].add(0.0, activity_mbq, items=1)
    else:
        sums["ordinary"].add(0.0, 0.0, items=1)


def _hot_racks(plate: _Plate, steps: Sequence[Step]) -> set[str]:
    """Racks whose tips were in labware that holds or held activity."""
    return {
        use.rack
        for step in steps
        for use in tip_uses(kind_of(step))
        for move in use.moves
        if plate.hot(move.source.labware) or plate.hot(move.target.labware)
    }


def tip_uses(kind: StepKind) -> Iterable[TipUse]:
    """Tip uses of a step that pipettes."""
    if isinstance(kind, Transfer):
        return kind.uses
    if isinstance(kind, Filter):
        return [use for use in (kind.suspension, *kind.washes) if use is not None]
    return ()
