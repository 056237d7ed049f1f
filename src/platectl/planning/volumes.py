"""The volume ledger: what every well holds after every step, what must be loaded, what overflows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from platectl.domain.findings import Finding
from platectl.domain.labware import LabwareKind
from platectl.domain.steps import Step
from platectl.steps import kind_of

Well = tuple[str, str]
TOLERANCE_UL = 1e-6


def requirements(steps: Iterable[Step]) -> dict[Well, float]:
    """Volume that each well or bottle must hold at the start so that no draw finds it empty.

    Bottles appear as (`bottle:<dispenser>`, liquid).
    """
    level: dict[Well, float] = defaultdict(float)
    lowest: dict[Well, float] = defaultdict(float)
    for step in steps:
        for move in kind_of(step).liquid_moves():
            if move.source:
                level[move.source] -= move.volume_ul
                lowest[move.source] = min(lowest[move.source], level[move.source])
            if move.target and not move.drained:
                level[move.target] += move.volume_ul
    return {well: -low for well, low in lowest.items() if low < -TOLERANCE_UL}


def check_volumes(
    steps: Iterable[Step],
    loaded: Mapping[Well, float],
    kinds: Mapping[str, LabwareKind],
    *,
    file: str,
) -> list[Finding]:
    """Follow all volumes and report overflow, underflow and dead volume, once per step and labware."""
    level: dict[Well, float] = defaultdict(float, loaded)
    findings: dict[tuple[str, str, str], Finding] = {}
    for well, volume in loaded.items():
        kind = kinds.get(well[0])
        if kind and volume > kind.max_volume + TOLERANCE_UL:
            key = ("load", well[0], "overflow")
            message = f"{volume:.0f} uL must be loaded, the well holds {kind.max_volume:.0f} uL"
            findings.setdefault(
                key,
                Finding(
                    message,
                    file,
                    None,
                    f"{well[0]} {well[1]}",
                    "use larger labware or a smaller run",
                ),
            )
    for step in steps:
        for move in kind_of(step).liquid_moves():
            if move.source:
                level[move.source] -= move.volume_ul
                _underflow(findings, step, move.source, level[move.source], kinds, file)
            if move.target and not move.drained:
                level[move.target] += move.volume_ul
                _overflow(findings, step, move.target, level[move.target], kinds, file)
    return list(findings.values())


def _underflow(
    findings: dict[tuple[str, str, str], Finding], step: Step, well: Well, left_ul: float,
    kinds: Mapping[str, LabwareKind], file: str,
) -> None:  # fmt: skip
    kind = kinds.get(well[0])
    dead_ul = kind.dead_volume if kind else 0.0
    if left_ul >= dead_ul - TOLERANCE_UL:
        return
    message = f"{left_ul:.1f} uL would be left, {dead_ul:.0f} uL cannot be drawn"
    if left_ul < -TOLERANCE_UL:
        message = f"the well is empty: {-left_ul:.1f} uL too little"
    where = f"{step.id} ({step.title}), {well[0]} {well[1]}"
    fix = "put more in before or draw less"
    findings.setdefault((step.id, well[0], "under"), Finding(message, file, None, where, fix))


def _overflow(
    findings: dict[tuple[str, str, str], Finding], step: Step, well: Well, level_ul: float,
    kinds: Mapping[str, LabwareKind], file: str,
) -> None:  # fmt: skip
    kind = kinds.get(well[0])
    if kind is None or level_ul <= kind.max_volume + TOLERANCE_UL:
        return
    message = f"{level_ul:.0f} uL in a well of {kind.max_volume:.0f} uL"
    where = f"{step.id} ({step.title}), {well[0]} {well[1]}"
    findings.setdefault(
        (step.id, well[0], "over"),
        Finding(message, file, None, where, "add less or use a larger plate"),
    )
