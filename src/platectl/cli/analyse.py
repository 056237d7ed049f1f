"""`platectl analyse`: counts or fluorescence from a file, no run needed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from platectl.cli.options import FILE, emit_json, json_option, parse_overrides
from platectl.cli.render import console, print_table, results_tables, say
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
@click.option(
    "--standards",
    type=FILE,
    help="Counts of the aliquots, or the read of the calibrators, in the same form.",
)
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
@click.option("--plate", metavar="NAME", help="Which plate of a file of several.")
@click.option(
    "--vendor",
    metavar="NAME",
    help="Have allotropy read FILE as this vendor's, such as AGILENT_GEN5.",
)
@click.option(
    "--rate",
    type=click.Choice(["cps", "cpm"]),
    help="What a luminescence is that states no rate (files of --vendor).",
)
@click.option(
    "--added-at",
    "added_s",
    type=click.FloatRange(min=0),
    metavar="S",
    help="When the compound came, since a well's first point (default: the protocol's baseline).",
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
@click.option(
    "--model", default="4PL", show_default=True, help="Curve of a Prism file: 4PL, one-site, 5PL."
)
@click.option("--dose", help="What X of a Prism file is, like log[M] or nM (default: its title).")
@json_option
def analyse(
    counts: Path, protocol: str, layout: str | None, samples: Path | None, standards: Path | None,
    age_min: float | None, counted_on: datetime | None, plate: str | None, vendor: str | None,
    rate: Literal["cps", "cpm"] | None, added_s: float | None, overrides: tuple[str, ...], out: Path | None,
    model: str, dose: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Analyse counts, fluorescence over time, or the curves of a Prism file in FILE.

    Counts are an export of a Hidex 300 SL, Hidex Sense, EnVision or Kaleido, a table (CSV, workbook) with the columns
    well and cpm, or a plate as a grid of cpm; fluorescence is a SoftMax Pro or FLIPR export; the XY tables of a .pzfx
    file are fitted. Files of other readers are read by allotropy, if it is installed (pip install 'platectl[vendors]').
    """
    if counts.suffix.lower() == ".pzfx":
        return _prism(counts, out, model, dose, as_json=as_json)
    from platectl.app.analyse import AnalyseOptions, analyse_file  # heavy
    from platectl.app.runs import write_results  # heavy

    day: date | None = counted_on.date() if counted_on else None
    options = AnalyseOptions(
        counts, protocol, layout, samples, standards, day, age_min, plate, vendor, rate, added_s,
        parse_overrides(overrides))  # fmt: skip
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


def _prism(path: Path, out: Path | None, model: str, dose: str | None, *, as_json: bool) -> int:
    from platectl.app.curves import analyse_prism, write_curves  # heavy
    from platectl.report.curve_tables import HEAD, text_table  # heavy

    try:
        found = analyse_prism(path, model=model, dose=dose)
    except InputRefusedError as error:
        if as_json:
            findings = [finding.plain() for finding in error.findings]
            emit_json({"file": str(path), "status": "refused", "findings": findings, "results": []})
            return 2
        raise
    folder = out or path.with_name(f"{path.stem}-analysis")
    rows = write_curves(folder, found)
    if as_json:
        findings = [finding.plain() for finding in found.findings]
        emit_json({"file": str(path), "folder": str(folder), "status": "analysed",
                   "findings": findings, "results": rows})  # fmt: skip
    else:
        print_table(HEAD, text_table(rows), title=f"{path.name}, {model}")
        for finding in found.findings:
            say(f"{finding.severity}: {finding.coded}")
        say(f"report: {folder / 'report.html'}")
    return 4 if any(finding.severity == "error" for finding in found.findings) else 0
