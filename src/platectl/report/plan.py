"""A plan for people and programs: an HTML page that opens offline, and a JSON object."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from platectl.domain.run import CompiledRun
from platectl.domain.units import format_duration
from platectl.planning.overview import Overview, clock_of, span_of
from platectl.report.gantt import gantt_svg
from platectl.report.html import template


def write_plan(path: Path, run: CompiledRun, found: Overview, *, zone: str | None) -> None:
    """Write the page of a plan; times are local to `zone`, or UTC."""
    page = template("plan.html.j2").render(
        run=run,
        found=found,
        gantt=gantt_svg(run, zone=zone),
        at=clock_of(run, zone=zone),
        span=span_of(run, zone=zone),
        duration=format_duration,
    )
    path.write_text(page, encoding="utf-8")


def plan_json(run: CompiledRun, found: Overview) -> dict[str, Any]:
    """A plan as JSON: seconds since the start; unbounded slack is None."""
    content = asdict(found)
    content["plates"] = [
        dict(zip(("plate", "protocol", "begin_s", "end_s"), row, strict=True))
        for row in found.plates
    ]
    for window in content["windows"]:
        if window["slack_s"] == float("inf"):
            window["slack_s"] = None
    content["starts"] = run.starts.isoformat() if run.starts else None
    content["steps"] = [
        {"step": s.id, "plate": s.plate, "title": s.title, "start_s": s.planned_start_s,
         "end_s": s.planned_end_s, "resources": list(s.resources)}
        for s in run.steps
    ]  # fmt: skip
    return content
