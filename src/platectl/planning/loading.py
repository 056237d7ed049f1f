"""What a person loads for a plate: labware with barcodes, filled wells, bottles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platectl.domain.step_docs import FillDoc, StaggerDoc, StampDoc
from platectl.domain.steps import Step
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.contents import contents_of
from platectl.planning.volumes import Well, requirements
from platectl.steps.people import DeckEntry, Load

BOTTLE_DEAD_UL = 5000.0
EXCESS = 1.1


def complete_loading(
    build: PlateBuilder, *, deck_before: tuple[str, ...], remove: tuple[str, ...]
) -> dict[Well, float]:
    """Write the list into the plate's `load` step; returns the loaded volume of wells and bottles."""
    needed = requirements(build.steps)
    loaded: dict[Well, float] = {}
    place = [
        _labware(build, name, needed, loaded)
        for name in build.protocol.labware
        if name in build.facilities.lab.placement
    ]
    bottles = _bottles(build, needed, loaded)
    for index, step in enumerate(build.steps):
        if step.kind == "load":
            deck = _deck(build, step.params["handler"])
            kind = Load(operator=step.params["operator"], handler=step.params["handler"],
                        place=tuple(place), bottles=tuple(bottles), deck=deck, off_deck=deck_before, remove=remove)  # fmt: skip
            build.steps[index] = step.model_copy(
                update={"params": kind.model_dump(mode="json"), "duration_s": kind.duration_s}
            )
    return loaded


def _labware(
    build: PlateBuilder, name: str, needed: Mapping[Well, float], loaded: dict[Well, float]
) -> dict[str, Any]:
    use, kind = build.protocol.labware[name], build.kind(name)
    full_name = build.named(name)
    fills: list[dict[str, Any]] = []
    for (labware, well), volume in sorted(needed.items()):
        if labware != full_name:
            continue
        contents = _contents(build, name, well)
        if contents is None:
            continue  # nobody fills this well: the volume check reports it as empty
        amount = round(volume * EXCESS + kind.dead_volume + 0.05, 1)
        loaded[labware, well] = amount
        fills.append({"well": well, "volume_ul": amount, "contents": contents})
    return {
        "labware": full_name,
        "kind": use.kind,
        "position": build.home(name),
        "barcode": build.plate.barcode if name == "assay" else f"{build.plate.barcode}-{name}",
        "fills": fills,
    }


def _contents(build: PlateBuilder, name: str, well: str) -> dict[str, float] | None:
    use, compounds = build.protocol.labware[name], build.protocol.compounds
    stock = next((s for s in build.stocks if s.well == well), None)
    if use.liquid is None and name == "stocks" and stock is not None:
        return {
            compounds.vehicle: 1.0,
            **({stock.compound: stock.concentration_molar} if stock.compound else {}),
        }
    if name == "hot":
        return _level_contents(build, well)
    if use.liquid is None:
        return None
    return contents_of(build.protocol, use.liquid, added_ul=_added_volume(build, name))


def _level_contents(build: PlateBuilder, well: str) -> dict[str, float]:
    """The hot plate of saturation and kinetics.

    Radioligand at the well's level, vehicle, and unlabelled ligand where binding is non-specific.
    """
    compounds = build.protocol.compounds
    added_ul = _added_volume(build, "hot")
    fold = compounds.final_volume / added_ul
    contents = contents_of(build.protocol, "radioligand", added_ul=added_ul)
    contents[compounds.vehicle] = fold / compounds.vehicle_fold
    plan = next((w for w in build.plate.wells if w.well == well), None)
    if plan is not None and plan.radioligand_molar:
        contents[build.protocol.of_binding.radioligand] = plan.radioligand_molar * fold
    if plan is not None and plan.compound and plan.concentration_molar:
        contents[plan.compound] = plan.concentration_molar * fold
    return contents


def _added_volume(build: PlateBuilder, source: str) -> float:
    """What one assay well gets from a source: the first step that draws from it says it."""
    volumes = (
        doc.volume
        for doc in build.protocol.steps.values()
        if isinstance(doc, StampDoc | StaggerDoc | FillDoc) and doc.source == source
    )
    return next(volumes, build.protocol.compounds.final_volume)


def _bottles(
    build: PlateBuilder, needed: Mapping[Well, float], loaded: dict[Well, float]
) -> list[dict[str, Any]]:
    bottles = []
    for (source, liquid), volume in needed.items():
        if not source.startswith("bottle:"):
            continue
        instrument = source.removeprefix("bottle:")
        added = [
            s.params["volumes_ul"]
            for s in build.steps
            if s.kind == "dispense" and s.params["liquid"] == liquid
        ]
        per_well = max(max(v.values()) for v in added) if added else 1.0
        if liquid not in build.protocol.liquids:
            raise CannotBuildError(f"liquid {liquid!r} is not defined", "add it to liquids")
        amount = volume * EXCESS + BOTTLE_DEAD_UL
        loaded[source, liquid] = amount
        contents = contents_of(build.protocol, liquid, added_ul=per_well)
        bottles.append(
            {
                "instrument": instrument,
                "liquid": liquid,
                "volume_ul": round(amount, 1),
                "contents": contents,
            }
        )
    return bottles


def _deck(build: PlateBuilder, handler: str | None) -> tuple[DeckEntry, ...]:
    """Everything that the handler will ever touch, with its slot at loading or `offDeck`."""
    entries = []
    for name, use in build.protocol.labware.items():
        where = build.facilities.lab.placement.get(name)
        if (
            where is None
            or build.catalogue[use.kind].role == "lid"
            or not _touched(build.steps, build.named(name), handler)
        ):
            continue
        position = build.facilities.lab.positions[where]
        slot = position.slot if position.handler == handler and position.slot else "offDeck"
        entries.append(
            DeckEntry(
                labware=build.named(name), load_name=build.catalogue[use.kind].load_name, slot=slot
            )
        )
    return tuple(entries)


def _touched(steps: list[Step], labware: str, handler: str | None) -> bool:
    """Whether a handler works with, or is told about, a labware."""
    text = f'"{labware}"'
    return any(
        handler in step.resources and text in step.model_dump_json()
        for step in steps
        if step.kind != "load"
    )
