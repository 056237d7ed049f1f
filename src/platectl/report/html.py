"""The report of a run: one HTML file that opens offline, with no script and no outside reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platectl.report.exports.tables import provenance_rows
from platectl.report.model import PlateReport, RunReport
from platectl.report.picture import Picture
from platectl.report.rows import result_rows
from platectl.report.svg import to_svg
from platectl.report.text import INTERVALS, marks, tables, windows_table
from platectl.report.views import view_of
from platectl.report.wells import KEY, well_table


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
            marks=marks([report]),
            intervals=INTERVALS,
            tables=tables(rows),
            plates=[_plate(report, plate) for plate in report.plates],
            methods=dict.fromkeys(v.methods for v in map(view_of, report.plates) if v),
            windows=windows_table(report.windows),
            provenance=provenance_rows(report),
            key=KEY,
            timeline=_svg(timeline(report.steps), salt=f"{report.run}-timeline"),
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
    sections = view.sections() if view else []
    return {
        "plate": plate,
        "view": view,
        "sections": [(s, _svg(s.pictures, salt=f"{salt}-{n}")) for n, s in enumerate(sections)],
        "map": _svg(heat_map(plate), salt=f"{salt}-map"),
        "wells": well_table(plate, report.review.exclusions),
    }


def _svg(pictures: Sequence[Picture], *, salt: str) -> str:
    return "\n".join(to_svg(p, salt=f"{salt}-{n}") for n, p in enumerate(pictures))
