"""What the loadings of a run ask for, well by well and bottle by bottle, with the names of liquids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platectl.domain.assay import AssayProtocol, LabwareUse
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.steps import Step
from platectl.domain.units import format_molar
from platectl.planning.volumes import Well, requirements
from platectl.steps import kind_of


@dataclass(frozen=True, slots=True)
class Portion:
    """A liquid as it is loaded in one place for one plate; times in seconds of the run.

    `source` is (labware, well), or (`bottle:<dispenser>`, liquid), as liquid moves have it. `liquid`
    is its name in the protocol, `name` tells it from another of that name in the same run.
    `drawn_ul` is what the steps take from it, priming included. `made` says that a person prepares
    it for this place, from stocks.
    """

    plate: str
    assay: int
    source: Well
    liquid: str
    name: str
    volume_ul: float
    drawn_ul: float
    contents: Mapping[str, float]
    loaded_s: float
    last_use_s: float
    made: bool = False

    @property
    def where(self) -> str:
        """The place without its plate: `wash_a`, `bottle of combi_hot`."""
        place = self.source[0]
        if place.startswith("bottle:"):
            return f"bottle of {place.removeprefix('bottle:')}"
        return place.removeprefix(f"{self.plate}.")


def portions(run: CompiledRun) -> tuple[Portion, ...]:
    """Every filled well and every bottle of all loadings, in plate order."""
    found = [portion for plate in run.plates for portion in _of_plate(run, plate)]
    return tuple(_told_apart(run, found))


def stock_name(compound: str, molar: float) -> str:
    """Name of a compound stock in the stock file: `haloperidol 2 mM`."""
    return f"{compound} {format_molar(molar)}"


def steps_of(run: CompiledRun, plate: str) -> list[Step]:
    """Steps of one plate in the order of the plan."""
    return [step for step in run.steps if step.plate == plate]


def _of_plate(run: CompiledRun, plate: PlatePlan) -> Iterator[Portion]:
    steps, protocol = steps_of(run, plate.name), run.protocols[plate.assay]
    drawn, used = requirements(steps), _last_uses(steps)
    for load in (step for step in steps if step.kind == "load"):
        for item in load.params["place"]:
            local = item["labware"].removeprefix(f"{plate.name}.")
            for fill in item["fills"]:
                source = (item["labware"], fill["well"])
                liquid = _liquid(protocol, plate, local, fill)
                made = protocol.labware[local].prepared is not None and liquid == local
                yield _portion(plate, load, source, fill, liquid, drawn, used, made=made)
        for bottle in load.params["bottles"]:
            source = (f"bottle:{bottle['instrument']}", bottle["liquid"])
            yield _portion(plate, load, source, bottle, bottle["liquid"], drawn, used)


def _portion(
    plate: PlatePlan, load: Step, source: Well, fill: Mapping[str, Any], liquid: str,
    drawn: Mapping[Well, float], used: Mapping[Well, float], *, made: bool = False,
) -> Portion:  # fmt: skip
    return Portion(
        plate=plate.name,
        assay=plate.assay,
        source=source,
        liquid=liquid,
        name=liquid,
        volume_ul=fill["volume_ul"],
        drawn_ul=drawn.get(source, 0.0),
        contents=fill["contents"],
        loaded_s=load.planned_end_s,
        last_use_s=used.get(source, load.planned_end_s),
        made=made,
    )


def _last_uses(steps: Sequence[Step]) -> dict[Well, float]:
    """When each well or bottle is last drawn from."""
    used: dict[Well, float] = {}
    for step in steps:
        for move in kind_of(step).liquid_moves():
            if move.source:
                used[move.source] = max(used.get(move.source, 0.0), step.planned_end_s)
    return used


def _liquid(protocol: AssayProtocol, plate: PlatePlan, local: str, fill: Mapping[str, Any]) -> str:
    """What a filled well is called: a liquid, a compound stock, or the plate that a person makes."""
    use: LabwareUse = protocol.labware[local]
    role = next((str(w.role) for w in plate.wells if w.well == fill["well"]), "")
    given = {str(name): prefill for name, prefill in use.prefill.items()}.get(role, use.filled)
    if given is not None:
        return given.liquid
    if use.liquid is not None:
        return use.liquid
    if use.prepared is not None:
        return local
    vehicle = protocol.compounds.vehicle
    for compound, molar in fill["contents"].items():
        if compound != vehicle:
            return stock_name(compound, molar)
    return "vehicle" if "vehicle" in protocol.liquids else vehicle


def _told_apart(run: CompiledRun, found: Sequence[Portion]) -> Iterable[Portion]:
    """Give liquids of one name and different contents different names."""
    variants: dict[str, dict[object, str]] = {}
    for portion in found:
        mine = variants.setdefault(portion.liquid, {})
        mine.setdefault(_identity(run, portion), run.protocols[portion.assay].name)
    for portion in found:
        mine = variants[portion.liquid]
        if len(mine) == 1:
            yield portion
            continue
        protocol = mine[_identity(run, portion)]
        number = [n for n, p in enumerate(mine) if mine[p] == protocol].index(
            list(mine).index(_identity(run, portion))
        )
        suffix = f" {number + 1}" if number else ""
        yield replace(portion, name=f"{portion.liquid} ({protocol}{suffix})")


def _identity(run: CompiledRun, portion: Portion) -> object:
    if portion.made:
        return run.protocols[portion.assay].name
    return tuple(sorted((name, f"{value:.6g}") for name, value in portion.contents.items()))
