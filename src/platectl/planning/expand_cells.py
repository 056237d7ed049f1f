"""Expansion of the steps for living plates: washing, incubators, and reads over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from platectl.domain import step_docs as docs
from platectl.domain.steps import Anchor
from platectl.hal.cells import WasherLimits
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.pipetting import check_volume, full_head, handling_of, on_deck, spot
from platectl.steps.cells import Aspirate, PrimeWasher, WarmIncubator, WashPlate
from platectl.steps.reading import Pipettor, Read, WarmReader
from platectl.steps.transfer import Handling, Move, Spot, TipUse, Transfer

#: what a multiple of a step may differ by, as floats do
ROUNDING: Final = 1e-6


def reader_of(build: PlateBuilder) -> str:
    """The plate reader of the lab.

    Raises:
        CannotBuildError: There is none.
    """
    return build.need("PlateReader", "to read the plate")


def warm(build: PlateBuilder, doc: docs.PreheatDoc, title: str) -> None:
    """Bring the reader or the incubator to temperature."""
    if doc.where == "reader":
        reader = reader_of(build)
        low, high = build.facilities.drivers[reader].features.temperature_c
        if not low <= doc.temperature <= high:
            message = f"{reader} cannot hold {doc.temperature:g} C"
            raise CannotBuildError(message, f"use {low:g} to {high:g} C")
        build.add(WarmReader(reader=reader, temperature_c=doc.temperature), title, main=True)
        return
    incubator = build.need("Incubator", "for living plates")
    build.add(WarmIncubator(incubator=incubator, temperature_c=doc.temperature), title, main=True)


def _washer(
    build: PlateBuilder, *, volume_ul: float | None, height_mm: float, rate: int, flow: int | None
) -> str:
    washer = build.need("PlateWasher", "to wash plates")
    limits: WasherLimits = build.facilities.drivers[washer].limits
    _able(washer, "aspirate at", height_mm, limits.aspirate_height_mm, limits.height_step_mm, " mm")
    _able(washer, "aspirate at rate", rate, limits.rate)
    if volume_ul is not None:
        _able(washer, "dispense", volume_ul, limits.volume_ul, limits.volume_step_ul, " uL")
    if flow is not None:
        _able(washer, "dispense at flow", flow, limits.flow)
    return washer


def _able(
    washer: str, what: str, value: float, limits: tuple[float, float], step: float = 1.0, unit: str = ""
) -> None:  # fmt: skip
    low, high = limits
    if not low <= value <= high or abs(math.remainder(value, step)) > ROUNDING:
        message = f"{washer} cannot {what} {value:g}{unit}"
        raise CannotBuildError(message, f"use {low:g} to {high:g}{unit} in steps of {step:g}{unit}")


def _aspirate(build: PlateBuilder, doc: docs.AspirateDoc, title: str) -> None:
    washer = _washer(build, volume_ul=None, height_mm=doc.height_mm, rate=doc.rate, flow=None)
    build.bring(doc.labware, build.facilities.position_of(washer))
    step = Aspirate(washer=washer, labware=build.named(doc.labware), volume_ul=doc.volume,
                    height_mm=doc.height_mm, rate=doc.rate)  # fmt: skip
    build.add(step, title, labware=(doc.labware,), main=True)


def _wash(build: PlateBuilder, doc: docs.WashDoc, title: str) -> None:
    washer = _washer(build, volume_ul=doc.volume, height_mm=doc.height_mm, rate=doc.rate,
                     flow=WashPlate.model_fields["flow"].default)  # fmt: skip
    carried = build.facilities.lab.instruments[washer].liquids
    buffers = build.facilities.drivers[washer].limits.buffers
    if doc.liquid not in carried[: len(buffers)]:
        message = f"{washer} does not carry {doc.liquid!r}"
        raise CannotBuildError(message, f"add it to instruments.{washer}.liquids in the lab file")
    buffer = buffers[carried.index(doc.liquid)]
    build.bring(doc.labware, build.facilities.position_of(washer))
    prime_ul = build.protocol.liquids[doc.liquid].prime
    used = any(s.kind in {"wash_plate", "prime_washer"} and s.params["buffer"] == buffer
               for s in build.steps)  # fmt: skip
    if prime_ul and not used:
        limits = build.facilities.drivers[washer].limits
        _able(washer, "prime with", prime_ul / 1000.0, limits.prime_ml, unit=" mL")
        prime = PrimeWasher(washer=washer, liquid=doc.liquid, buffer=buffer, volume_ul=prime_ul)
        build.add(prime, f"Prime {washer} with {doc.liquid}")
    step = WashPlate(washer=washer, labware=build.named(doc.labware), liquid=doc.liquid, buffer=buffer,
                     cycles=doc.cycles, volume_ul=doc.volume, height_mm=doc.height_mm, rate=doc.rate)  # fmt: skip
    build.add(step, title, labware=(doc.labware,), main=True)


def _read(build: PlateBuilder, doc: docs.ReadDoc, title: str) -> None:
    """One read; where the reader cannot add, a baseline, the addition by the handler, and the rest."""
    reader = reader_of(build)
    features = build.facilities.drivers[reader].features
    if doc.interval < features.least_interval_s:
        message = f"{reader} cannot read the plate every {doc.interval:g} s"
        raise CannotBuildError(message, f"use at least {features.least_interval_s:g} s")
    added = doc.addition
    if added is None or features.injection is not None:
        pipettor = _pipettor(build, reader, added) if added else None
        _one_read(build, doc, reader, title, doc.baseline, doc.record, pipettor)
        return
    if doc.baseline:
        _one_read(build, doc, reader, f"{title}: baseline", 0.0, doc.baseline, None, part="a")
    _by_handler(build, doc, added, title)
    _one_read(build, doc, reader, title, 0.0, doc.record, None, part="b")


def _pipettor(build: PlateBuilder, reader: str, added: docs.AdditionDoc) -> Pipettor:
    limits = build.facilities.drivers[reader].features.injection
    for what, value, (low, high) in (
        ("volume", added.volume, limits.volume_ul),
        ("speed", added.speed_ul_per_s, limits.speed_ul_per_s),
        ("height", added.height_mm, limits.height_mm),
    ):
        if not low <= value <= high:
            message = f"the pipettor of {reader} cannot do a {what} of {value:g}"
            raise CannotBuildError(message, f"use {low:g} to {high:g}")
    nests = build.facilities.lab.instruments[reader].nests
    places = [(added.source, "source")]
    if limits.needs_tips and added.reader_tips:
        places.append((added.reader_tips, "tips"))
    for labware, nest in places:
        if nest not in nests:
            message = f"{reader} has no nest {nest!r}"
            raise CannotBuildError(message, f"add it to instruments.{reader}.nests.{nest}")
        build.bring(labware, nests[nest])
    return Pipettor(source=build.named(added.source), volume_ul=added.volume,
                    speed_ul_per_s=added.speed_ul_per_s, height_mm=added.height_mm)  # fmt: skip


def pace_of(build: PlateBuilder, name: str) -> tuple[tuple[int, ...], float] | None:
    """Order of the columns and seconds for each, when a read takes them one after another.

    None when all wells get their addition at once.
    """
    doc = build.protocol.steps[name]
    reader = build.first("PlateReader")
    if not isinstance(doc, docs.ReadDoc) or reader is None or doc.addition is None:
        return None
    driver = build.facilities.drivers[reader]
    if driver.features.geometry != "column" or driver.features.injection is None:
        return None
    columns = doc.columns or tuple(range(1, 13))
    added = doc.addition
    pipettor = Pipettor(source=added.source, volume_ul=added.volume,
                        speed_ul_per_s=added.speed_ul_per_s, height_mm=added.height_mm)  # fmt: skip
    read = _described(build, doc, reader, doc.baseline, doc.record, pipettor, part="")
    return columns, driver.read_duration_s(read.as_read()) / len(columns)


def _one_read(
    build: PlateBuilder, doc: docs.ReadDoc, reader: str, title: str, baseline_s: float,
    record_s: float, pipettor: Pipettor | None, *, part: str = "",
) -> None:  # fmt: skip
    driver = build.facilities.drivers[reader]
    build.bring(doc.labware, build.facilities.position_of(reader))
    read = _described(build, doc, reader, baseline_s, record_s, pipettor, part=part)
    read = read.model_copy(update={"expected_s": driver.read_duration_s(read.as_read())})
    touched = [doc.labware]
    if doc.addition and pipettor:
        touched.append(doc.addition.source)
    build.add(read, title, labware=touched, main=part != "a")


def _described(
    build: PlateBuilder, doc: docs.ReadDoc, reader: str, baseline_s: float, record_s: float,
    pipettor: Pipettor | None, *, part: str,
) -> Read:  # fmt: skip
    features, dye = build.facilities.drivers[reader].features, build.protocol.of_calcium
    operator = (
        build.need("Operator", "to start the reader") if features.started_by == "operator" else None
    )
    return Read(
        reader=reader,
        operator=operator,
        labware=build.named(doc.labware),
        title=f"{build.plate.barcode}-{build.doc}{part}",
        wells=tuple(w.well for w in build.plate.wells if w.role != "empty"),
        channels=tuple((excitation, dye.emission_nm) for excitation in dye.excitation_nm),
        interval_s=doc.interval,
        baseline_s=baseline_s,
        record_s=record_s,
        pipettor=pipettor,
        columns=doc.columns if features.geometry == "column" else (),
        bottom=features.bottom,
        expected_s=0.0,
    )


def _by_handler(
    build: PlateBuilder, doc: docs.ReadDoc, added: docs.AdditionDoc, title: str
) -> None:
    handler = on_deck(build, added.source, doc.labware, added.tips)
    check_volume(build, handler, added.volume, added.tips)
    move = Move(
        source=spot(build, added.source, 1.0),
        target=spot(build, doc.labware, max(added.height_mm, 1.0)),
        volume_ul=added.volume,
    )
    use = full_head(build.named(added.tips), [move])
    flow = added.speed_ul_per_s
    how = Handling(aspirate_ul_per_s=flow, dispense_ul_per_s=flow)
    transfer = Transfer(handler=handler, uses=(use,), handling=how)
    touched = (added.source, doc.labware, added.tips)
    build.add(transfer, f"{title}: addition", labware=touched)


def stamp_in_turn(
    build: PlateBuilder, doc: docs.StampDoc, title: str, pace: tuple[tuple[int, ...], float]
) -> None:
    """Copy column after column at the pace of the read that follows."""
    handler = on_deck(build, doc.source, doc.into, doc.tips)
    check_volume(build, handler, doc.volume, doc.tips)
    columns, pace_s = pace
    how = handling_of(build, handler, doc.handling, doc.source)
    first = ""
    for turn, column in enumerate(columns):
        move = Move(
            source=Spot(labware=build.named(doc.source), well=f"A{column}", height_mm=1.0),
            target=Spot(labware=build.named(doc.into), well=f"A{column}", height_mm=2.0),
            volume_ul=doc.volume,
        )
        tips = {"rack": build.named(doc.tips), "tip_well": f"A{column}"}
        use = TipUse(channels="column", **tips, moves=(move,))
        due = Anchor(step=first, edge="start", offset_s=turn * pace_s) if first else None
        step = build.add(
            Transfer(handler=handler, uses=(use,), handling=how), f"{title}: column {column}",
            labware=(doc.source, doc.into, doc.tips), not_before=due,
            main=turn == len(columns) - 1,
        )  # fmt: skip
        first = first or step.id


EXPAND_CELLS: dict[str, Callable[[PlateBuilder, Any, str], None]] = {
    "aspirate": _aspirate,
    "wash": _wash,
    "read": _read,
}
