"""What a person loads for a plate: labware with barcodes, filled wells, bottles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from platectl.domain.assay import Prefill
from platectl.domain.lab import Lab
from platectl.domain.step_docs import FillDoc, ReadDoc, StaggerDoc, StampDoc
from platectl.domain.steps import Step
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.planning.contents import contents_of
from platectl.planning.volumes import Well, requirements
from platectl.steps.people import DeckEntry, Load

BOTTLE_DEAD_UL = 5000.0
EXCESS = 1.1
STIMULATED = frozenset({"test", "stimulus", "positive"})


def complete_loading(build: PlateBuilder) -> dict[Well, float]:
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
                        place=tuple(place), bottles=tuple(bottles), deck=deck)  # fmt: skip
            build.steps[index] = step.model_copy(
                update={"params": kind.model_dump(mode="json"), "duration_s": kind.duration_s}
            )
    return loaded


def take_away(steps: Sequence[Step], lab: Lab, *, begun: Collection[str] = ()) -> list[Step]:
    """Have whoever loads a plate first take away what earlier plates do not need any more.

    `steps` are those of all plates, planned. A loading waits for the last step that needs what it
    takes. What is loaded into a nest of an instrument and not named again (its tips) is needed as long
    as its plate needs the instrument, unless the same is brought anew. Loadings that have `begun` take
    away what they took.
    """
    loads = [step for step in steps if step.kind == "load"]
    declared = {entry["labware"] for step in loads for entry in step.params["deck"]}
    last = _last_uses(steps, loads)
    nested = _in_nests(steps, loads, lab)
    gone: set[str] = set()
    changed: dict[str, Step] = {}
    plates = {step.id: step.plate for step in steps}
    for load in loads:
        if load.id in begun:
            gone |= set(load.params["remove"])
            continue
        brought = {item["position"] for item in load.params["place"]}
        needed = last | {
            name: use
            for name, (position, use) in nested.items()
            if position not in brought and last[name].kind == "load"
        }
        over = {
            name: use
            for name, use in needed.items()
            if use.plate != load.plate and use.planned_end_s <= load.planned_start_s
            and name not in gone
        }  # fmt: skip
        gone |= set(over)
        off_deck = [name for name in over if name in declared]
        params = {**load.params, "remove": list(over), "off_deck": off_deck}
        own = (name for name in load.after if plates[name] == load.plate)
        after = tuple(dict.fromkeys((*own, *(use.id for use in over.values()))))
        changed[load.id] = load.model_copy(update={"params": params, "after": after})
    return [changed.get(step.id, step) for step in steps]


def _last_uses(steps: Sequence[Step], loads: Sequence[Step]) -> dict[str, Step]:
    """The step after which each loaded labware is not needed any more."""
    last: dict[str, Step] = {}
    placed: dict[str, list[str]] = {
        load.plate: [item["labware"] for item in load.params["place"]] for load in loads
    }
    for step in steps:
        text = step.model_dump_json()
        for name in placed.get(step.plate, ()):
            if f'"{name}"' in text and (
                name not in last or step.planned_end_s > last[name].planned_end_s
            ):
                last[name] = step
    return last


def _in_nests(
    steps: Sequence[Step], loads: Sequence[Step], lab: Lab
) -> dict[str, tuple[str, Step]]:
    """Labware that is loaded into a nest of an instrument: the nest, and the last step that uses the instrument."""
    nests = {nest: name for name, entry in lab.instruments.items() for nest in entry.nests.values()}
    found: dict[str, tuple[str, Step]] = {}
    for load in loads:
        for item in (item for item in load.params["place"] if item["position"] in nests):
            instrument = nests[item["position"]]
            mine = (s for s in steps if s.plate == load.plate and instrument in s.resources)
            use = max(mine, key=lambda s: s.planned_end_s, default=load)
            found[item["labware"]] = item["position"], use
    return found


def _labware(
    build: PlateBuilder, name: str, needed: Mapping[Well, float], loaded: dict[Well, float]
) -> dict[str, Any]:
    use, kind = build.protocol.labware[name], build.kind(name)
    full_name = build.named(name)
    fills = _given(build, name, loaded)
    taken = {fill["well"] for fill in fills}
    for (labware, well), volume in sorted(needed.items()):
        if labware != full_name or well in taken:
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
        "barcode": build.barcode(name),
        "fills": fills,
    }


def _given(build: PlateBuilder, name: str, loaded: dict[Well, float]) -> list[dict[str, Any]]:
    """Wells whose liquid and volume the protocol states: all of them, or those of a role."""
    use, fills = build.protocol.labware[name], []
    by_role: Mapping[str, Prefill] = {str(role): p for role, p in use.prefill.items()}
    for plan in build.plate.wells:
        given = by_role.get(plan.role, use.filled)
        if given is None:
            continue
        contents = contents_of(build.protocol, given.liquid, added_ul=given.volume)
        loaded[build.named(name), plan.well] = given.volume
        fills.append({"well": plan.well, "volume_ul": given.volume, "contents": contents})
    return fills


def _contents(build: PlateBuilder, name: str, well: str) -> dict[str, float] | None:
    use, compounds = build.protocol.labware[name], build.protocol.compounds
    stock = next((s for s in build.stocks if s.well == well), None)
    if use.liquid is None and name == "stocks" and stock is not None:
        return {
            compounds.vehicle: 1.0,
            **({stock.compound: stock.concentration_molar} if stock.compound else {}),
        }
    if use.prepared is not None:
        return PREPARED[use.prepared](build, name, well)
    if use.liquid is None:
        return None
    return contents_of(build.protocol, use.liquid, added_ul=_added_volume(build, name))


def _level_contents(build: PlateBuilder, name: str, well: str) -> dict[str, float]:
    """The hot plate of saturation and kinetics.

    Radioligand at the well's level, vehicle, and unlabelled ligand where binding is non-specific.
    """
    compounds = build.protocol.compounds
    added_ul = _added_volume(build, name)
    fold = compounds.final_volume / added_ul
    contents = contents_of(build.protocol, "radioligand", added_ul=added_ul)
    contents[compounds.vehicle] = fold / compounds.vehicle_fold
    plan = next((w for w in build.plate.wells if w.well == well), None)
    if plan is not None and plan.radioligand_molar:
        contents[build.protocol.of_binding.radioligand] = plan.radioligand_molar * fold
    if plan is not None and plan.compound and plan.concentration_molar:
        contents[plan.compound] = plan.concentration_molar * fold
    return contents


def _agonist_contents(build: PlateBuilder, name: str, well: str) -> dict[str, float]:
    """The agonist plate of modulators and antagonists.

    The reference series in its wells, the stimulus where compounds are tested, vehicle everywhere.
    """
    compounds = build.protocol.compounds
    fold = compounds.final_volume / _added_volume(build, name)
    contents = {compounds.vehicle: fold / compounds.vehicle_fold}
    plan = next((w for w in build.plate.wells if w.well == well), None)
    stimulus = build.protocol.of_calcium.stimulus
    if plan is not None and plan.role == "reference" and plan.concentration_molar:
        contents[compounds.reference] = plan.concentration_molar * fold
    elif plan is not None and plan.role in STIMULATED and stimulus:
        contents[compounds.reference] = stimulus * fold
    return contents


def _added_volume(build: PlateBuilder, source: str) -> float:
    """What one assay well gets from a source: the first step that draws from it says it."""
    volumes = (
        doc.volume
        for doc in build.protocol.steps.values()
        if isinstance(doc, StampDoc | StaggerDoc | FillDoc) and doc.source == source
    )
    added = (
        doc.addition.volume
        for doc in build.protocol.steps.values()
        if isinstance(doc, ReadDoc) and doc.addition and doc.addition.source == source
    )
    return next(chain(volumes, added), build.protocol.compounds.final_volume)


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


PREPARED: dict[str, Callable[[PlateBuilder, str, str], dict[str, float]]] = {
    "radioligand": _level_contents,
    "agonist": _agonist_contents,
}
