"""Calcium assays: frames and additions of the ledger to traces, and those to EC50."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from platectl.analysis.calcium import (
    CalciumConditions,
    CalciumOptions,
    CalciumPlateResult,
    WellTrace,
    analyse_calcium_plate,
)
from platectl.analysis.errors import AnalysisError
from platectl.app.evaluation.ages import exposures_min
from platectl.app.evaluation.plate import EvaluatedPlate, broken_windows, left_out
from platectl.app.evaluation.terms import Terms
from platectl.domain.assay import AssayProtocol
from platectl.domain.events import Event
from platectl.domain.result_rules import ResultRules, calcium_limits
from platectl.domain.run import CompiledRun, PlatePlan
from platectl.domain.step_docs import ReadDoc
from platectl.hal.reading import ExportedTrace
from platectl.steps import kind_of
from platectl.steps.transfer import Transfer

#: how far the excitation of an export may be from that of the dye
SAME_NM = 5.0


@dataclass(slots=True)
class _Readings:
    """What one well showed in each channel: times and values, in order."""

    at_s: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    values: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    flags: set[str] = field(default_factory=set)

    def arrays(self, channel: int) -> tuple[Any, Any]:
        """Times and values of a channel, by time."""
        order = np.argsort(self.at_s[channel], kind="stable")
        at_s = np.asarray(self.at_s[channel], dtype=np.float64)[order]
        return at_s, np.asarray(self.values[channel], dtype=np.float64)[order]


def evaluate_calcium(
    run: CompiledRun, plate: PlatePlan, events: Sequence[Event], terms: Terms
) -> EvaluatedPlate:
    """Analyse one plate from the frames in the ledger."""
    broken = broken_windows(plate, events)
    main, late = _reads(run.protocol)
    readings = _collect(plate, events, main)
    shown = _rest(readings)
    if not readings:
        return EvaluatedPlate(plate, {}, None, "the plate was not read", broken)
    later = _collect(plate, events, late) if late else {}
    added = additions_s(run, plate, events)
    until = {
        well: at - _clock_offset_s(events) for well, at in (_first_s(readings) | added).items()
    }
    ages, exposed = exposures_min(run, plate, events, until)
    for well, reading in shown.items():
        reading |= {"age_min": ages.get(well), "preincubation_min": exposed.get(well)}
    out = left_out(plate, events, terms)
    wells = [
        _trace(plan, readings, later, added, out.get(plan.well))
        for plan in plate.wells
        if plan.well in readings
    ]
    result, error = _analysed(run.protocol, wells, _temperature_c(events, plate), terms.rules)
    return EvaluatedPlate(plate, shown, result, str(error or ""), broken)


def evaluate_export(
    protocol: AssayProtocol, plate: PlatePlan, traces: Sequence[ExportedTrace],
    late: Sequence[ExportedTrace], added_s: float | None, rules: ResultRules,
) -> EvaluatedPlate:  # fmt: skip
    """Analyse one plate from an export: `late` are the calibrators.

    `added_s` is when the compound came, since each first point; None takes what the export states.
    """
    readings, later = _of_export(protocol, traces), _of_export(protocol, late)
    added = {t.well: t.added_s for t in traces if t.added_s is not None}
    if added_s is not None:
        added = dict.fromkeys(readings, added_s)
    wells = [
        _trace(plan, readings, later, added, None) for plan in plate.wells if plan.well in readings
    ]
    stated = [t.temperature_c for t in traces if t.temperature_c is not None]
    result, error = _analysed(protocol, wells, float(np.mean(stated)) if stated else None, rules)
    code = error.code if error else None
    return EvaluatedPlate(plate, _rest(readings), result, str(error or ""), code=code)


def missing_channels(protocol: AssayProtocol, traces: Sequence[ExportedTrace]) -> list[float]:
    """Excitations of the dye that an export lacks, nm."""
    there = {trace.channel.excitation_nm for trace in traces}
    return [nm for nm in protocol.of_calcium.excitation_nm if min(abs(nm - t) for t in there) > SAME_NM]  # fmt: skip


def baseline_s(protocol: AssayProtocol) -> float | None:
    """Baseline of the read with the addition; None if nothing is added."""
    doc = protocol.steps[_reads(protocol)[0]]
    return doc.baseline if isinstance(doc, ReadDoc) and doc.addition else None


def _of_export(protocol: AssayProtocol, traces: Sequence[ExportedTrace]) -> dict[str, _Readings]:
    """Traces by well; their channels are those of the dye, by the nearest excitation."""
    known = protocol.of_calcium.excitation_nm
    found: dict[str, _Readings] = defaultdict(_Readings)
    for trace in traces:
        distances = [abs(trace.channel.excitation_nm - wavelength) for wavelength in known]
        if min(distances) > SAME_NM:
            continue
        channel, reading = distances.index(min(distances)), found[trace.well]
        reading.flags.update(trace.flags.values())
        reading.at_s[channel] += trace.times_s
        reading.values[channel] += [
            math.nan if index in trace.flags else value for index, value in enumerate(trace.values)
        ]
    return dict(found)


def _analysed(
    protocol: AssayProtocol, wells: Sequence[WellTrace], temperature_c: float | None,
    rules: ResultRules,
) -> tuple[CalciumPlateResult | None, AnalysisError | None]:  # fmt: skip
    """The result, or why there is none."""
    options = CalciumOptions(
        well_cv=protocol.of_calcium.well_cv,
        dilution_step_sd_log10=protocol.analysis.dilution_step_sd_log10,
        series_top_sd_log10=protocol.analysis.series_top_sd_log10,
        rules=rules.responses,
    )
    try:
        limits = calcium_limits(rules.calcium, protocol.qc)
        conditions = _conditions(protocol, temperature_c)
        return analyse_calcium_plate(wells, conditions, options, limits), None
    except AnalysisError as error:
        return None, error


def _reads(protocol: AssayProtocol) -> tuple[str, str | None]:
    """The read with the addition, and the later one of the calibrators if there is one."""
    reads = [name for name, doc in protocol.steps.items() if isinstance(doc, ReadDoc)]
    main = next(
        (n for n in reads if isinstance(d := protocol.steps[n], ReadDoc) and d.addition), reads[0]
    )
    later = reads[reads.index(main) + 1 :]
    return main, later[-1] if later else None


def _collect(plate: PlatePlan, events: Sequence[Event], doc: str) -> dict[str, _Readings]:
    """Frames of one read of the protocol, by well; a flagged value is no number here."""
    found: dict[str, _Readings] = defaultdict(_Readings)
    for event in events:
        parts = event.step.split(".")
        if event.kind != "frame.taken" or parts[:2] != [plate.name, doc]:
            continue
        data = event.data
        for well, at_s, value in zip(data["wells"], data["at_s"], data["values"], strict=True):
            flag = data["flags"].get(well)
            reading = found[well]
            if flag:
                reading.flags.add(flag)
            reading.at_s[data["channel"]].append(at_s)
            usable = value is not None and not flag
            reading.values[data["channel"]].append(value if usable else math.nan)
    return dict(found)


def _trace(
    plan: Any, readings: Mapping[str, _Readings], later: Mapping[str, _Readings],
    added: Mapping[str, float], excluded: str | None,
) -> WellTrace:  # fmt: skip
    mine, after = readings[plan.well], later.get(plan.well, _Readings())
    (t340, f340), (t380, f380) = mine.arrays(0), mine.arrays(1)
    return WellTrace(
        well=plan.well,
        role=plan.role,
        compound=plan.compound if plan.role in {"test", "reference"} else None,
        concentration_molar=plan.concentration_molar,
        series=plan.series,
        dilution_steps=plan.dilution_step,
        t340_s=t340,
        f340=f340,
        t380_s=t380,
        f380=f380,
        addition_s=added.get(plan.well),
        late340=after.arrays(0)[1],
        late380=after.arrays(1)[1],
        flags=tuple(sorted(mine.flags)),
        excluded=excluded,
    )


def _rest(readings: Mapping[str, _Readings]) -> dict[str, dict[str, Any]]:
    """First counts at 380 nm of each well, for the map of the plate: how well it was loaded."""
    shown = {}
    for well, reading in readings.items():
        values = reading.arrays(1)[1]
        good = values[np.isfinite(values)]
        level = float(good[:5].mean()) if good.size else None
        shown[well] = {"well": well, "cpm": level, "counts": None, "live_s": None,
                       "flags": sorted(reading.flags), "source": ""}  # fmt: skip
    return shown


def _first_s(readings: Mapping[str, _Readings]) -> dict[str, float]:
    """When each well was read first."""
    firsts = {w: [min(at) for at in r.at_s.values() if at] for w, r in readings.items()}
    return {well: min(at) for well, at in firsts.items() if at}


def additions_s(run: CompiledRun, plate: PlatePlan, events: Sequence[Event]) -> dict[str, float]:
    """When the addition reached each well: as the reader said, or as the handler delivered."""
    main, _ = _reads(run.protocol)
    doc = run.protocol.steps[main]
    if not isinstance(doc, ReadDoc) or doc.addition is None:
        return {}
    found: dict[str, float] = {}
    for event in events:
        if event.kind == "addition.seen" and event.step.split(".")[:2] == [plate.name, main]:
            found |= {well: float(at) for well, at in event.data["at_s"].items()}
    return found or _by_handler(run, plate, events, main)


def _by_handler(
    run: CompiledRun, plate: PlatePlan, events: Sequence[Event], main: str
) -> dict[str, float]:
    """Moments of delivery on the readers' clock: that of the host, which the frames carry too."""
    steps = {s.id: kind_of(s) for s in run.steps
             if s.kind == "transfer" and s.id.split(".")[:2] == [plate.name, main]}  # fmt: skip
    offset = _clock_offset_s(events)
    found: dict[str, float] = {}
    for event in events:
        kind = steps.get(event.step)
        if not isinstance(kind, Transfer) or event.kind != "step.note":
            continue
        delivered = event.data.get("delivered")
        for use in kind.uses:
            for move in use.moves:
                if delivered == f"{move.target.labware}/{move.target.well}":
                    wells = (well for _, well in use.wells(move.target))
                    found |= dict.fromkeys(wells, event.monotonic_s + offset)
    return found


def _clock_offset_s(events: Sequence[Event]) -> float:
    """Host clock minus ledger clock, as the run's first event states it."""
    begun = next(e for e in events if e.kind == "run.started")
    return float(begun.data.get("clock_s", 0.0))


def _temperature_c(events: Sequence[Event], plate: PlatePlan) -> float | None:
    """Mean temperature of the frames of a plate."""
    temperatures = [
        float(e.data["temperature_c"])
        for e in events
        if e.kind == "frame.taken"
        and e.step.startswith(f"{plate.name}.")
        and e.data.get("temperature_c") is not None
    ]
    return float(np.mean(temperatures)) if temperatures else None


def _conditions(protocol: AssayProtocol, temperature_c: float | None) -> CalciumConditions:
    calcium = protocol.of_calcium
    return CalciumConditions(
        mode=protocol.mode,
        cells=calcium.cells,
        agonist=calcium.agonist,
        stimulus_molar=calcium.stimulus,
        kd_molar=calcium.kd,
        temperature_c=calcium.temperature,
        actual_temperature_c=temperature_c,
    )
