"""Pipetting plan for compound series: the plate map decides; whole columns or rows move at once where they can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from platectl.domain.assay import AssayProtocol
from platectl.domain.layout import PLATE, WellPlan
from platectl.domain.run import PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.step_docs import DiluteDoc
from platectl.domain.units import format_molar
from platectl.domain.wells import parse_well
from platectl.steps.transfer import ChannelSet, Move, Spot, TipUse

VEHICLE_COLUMN = 12
VEHICLE_ROW = "H"
TOO_FEW_TIPS = "the rack of the dilution has too few tips"
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

    vehicle: tuple[str, ...] = PLATE.column(VEHICLE_COLUMN)
    uses: list[TipUse] = field(default_factory=list)
    stocks: list[StockWell] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


class TipBox:
    """Hands out tips of one rack: whole columns, or rows, from one end, single tips from the other."""

    def __init__(self, rack: str, whole: ChannelSet = "column") -> None:
        self.rack = rack
        self._order = PLATE.by_row() if whole == "row" else PLATE.by_column()
        self._size = PLATE.columns if whole == "row" else PLATE.rows
        self._sets = 0
        self._singles = 0

    def take(self, channels: ChannelSet) -> str | None:
        """Rack well of the next tips, or None when the rack is empty."""
        single = channels == "single"
        if self.left < (1 if single else self._size):
            return None
        if single:
            self._singles += 1
            return self._order[PLATE.size - self._singles]
        self._sets += 1
        return self._order[(self._sets - 1) * self._size]

    @property
    def left(self) -> int:
        """Tips that nobody has taken."""
        return PLATE.size - self._sets * self._size - self._singles


def plan_dilution(
    doc: DiluteDoc,
    protocol: AssayProtocol,
    plate: PlatePlan,
    samples: Sequence[Sample],
    *,
    min_ul: float,
    max_ul: float,
    by_rows: bool = True,
) -> DilutionPlan:
    """Plan diluent, tops, controls and serial steps for one plate.

    `by_rows` says whether the handler can take a row of tips. `problems` lists (where, message, fix)
    for what cannot be pipetted.
    """
    series = [w for w in plate.wells if w.role in doc.series]
    diluent_ul = min(doc.transfer * (protocol.compounds.dilution_factor - 1.0), max_ul)
    if by_rows and _begins_empty(protocol, doc) and (rows := rows_in_lockstep(series)):
        plan = _by_rows(
            doc, protocol, plate, samples, rows, diluent_ul, min_ul=min_ul, max_ul=max_ul
        )
        if not any(what == TOO_FEW_TIPS for _, what, _ in plan.problems):
            return plan
    plan = DilutionPlan()
    box = TipBox(f"{plate.name}.{doc.tips}")
    _list_stocks(plan, protocol, plate, samples)
    _diluent(plan, doc, plate, box, [w.well for w in series if w.dilution_step], diluent_ul)
    _tops(plan, doc, protocol, plate, box, min_ul=min_ul)
    _controls(plan, doc, protocol, plate, box, max_ul=max_ul)
    _serial(plan, doc, plate, box, series)
    return plan


def _begins_empty(protocol: AssayProtocol, doc: DiluteDoc) -> bool:
    """Whether nothing but this dilution has put anything into its plate."""
    into = protocol.labware[doc.into]
    others = [s for s in protocol.steps.values() if isinstance(s, DiluteDoc) and s.into == doc.into]
    return into.filled is None and not into.prefill and len(others) == 1


def rows_in_lockstep(series: Sequence[WellPlan]) -> tuple[tuple[str, ...], ...]:
    """Rows of wells, by step, when every series runs down its column at the same pace; else empty."""
    steps: dict[int, list[str]] = {}
    for well in series:
        steps.setdefault(well.dilution_step, []).append(well.well)
    rows = tuple(tuple(sorted(steps[step], key=PLATE.index)) for step in sorted(steps))
    columns = {tuple(parse_well(well)[1] for well in row) for row in rows}
    heights = [{parse_well(well)[0] for well in row} for row in rows]
    together = len(columns) == 1 and len(columns.pop()) > 1 and all(len(h) == 1 for h in heights)
    apart = len(set[int]().union(*heights)) == len(rows)
    return rows if len(rows) > 1 and together and apart else ()


def _by_rows(
    doc: DiluteDoc, protocol: AssayProtocol, plate: PlatePlan, samples: Sequence[Sample],
    rows: Sequence[Sequence[str]], diluent_ul: float, *, min_ul: float, max_ul: float,
) -> DilutionPlan:  # fmt: skip
    """All series at once, a row of tips for each step; tips beside the series meet empty wells.

    Those wells are controls, which are filled last. The tips of the first step have spread the
    diluent before, without touching any compound.
    """
    columns = [parse_well(well)[1] for well in rows[0]]
    plan = DilutionPlan(vehicle=tuple(f"{VEHICLE_ROW}{column + 1}" for column in columns))
    box = TipBox(f"{plate.name}.{doc.tips}", "row")
    idle = frozenset(range(PLATE.columns)) - frozenset(columns)
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    _list_stocks(plan, protocol, plate, samples)
    _tops(plan, doc, protocol, plate, box, min_ul=min_ul)
    heads = [f"{row[0][0]}1" for row in rows]
    vehicle = Spot(labware=stocks, well=f"{VEHICLE_ROW}1")
    moves = [
        Move(source=vehicle, target=Spot(labware=into, well=head), volume_ul=diluent_ul)
        for head in heads[1:]
    ]
    for source, target in pairwise(heads):
        moves.append(_serial_move(doc, into, source, target))
        _add(plan, box, "row", moves, "dilute", idle=idle)
        moves = []
    _controls(plan, doc, protocol, plate, box, max_ul=max_ul)
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
    wells = [well for well in PLATE.by_column() if well not in plan.vehicle]
    plan.stocks = [StockWell(w, c, m) for w, (c, m) in zip(wells, wanted, strict=False)]
    plan.stocks += [StockWell(well, None, 0.0) for well in plan.vehicle]


def _stock_well(plan: DilutionPlan, compound: str, molar: float) -> str:
    return next(
        s.well for s in plan.stocks if s.compound == compound and s.concentration_molar == molar
    )


def _add(
    plan: DilutionPlan, box: TipBox, channels: ChannelSet, moves: Iterable[Move], where: str,
    *, idle: frozenset[int] = frozenset(),
) -> None:  # fmt: skip
    tip = box.take(channels)
    if tip is None:
        problem = (where, TOO_FEW_TIPS, "use a layout whose series run along rows")
        if problem not in plan.problems:
            plan.problems.append(problem)
        return
    use = TipUse(channels=channels, rack=box.rack, tip_well=tip, moves=tuple(moves), idle=idle)
    plan.uses.append(use)


def whole_column(wells: Sequence[str]) -> int | None:
    """Column number when the wells are exactly one whole column, else None."""
    columns = {parse_well(well)[1] for well in wells}
    return columns.pop() + 1 if len(columns) == 1 and len(set(wells)) == PLATE.rows else None


def _diluent(
    plan: DilutionPlan, doc: DiluteDoc, plate: PlatePlan, box: TipBox, wells: Sequence[str], volume_ul: float,
) -> None:  # fmt: skip
    by_column: dict[int, list[str]] = {}
    for well in wells:
        by_column.setdefault(parse_well(well)[1] + 1, []).append(well)
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    vehicle = Spot(labware=stocks, well=f"A{VEHICLE_COLUMN}")
    whole = [c for c, names in by_column.items() if whole_column(names)]
    moves = [Move(source=vehicle, target=Spot(labware=into, well=f"A{c}"), volume_ul=volume_ul)
             for c in sorted(whole)]  # fmt: skip
    if moves:
        _add(plan, box, "column", moves, "dilute")
    singles = [w for c, names in by_column.items() if c not in whole for w in names]
    _vehicle_singles(plan, doc, plate, box, singles, volume_ul)


def _vehicle_singles(
    plan: DilutionPlan,
    doc: DiluteDoc,
    plate: PlatePlan,
    box: TipBox,
    wells: Sequence[str],
    ul: float,
) -> None:
    stocks, into = f"{plate.name}.{doc.stocks}", f"{plate.name}.{doc.into}"
    moves = [Move(source=Spot(labware=stocks, well=plan.vehicle[i % len(plan.vehicle)]), target=Spot(labware=into, well=w, height_mm=5), volume_ul=ul)
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
            source = Spot(labware=stocks, well=plan.vehicle[index % len(plan.vehicle)])
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
    longest = max((max(steps) for steps in by_series.values()), default=0)
    for step in range(longest):
        pairs = [(s[step], s[step + 1]) for s in by_series.values() if step + 1 in s]
        channels: ChannelSet = "single"
        if _in_lockstep(pairs):
            channels = "column"
            pairs = [min(pairs)]
        for source, target in pairs:
            _add(plan, box, channels, [_serial_move(doc, into, source, target)], "dilute")


def _serial_move(doc: DiluteDoc, into: str, source: str, target: str) -> Move:
    return Move(
        source=Spot(labware=into, well=source),
        target=Spot(labware=into, well=target),
        volume_ul=doc.transfer,
        mix_cycles=doc.mix_cycles,
        mix_ul=min(doc.transfer * 1.5, 45.0),
    )


def _in_lockstep(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether all rows of one column go to the same rows of another column."""
    same_rows = all(parse_well(a)[0] == parse_well(b)[0] for a, b in pairs)
    return bool(
        same_rows and whole_column([a for a, _ in pairs]) and whole_column([b for _, b in pairs])
    )
