"""All wells of a plate in one table: what each is, what was measured in it, and what is remarked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platectl.domain.layout import WellPlan
from platectl.domain.units import format_duration
from platectl.domain.wells import parse_well
from platectl.report.model import ExcludedWell, PlateReport
from platectl.report.text import molar
from platectl.report.values import finite
from platectl.report.views import view_of
from platectl.report.views.view import GROSS_CPM

MASKED, FLAGGED = "✗", "!"
KEY = (
    f"{MASKED} not measured, or left out of a fit; {FLAGGED} remarked, and in the fits all the same. "
    "Numbers are rounded here; counts.csv and results.json of the run have all digits."
)


@dataclass(frozen=True, slots=True)
class WellNote:
    """What a reader has to know of a well: whether fits have it, and what is remarked."""

    mark: str
    said: str


def notes_of(plate: PlateReport, exclusions: Sequence[ExcludedWell] = ()) -> dict[str, WellNote]:
    """Wells of which anything is remarked: by the counter, the analysis, the rules or a person.

    Args:
        plate: The plate.
        exclusions: Those of the run, with who decided them.
    """
    view = view_of(plate)
    out = dict(view.left_out()) if view else {}
    out |= {e.well: f"{e.by}: {e.reason}" for e in exclusions if e.plate == plate.name}
    for plan in plate.wells:
        if plan.role != "empty" and finite(plate.counts.get(plan.well, {}).get("cpm")) is None:
            out.setdefault(plan.well, "not measured")
    said = dict(view.noted()) if view else {}
    for well, reading in plate.counts.items():
        flags = [str(flag).replace("_", " ") for flag in reading.get("flags", ())]
        said[well] = tuple(dict.fromkeys((*flags, *said.get(well, ()))))
    return {
        well: WellNote(
            MASKED if well in out else FLAGGED,
            "; ".join([*([out[well]] if well in out else []), *said.get(well, ())]),
        )
        for well in {**out, **said}
        if well in out or said[well]
    }


def well_table(plate: PlateReport, exclusions: Sequence[ExcludedWell] = ()) -> list[list[str]]:
    """Head and rows of all wells, in the order of the plate; columns that no well fills are left out.

    Args:
        plate: The plate.
        exclusions: Those of the run, with who decided them.
    """
    plans, notes, view = (
        {p.well: p for p in plate.wells},
        notes_of(plate, exclusions),
        view_of(plate),
    )
    measured = view.measured if view else GROSS_CPM
    readouts = view.readouts() if view else {}
    several = len({plan.radioligand_molar for plan in plate.wells}) > 1
    rows = []
    for well in sorted({**plans, **plate.counts}, key=parse_well):
        note = notes.get(well, WellNote("", ""))
        rows.append({
            "": note.mark, "well": well, **_planned(plans.get(well), several=several),
            **_measured(plate.counts.get(well, {}), measured),
            **{what: _plain(values.get(well)) for what, values in readouts.items()},
            "remarks": note.said,
        })  # fmt: skip
    heads = [
        h for h in (rows[0] if rows else ()) if h in {"", "remarks"} or any(r[h] for r in rows)
    ]
    return [heads, *([row[head] for head in heads] for row in rows)]


def _planned(plan: WellPlan | None, *, several: bool) -> dict[str, str]:
    """What a well was to hold; the radioligand where a plate has more than one level of it."""
    if plan is None:
        plan = WellPlan(well="A1", role="empty")
    ligand = plan.radioligand_molar if several else None
    return {
        "role": plan.role, "compound": plan.compound or "", "series": plan.series or "",
        "concentration": molar(plan.concentration_molar) if plan.concentration_molar else "",
        "radioligand": molar(ligand) if ligand else "",
        "time": format_duration(plan.time_s) if plan.time_s is not None else "",
    }  # fmt: skip


def _measured(reading: Mapping[str, Any], what: str) -> dict[str, str]:
    return {
        what: _plain(reading.get("cpm")), "counts": _plain(reading.get("counts")),
        "live s": _plain(reading.get("live_s")), "source": str(reading.get("source", "")),
    }  # fmt: skip


def _plain(value: float | None) -> str:
    known = finite(value)
    return "" if known is None else f"{known:.0f}" if abs(known) >= 1e5 else f"{known:.5g}"  # noqa: PLR2004 no exponents
