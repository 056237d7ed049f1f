"""From readings and ledger times to analysed plates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from platectl.analysis.competition import CompetitionOptions, analyse_competition_plate
from platectl.analysis.counting import decayed_specific_activity
from platectl.analysis.errors import AnalysisError
from platectl.analysis.limits import QcLimits, ReferenceWindow
from platectl.analysis.plate import BindingConditions, WellCount
from platectl.analysis.results import PlateResult
from platectl.domain.assay import AssayProtocol
from platectl.domain.events import Event
from platectl.domain.layout import PLATE
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.wells import expand_wells, parse_well

DPM_PER_FMOL_CI = 2.22


@dataclass(frozen=True, slots=True)
class EvaluatedPlate:
    """One plate: its map, its counts by well, the ages, and the result or why there is none."""

    plan: PlatePlan
    counts: Mapping[str, Mapping[str, Any]]
    result: PlateResult | None
    problem: str = ""
    broken_windows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredLigand:
    """The radioligand as counted in aliquots: final molar concentration and its uncertainty."""

    molar: float
    sd_log10: float
    wells: int


def evaluate_run(run: CompiledRun, events: Sequence[Event]) -> list[EvaluatedPlate]:
    """Analyse every plate of a run from the readings in its ledger."""
    readings = [e.data for e in events if e.kind == "reading.taken"]
    return [_plate(run, plate, readings, events) for plate in run.plates]


def _plate(
    run: CompiledRun,
    plate: PlatePlan,
    readings: Sequence[Mapping[str, Any]],
    events: Sequence[Event],
) -> EvaluatedPlate:
    counts = {str(r["well"]): r for r in readings if r["labware"] == f"{plate.name}.filter"}
    broken = tuple(f"{e.data['window']}: {e.data['verdict']}" for e in events
                   if e.kind == "window.broken" and e.data["plate"] == plate.name)  # fmt: skip
    hard = [
        f
        for f, e in zip(
            broken,
            (e for e in events if e.kind == "window.broken" and e.data["plate"] == plate.name),
            strict=True,
        )
        if e.data["hard"]
    ]
    if not counts:
        return EvaluatedPlate(plate, {}, None, "the plate was not counted", broken)
    ages = well_ages_min(run, plate, events)
    counted_on = _counted_on(events)
    standards = [
        r for r in readings if r["labware"] == f"{plate.name}.{run.protocol.analysis.standards}"
    ]
    try:
        conditions = conditions_of(run.protocol, standards, counted_on)
        wells = well_counts(plate, counts, ages)
        options = CompetitionOptions(
            weighting=run.protocol.analysis.weighting,
            cv=run.protocol.analysis.counting_cv,
            dilution_step_sd_log10=run.protocol.analysis.dilution_step_sd_log10,
            series_top_sd_log10=run.protocol.analysis.series_top_sd_log10,
        )
        result = analyse_competition_plate(wells, conditions, options, limits_of(run.protocol))
    except AnalysisError as error:
        return EvaluatedPlate(plate, counts, None, str(error), broken)
    return EvaluatedPlate(plate, counts, result, "", tuple(hard) or broken)


def well_counts(
    plate: PlatePlan, counts: Mapping[str, Mapping[str, Any]], ages: Mapping[str, float]
) -> list[WellCount]:
    """Join the plate map with counts and ages."""
    wells = []
    for plan in plate.wells:
        reading = counts.get(plan.well)
        if reading is None or plan.role == "empty":
            continue
        wells.append(WellCount(
            well=plan.well, role=plan.role, compound=plan.compound if plan.role in {"test", "reference"} else None,
            concentration_molar=plan.concentration_molar, series=plan.series, dilution_steps=plan.dilution_step,
            gross_cpm=float(reading["cpm"]), count_min=float(reading["live_s"]) / 60.0, age_min=ages.get(plan.well),
            radioligand_molar=plan.radioligand_molar, time_min=None if plan.time_s is None else plan.time_s / 60.0,
            flags=tuple(reading.get("flags", ())),
        ))  # fmt: skip
    return wells


def well_ages_min(run: CompiledRun, plate: PlatePlan, events: Iterable[Event]) -> dict[str, float]:
    """True age of each well: from the membranes' arrival in its column to the harvest's first draw."""
    added, start, end, harvest = _binding_steps(run, plate), None, None, None
    if added is None:
        return {}
    for event in events:
        if event.step == added[0] and event.kind == "step.sent":
            start = event.monotonic_s
        elif event.step == added[0] and event.kind == "step.done":
            end = event.monotonic_s
        elif (
            event.step == added[1]
            and event.kind == "step.progress"
            and event.data.get("action") == "transfer"
            and harvest is None
        ):
            harvest = event.monotonic_s
    if start is None or end is None or harvest is None:
        return {}
    share = (end - start) / PLATE.columns
    return {w: (harvest - start - share * (parse_well(w)[1] + 0.5)) / 60.0 for w in PLATE.by_row()}


def _binding_steps(run: CompiledRun, plate: PlatePlan) -> tuple[str, str] | None:
    window = next(
        (w for w in run.windows if w.plate == plate.name and w.name == "incubation"), None
    )
    return (window.start.step, window.end.step) if window else None


def _counted_on(events: Iterable[Event]) -> date:
    walls = [e.wall for e in events if e.kind == "reading.taken"]
    return (
        datetime.fromisoformat(walls[-1]).date()
        if walls
        else datetime.fromtimestamp(0, tz=UTC).date()
    )


def conditions_of(
    protocol: AssayProtocol, standards: Sequence[Mapping[str, Any]], counted_on: date
) -> BindingConditions:
    """Conditions of a plate: the radioligand as counted where aliquots were, nominal where not."""
    binding, analysis = protocol.binding, protocol.analysis
    days = (
        datetime.combine(counted_on, time())
        - datetime.combine(date.fromisoformat(binding.specific_activity_date), time())
    ).days
    activity = decayed_specific_activity(binding.specific_activity, days=days)
    ligand = measure_ligand(protocol, standards, activity)
    return BindingConditions(
        site=binding.site,
        radioligand=binding.radioligand,
        tissue=binding.tissue,
        radioligand_molar=ligand.molar if ligand else binding.concentration,
        radioligand_sd_log10=ligand.sd_log10 if ligand else 0.03,
        kd_molar=binding.kd,
        kd_sd_log10=binding.kd_sd_log10,
        specific_activity_ci_per_mmol=activity,
        efficiency=analysis.efficiency,
        background_cpm=analysis.background_cpm,
        volume_ul=binding.final_volume,
        protein_ug=binding.protein * binding.protein_volume,
        temperature_c=binding.temperature,
        incubation_min=binding.incubation / 60.0,
        kon_per_molar_min=binding.kon,
        koff_per_min=binding.koff,
        nominal_radioligand_molar=binding.concentration,
        masking_molar=binding.masking_concentration if binding.masking else None,
        masking_ki_molar=binding.masking_ki if binding.masking else None,
    )


def measure_ligand(
    protocol: AssayProtocol, standards: Sequence[Mapping[str, Any]], activity_ci_per_mmol: float
) -> MeasuredLigand | None:
    """Final radioligand concentration from counted aliquots; None without at least three."""
    aliquots = set(expand_wells(protocol.analysis.aliquot_wells, PLATE))
    blanks = set(expand_wells(protocol.analysis.blank_wells, PLATE))
    counted = [float(r["cpm"]) for r in standards if r["well"] in aliquots]
    blank = [float(r["cpm"]) for r in standards if r["well"] in blanks]
    if len(counted) < 3:  # noqa: PLR2004  # fewer aliquots give no spread
        return None
    background = sum(blank) / len(blank) if blank else protocol.analysis.background_cpm
    mean = sum(counted) / len(counted)
    spread = math.sqrt(sum((c - mean) ** 2 for c in counted) / (len(counted) - 1))
    net = mean - background
    if net <= 0:
        return None
    fmol = net / protocol.analysis.efficiency / (DPM_PER_FMOL_CI * activity_ci_per_mmol)
    molar = fmol * 1e-9 / protocol.binding.final_volume
    return MeasuredLigand(
        molar, spread / net / math.sqrt(len(counted)) / math.log(10), len(counted)
    )


def limits_of(protocol: AssayProtocol) -> QcLimits:
    """QC limits of a protocol over the defaults."""
    values = dict(protocol.qc)
    low, high = (
        values.pop("reference_ki_low_molar", None),
        values.pop("reference_ki_high_molar", None),
    )
    base = QcLimits()
    windows = dict(base.reference_windows)
    if low is not None and high is not None:
        windows = {protocol.binding.reference: ReferenceWindow(low, high)}
    return QcLimits(**{**values, "reference_windows": windows})  # type: ignore[arg-type]  # names are checked at load
