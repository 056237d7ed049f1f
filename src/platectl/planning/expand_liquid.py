"""Expansion of the steps that move liquid: loading, dispensing, pipetting, filtration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from platectl.domain import step_docs as docs
from platectl.domain.findings import Finding
from platectl.domain.standards import columns_of
from platectl.domain.steps import Anchor
from platectl.domain.wells import parse_well
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.dilution import plan_dilution, whole_column
from platectl.planning.pipetting import (
    FREE_MM,
    check_volume,
    full_head,
    handling_of,
    on_deck,
    spot,
)
from platectl.steps.dispense import Dispense, Prime, Refill
from platectl.steps.harvest import Filter, ServedHarvest
from platectl.steps.people import Load, Manual
from platectl.steps.transfer import Move, Spot, TipUse, Transfer

#: parts of a stroke that every syringe pump resolves
PORTIONS = 1000
ROUNDING = 1e-6


def _load(build: PlateBuilder, _doc: docs.LoadDoc, title: str) -> None:
    person = build.need("Operator", "to load the lab")
    handler = build.facilities.first("LiquidHandler")
    # What to place and how much to fill is known only when all steps are built (planning.loading).
    build.add(Load(operator=person, handler=handler), title, main=True)


def _dispense(build: PlateBuilder, doc: docs.DispenseDoc, title: str) -> None:
    dispenser = build.facilities.dispenser_of(doc.liquid)
    if dispenser is None:
        message = f"no dispenser of the lab carries {doc.liquid!r}"
        raise CannotBuildError(
            message, "add the liquid to the liquids of a BulkDispenser in the lab file"
        )
    dispenser = build.seats.get(dispenser, dispenser)
    driver = build.facilities.drivers[dispenser]
    low, high = driver.volume_range_ul
    if not low <= doc.volume <= high:
        raise CannotBuildError(
            f"{dispenser} cannot dispense {doc.volume:g} uL", f"use {low:g} to {high:g} uL"
        )
    _change_line(build, dispenser, doc.liquid)
    build.bring(doc.into, build.facilities.position_of(dispenser))
    kind = build.kind(doc.into)
    dispense = Dispense(
        dispenser=dispenser,
        liquid=doc.liquid,
        labware=build.named(doc.into),
        volumes_ul=dict.fromkeys(columns_of(doc.columns), doc.volume),
        height_mm=kind.height_mm,
    )
    build.add(dispense, title, labware=(doc.into,), main=True)


def _refill(build: PlateBuilder, doc: docs.RefillDoc, title: str) -> None:
    pump = build.facilities.dispenser_of(doc.liquid, "SyringePump")
    if pump is None:
        raise CannotBuildError(
            f"no syringe pump of the lab carries {doc.liquid!r}",
            "add the liquid to the liquids of a SyringePump in the lab file",
        )
    if build.kind(doc.into).wells != 1:
        raise CannotBuildError(f"{doc.into!r} is no reservoir of one well", "use one")
    full_ul = build.facilities.drivers[pump].capacity_ul
    whole, rest_ul = divmod(doc.volume, full_ul)
    if abs(rest_ul / full_ul * PORTIONS - round(rest_ul / full_ul * PORTIONS)) > ROUNDING:
        least = f"use a multiple of {full_ul / PORTIONS:g} uL"
        raise CannotBuildError(f"{pump} cannot pump {doc.volume:g} uL", least)
    build.bring(doc.into, build.facilities.position_of(pump))
    strokes = [full_ul] * int(whole) + ([rest_ul] if rest_ul > ROUNDING else [])
    refill = Refill(
        pump=pump, liquid=doc.liquid, labware=build.named(doc.into), strokes_ul=tuple(strokes),
        flow_ul_per_s=doc.flow_ul_per_s,
    )  # fmt: skip
    build.add(refill, title, labware=(doc.into,), main=True)


def _change_line(build: PlateBuilder, dispenser: str, liquid: str) -> None:
    """Prime at first use; before that, let a person change the bottle when another one is on."""
    uses = [
        s
        for s in build.steps
        if s.kind in {"dispense", "prime"} and s.params["dispenser"] == dispenser
    ]
    if uses and uses[-1].params["liquid"] == liquid:
        return
    if uses:
        person = build.need("Operator", f"to change the bottle of {dispenser}")
        text = f"Connect {liquid} to {dispenser}"
        change = Manual(operator=person, prompt_kind="refill", text=text,
                        data={"instrument": dispenser, "liquid": liquid}, expected_s=120.0)  # fmt: skip
        build.add(change, text)
    prime = build.protocol.liquids[liquid].prime
    if prime:
        build.add(
            Prime(dispenser=dispenser, liquid=liquid, volume_ul=prime),
            f"Prime {dispenser} with {liquid}",
        )


def _dilute(build: PlateBuilder, doc: docs.DiluteDoc, title: str) -> None:
    handler = on_deck(build, doc.stocks, doc.into, doc.tips)
    limits, high = build.facilities.drivers[handler].limits, build.kind(doc.tips).tip_volume
    check_volume(build, handler, doc.transfer, doc.tips)
    plan = plan_dilution(
        doc, build.protocol, build.plate, build.samples, min_ul=limits.min_volume_ul, max_ul=high,
        by_rows="row" in limits.channels,
    )  # fmt: skip
    for where, message, fix in plan.problems:
        build.findings.append(Finding(message, "", None, where, fix))
    build.stocks = plan.stocks
    how = handling_of(build, handler, doc.handling, doc.stocks)
    transfer = Transfer(handler=handler, uses=tuple(plan.uses), handling=how)
    build.add(transfer, title, labware=(doc.stocks, doc.into, doc.tips), main=True)


def _fill(build: PlateBuilder, doc: docs.FillDoc, title: str) -> None:
    handler = on_deck(build, doc.source, doc.into, doc.tips)
    check_volume(build, handler, doc.volume, doc.tips)
    source, rack = spot(build, doc.source), build.named(doc.tips)
    if not doc.only and not doc.skip:
        move = Move(source=source, target=spot(build, doc.into, FREE_MM), volume_ul=doc.volume)
        uses: tuple[TipUse, ...] = (full_head(rack, [move], keep=True),)
    else:
        uses = tuple(_fill_some(build, doc, source, rack))
    touched = (doc.source, doc.into, doc.tips)
    how = handling_of(build, handler, doc.handling, doc.source)
    transfer = Transfer(handler=handler, uses=uses, handling=how)
    build.add(transfer, title, labware=touched, main=True)


def _fill_some(build: PlateBuilder, doc: docs.FillDoc, source: Spot, rack: str) -> Iterator[TipUse]:
    """Whole columns with one set of tips, other wells with one tip; nothing is touched."""
    wanted = [
        w.well
        for w in build.plate.wells
        if w.role not in doc.skip and (not doc.only or w.role in doc.only)
    ]
    columns: dict[int, list[str]] = {}
    for well in wanted:
        columns.setdefault(parse_well(well)[1] + 1, []).append(well)
    whole = [f"A{column}" for column, wells in sorted(columns.items()) if whole_column(wells)]
    single = [w for wells in columns.values() if not whole_column(wells) for w in wells]
    for channels, tip_well, wells in (("column", "A1", whole), ("single", "H12", single)):
        if wells:
            moves = tuple(
                Move(
                    source=source,
                    target=Spot(labware=build.named(doc.into), well=well, height_mm=FREE_MM),
                    volume_ul=doc.volume,
                )
                for well in wells
            )
            tips = {"channels": channels, "rack": rack, "tip_well": tip_well}
            yield TipUse.model_validate({**tips, "moves": moves, "finish": "return"})


def _stamp(build: PlateBuilder, doc: docs.StampDoc, title: str) -> None:
    names = [doc.source, doc.into, doc.tips] + ([doc.then_into] if doc.then_into else [])
    handler = on_deck(build, *names)
    check_volume(build, handler, doc.volume, doc.tips)
    mix = {"mix_cycles": doc.mix_cycles if doc.mix_volume else 0, "mix_ul": doc.mix_volume}
    moves = [
        Move(
            source=spot(build, doc.source, 1.0),
            target=spot(build, doc.into),
            volume_ul=doc.volume,
            **mix,
        )
    ]
    if doc.then_into:
        check_volume(build, handler, doc.then_volume, doc.tips)
        target = spot(build, doc.then_into)
        moves.append(Move(source=spot(build, doc.into), target=target, volume_ul=doc.then_volume))
    uses = (full_head(build.named(doc.tips), moves),)
    how = handling_of(build, handler, doc.handling, doc.source)
    transfer = Transfer(handler=handler, uses=uses, handling=how)
    build.add(transfer, title, labware=names, main=True)


def _aliquot(build: PlateBuilder, doc: docs.AliquotDoc, title: str) -> None:
    """Each source column has its tips, which go back: they may draw from the same wells again."""
    handler = on_deck(build, doc.source, doc.into, doc.tips)
    check_volume(build, handler, doc.volume, doc.tips)
    source, into = build.named(doc.source), build.named(doc.into)
    uses = []
    for column, targets in doc.columns.items():
        moves = [
            Move(
                source=Spot(labware=source, well=f"A{column}"),
                target=Spot(labware=into, well=f"A{target}", height_mm=FREE_MM),
                volume_ul=doc.volume,
            )
            for target in columns_of(targets)
        ]
        tips = {"rack": build.named(doc.tips), "tip_well": f"A{column}"}
        uses.append(TipUse(channels="column", **tips, moves=tuple(moves), finish="return"))
    how = handling_of(build, handler, doc.handling, doc.source)
    transfer = Transfer(handler=handler, uses=tuple(uses), handling=how)
    build.add(transfer, title, labware=(doc.source, doc.into, doc.tips), main=True)


def _stagger(build: PlateBuilder, doc: docs.StaggerDoc, title: str) -> None:
    handler = on_deck(build, doc.source, doc.into, doc.tips)
    check_volume(build, handler, doc.volume, doc.tips)
    times: dict[str, float] = {}
    for plan in build.plate.wells:
        row, time_s = plan.well[0], plan.time_s
        if time_s is not None and times.setdefault(row, time_s) != time_s:
            message = (
                f"row {row} has times {times[row]:g} s and {time_s:g} s, and is pipetted at once"
            )
            raise CannotBuildError(message, "give all wells of a row one time")
    oldest_first = sorted(times.items(), key=lambda item: -item[1])
    first, before_s = "", 0.0
    for row, time_s in oldest_first:
        wait_s = oldest_first[0][1] - time_s
        due = Anchor(step=first, edge="start", offset_s=wait_s) if first else None
        step = build.add(_one_row(build, doc, handler, row), f"{title}: row {row}",
                         labware=(doc.source, doc.into, doc.tips), not_before=due)  # fmt: skip
        if first and wait_s - before_s < step.duration_s:
            message = f"rows {wait_s - before_s:.0f} s apart cannot be pipetted (row {row})"
            raise CannotBuildError(message, f"leave {step.duration_s:.0f} s between time points")
        first, before_s = first or step.id, wait_s
    if first:
        age = Anchor(step=first, edge="middle", offset_s=oldest_first[0][1])
        build.due[doc.before] = age


def _one_row(build: PlateBuilder, doc: docs.StaggerDoc, handler: str, row: str) -> Transfer:
    if "row" not in build.facilities.drivers[handler].limits.channels:
        message = f"{handler} cannot take a row of wells at once"
        raise CannotBuildError(
            message, "use a handler that can, such as an Opentrons Flex with 96 channels"
        )
    move = Move(
        source=spot(build, doc.source),
        target=Spot(labware=build.named(doc.into), well=f"{row}1", height_mm=FREE_MM),
        volume_ul=doc.volume,
        stir_cycles=doc.stir_cycles,
        stir_ul=doc.volume if doc.stir_cycles else 0.0,
    )
    use = TipUse(channels="row", rack=build.named(doc.tips), tip_well=f"{row}1", moves=(move,))
    how = handling_of(build, handler, doc.handling, doc.source)
    return Transfer(handler=handler, uses=(use,), handling=how)


def _rinse(build: PlateBuilder, doc: docs.RinseDoc, title: str) -> None:
    if build.facilities.first("VacuumFiltration") is None and build.facilities.first("Harvester"):
        person = build.need("Operator", "to rinse filters on the harvester")
        text = (
            f"Rinse {build.named(doc.filter)} on the harvester with {doc.volume:g} uL in each well"
        )
        build.add(Manual(operator=person, text=text), title, labware=(doc.filter,), main=True)
        return
    vacuum = build.need("VacuumFiltration", "to rinse filters")
    build.bring(doc.filter, build.facilities.position_of(vacuum))
    handler = on_deck(build, doc.wash_from, doc.filter, doc.tips)
    check_volume(build, handler, doc.volume, doc.tips)
    move = Move(
        source=spot(build, doc.wash_from),
        target=spot(build, doc.filter, FREE_MM),
        volume_ul=doc.volume,
    )
    rinse = Filter(handler=handler, vacuum=vacuum, suspension=None, gauge_mbar=doc.gauge,
                   washes=(full_head(build.named(doc.tips), [move], keep=True),))  # fmt: skip
    build.add(rinse, title, labware=(doc.wash_from, doc.filter, doc.tips), main=True)


def _harvest(build: PlateBuilder, doc: docs.HarvestDoc, title: str) -> None:
    vacuum = build.first("VacuumFiltration")
    if vacuum is None:
        _served(build, doc, title)
        return
    build.bring(doc.filter, build.facilities.position_of(vacuum))
    handler = on_deck(build, doc.source, doc.filter, doc.tips, doc.wash_tips, *doc.wash_from)
    check_volume(build, handler, doc.volume, doc.tips)
    over_filter = spot(build, doc.filter, FREE_MM)
    suspension = Move(source=spot(build, doc.source, 1.0), target=over_filter, volume_ul=doc.volume)
    per_source = -(-doc.washes // len(doc.wash_from))
    moves = [Move(source=spot(build, doc.wash_from[i // per_source]), target=over_filter, volume_ul=doc.wash_volume)
             for i in range(doc.washes)]  # fmt: skip
    if moves:
        check_volume(build, handler, doc.wash_volume, doc.wash_tips)
    harvest = Filter(
        handler=handler,
        vacuum=vacuum,
        suspension=full_head(build.named(doc.tips), [suspension]),
        washes=(full_head(build.named(doc.wash_tips), moves),) if moves else (),
        gauge_mbar=doc.gauge,
    )
    touched = (doc.source, doc.filter, doc.tips, doc.wash_tips, *doc.wash_from)
    build.add(harvest, title, labware=touched, main=True)


def _served(build: PlateBuilder, doc: docs.HarvestDoc, title: str) -> None:
    harvester = build.first("Harvester")
    if harvester is None:
        message = "the lab has neither a vacuum manifold nor a harvester"
        raise CannotBuildError(message, "add a VacuumFiltration or a Harvester to the lab file")
    operator = build.facilities.lab.instruments[harvester].uses.get("operator")
    served = ServedHarvest(harvester=harvester, operator=operator, labware=build.named(doc.source), filter_plate=build.named(doc.filter),
                           washes=doc.washes, wash_ul=doc.wash_volume, volume_ul=doc.volume)  # fmt: skip
    build.add(served, title, labware=(doc.source, doc.filter), main=True)


EXPAND_LIQUID: dict[str, Callable[[PlateBuilder, Any, str], None]] = {
    "load": _load,
    "dispense": _dispense,
    "refill": _refill,
    "dilute": _dilute,
    "fill": _fill,
    "stamp": _stamp,
    "aliquot": _aliquot,
    "stagger": _stagger,
    "rinse": _rinse,
    "harvest": _harvest,
}
