"""`platectl analyse`: counts from a file, no run needed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from platectl.cli.options import FILE, emit_json, json_option, parse_overrides
from platectl.cli.render import console, results_tables, say
from platectl.domain.findings import InputRefusedError


@click.command()
@click.argument("counts", metavar="FILE", type=FILE)
@click.option(
    "--protocol", default="sigma1-binding", show_default=True, help="Assay, by name or file."
)
@click.option(
    "--layout", help="Name of a layout of the protocol, or a plate map (.csv, .xlsx, .yaml)."
)
@click.option("--samples", type=FILE, help="Sample sheet (default: (+)-igmesine and SA4503).")
@click.option("--standards", type=FILE, help="Counts of the aliquots, in the same form.")
@click.option(
    "--age",
    "age_min",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MIN",
    help="Age of the wells when filtered (default: the protocol's incubation).",
)
@click.option(
    "--counted-on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day of counting (default: as the file says, or today).",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the protocol.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write (default: FILE with -analysis).",
)
@json_option
def analyse(
    counts: Path, protocol: str, layout: str | None, samples: Path | None, standards: Path | None,
    age_min: float | None, counted_on: datetime | None, overrides: tuple[str, ...], out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Analyse FILE: counts of one plate.

    An export of a counter (Hidex 300 SL, Hidex Sense), or a table (CSV, workbook) with the columns
    well and cpm, or a plate as a grid of cpm.
    """
    from platectl.app.analyse import AnalyseOptions, analyse_file  # heavy
    from platectl.app.runs import write_results  # heavy

    day: date | None = counted_on.date() if counted_on else None
    options = AnalyseOptions(
        counts, protocol, layout, samples, standards, day, age_min, parse_overrides(overrides))  # fmt: skip
    try:
        report = analyse_file(options)
    except InputRefusedError as error:
        if as_json:
            findings = [finding.plain() for finding in error.findings]
            emit_json(
                {"file": str(counts), "status": "refused", "findings": findings, "results": []}
            )
            return 2
        raise
    folder = out or counts.with_name(f"{counts.stem}-analysis")
    rows = write_results(folder, report)
    if as_json:
        findings = [finding.plain() for finding in report.findings]
        emit_json({"file": str(counts), "folder": str(folder), "status": "analysed",
                   "findings": findings, "results": rows})  # fmt: skip
    else:
        for table in results_tables(rows, simulated=False):
            console().print(table)
        for text in report.warnings:
            say(f"warning: {text}")
        say(f"report: {folder / 'report.html'}")
    return 4 if any(row["status"] == "fail" for row in rows) else 0
