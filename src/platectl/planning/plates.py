"""From sample sheet and layout to plate maps with compounds and concentrations."""

from __future__ import annotations

from collections.abc import Sequence

from platectl.domain.assay import AssayProtocol, Mode
from platectl.domain.codes import Code
from platectl.domain.findings import Finding
from platectl.domain.layout import (
    Block,
    ControlRole,
    Layout,
    Randomise,
    Series,
    WellPlan,
    number_along,
)
from platectl.domain.run import PlatePlan
from platectl.domain.samples import Sample
from platectl.planning.randomise import randomised
from platectl.planning.ties import CannotRandomiseError, ties_of, told

NEEDED: dict[Mode, tuple[str, ...]] = {
    "competition": ("total", "nsb"),
    "saturation": ("total", "nsb"),
    "kinetics": ("total", "nsb"),
    "agonist": ("vehicle", "positive", "unloaded"),
    "modulator": ("stimulus", "positive", "unloaded"),
    "antagonist": ("stimulus", "positive", "unloaded"),
}
"""Control wells without which a plate cannot be evaluated."""
WITH_COMPOUND: frozenset[ControlRole] = frozenset({"nsb", "positive"})


def plan_plates(
    protocol: AssayProtocol, layout: Layout, samples: Sequence[Sample], *, sheet: str, run: str,
    first: int = 1, copies: int = 1, assay: int = 0, randomise: Randomise | None = None,
    name: str = "",
) -> tuple[tuple[PlatePlan, ...], list[Finding]]:  # fmt: skip
    """Place samples on plates and resolve every well; plates are named P1, P2, … from `first` on.

    Samples with a plate (and slot) of their own go there; the rest fill free slots in order. With
    `copies` the whole set of plates is made so many times. With `randomise` each plate gets a layout
    of its own, drawn from the one given. One plate may have a `name` instead of a number.
    """
    plates, findings = _plates(
        protocol, layout, samples, sheet, run, first, copies, assay, randomise
    )
    if not name:
        return plates, findings
    if len(plates) > 1:
        message = f"fills {len(plates)} plates, of which not all can be {name!r}"
        return plates, [
            *findings,
            Finding(message, sheet, fix="leave the name out: they get numbers"),
        ]
    renamed = {"name": name, "barcode": f"{run}-{name}"}
    return tuple(plate.model_copy(update=renamed) for plate in plates), findings


def _plates(
    protocol: AssayProtocol, layout: Layout, samples: Sequence[Sample], sheet: str, run: str,
    first: int, copies: int, assay: int, randomise: Randomise | None,
) -> tuple[tuple[PlatePlan, ...], list[Finding]]:  # fmt: skip
    findings = _layout_findings(protocol, layout)
    slots = layout.slots
    if not slots:
        plates: list[dict[str, Sample]] = [{}] if not findings else []
        return _drawn(protocol, layout, plates * copies, run, first, assay, randomise, findings)
    places: dict[int, dict[str, Sample]] = {}
    for sample in sorted(samples, key=lambda s: s.plate == 0):
        number, problem = _free(sample, places, slots)
        if problem:
            code = Code.SLOT_UNKNOWN if problem[1] == "slot" else Code.NO_PLACE
            findings.append(
                Finding(problem[0], sheet, sample.line, problem[1], problem[2], code=code)
            )
            continue
        slot = sample.slot or next(s for s in slots if s not in places.get(number, {}))
        places.setdefault(number, {})[slot] = sample
    if findings:
        return (), findings
    ordered = [places[number] for number in sorted(places)]
    return _drawn(protocol, layout, ordered * copies, run, first, assay, randomise, findings)


def _drawn(
    protocol: AssayProtocol, layout: Layout, plates: Sequence[dict[str, Sample]], run: str,
    first: int, assay: int, randomise: Randomise | None, findings: list[Finding],
) -> tuple[tuple[PlatePlan, ...], list[Finding]]:  # fmt: skip
    """Resolve every plate, on a layout of its own where layouts are drawn by lot."""
    resolved: list[PlatePlan] = []
    for number, samples in enumerate(plates, start=first):
        drawn, said = layout, ""
        if randomise is not None:
            try:
                said = told(layout, randomise)
                drawn = randomised(layout, randomise, f"P{number}", ties_of(protocol))
            except CannotRandomiseError as error:
                file, where = f"{protocol.name}.yaml", f"layouts.{protocol.layout}"
                fix = "ask for less, or start from another layout"
                return (), [*findings, Finding(str(error), file, None, where, fix)]
        plan = _resolve(protocol, drawn, samples, run, number, assay)
        resolved.append(plan.model_copy(update={"randomised": said}))
    return tuple(resolved), findings


def _free(
    sample: Sample, places: dict[int, dict[str, Sample]], slots: Sequence[str]
) -> tuple[int, tuple[str, str, str] | None]:
    """Plate number for a sample, or (message, column, fix)."""
    if sample.slot and sample.slot not in slots:
        return 0, (
            f"slot {sample.slot!r} is not in the layout",
            "slot",
            f"use one of: {', '.join(slots)}",
        )
    if sample.plate:
        taken = places.get(sample.plate, {})
        if sample.slot in taken or len(taken) == len(slots):
            other = taken.get(sample.slot) or next(iter(taken.values()))
            message = f"plate {sample.plate} has no place left (line {other.line} is there)"
            return 0, (
                message,
                "plate",
                f"a plate holds {len(slots)} test compounds; use another plate or slot",
            )
        return sample.plate, None
    number = 1
    while len(places.get(number, {})) == len(slots) or (
        sample.slot and sample.slot in places.get(number, {})
    ):
        number += 1
    return number, None


def _layout_findings(protocol: AssayProtocol, layout: Layout) -> list[Finding]:
    file, where = f"{protocol.name}.yaml", f"layouts.{protocol.layout}"
    findings = []
    compounds = protocol.compounds
    roles = {block.role for block in layout.controls}
    findings += [
        Finding(
            f"has no {role} wells", file, None, where, "give at least two", code=Code.MAP_IMPOSSIBLE
        )
        for role in NEEDED[protocol.mode]
        if role not in roles
    ]
    findings += [
        Finding(f"has {role} wells, but no such control is defined", file, None, where,
                f"add {role} to compounds.controls", code=Code.MAP_IMPOSSIBLE)
        for role in sorted(roles & WITH_COMPOUND)
        if role not in compounds.controls
    ]  # fmt: skip
    for series in layout.series:
        wanted = (
            compounds.points
            if len(protocol.layouts) and protocol.layout in protocol.layouts
            else len(series.wells)
        )
        if len(series.wells) < min(wanted, 5):
            message = (
                f"series {series.slot} replicate {series.replicate} has {len(series.wells)} wells"
            )
            findings.append(
                Finding(
                    message,
                    file,
                    None,
                    where,
                    "a curve needs at least 5 concentrations",
                    code=Code.MAP_IMPOSSIBLE,
                )
            )
    for slot in layout.slots:
        count = sum(s.slot == slot for s in layout.series)
        if count < compounds.replicates:
            message = f"{slot} has {count} series, the protocol asks for {compounds.replicates} replicates"
            findings.append(
                Finding(
                    message,
                    file,
                    None,
                    where,
                    "add series or lower the parameter replicates",
                    code=Code.MAP_IMPOSSIBLE,
                )
            )
    for block in layout.controls:
        findings += _level_findings(block, protocol, file, where)
    return findings


def _level_findings(block: Block, protocol: AssayProtocol, file: str, where: str) -> list[Finding]:
    binding, findings = protocol.binding, []
    if binding is None:
        return []
    for well in block.wells:
        if binding.levels and number_along(block.level, block, well) >= len(binding.levels):
            findings.append(
                Finding(
                    f"well {well} has no radioligand level",
                    file,
                    None,
                    where,
                    f"there are {len(binding.levels)} levels",
                )
            )
        if block.time is not None and number_along(block.time, block, well) >= len(binding.times):
            findings.append(
                Finding(
                    f"well {well} has no time point",
                    file,
                    None,
                    where,
                    f"there are {len(binding.times)} times",
                )
            )
    return findings


def _resolve(
    protocol: AssayProtocol, layout: Layout, samples: dict[str, Sample], run: str, number: int,
    assay: int,
) -> PlatePlan:  # fmt: skip
    wells: list[WellPlan] = []
    for series in layout.series:
        if series.slot == "reference" or series.slot in samples:
            wells += _series_wells(protocol, series, samples.get(series.slot))
        else:
            wells += [WellPlan(well=w, role="empty") for w in series.wells]
    for block in layout.controls:
        wells += [_control(protocol, block, well) for well in block.wells]
    name = f"P{number}"
    return PlatePlan(name=name, barcode=f"{run}-{name}", wells=tuple(wells), assay=assay)


def _series_wells(protocol: AssayProtocol, series: Series, sample: Sample | None) -> list[WellPlan]:
    compounds = protocol.compounds
    compound = sample.compound if sample else compounds.reference
    top = sample.top_molar if sample else compounds.reference_top
    return [
        WellPlan(
            well=well,
            role="test" if sample else "reference",
            compound=compound,
            concentration_molar=top / compounds.dilution_factor**step,
            series=f"{series.slot}.{series.replicate}",
            dilution_step=step,
            replicate=series.replicate,
            radioligand_molar=protocol.binding.concentration if protocol.binding else None,
        )
        for step, well in enumerate(series.wells)
    ]


def _control(protocol: AssayProtocol, block: Block, well: str) -> WellPlan:
    control = protocol.compounds.controls.get(block.role)
    plan = WellPlan(
        well=well,
        role=block.role,
        compound=control.compound if control else None,
        concentration_molar=control.final if control else None,
        lot=block.lot,
    )
    binding = protocol.binding
    if binding is None:
        return plan
    level = number_along(block.level, block, well)
    time = None if block.time is None else binding.times[number_along(block.time, block, well)]
    ligand = binding.levels[level] if binding.levels else binding.concentration
    return plan.model_copy(update={"level": level, "radioligand_molar": ligand, "time_s": time})
