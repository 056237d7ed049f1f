"""`platectl report`: one run, or several side by side."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.app.review.looks import page_of
from platectl.app.runs import reanalyse
from platectl.cli.options import emit_json, json_option, look_options, store_option
from platectl.cli.render import say
from platectl.store.index import RunIndex


@click.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@store_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "pdf"]),
    help="What to write; without it, what --out ends with.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write every result, mean over runs and selectivity as a table.",
)
@look_options
@json_option
def report(
    names: tuple[str, ...], store: Path, form: str | None, out: Path | None, table: Path | None,
    by: str | None, reason: str, as_json: bool,
) -> int:  # fmt: skip
    """Write the report of one RUN again, or a head-to-head of several, with means over runs.

    Of a run that is not over, or under codes, the look is recorded, and the page is one of its own in
    the folder `looks` of the run.
    """
    from platectl.report.compare import (  # heavy
        compare_rows,
        write_comparison,
        write_comparison_csv,
        write_comparison_pdf,
    )
    from platectl.report.html import write_html  # heavy
    from platectl.report.pdf import write_pdf  # heavy

    folders = [Path(RunIndex(store).find(name)["folder"]) for name in names]
    reports = [
        reanalyse(folder, look_as="platectl report", by=by, reason=reason)[0] for folder in folders
    ]
    form = form or ("pdf" if out and out.suffix.lower() == ".pdf" else "html")
    if len(reports) == 1:
        path = out or page_of(folders[0], form)
        (write_pdf if form == "pdf" else write_html)(path, reports[0])
        rows: list[dict[str, object]] = []
    else:
        path = out or store / ("-vs-".join(r.run for r in reports) + f".{form}")
        (write_comparison_pdf if form == "pdf" else write_comparison)(path, reports)
        rows = compare_rows(reports)
    if table:
        write_comparison_csv(table, reports)
    if as_json:
        emit_json({"report": str(path), "runs": [r.run for r in reports], "selectivity": rows,
                   **({"csv": str(table)} if table else {})})  # fmt: skip
    else:
        say(f"report: {path}")
        if table:
            say(f"table: {table}")
    return 0
