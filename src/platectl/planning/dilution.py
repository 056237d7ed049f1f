"""Pipetting plan for compound series: the plate map decides; whole columns move at once where they can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from platectl.domain.assay import AssayProtocol
from platectl.domain.layout import PLATE, WellPlan
from platectl.domain.run import PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.step_docs import DiluteDoc
from platectl.domain.units import format_molar
from platectl.domain.wells import parse_well
from platectl.steps.transfer import ChannelSet, Move, Spot, TipUse

VEHICLE_COLUMN = 12
NOTHING_UL = 1e-6
CONTROL_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class StockWell:
    """A well of the stock plate that a person fills: what, how concentrated."""

    well: str
    compound: str | None
    concentration_molar: float


@dataclass(slots=True)
class DilutionPlan:
    """Tip uses in order, and the stock wells that they draw from."""

    uses: list[TipUse] = field(default_factory=list)
    stocks: list[StockWell] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


class TipBox:
    """Hands out tips of one rack: whole columns from the left, single tips from the right."""

    def __init__(self, rack: str) -> None:
        self.rack = rack
        self._columns = 0
        self._singles = 0

    def take(self, channels: ChannelSet) -> str | None:
        """Rack well of the next tips, or None when the rack is empty."""
        if channels == "column":
            if (self._columns + 1) * 8 + self._singles > PLATE.size:
                return None
            self._columns += 1
            return f"A{self._columns}"
        if self._columns * 8 + self._singles >= PLATE.size:
            return None
        self._singles += 1
        return PLATE.by_column()[PLATE.size - self._singles]


def plan_dilution(
    doc: DiluteDoc,
    protocol: AssayProtocol,
    plate: PlatePlan,
    samples: Sequence[Sample],
    *,
    min_ul: float,
    max_ul: float,
) -> DilutionPlan:
    """Plan diluent, tops, controls and serial steps for one plate.

    `problems` lists (where, message, fix) for what cannot be pipetted.
    """
    plan = DilutionPlan()
    box = TipBox(f"{plate.name}.{doc.tips}")
    _list_stocks(plan, protocol, plate, samples)
    diluent_ul = doc.transfer * (protocol.compounds.dilution_factor - 1.0)
    series = [w for w in plate.wells if w.role in doc.series]
    _diluent(plan, doc, plate, box, [w for w in series if w.dilution_step], diluent_ul, max_ul)
    _tops(plan, doc, protocol, plate, box, min_ul=min_ul)
    _controls(plan, doc, protocol, plate, box, max_ul=max_ul)
    _serial(plan, doc, plate, box, series)
    return plan


def _list_stocks(
    plan: DilutionPlan, protocol: AssayProtocol, plate: PlatePlan, samples: Sequence[Sample]
) -> None:
    compounds = protocol.compounds
    molar = {sample.compound: sample.stock_molar for sample in samples}
    wanted: dict[tuple[str, float], None] = {}
    for well in plate.wells:
        if well.role in {"test", "reference"} and well.compound:
            stock = compounds.reference_stock if well.role == "reference" else molar[well.compound]
            wanted[well.compound, stock] = None
    for role, control in compounds.controls.items():
        if role in {w.role for w in plate.wells}:
            wanted[control.compound, control.stock] = None
    wells = PLATE.by_column()
    plan.stocks = [StockWell(w, c, m) for w, (c, m) in zip(wells, wanted, strict=False)]
    plan.stocks += [StockWell(well, None, 0.0) for well in PLATE.column(VEHICLE_COLUMN)]


def _stock_well(plan: DilutionPlan, compound: str, molar: float) -> str:
    return next(
        s.well for s in plan.stocks if s.compound == compound and s.concentration_molar == molar
    )


def _add(
    plan: DilutionPlan, box: TipBox, channels: ChannelSet, moves: Iterable[Move], where: str
) -> None:
    tip = box.take(channels)
    if tip is None:
        problem = (
            where,
            f"rack {box.rack} has too few tips",
            "use a layout whose series run along rows",
        )
        if problem not in plan.problems:
            plan.problems.append(problem)
        return
    plan.uses.append(TipUse(channels=channels, rack=box.rack, tip_well=tip, moves=tuple(moves)))


def whole_column(wells: Sequence[str]) -> int | None:
    """Column number when the wells are exactly one whole column, else None."""
    columns = {parse_well(well)[1] for well in wells}
    return columns.pop() + 1 if len(columns) == 1 and len(set(wells)) == PLATE.rows else None


def _diluent(
    plan: DilutionPlan, doc: DiluteDoc, plate: PlatePlan, box: TipBox, wells: Sequence[WellPlan],
    volume_ul: float, max_ul: float,
) -> None:  # fmt: skip
    by_column: dict[int, list[str]] = {}
    for well in wells:
        by_column.setdefault(parse_well(well.well)[1] + 1, []).append(well.well)
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    vehicle = Spot(labware=stocks, well=f"A{VEHICLE_COLUMN}")
    whole = [c for c, names in by_column.items() if whole_column(names)]
    moves = [Move(source=vehicle, target=Spot(labware=into, well=f"A{c}"), volume_ul=min(volume_ul, max_ul))
             for c in sorted(whole)]  # fmt: skip
    if moves:
        _add(plan, box, "column", moves, "dilute")
    singles = [w for c, names in by_column.items() if c not in whole for w in names]
    _vehicle_singles(plan, doc, plate, box, singles, min(volume_ul, max_ul))


def _vehicle_singles(
    plan: DilutionPlan,
    doc: DiluteDoc,
    plate: PlatePlan,
    box: TipBox,
    wells: Sequence[str],
    ul: float,
) -> None:
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    rows = PLATE.column(VEHICLE_COLUMN)
    moves = [Move(source=Spot(labware=stocks, well=rows[i % len(rows)]), target=Spot(labware=into, well=w, height_mm=5), volume_ul=ul)
             for i, w in enumerate(wells)]  # fmt: skip
    if moves:
        _add(plan, box, "single", moves, "dilute")


def _tops(
    plan: DilutionPlan, doc: DiluteDoc, protocol: AssayProtocol, plate: PlatePlan, box: TipBox, *, min_ul: float,
) -> None:  # fmt: skip
    compounds = protocol.compounds
    total_ul = doc.transfer * compounds.dilution_factor
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    tops = [w for w in plate.wells if w.role in doc.series and w.dilution_step == 0]
    vehicle: list[Move] = []
    compound: dict[str, list[Move]] = {}
    rows = PLATE.column(VEHICLE_COLUMN)
    for index, top in enumerate(tops):
        stock = next(s for s in plan.stocks if s.compound == top.compound and (
            top.role != "reference" or s.concentration_molar == compounds.reference_stock))  # fmt: skip
        volume = (
            total_ul
            * (top.concentration_molar or 0.0)
            * (doc.fold or compounds.vehicle_fold)
            / stock.concentration_molar
        )
        problem = _top_problem(volume, total_ul, min_ul, stock.compound or "")
        if problem:
            if problem not in plan.problems:
                plan.problems.append(problem)
            continue
        target = Spot(labware=into, well=top.well)
        if total_ul - volume > NOTHING_UL:
            source = Spot(labware=stocks, well=rows[index % len(rows)])
            vehicle.append(Move(source=source, target=target, volume_ul=total_ul - volume))
        source = Spot(labware=stocks, well=stock.well)
        mix = {"mix_cycles": doc.mix_cycles, "mix_ul": min(total_ul * 0.5, 45.0)}
        compound.setdefault(stock.well, []).append(
            Move(source=source, target=target, volume_ul=volume, **mix)
        )
    if vehicle:
        _add(plan, box, "single", vehicle, "dilute")
    for moves in compound.values():
        for move in moves:  # a fresh tip for each: mixing wets it with the other well
            _add(plan, box, "single", [move], "dilute")


def _top_problem(
    volume_ul: float, total_ul: float, min_ul: float, compound: str
) -> tuple[str, str, str] | None:
    if volume_ul > total_ul * (1 + 1e-9):
        return (compound, "the stock is too weak for the top concentration",
                f"it would take {volume_ul:.1f} uL of stock in {total_ul:.1f} uL; use a stronger stock or a lower top")  # fmt: skip
    if volume_ul < min_ul - 1e-9 or NOTHING_UL < total_ul - volume_ul < min_ul - 1e-9:
        return (compound, f"the top well needs {volume_ul:.2f} uL of stock in {total_ul:.1f} uL, which cannot be pipetted",
                f"the handler draws at least {min_ul:g} uL; dilute the stock first")  # fmt: skip
    return None


def _controls(
    plan: DilutionPlan, doc: DiluteDoc, protocol: AssayProtocol, plate: PlatePlan, box: TipBox, *, max_ul: float,
) -> None:  # fmt: skip
    volume = min(doc.control_volume, max_ul)
    compounds = protocol.compounds
    fills = doc.fills or {role: (role,) for role in compounds.controls}
    wells_of = {
        control: [w.well for w in plate.wells if w.role in roles]
        for control, roles in fills.items()
    }
    taken = {well for wells in wells_of.values() for well in wells}
    plain = [w.well for w in plate.wells if w.role not in doc.series and w.well not in taken]
    _vehicle_singles(plan, doc, plate, box, plain, volume)
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    for role, wells in wells_of.items():
        control = compounds.controls[role]
        if not wells:
            continue
        reached = control.stock / (doc.fold or compounds.vehicle_fold)
        if abs(reached / control.final - 1.0) > CONTROL_TOLERANCE:
            plan.problems.append(
                (
                    f"compounds.controls.{role}",
                    f"this stock of {control.compound} gives {format_molar(reached)} in the well",
                    f"use a stock of {format_molar(control.final * (doc.fold or compounds.vehicle_fold))}",
                )
            )
            continue
        source = Spot(labware=stocks, well=_stock_well(plan, control.compound, control.stock))
        moves = [
            Move(source=source, target=Spot(labware=into, well=well, height_mm=5), volume_ul=volume)
            for well in wells
        ]
        _add(plan, box, "single", moves, "dilute")


def _serial(
    plan: DilutionPlan, doc: DiluteDoc, plate: PlatePlan, box: TipBox, series: Sequence[WellPlan]
) -> None:
    into = f"{plate.name}.{doc.into}"
    by_series: dict[str, dict[int, str]] = {}
    for well in series:
        by_series.setdefault(well.series or "", {})[well.dilution_step] = well.well
    mix_ul = min(doc.transfer * 1.5, 45.0)
    longest = max((max(steps) for steps in by_series.values()), default=0)
    for step in range(longest):
        pairs = [(s[step], s[step + 1]) for s in by_series.values() if step + 1 in s]
        channels: ChannelSet = "single"
        if _in_lockstep(pairs):
            channels = "column"
            pairs = [min(pairs)]
        for source, target in pairs:
            move = Move(source=Spot(labware=into, well=source), target=Spot(labware=into, well=target),
                        volume_ul=doc.transfer, mix_cycles=doc.mix_cycles, mix_ul=mix_ul)  # fmt: skip
            _add(plan, box, channels, [move], "dilute")


def _in_lockstep(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether all rows of one column go to the same rows of another column."""
    same_rows = all(parse_well(a)[0] == parse_well(b)[0] for a, b in pairs)
    return bool(
        same_rows and whole_column([a for a, _ in pairs]) and whole_column([b for _, b in pairs])
    )
