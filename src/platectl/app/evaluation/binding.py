"""Binding assays: counted wells and aliquots to Ki, Kd or rate constants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.counting import decayed_specific_activity
from platectl.analysis.errors import AnalysisError
from platectl.analysis.kinetics import KineticsOptions, analyse_kinetics_plate
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.saturation import SaturationOptions, analyse_saturation_plate
from platectl.app.evaluation.ages import well_ages_min
from platectl.app.evaluation.plate import EvaluatedPlate, broken_windows, left_out
from platectl.app.evaluation.terms import Terms
from platectl.domain.assay import AssayProtocol
from platectl.domain.events import Event
from platectl.domain.layout import PLATE
from platectl.domain.result_rules import QcLimits, ResultRules, binding_limits
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.standards import aliquots_of
from platectl.domain.step_docs import HarvestDoc
from platectl.domain.wells import expand_wells
from platectl.report.model import AnyResult

DPM_PER_FMOL_CI = 2.22
FEWEST_ALIQUOTS = 3


@dataclass(frozen=True, slots=True)
class MeasuredLigand:
    """The radioligand as counted in aliquots: final molar concentration and its uncertainty."""

    molar: float
    sd_log10: float
    wells: int


def evaluate_binding(
    run: CompiledRun, plate: PlatePlan, events: Sequence[Event], terms: Terms
) -> EvaluatedPlate:
    """Analyse one plate from the readings in the ledger."""
    readings = [e.data for e in events if e.kind == "reading.taken"]
    counts = {str(r["well"]): r for r in readings if r["labware"] == f"{plate.name}.filter"}
    broken = broken_windows(plate, events)
    if not counts:
        return EvaluatedPlate(plate, {}, None, "the plate was not counted", broken)
    ages = well_ages_min(run, plate, events)
    standards = [
        r for r in readings if r["labware"] == f"{plate.name}.{run.protocol.analysis.standards}"
    ]
    try:
        wells = well_counts(plate, counts, ages, left_out(plate, events, terms))
        aliquots = aliquots_of(run.protocol, plate.wells)
        day = _counted_on(events)
        result = analyse_counts(run.protocol, wells, standards, aliquots, day, terms.rules)
    except AnalysisError as error:
        return EvaluatedPlate(plate, counts, None, str(error), broken)
    return EvaluatedPlate(plate, counts, result, "", broken)


def analyse_counts(
    protocol: AssayProtocol,
    wells: Sequence[WellCount],
    standards: Sequence[Mapping[str, Any]],
    aliquots: Sequence[Sequence[str]],
    counted_on: date,
    rules: ResultRules,
) -> AnyResult:
    """Analyse counted wells as the protocol's mode asks for; `aliquots` are those of each level.

    Raises:
        AnalysisError: No usable result can come of them.
    """
    analysis, limits = protocol.analysis, limits_of(protocol, rules)
    ligands = measure_ligands(protocol, standards, aliquots, counted_on)
    conditions = conditions_of(protocol, ligands[0] if ligands else None, counted_on)
    if protocol.mode == "competition":
        options = CompetitionOptions(
            weighting=analysis.weighting,
            cv=analysis.counting_cv,
            dilution_step_sd_log10=analysis.dilution_step_sd_log10,
            series_top_sd_log10=analysis.series_top_sd_log10,
            rules=rules.qualifiers,
        )
        return analyse_competition_plate(wells, conditions, options, limits)
    wells = with_measured(protocol, wells, ligands)
    conditions = replace(conditions, nominal_radioligand_molar=None)
    if protocol.mode == "saturation":
        chosen = SaturationOptions(analysis.weighting, analysis.counting_cv)
        return analyse_saturation_plate(wells, conditions, chosen, limits)
    kinetic = KineticsOptions(analysis.weighting, analysis.counting_cv)
    return analyse_kinetics_plate(wells, conditions, kinetic, limits)


def with_measured(
    protocol: AssayProtocol, wells: Sequence[WellCount], ligands: Sequence[MeasuredLigand]
) -> list[WellCount]:
    """Give each well the measured radioligand of its level, where every level was measured."""
    levels = protocol.of_binding.levels
    if len(ligands) != len(levels):
        return list(wells)
    measured = {level: ligand.molar for level, ligand in zip(levels, ligands, strict=True)}
    return [
        replace(w, radioligand_molar=measured.get(w.radioligand_molar or 0.0, w.radioligand_molar))
        for w in wells
    ]


def well_counts(
    plate: PlatePlan,
    counts: Mapping[str, Mapping[str, Any]],
    ages: Mapping[str, float],
    lost: Mapping[str, str],
) -> list[WellCount]:
    """Join the plate map with counts, ages and wells that were lost during the run."""
    wells = []
    for plan in plate.wells:
        reading = counts.get(plan.well)
        if reading is None or plan.role == "empty":
            continue
        wells.append(WellCount(
            well=plan.well, role=plan.role, compound=plan.compound if plan.role in {"test", "reference"} else None,
            concentration_molar=plan.concentration_molar, series=plan.series, dilution_steps=plan.dilution_step,
            gross_cpm=float(reading["cpm"]), count_min=float(reading["live_s"]) / 60.0, age_min=ages.get(plan.well),
            radioligand_molar=plan.radioligand_molar, time_min=None if plan.time_s is None else ages.get(plan.well, plan.time_s / 60.0),
            flags=tuple(reading.get("flags", ())), excluded=lost.get(plan.well),
        ))  # fmt: skip
    return wells


def _counted_on(events: Iterable[Event]) -> date:
    walls = [e.wall for e in events if e.kind == "reading.taken"]
    return (
        datetime.fromisoformat(walls[-1]).date()
        if walls
        else datetime.fromtimestamp(0, tz=UTC).date()
    )


def conditions_of(
    protocol: AssayProtocol, ligand: MeasuredLigand | None, counted_on: date
) -> BindingConditions:
    """Conditions of a plate: the radioligand as counted where aliquots were, nominal where not."""
    binding, analysis = protocol.of_binding, protocol.analysis
    return BindingConditions(
        site=binding.site,
        radioligand=binding.radioligand,
        tissue=binding.tissue,
        radioligand_molar=ligand.molar if ligand else binding.concentration,
        radioligand_sd_log10=ligand.sd_log10 if ligand else 0.03,
        kd_molar=binding.kd,
        kd_sd_log10=binding.kd_sd_log10,
        specific_activity_ci_per_mmol=_activity(protocol, counted_on),
        efficiency=analysis.efficiency,
        background_cpm=analysis.background_cpm,
        volume_ul=protocol.compounds.final_volume,
        protein_ug=binding.protein * binding.protein_volume,
        temperature_c=binding.temperature,
        incubation_min=binding.incubation / 60.0,
        kon_per_molar_min=binding.kon,
        koff_per_min=binding.koff,
        nominal_radioligand_molar=binding.concentration,
        masking_molar=binding.masking_concentration if binding.masking else None,
        masking_ki_molar=binding.masking_ki if binding.masking else None,
        harvested_share=_harvested_share(protocol),
    )


def _harvested_share(protocol: AssayProtocol) -> float:
    """Share of a well's volume that the harvest draws."""
    volumes = [doc.volume for doc in protocol.steps.values() if isinstance(doc, HarvestDoc)]
    return min(volumes[0] / protocol.compounds.final_volume, 1.0) if volumes else 1.0


def _activity(protocol: AssayProtocol, counted_on: date) -> float:
    """Specific activity on the day of counting, Ci/mmol."""
    stated = date.fromisoformat(protocol.of_binding.specific_activity_date)
    days = (datetime.combine(counted_on, time()) - datetime.combine(stated, time())).days
    return decayed_specific_activity(protocol.of_binding.specific_activity, days=days)


def measure_ligands(
    protocol: AssayProtocol, standards: Sequence[Mapping[str, Any]],
    aliquots: Sequence[Sequence[str]], counted_on: date,
) -> list[MeasuredLigand]:  # fmt: skip
    """Final radioligand concentration of each level from its counted aliquots.

    An aliquot is what one assay well gets. Empty when a level has fewer than three, or no counts.
    """
    counting = protocol.analysis
    blanks = set(expand_wells(counting.blank_wells, PLATE))
    blank = [float(r["cpm"]) for r in standards if r["well"] in blanks]
    background = sum(blank) / len(blank) if blank else counting.background_cpm
    cpm_per_fmol = counting.efficiency * DPM_PER_FMOL_CI * _activity(protocol, counted_on)
    found = []
    for wells in aliquots:
        net = [float(r["cpm"]) - background for r in standards if r["well"] in wells]
        mean = sum(net) / len(net) if net else 0.0
        if len(net) < FEWEST_ALIQUOTS or mean <= 0:
            return []
        spread = math.sqrt(sum((c - mean) ** 2 for c in net) / (len(net) - 1))
        molar = mean / cpm_per_fmol * 1e-9 / protocol.compounds.final_volume
        sd_log10 = spread / mean / math.sqrt(len(net)) / math.log(10)
        found.append(MeasuredLigand(molar, sd_log10, len(net)))
    return found


def limits_of(protocol: AssayProtocol, rules: ResultRules) -> QcLimits:
    """QC limits of a protocol over those of the rules."""
    return binding_limits(rules.binding, protocol.qc, protocol.compounds.reference)
