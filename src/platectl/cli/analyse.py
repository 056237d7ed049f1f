"""`platectl analyse`: counts or fluorescence from a file, no run needed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from platectl.cli.options import FILE, emit_json, json_option, parse_overrides
from platectl.cli.render import console, results_tables, say


@click.command()
@click.argument("counts", metavar="FILE", type=FILE)
@click.option(
    "--protocol", default="sigma1-binding", show_default=True, help="Assay, by name or file."
)
@click.option(
    "--layout", help="Name of a layout of the protocol, or a plate map (.csv, .xlsx, .yaml)."
)
@click.option(
    "--samples",
    type=FILE,
    help="Sample sheet (default: the protocol's own, or (+)-igmesine and SA4503).",
)
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
@click.option("--lab", type=FILE, help="Lab file that declares the layout of --counter.")
@click.option(
    "--counter", metavar="NAME", help="FILE has the layout of this counter of the lab file."
)
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
@json_option
def analyse(
    counts: Path, protocol: str, layout: str | None, samples: Path | None, standards: Path | None,
    age_min: float | None, counted_on: datetime | None, plate: str | None, lab: Path | None, counter: str | None, vendor: str | None,
    rate: Literal["cps", "cpm"] | None, added_s: float | None,
    overrides: tuple[str, ...], out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Analyse counts or fluorescence over time in FILE.

    Counts are a Hidex 300 SL, EnVision or Kaleido export, or a CSV with the columns well and cpm; fluorescence is a
    SoftMax Pro export. Files of other readers are read by allotropy, if it is installed
    (pip install 'platectl[vendors]').
    """
    from platectl.app.analyse import AnalyseOptions, analyse_file  # heavy
    from platectl.app.runs import write_results  # heavy

    day: date | None = counted_on.date() if counted_on else None
    report = analyse_file(AnalyseOptions(
        counts, protocol, layout, samples, standards, day, age_min, plate, lab, counter, vendor, rate, added_s,
        parse_overrides(overrides)))  # fmt: skip
    folder = out or counts.with_name(f"{counts.stem}-analysis")
    rows = write_results(folder, report)
    if as_json:
        emit_json(
            {"file": str(counts), "folder": str(folder), "status": "analysed", "results": rows}
        )
    else:
        for table in results_tables(rows, simulated=False):
            console().print(table)
        for text in report.warnings:
            say(f"warning: {text}")
        say(f"report: {folder / 'report.html'}")
    return 4 if any(row["status"] == "fail" for row in rows) else 0
