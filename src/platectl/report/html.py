"""The report of a run: one HTML file that opens offline, with no script and no outside reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platectl.domain.units import format_duration
from platectl.report.export import count_rows
from platectl.report.model import PlateReport, RunReport
from platectl.report.rows import result_rows
from platectl.report.text import ic50_table, ki_table


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
            ki=ki_table(rows),
            ic50=ic50_table(rows),
            plates=[_plate(report, plate) for plate in report.plates],
            windows=[
                (
                    w.plate,
                    w.name,
                    "" if w.elapsed_s is None else format_duration(w.elapsed_s),
                    w.verdict or "kept",
                )
                for w in report.windows
            ],
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
    from platectl.report.plots import curves

    drawn: dict[str, Any] = {
        "plate": plate,
        "counts": _counts(plate),
        "fits": _fits(plate),
        "curves": "",
    }
    drawn["map"] = heat_map(plate, salt=f"{report.run}-{plate.name}-map") if plate.counts else ""
    if plate.result is not None and plate.result.compounds:
        drawn["curves"] = curves(plate, salt=f"{report.run}-{plate.name}-curves")
    return drawn


def _counts(plate: PlateReport) -> list[dict[str, Any]]:
    ages = plate.ages()
    return [{**row, "age_min": ages.get(str(row["well"]))} for row in count_rows([plate])]


def _fits(plate: PlateReport) -> Sequence[Sequence[str]]:
    """Ki of each compound by four routes; the exact fit is the result."""
    if plate.result is None:
        return []
    return [
        (
            c.compound,
            *(
                f"{1e9 * v:.3g}"
                for v in (
                    c.ki.exact,
                    c.ki.munson_rodbard,
                    c.ki.goldstein_barrett,
                    c.ki.cheng_prusoff,
                )
            ),
        )
        for c in plate.result.compounds
        if c.ki is not None
    ]
