"""From the steps of a protocol to executable steps: one small function for each `do`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platectl.domain import step_docs as docs
from platectl.domain.steps import Anchor
from platectl.domain.wells import expand_wells
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.expand_cells import EXPAND_CELLS, pace_of, reader_of, stamp_in_turn, warm
from platectl.planning.expand_checks import EXPAND_CHECKS
from platectl.planning.expand_liquid import EXPAND_LIQUID
from platectl.steps.climate import Preheat, Shake, Wait
from platectl.steps.people import Manual
from platectl.steps.plates import Count, Peel, Seal

LEAD_MARGIN_S = 25.0
#: a block of aluminium from room temperature to a few degrees above zero
BLOCK_S = 600.0
#: uses of positions of which a plate has its own
PLACES: dict[str, Callable[[PlateBuilder], tuple[str, ...]]] = {
    "hotel": PlateBuilder.hotel,
    "incubator": PlateBuilder.slots,
}


def shaker_of(build: PlateBuilder) -> str:
    """The shaking nest of this plate."""
    return build.need("Shaker", "to mix and incubate on")


def _nest(build: PlateBuilder, to: str) -> str | None:
    """The nest of the instrument that a place is, if it is one."""
    if to == "manifold":
        return build.need("VacuumFiltration", "for the filter plate")
    if to == "block":
        return build.need("ThermalNest", "to hold labware at a temperature")
    return reader_of(build) if to == "reader" else None


def _position(build: PlateBuilder, to: str, labware: str) -> str:
    served = build.facilities.first("Harvester") and not build.facilities.first("VacuumFiltration")
    if to == "manifold" and served:
        return build.spot[labware]  # the person takes it from there
    if to == "home":
        return build.home(labware)
    if (nest := _nest(build, to)) is not None:
        return build.facilities.position_of(nest)
    taken = set(build.spot.values())
    places = PLACES[to](build) if to in PLACES else build.facilities.positions_for(to)
    free = [p for p in places if p not in taken]
    if build.spot.get(labware) in build.facilities.positions_for(to):
        return build.spot[labware]
    if not free:
        raise CannotBuildError(
            f"no free {to} position for {labware}", f"add a position with use: {to}"
        )
    return free[0]


def _place(build: PlateBuilder, doc: docs.PlaceDoc, _title: str) -> None:
    build.bring(doc.labware, _position(build, doc.to, doc.labware))


def _preheat(build: PlateBuilder, doc: docs.PreheatDoc, title: str) -> None:
    if doc.where == "block":
        block = build.need("ThermalNest", "to hold labware at a temperature")
        _check_temperature(build, block, doc.temperature)
        heat = Preheat(shaker=block, temperature_c=doc.temperature, expected_s=BLOCK_S)
        build.add(heat, title, main=True)
        return
    if doc.where != "nest":
        warm(build, doc, title)
        return
    shaker = shaker_of(build)
    _check_temperature(build, shaker, doc.temperature)
    build.add(Preheat(shaker=shaker, temperature_c=doc.temperature), title, main=True)


def _check_temperature(build: PlateBuilder, nest: str, temperature_c: float) -> None:
    """Refuse what a nest cannot hold, if it says what it can."""
    low, high = getattr(build.facilities.drivers[nest], "temperature_range_c", (-273.15, 1000.0))
    if not low <= temperature_c <= high:
        raise CannotBuildError(
            f"{nest} cannot hold {temperature_c:g} C", f"use {low:g} to {high:g} C"
        )


def _lid(build: PlateBuilder, doc: docs.LidDoc, _title: str) -> None:
    if doc.do == "lid":
        nest = build.facilities.position_of(shaker_of(build))
        build.bring(doc.labware, nest)
        build.bring(doc.lid, nest)
    else:
        build.bring(doc.lid, build.home(doc.lid))


def _shake(build: PlateBuilder, doc: docs.ShakeDoc, title: str) -> None:
    shaker = shaker_of(build)
    low, high = build.facilities.drivers[shaker].speed_range_rpm
    if not low <= doc.speed <= high:
        raise CannotBuildError(
            f"{shaker} cannot shake at {doc.speed:g} rpm", f"use {low:g} to {high:g} rpm"
        )
    build.bring(doc.labware, build.facilities.position_of(shaker))
    build.add(
        Shake(shaker=shaker, speed_rpm=doc.speed, shake_s=doc.duration),
        title,
        labware=(doc.labware,),
        main=True,
    )


def _incubate(build: PlateBuilder, doc: docs.IncubateDoc, title: str) -> None:
    since = Anchor(step=build.step_of(doc.since), edge=doc.since_edge, offset_s=doc.duration)
    wait = Wait(until=since, expected_s=doc.duration, reason="incubation", monitor=shaker_of(build))
    build.add(wait, title, labware=(doc.labware,), main=True)


def _rest(build: PlateBuilder, doc: docs.RestDoc, title: str) -> None:
    build.bring(doc.labware, _position(build, doc.to, doc.labware))
    arrived = build.steps[-1].id
    wait = Wait(
        until=Anchor(step=arrived, edge="end", offset_s=doc.duration),
        expected_s=doc.duration,
        reason=doc.to,
    )
    build.add(wait, title, labware=(doc.labware,), main=True)


def _manual(build: PlateBuilder, doc: docs.ManualDoc, title: str) -> None:
    person = build.need("Operator", "for manual work")
    if doc.labware is None:
        alone = Manual(operator=person, text=doc.text, expected_s=doc.expected, uses=doc.uses)
        build.add(alone, title, main=True)
        return
    data = {"labware": build.named(doc.labware), "barcode": build.barcode(doc.labware)}
    work = Manual(operator=person, text=doc.text, expected_s=doc.expected, uses=doc.uses, data=data)
    build.add(work, title, labware=(doc.labware,), main=True)


def _seal(build: PlateBuilder, doc: docs.SealDoc, title: str) -> None:
    sealer = build.need("Sealer", "to seal plates")
    build.bring(doc.labware, build.facilities.position_of(sealer))
    seal = Seal(sealer=sealer, temperature_c=doc.temperature, seal_s=doc.duration)
    build.add(seal, title, labware=(doc.labware,), main=True)


def _peel(build: PlateBuilder, doc: docs.PeelDoc, title: str) -> None:
    peeler = build.need("Peeler", "to take seals off")
    build.bring(doc.labware, build.facilities.position_of(peeler))
    peel = Peel(peeler=peeler, adhere_s=doc.adhere, begin_mm=doc.begin_mm, fast=doc.fast)
    build.add(peel, title, labware=(doc.labware,), main=True)


def _count(build: PlateBuilder, doc: docs.CountDoc, title: str) -> None:
    counter = build.need("Counter", "to count")
    features = build.facilities.drivers[counter].features
    if build.kind(doc.labware).wells not in features.plate_formats:
        raise CannotBuildError(
            f"{counter} does not take {build.kind(doc.labware).wells}-well plates",
            "use another counter",
        )
    operator = (
        build.need("Operator", "to start the counter")
        if features.started_by == "operator"
        else None
    )
    if doc.wells == "map":
        wells = [w.well for w in build.plate.wells if w.role != "empty"]
    else:
        wells = list(expand_wells(doc.wells, build.kind(doc.labware).format))
    wells.sort(key=build.kind(doc.labware).format.index)
    build.bring(doc.labware, build.facilities.position_of(counter))
    count = Count(
        counter=counter,
        operator=operator,
        labware=build.named(doc.labware),
        title=f"{build.plate.barcode}-{doc.labware}",
        wells=tuple(wells),
        count_s=doc.duration,
        detectors=features.detectors,
        overhead_s=features.overhead_s,
    )
    build.add(count, title, labware=(doc.labware,), main=True)
    build.bring(doc.labware, _position(build, "hotel", doc.labware))


def _stamp(build: PlateBuilder, doc: docs.StampDoc, title: str) -> None:
    pace = pace_of(build, doc.paced_by) if doc.paced_by else None
    if pace is None:
        EXPAND_LIQUID["stamp"](build, doc, title)
    else:
        stamp_in_turn(build, doc, title, pace)


EXPAND: dict[str, Callable[[PlateBuilder, Any, str], None]] = {
    **EXPAND_LIQUID,
    **EXPAND_CELLS,
    **EXPAND_CHECKS,
    "stamp": _stamp,
    "place": _place,
    "preheat": _preheat,
    "lid": _lid,
    "unlid": _lid,
    "shake": _shake,
    "incubate": _incubate,
    "rest": _rest,
    "manual": _manual,
    "seal": _seal,
    "peel": _peel,
    "count": _count,
}


def set_leads(build: PlateBuilder) -> None:
    """Let incubations end early enough that the step they wait for begins at the right age."""
    for index, step in enumerate(build.steps):
        if step.id.split(".", 1)[1] in build.due:
            due = build.due[step.id.split(".", 1)[1]]
            build.steps[index] = step.model_copy(update={"not_before": due})
    for name, doc in build.protocol.steps.items():
        if not isinstance(doc, docs.IncubateDoc):
            continue
        wait_id, until_id = build.step_of(name), f"{build.plate.name}.{doc.until}"
        between = _between(build, wait_id, until_id)
        lead_s = sum(s.duration_s for s in build.steps if s.id in between) + LEAD_MARGIN_S
        age = Anchor(step=build.step_of(doc.since), edge=doc.since_edge, offset_s=doc.duration)
        for index, step in enumerate(build.steps):
            if step.id == wait_id:
                early = age.model_copy(update={"offset_s": doc.duration - lead_s})
                params = {
                    **step.params,
                    "until": early.model_dump(),
                    "expected_s": doc.duration - lead_s,
                }
                build.steps[index] = step.model_copy(
                    update={"params": params, "duration_s": doc.duration - lead_s}
                )
            elif step.id == until_id:
                build.steps[index] = step.model_copy(update={"not_before": age})


def _between(build: PlateBuilder, first: str, last: str) -> set[str]:
    """Steps that come after `first` and before `last` by dependency."""
    after: dict[str, set[str]] = {}
    for step in build.steps:
        after[step.id] = set(step.after).union(*(after.get(a, set()) for a in step.after))
    return {s for s in after[last] if first in after[s]}
