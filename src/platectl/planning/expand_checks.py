"""Expansion of the steps that look at a plate: its barcode, and what it gained on a balance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platectl.domain import step_docs as docs
from platectl.domain.steps import Step
from platectl.planning.build import CannotBuildError, PlateBuilder
from platectl.steps import kind_of
from platectl.steps.checks import Scan, Weigh


def _scan(build: PlateBuilder, doc: docs.ScanDoc, title: str) -> None:
    reader = build.need("BarcodeReader", "to check barcodes")
    build.bring(doc.labware, build.facilities.position_of(reader))
    scan = Scan(reader=reader, labware=build.named(doc.labware), barcode=build.barcode(doc.labware))
    build.add(scan, title, labware=(doc.labware,), main=True)


def _weigh(build: PlateBuilder, doc: docs.WeighDoc, title: str) -> None:
    balance = build.need("Balance", "to weigh plates")
    covered = [n for n, p in build.spot.items() if build.kind(n).role == "lid" and p == build.spot.get(doc.labware)]  # fmt: skip
    if covered:
        raise CannotBuildError(
            f"{doc.labware!r} carries {covered[0]!r}", "take the lid off before it is weighed"
        )
    build.bring(doc.labware, build.facilities.position_of(balance))
    weigh = Weigh(
        balance=balance,
        labware=build.named(doc.labware),
        tolerance=doc.tolerance,
        temperature_c=doc.temperature,
        density=doc.density,
        outside=doc.outside,
    )
    if doc.since is not None:
        weigh = _judging(build, doc, weigh)
    build.add(weigh, title, labware=(doc.labware,), main=True)


def _judging(build: PlateBuilder, doc: docs.WeighDoc, weigh: Weigh) -> Weigh:
    """The weighing with what the steps since an earlier one pour into the labware."""
    since = build.step_of(str(doc.since))
    names = [step.id for step in build.steps]
    earlier = build.steps[names.index(since)]
    if earlier.kind != Weigh.name or earlier.params["labware"] != weigh.labware:
        raise CannotBuildError(
            f"{doc.since!r} does not weigh {doc.labware!r}", "name an earlier step that does"
        )
    between = build.steps[names.index(since) + 1 :]
    gains = {step.id: _gained_ul(step, weigh.labware) for step in between}
    expected_ul = sum(gains.values())
    if expected_ul <= 0:
        raise CannotBuildError(
            f"nothing is poured into {doc.labware!r} since {doc.since!r}",
            "weigh it before and after a step that does",
        )
    pouring = [step for step in between if gains[step.id] > 0]
    by = tuple(dict.fromkeys(name for step in pouring for name in kind_of(step).instruments()))
    told = {"since": since, "expected_ul": expected_ul, "poured_by": by}
    return weigh.model_copy(update=told)


def _gained_ul(step: Step, labware: str) -> float:
    """What a step brings into a labware, less what it draws from it."""
    gained_ul = 0.0
    for move in kind_of(step).liquid_moves():
        if move.target is not None and move.target[0] == labware and not move.drained:
            gained_ul += move.volume_ul
        if move.source is not None and move.source[0] == labware:
            gained_ul -= move.volume_ul
    return gained_ul


EXPAND_CHECKS: dict[str, Callable[[PlateBuilder, Any, str], None]] = {
    "scan": _scan,
    "weigh": _weigh,
}
