"""The report of a run: one HTML file that opens offline, with no script and no outside reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platectl.domain.units import format_duration
from platectl.report.export import count_rows
from platectl.report.exports.tables import provenance_rows
from platectl.report.model import PlateReport, RunReport
from platectl.report.rows import result_rows
from platectl.report.text import tables
from platectl.report.views import view_of
from platectl.report.views.view import GROSS_CPM


def write_html(path: Path, report: RunReport) -> None:
    """Write the report of one run."""
    path.write_text(render(report), encoding="utf-8")


def render(report: RunReport) -> str:
    """Return the report as HTML text; everything that came from a file or a person is escaped."""
    from platectl.report.timeline_plot import timeline

    rows = result_rows(report.plates)
    return str(
        template("report.html.j2").render(
            report=report,
            tables=tables(rows),
            plates=[_plate(report, plate) for plate in report.plates],
            methods=[v.methods for v in map(view_of, report.plates) if v][:1],
            windows=[
                (
                    w.plate,
                    w.name,
                    "" if w.elapsed_s is None else format_duration(w.elapsed_s),
                    w.verdict or "kept",
                )
                for w in report.windows
            ],
            provenance=provenance_rows(report),
            timeline=timeline(report.steps, salt=f"{report.run}-timeline") if report.steps else "",
        )
    )


def template(name: str) -> Any:
    """Load a template; markup is escaped unless it is our own drawing."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("platectl.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


def _plate(report: RunReport, plate: PlateReport) -> dict[str, Any]:
    from platectl.report.plate_plot import heat_map

    view, salt = view_of(plate), f"{report.run}-{plate.name}"
    return {
        "plate": plate,
        "view": view,
        "sections": view.sections(salt) if view else [],
        "map": heat_map(plate, salt=f"{salt}-map", measured=view.measured if view else GROSS_CPM)
        if plate.counts
        else "",
        "counts": count_rows([plate]),
    }
