"""The operator's list: what to prepare and to load, and the figures as JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from platectl.app.preflight.model import Preflight
from platectl.domain.radioactivity import format_activity
from platectl.domain.units import format_duration, format_volume
from platectl.planning.demand import LiquidDemand

HEADER = ("prepare", "volume", "loaded", "used", "plates", "where, for each plate", "note")
LONG_S = 3600.0


def prepare_rows(found: Preflight) -> list[tuple[str, ...]]:
    """One row for each liquid: what to prepare, what of it is loaded and used, where, and how."""
    return [
        (
            liquid.name,
            "well by well" if liquid.made else format_volume(liquid.prepare_ul),
            format_volume(liquid.loaded_ul),
            format_volume(liquid.drawn_ul),
            _plates(liquid.plates),
            _where(liquid),
            _note(liquid),
        )
        for liquid in found.demand.liquids
    ]


def fetch_rows(found: Preflight) -> list[tuple[str, str]]:
    """Labware and seals: kind and number."""
    return [(kind, str(number)) for kind, number in found.demand.consumables.items()]


def preflight_json(found: Preflight) -> dict[str, Any]:
    """All checks and figures; volumes in uL, activities in MBq."""
    demand = found.demand
    return {
        "ok": not found.missing,
        "at": demand.at.isoformat(),
        "warnings": list(found.warnings),
        "checks": [asdict(check) for check in found.checks],
        "prepare": [_liquid_json(liquid) for liquid in demand.liquids],
        "consumables": dict(demand.consumables),
        "activity_mbq": dict(demand.activity_mbq),
        "waste": [asdict(need) for need in demand.waste],
        "places": [asdict(slot) for slot in demand.slots],
        "disk_bytes": demand.disk_bytes,
    }


def _liquid_json(liquid: LiquidDemand) -> dict[str, Any]:
    return {
        "name": liquid.name, "plates": list(liquid.plates), "prepare_ul": liquid.prepare_ul,
        "load_ul": round(liquid.loaded_ul, 3), "used_ul": round(liquid.drawn_ul, 3),
        "activity_mbq": liquid.activity_mbq, "made_well_by_well": liquid.made,
        "load": [
            {"plate": p.plate, "where": p.where, "well": p.source[1], "volume_ul": p.volume_ul}
            for p in liquid.portions
        ],
    }  # fmt: skip


def _plates(plates: tuple[str, ...]) -> str:
    return plates[0] if len(plates) == 1 else f"{len(plates)}: {', '.join(plates)}"


def _where(liquid: LiquidDemand) -> str:
    """Places with the volume for one plate, the largest where plates differ."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    wells: dict[str, set[str]] = defaultdict(set)
    for portion in liquid.portions:
        sums[portion.where][portion.plate] += portion.volume_ul
        wells[portion.where].add(portion.source[1])
    parts = []
    for where, plates in sums.items():
        number = len(wells[where])
        spread = f" in {number} wells" if number > 1 else ""
        parts.append(f"{where} {format_volume(max(plates.values()))}{spread}")
    return ", ".join(parts)


def _note(liquid: LiquidDemand) -> str:
    notes = [liquid.help] if liquid.help else []
    if liquid.temperature_c is not None:
        notes.append(f"at {liquid.temperature_c:g} C")
    if liquid.activity_mbq:
        notes.append(f"{format_activity(liquid.activity_mbq)} loaded")
    if liquid.longest_s > LONG_S:
        notes.append(f"used until {format_duration(liquid.longest_s)} after loading")
    return "; ".join(notes)
