"""Plans replicates by analysis: what intervals a layout will give, before radioligand is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platectl.analysis.power import (
    FEWEST_DRAWS,
    DrawnPlate,
    Need,
    Power,
    draw_plates,
    needs,
    predict,
)
from platectl.app.evaluation.terms import BUNDLED_TERMS
from platectl.app.expectations import Variances, draw_of, variances_of, with_expected
from platectl.app.prepare import own_samples
from platectl.app.truth import load_truth, unknown_to_truth
from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.result_rules import ResultRules
from platectl.domain.run import PlatePlan
from platectl.files.plate_map import load_layout
from platectl.files.protocol import load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates
from platectl.simkit.world import Truth

MODES = ("competition", "agonist", "modulator", "antagonist")


@dataclass(frozen=True, slots=True)
class PowerOptions:
    """What is planned.

    Attributes:
        protocol: Bundled name or file.
        layout: Name of a layout, or a plate map; None is the protocol's own.
        samples: Sample sheet; None is the protocol's own.
        truth: What the lab expects of itself; None is the bundled truth.
        overrides: Parameters of the protocol.
        cvs: Relative standard deviations by name, in place of those of the truth.
        expected: Constants by compound, in place of those of the truth.
        plates: Plates of one experiment.
        experiments: How many to simulate.
        until: Upper over lower limit that is asked for; None asks nothing.
        assurance: Share of experiments that must be narrower.
        seed: Of the simulation.
        rules: By what results are judged; the bundled ones unless told.
    """

    protocol: str
    layout: str | None = None
    samples: Path | None = None
    truth: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    cvs: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    plates: int = 1
    experiments: int = 200
    until: float | None = None
    assurance: float = 0.8
    seed: int = 1
    rules: ResultRules = BUNDLED_TERMS.rules


@dataclass(frozen=True, slots=True)
class Planned:
    """What was found.

    Attributes:
        title: Of the protocol.
        layout: Name or file.
        series: Dilution series on a plate, by compound.
        variances: What was assumed.
        power: What experiments of the planned size will say.
        needs: By test compound, one for each number of series on a plate that can be enough; empty
            without `until`.
    """

    title: str
    layout: str
    series: Mapping[str, int]
    variances: Variances
    power: Power
    needs: Mapping[str, tuple[Need, ...]]


def plan_power(options: PowerOptions) -> Planned:
    """Predict the intervals of a layout, and what it takes for narrower ones.

    Raises:
        InputRefusedError: The protocol, map, sheet or expectations cannot be used; every finding.
    """
    protocol, plate = _plate(options)
    refuse_if_any(_not_there(options, plate))
    truth = with_expected(load_truth(options.truth), protocol, options.expected)
    sheet = options.samples or own_samples(protocol, options.protocol)
    refuse_if_any(unknown_to_truth(
        protocol, load_samples(sheet), truth, truth_file=str(options.truth or "truth.yaml"),
        sheet=str(sheet or "samples.csv"),
    ))  # fmt: skip
    variances = variances_of(protocol, truth, options.cvs)
    series = _series(plate)
    tests = [w.compound for w in plate.wells if w.role == "test" and w.compound]
    most = max((series[name] for name in tests), default=1)
    draw, known = draw_of(protocol, plate, truth, variances, series=most, rules=options.rules)
    drawn = {most: draw_plates(draw, options.experiments, seed=options.seed)}
    power = predict(drawn[most], known, plates=options.plates, seed=options.seed)
    wanted: dict[str, tuple[Need, ...]] = {}
    if options.until is not None:
        drawn |= _with_fewer(options, protocol, plate, truth, variances, most)
        for name in dict.fromkeys(tests):
            held = {n: plates for n, plates in drawn.items() if n <= series[name]}
            wanted[name] = needs(
                held, name, fold=options.until, assurance=options.assurance, seed=options.seed
            )
    layout = options.layout or protocol.layout
    return Planned(protocol.title, layout, series, variances, power, wanted)


def _not_there(options: PowerOptions, plate: PlatePlan) -> list[Finding]:
    """Expectations of compounds that are not on the plate."""
    there = list(dict.fromkeys(w.compound for w in plate.wells if w.compound))
    known = {name.casefold() for name in there}
    fix = f"the plate has {', '.join(there)}"
    return [
        Finding(f"--expect {name}: is not on the plate", fix=fix)
        for name in options.expected
        if name.casefold() not in known
    ]


def _with_fewer(
    options: PowerOptions, protocol: AssayProtocol, plate: PlatePlan, truth: Truth,
    variances: Variances, most: int,
) -> dict[int, tuple[DrawnPlate, ...]]:  # fmt: skip
    """Plates with fewer series of the test compounds; half as many of each, since they cost time."""
    count = max(options.experiments // 2, FEWEST_DRAWS)
    drawn = {}
    for series in range(1, most):
        draw, _ = draw_of(protocol, plate, truth, variances, series=series, rules=options.rules)
        drawn[series] = draw_plates(draw, count, seed=options.seed)
    return drawn


def _series(plate: PlatePlan) -> dict[str, int]:
    """Dilution series on the plate by compound."""
    found: dict[str, set[str | None]] = {}
    for well in plate.wells:
        if well.compound and well.role in {"test", "reference"}:
            found.setdefault(well.compound, set()).add(well.series)
    return {name: len(series) for name, series in found.items()}


def _plate(options: PowerOptions) -> tuple[AssayProtocol, PlatePlan]:
    """The protocol and its one plate map."""
    as_file = Path(options.layout) if options.layout and Path(options.layout).suffix else None
    protocol, document = load_protocol(
        options.protocol, overrides=options.overrides, layout=None if as_file else options.layout
    )
    if protocol.mode not in MODES:
        message = f"precision of {protocol.mode} plates is not predicted"
        fix = "name a competition or calcium assay"
        raise InputRefusedError([document.finding(("mode",), message, fix)])
    layout = load_layout(as_file) if as_file else protocol.layouts.get(protocol.layout)
    if layout is None:
        fix = f"use one of: {', '.join(protocol.layouts)}"
        message = f"{protocol.layout!r} is no layout"
        raise InputRefusedError([document.finding(("layout",), message, fix)])
    path = options.samples or own_samples(protocol, options.protocol)
    samples, sheet = load_samples(path), str(path or "samples.csv")
    plates, findings = plan_plates(protocol, layout, samples, sheet=sheet, run="power")
    if len(plates) > 1:
        message = f"the samples fill {len(plates)} plates, and one plate map is planned"
        findings.append(Finding(message, sheet, fix="list the compounds of one plate"))
    refuse_if_any(findings)
    return protocol, plates[0]
