"""Head-to-head of runs and campaigns: compounds side by side, means over runs, selectivity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from platectl.analysis.errors import AnalysisError
from platectl.analysis.results import CompoundResult, PlateResult
from platectl.analysis.selectivity import selectivity
from platectl.report.campaign import (
    Line,
    Ratio,
    csv_rows,
    lines_of,
    mean_molar,
    ratios,
    shown_ends,
)
from platectl.report.export import write_csv
from platectl.report.forest_plot import forests
from platectl.report.html import template
from platectl.report.model import RunReport
from platectl.report.pages import Pages
from platectl.report.pdf import foot, provenance
from platectl.report.rows import result_rows
from platectl.report.svg import to_svg
from platectl.report.text import NOTHING, interval, marks, number, qualified, reviewed, tables
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


TITLE = "Head to head"
METHODS = (
    "Means are geometric, over runs: plates of a run are averaged first, on the log scale. Intervals are 95 %, by Student's t on the log "
    "scale. Where a value is only known to lie beyond a bound (<, >), mean and spread are the maximum of the likelihood of a "
    "censored normal distribution (Tobin 1958, Helsel 2012) with the interval of its profile; with fewer than two measured values, a mean beyond all values, or an interval of more than six decades "
    "only the loosest bound is given. Values of failed plates are shown and in no mean. Values that nobody signed are in the means, "
    "which say so. Selectivity of means: half-widths on the log scale add in quadrature, each side its own (Zou and Donner 2008)."
)


def write_comparison(path: Path, reports: Sequence[RunReport]) -> None:
    """Write the head-to-head report as a page that opens offline."""
    lines = lines_of(reports)
    text = template("compare.html.j2").render(
        title=TITLE,
        marks=marks(reports),
        reports=reports,
        parts=_parts(reports, lines),
        details=[*_details(reports), ("Provenance", _provenance(reports))],
        forests=[to_svg(p, salt=f"forest-{n}") for n, p in enumerate(forests(lines))],
        methods=METHODS,
    )
    path.write_text(text, encoding="utf-8")


def write_comparison_pdf(path: Path, reports: Sequence[RunReport]) -> None:
    """Write the head-to-head report on paper."""
    comparison_pages(reports).write(path)


def comparison_pages(reports: Sequence[RunReport]) -> Pages:
    """Lay the head-to-head report out."""
    pages, lines = Pages(TITLE, foot(reports)), lines_of(reports)
    pages.heading(TITLE, level=1)
    pages.marks(marks(reports))
    for report in reports:
        pages.paragraph(
            f"{report.run}: {report.title}, {', '.join(marks([report]))}. {report.review.sentence}"
        )
        for warning in report.warnings:
            pages.paragraph(f"{report.run}: {warning}", warn=True)
    for title, table in _parts(reports, lines):
        pages.heading(title)
        pages.table(table)
    pages.heading("Forest plots", room_in=3.0)
    for picture in forests(lines):
        pages.picture(picture)
    for title, table in _details(reports):
        pages.heading(f"Each run: {title}")
        pages.table(table)
    pages.heading("Methods")
    pages.paragraph(METHODS)
    pages.heading("Provenance")
    for report in reports:
        pages.paragraph(report.run)
        pages.table(list(provenance(report).items()), head=False)
    return pages


def write_comparison_csv(path: Path, reports: Sequence[RunReport]) -> None:
    """Write each result, each mean and each selectivity as a row.

    Raises:
        OSError: The file cannot be written.
    """
    write_csv(path, csv_rows(lines_of(reports)))


def _parts(
    reports: Sequence[RunReport], lines: Sequence[Line]
) -> list[tuple[str, list[list[str]]]]:
    """Titles and tables, those without rows left out."""
    found = [
        ("Side by side", _side_by_side(lines)),
        ("Means over runs", _means(lines)),
        ("Selectivity (ratio of mean Ki)", _selectivity(lines)),
        ("Selectivity (ratio of Ki) of two runs", _run_by_run(reports)),
        ("In no mean", _left_out(lines)),
    ]
    return [(title, table) for title, table in found if len(table) > 1]


def _provenance(reports: Sequence[RunReport]) -> list[list[str]]:
    table = [["run", "lab", "started", "platectl", "compiled run (SHA-256)"]]
    table += [
        [r.run, r.lab, r.started, r.versions.get("platectl", ""), r.run_hash] for r in reports
    ]
    return table


def _details(reports: Sequence[RunReport]) -> list[tuple[str, list[list[str]]]]:
    """The tables of each run in one, with its name before each plate."""
    rows = [
        {**row, "plate": f"{report.run} {row['plate']}"}
        for report in reports
        for row in result_rows(report.plates)
    ]
    return tables(rows)


def _side_by_side(lines: Sequence[Line]) -> list[list[str]]:
    """A row for each compound, a column for each constant."""
    kinds = sorted({(line.quantity != "Ki", line.quantity, line.site) for line in lines})
    ratio = {r.compound: _ratio_in_words(r) for r in ratios(lines)}
    heads = [f"{quantity} {site}" for _, quantity, site in kinds]
    table = [["compound", *heads, *(["selectivity"] if ratio else []), "quality", "review"]]
    for name in dict.fromkeys(line.compound for line in lines):
        mine = [line for line in lines if line.compound == name]
        cells = [
            "; ".join(_short(line) for line in mine if (line.quantity, line.site) == kind[1:])
            or NOTHING
            for kind in kinds
        ]
        states = {line.state for line in mine if line.used}
        quality = "flag" if "flag" in states else "pass" if states else "fail"
        table.append(
            [name, *cells, *([ratio.get(name, NOTHING)] if ratio else []), quality, _signed(mine)]
        )
    return table


def _ratio_in_words(ratio: Ratio) -> str:
    known = ratio.lower is not None or ratio.upper is not None
    within = f" ({_between(ratio.lower, ratio.upper)})" if known else ""
    return f"{_side(ratio.qualifier)}{number(ratio.ratio)}{within}, {ratio.sites}"


def _short(line: Line) -> str:
    if line.mean is None:
        return "no usable value"
    value, (lower, upper) = mean_molar(line.mean)[0], shown_ends(line.mean)
    between = f" ({interval(lower, upper)})" if lower or upper else ""
    effect = (
        ""
        if line.effect is None or line.effect.mean is None
        else f", effect {line.effect.mean:.0f} %"
    )
    return f"{qualified(line.mean.qualifier, value)}{between}{effect}, n = {line.mean.count}"


def _signed(lines: Sequence[Line]) -> str:
    used = sum(len(line.used) for line in lines)
    unsigned = sum(line.unsigned for line in lines)
    return f"{unsigned} of {used} NOT SIGNED" if unsigned else "signed" if used else NOTHING


def _means(lines: Sequence[Line]) -> list[list[str]]:
    table = [["compound", "constant", "geometric mean", "95 % interval", "SD, log10", "runs", "bounds", "effect", "left out", "quality", "review"]]  # fmt: skip
    for line in lines:
        value, (lower, upper) = mean_molar(line.mean)[0], shown_ends(line.mean)
        mean, effect = line.mean, line.effect
        percent = NOTHING if effect is None or effect.mean is None else f"{effect.mean:.0f} %"
        if effect is not None and effect.lower is not None and effect.upper is not None:
            percent += f" ({effect.lower:.0f} to {effect.upper:.0f} %)"
        table.append([
            line.compound, line.title, qualified(mean.qualifier, value) if mean else "no usable value", interval(lower, upper),
            number(mean.sd if mean else None, 2), str(mean.count if mean else 0), str(mean.censored if mean else 0), percent,
            f"{len(line.values) - len(line.used)} of {len(line.values)}", line.state, _signed([line]),
        ])  # fmt: skip
    return table


def _selectivity(lines: Sequence[Line]) -> list[list[str]]:
    table = [["compound", "sites", "ratio", "95 % interval"]]
    table += [
        [r.compound, r.sites, f"{_side(r.qualifier)}{number(r.ratio)}", _between(r.lower, r.upper)]
        for r in ratios(lines)
    ]
    return table


def _run_by_run(reports: Sequence[RunReport]) -> list[list[str]]:
    """What two runs alone say, with the intervals of their fits; more of them are in the means."""
    table = [["compound", "sites", "ratio", "95 % interval"]]
    rows = compare_rows(reports)
    pairs = Counter((row["compound"], row["sites"]) for row in rows)
    for row in (r for r in rows if pairs[r["compound"], r["sites"]] == 1):
        if row["problem"]:
            table.append([str(row["compound"]), str(row["sites"]), str(row["problem"]), ""])
            continue
        ratio, lower, upper = (
            v if isinstance(v, float) else None for v in (row["ratio"], row["lower"], row["upper"])
        )
        cells = (f"{_side(str(row['qualifier']))}{number(ratio)}", _between(lower, upper))
        table.append([str(row["compound"]), str(row["sites"]), *cells])
    return table


def _between(lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return NOTHING
    return f"{number(lower) if lower else '0'} to {number(upper) if upper else 'open'}"


def _side(qualifier: str) -> str:
    return "" if qualifier == "=" else f"{qualifier} "


def _left_out(lines: Sequence[Line]) -> list[list[str]]:
    table = [["compound", "constant", "run", "plate", "status", "review", "why"]]
    table += [
        [
            line.compound,
            line.title,
            v.run,
            v.row["plate"],
            v.row["status"],
            reviewed(v.row),
            v.left_out,
        ]
        for line in lines
        for v in line.values
        if v.left_out
    ]
    return table
