"""Head-to-head of runs: Ki at each site side by side, and selectivity with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from platectl.analysis.errors import AnalysisError
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.selectivity import selectivity
from platectl.report.html import template
from platectl.report.model import RunReport
from platectl.report.rows import result_rows
from platectl.report.text import ki_table
from platectl.report.values import finite


def compare_rows(reports: Sequence[RunReport]) -> list[dict[str, object]]:
    """Selectivity of every compound between every two sites; never Ki against IC50.

    The site that comes first in the alphabet is below: sigma-2 over sigma-1, whatever the order
    of the runs, so that a compound that prefers sigma-1 has a ratio above one.
    """
    by_compound: dict[str, list[CompoundResult]] = {}
    for report in reports:
        for plate in report.plates:
            if not isinstance(plate.result, PlateResult):
                continue
            for compound in plate.result.compounds:
                by_compound.setdefault(compound.compound, []).append(compound)
    rows: list[dict[str, object]] = []
    for name, results in by_compound.items():
        for first, second in combinations(sorted(results, key=lambda r: r.site), 2):
            if first.site == second.site:
                continue
            try:
                found = selectivity(first, second)
            except AnalysisError as error:
                rows.append(
                    {
                        "compound": name,
                        "sites": f"{second.site}/{first.site}",
                        "problem": str(error),
                    }
                )
                continue
            rows.append({
                "compound": name, "sites": f"{second.site}/{first.site}", "quantity": "Ki ratio", "qualifier": found.qualifier,
                "ratio": finite(found.ratio), "lower": finite(found.lower), "upper": finite(found.upper), "problem": "",
            })  # fmt: skip
    return rows


def write_comparison(path: Path, reports: Sequence[RunReport]) -> None:
    """Write the head-to-head report."""
    ki = ki_table(row for report in reports for row in result_rows(report.plates))
    text = template("compare.html.j2").render(reports=reports, ki=ki, rows=compare_rows(reports))
    path.write_text(text, encoding="utf-8")
