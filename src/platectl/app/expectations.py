"""What a lab may expect of a plate: the plate map, a truth file's constants, and variances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from typing import TypeVar

from platectl.analysis.calcium import CalciumConditions, CalciumOptions
from platectl.analysis.competition import CompetitionOptions
from platectl.analysis.expected_binding import BindingDraw, BindingVariances, ExpectedBinding
from platectl.analysis.expected_calcium import (
    CalciumDraw,
    CalciumVariances,
    ExpectedCalcium,
    PlannedWell,
)
from platectl.analysis.plate import WellCount
from platectl.analysis.power import Known
from platectl.app.evaluation.binding import conditions_of, limits_of
from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE, WellPlan
from platectl.domain.result_rules import ResultRules, calcium_limits
from platectl.domain.run import PlatePlan
from platectl.domain.step_docs import CountDoc, DispenseDoc
from platectl.domain.units import parse_quantity
from platectl.domain.wells import expand_wells
from platectl.simkit.world import Truth
from platectl.simkit.world.truth import Ligand
from platectl.simkit.world.truth_cells import Agonist, Antagonist, Modulator

LN10 = math.log(10.0)
UNMEASURED_SD_LOG10 = 0.03
Variances = BindingVariances | CalciumVariances
T = TypeVar("T")


def with_expected(truth: Truth, protocol: AssayProtocol, expected: Mapping[str, str]) -> Truth:
    """The truth with other constants for some compounds: Ki, EC50, EC50 of a modulator, or Kb.

    Raises:
        UserInputError: A constant without a unit of concentration.
    """
    for name, text in expected.items():
        molar = parse_quantity(text, "concentration")
        if protocol.is_binding:
            known = truth.ligand(name) or Ligand(sites={})
            sites = {**known.sites, protocol.of_binding.site: molar}
            new = known.model_copy(update={"sites": sites})
            truth = truth.model_copy(update={"ligands": _replaced(truth.ligands, name, new)})
        else:
            truth = _with_cell_compound(truth, protocol, name, molar)
    return truth


def _with_cell_compound(truth: Truth, protocol: AssayProtocol, name: str, molar: float) -> Truth:
    reference = _of(truth.agonists, protocol.compounds.reference)
    receptor = reference.receptor if reference else protocol.of_calcium.target or "target"
    if protocol.mode == "agonist" or name.casefold() == protocol.compounds.reference.casefold():
        known = _of(truth.agonists, name) or Agonist(receptor=receptor, ec50=molar)
        agonists = _replaced(truth.agonists, name, known.model_copy(update={"ec50": molar}))
        return truth.model_copy(update={"agonists": agonists})
    if protocol.mode == "antagonist":
        blocker = _of(truth.antagonists, name) or Antagonist(receptor=receptor, kb=molar)
        antagonists = _replaced(truth.antagonists, name, blocker.model_copy(update={"kb": molar}))
        return truth.model_copy(update={"antagonists": antagonists})
    modulator = _of(truth.modulators, name) or Modulator(ec50=molar, ic50=1000.0 * molar)
    modulators = _replaced(truth.modulators, name, modulator.model_copy(update={"ec50": molar}))
    return truth.model_copy(update={"modulators": modulators})


def variances_of(protocol: AssayProtocol, truth: Truth, cvs: Mapping[str, str]) -> Variances:
    """The lab's variances, those of `cvs` in place of what truth and protocol say.

    All are relative standard deviations; those of concentrations become log10.

    Raises:
        InputRefusedError: A name that no variance of this assay has.
        UserInputError: A value that is no fraction.
    """
    base = _of_binding(protocol, truth) if protocol.is_binding else _of_calcium(protocol, truth)
    names = {f.name.removesuffix("_sd_log10").removesuffix("_cv").replace("_", "-"): f.name
             for f in fields(base)}  # fmt: skip
    strange = [name for name in cvs if name not in names]
    if strange:
        fix = f"use one of: {', '.join(names)}"
        raise InputRefusedError(
            [Finding(f"--cv {n}: this assay has no such variance", fix=fix) for n in strange]
        )
    given = {}
    for name, text in cvs.items():
        value = parse_quantity(text, "fraction")
        given[names[name]] = value / LN10 if names[name].endswith("_sd_log10") else value
    return replace(base, **given)  # type: ignore[arg-type]  # the names are those of its fields


def _of_binding(protocol: AssayProtocol, truth: Truth) -> BindingVariances:
    handling, filtration = truth.liquid_handling, truth.filtration
    volume = protocol.compounds.final_volume
    errors = handling.at(volume * _compound_share(protocol))
    analysis = protocol.analysis
    aliquots = len(expand_wells(analysis.aliquots[0], PLATE)) if analysis.standards else 0
    return BindingVariances(
        dispense_cv=handling.bulk_cv,
        compound_cv=math.hypot(errors.cv, errors.bias),
        filter_cv=math.hypot(filtration.recovery_sd, truth.counting.efficiency_cv),
        gradient=truth.environment.gradient_sd,
        membrane_lot=truth.membranes[protocol.of_binding.tissue].lot_cv,
        nonspecific_lot=filtration.nsb_lot_cv,
        step_sd_log10=analysis.dilution_step_sd_log10,
        top_sd_log10=analysis.series_top_sd_log10,
        radioligand_sd_log10=(
            handling.bulk_cv / math.sqrt(aliquots) / LN10 if aliquots else UNMEASURED_SD_LOG10
        ),
    )


def _of_calcium(protocol: AssayProtocol, truth: Truth) -> CalciumVariances:
    line, analysis = truth.cells[protocol.of_calcium.cells], protocol.analysis
    return CalciumVariances(
        well_cv=line.well_cv,
        day_cv=line.day_cv,
        step_sd_log10=analysis.dilution_step_sd_log10,
        top_sd_log10=analysis.series_top_sd_log10,
    )


def draw_of(
    protocol: AssayProtocol, plate: PlatePlan, truth: Truth, variances: Variances, *, series: int,
    rules: ResultRules,
) -> tuple[BindingDraw | CalciumDraw, dict[str, Known]]:  # fmt: skip
    """A simulated plate with at most so many series of each test compound, and what is true."""
    wells = [w for w in plate.wells if w.role != "test" or w.replicate <= series]
    wells = [w for w in wells if w.role != "empty"]
    compounds = {
        w.compound: w.role for w in wells if w.compound and w.role in {"test", "reference"}
    }
    if isinstance(variances, BindingVariances):
        ki = {name: _ki(truth, name, protocol.of_binding.site) for name in compounds}
        known = {name: Known("Ki", molar) for name, molar in ki.items()}
        return _binding(protocol, wells, truth, variances, ki, rules), known
    assert isinstance(variances, CalciumVariances)  # noqa: S101  # the other kind
    known = {name: _half(protocol, truth, name, role) for name, role in compounds.items()}
    return _calcium(protocol, wells, truth, variances, rules), known


def _binding(
    protocol: AssayProtocol, wells: list[WellPlan], truth: Truth, variances: BindingVariances,
    ki_molar: Mapping[str, float], rules: ResultRules,
) -> BindingDraw:  # fmt: skip
    binding, analysis = protocol.of_binding, protocol.analysis
    minutes = next(d.duration for d in protocol.steps.values() if isinstance(d, CountDoc)) / 60.0
    day = date.fromisoformat(binding.specific_activity_date)
    conditions = conditions_of(protocol, None, day)
    density = truth.membranes[binding.tissue].sites[binding.site]
    nonspecific = protocol.compounds.controls["nsb"]
    expected = ExpectedBinding(
        wells=tuple(
            WellCount(
                w.well, w.role, w.compound if w.role in {"test", "reference"} else None,
                w.concentration_molar, w.series, w.dilution_step, 0.0, minutes,
                binding.incubation / 60.0,
            )
            for w in wells
        ),
        conditions=conditions,
        ki_molar=ki_molar,
        receptor_molar=density * 1e-9 * conditions.protein_ug * 1e-3 / conditions.volume_ul,
        caught=truth.filtration.recovery,
        nonspecific_share=truth.filtration.nsb_fraction,
        nonspecific_molar=nonspecific.final,
        nonspecific_ki_molar=_ki(truth, nonspecific.compound, binding.site),
        membrane_share=binding.protein_volume / conditions.volume_ul,
        radioligand_share=_radioligand_share(protocol),
    )  # fmt: skip
    options = CompetitionOptions(
        weighting=analysis.weighting,
        cv=analysis.counting_cv,
        dilution_step_sd_log10=analysis.dilution_step_sd_log10,
        series_top_sd_log10=analysis.series_top_sd_log10,
        rules=rules.qualifiers,
    )
    return BindingDraw(expected, variances, options, limits_of(protocol, rules))


def _radioligand_share(protocol: AssayProtocol) -> float:
    """Share of the well that the radioligand's dispense brings."""
    hot = {n for n, liquid in protocol.liquids.items() if liquid.radioactive}
    doses = [d.volume for d in protocol.steps.values()
             if isinstance(d, DispenseDoc) and d.liquid in hot and d.into != protocol.analysis.standards]  # fmt: skip
    return doses[0] / protocol.compounds.final_volume if doses else 0.0


def _compound_share(protocol: AssayProtocol) -> float:
    membranes = protocol.of_binding.protein_volume / protocol.compounds.final_volume
    return max(1.0 - membranes - _radioligand_share(protocol), 0.0)


def _ki(truth: Truth, name: str, site: str) -> float:
    ligand = truth.ligand(name)
    return ligand.sites.get(site, 1.0) if ligand else 1.0


def _calcium(
    protocol: AssayProtocol, wells: list[WellPlan], truth: Truth, variances: CalciumVariances,
    rules: ResultRules,
) -> CalciumDraw:  # fmt: skip
    calcium, analysis = protocol.of_calcium, protocol.analysis
    conditions = CalciumConditions(
        protocol.mode, calcium.cells, calcium.agonist, calcium.stimulus, calcium.kd,
        calcium.temperature, calcium.temperature,
    )  # fmt: skip

    def response(role: str, compound: str | None, dose: float) -> float:
        return share_of_full(protocol, truth, role, compound, dose)

    planned = tuple(
        PlannedWell(w.well, w.role, w.compound, w.concentration_molar, w.series, w.dilution_step)
        for w in wells
        if w.role not in {"unloaded", "rmax", "rmin", "blank"}
    )
    full = truth.cells[calcium.cells].full_response
    options = CalciumOptions(
        calcium.well_cv, analysis.dilution_step_sd_log10, analysis.series_top_sd_log10,
        rules=rules.responses,
    )  # fmt: skip
    limits = calcium_limits(rules.calcium, protocol.qc)
    expected = ExpectedCalcium(planned, conditions, full, response)
    return CalciumDraw(expected, variances, options, limits)


def share_of_full(
    protocol: AssayProtocol, truth: Truth, role: str, compound: str | None, dose: float
) -> float:
    """Response of a well as a share of the full one; `dose` in molar."""
    if role == "vehicle":
        return 0.0
    reference = _reference(protocol, truth)
    if protocol.mode == "agonist" or role == "reference":
        return _occupied(_of(truth.agonists, compound or "") or reference, dose)
    stimulus = protocol.of_calcium.stimulus or 0.0
    if role == "stimulus" or compound is None:
        return _occupied(reference, stimulus)
    antagonist = _of(truth.antagonists, compound)
    if antagonist is not None and antagonist.receptor == reference.receptor:
        return _occupied(reference, stimulus / (1.0 + dose / antagonist.kb))
    modulator = _of(truth.modulators, compound)
    if modulator is None:
        return _occupied(reference, stimulus)
    bell = dose / (dose + modulator.ec50) / (1.0 + (dose / modulator.ic50) ** 2)
    return _occupied(reference, stimulus) * (1.0 + modulator.effect * bell)


def _occupied(agonist: Agonist, dose: float) -> float:
    scaled = (dose / agonist.ec50) ** agonist.hill
    return float(agonist.emax * scaled / (1.0 + scaled))


def _half(protocol: AssayProtocol, truth: Truth, compound: str, role: str) -> Known:
    """EC50, or IC50 of an antagonist at the assay's stimulus (Cheng-Prusoff for slope 1)."""
    reference = _reference(protocol, truth)
    if protocol.mode == "agonist" or role == "reference":
        agonist = _of(truth.agonists, compound)
        return Known("EC50", agonist.ec50 if agonist else reference.ec50)
    if protocol.mode == "antagonist":
        antagonist = _of(truth.antagonists, compound)
        kb = antagonist.kb if antagonist else 1.0
        shift = 1.0 + (protocol.of_calcium.stimulus or 0.0) / reference.ec50
        return Known("IC50", kb * shift)
    modulator = _of(truth.modulators, compound)
    return Known("EC50", modulator.ec50 if modulator else 1.0)


def _reference(protocol: AssayProtocol, truth: Truth) -> Agonist:
    """The reference agonist, which the truth knows: what it does not know was refused before."""
    found = _of(truth.agonists, protocol.compounds.reference)
    return found or Agonist(receptor="target", ec50=1.0)


def _replaced(known: Mapping[str, T], name: str, new: T) -> dict[str, T]:
    """The same with one entry set, whatever case it was written in."""
    others = {n: v for n, v in known.items() if n.casefold() != name.casefold()}
    return {**others, name: new}


def _of(known: Mapping[str, T], name: str) -> T | None:
    """By name, upper or lower case."""
    return next((v for n, v in known.items() if n.casefold() == name.casefold()), None)
