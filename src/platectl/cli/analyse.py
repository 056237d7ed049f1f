"""`platectl analyse`: counts or fluorescence from a file, or a run by other rules and constants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from platectl.cli.options import (
    FILE,
    emit_json,
    json_option,
    parse_overrides,
    rules_option,
    store_option,
)
from platectl.cli.render import console, print_table, results_tables, say
from platectl.domain.findings import InputRefusedError
from platectl.domain.result_rules import QualifierRules
from platectl.files.result_rules import load_result_rules, rules_file


@click.command()
@click.argument("subject", metavar="FILE|RUN")
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
    help="Set a parameter of the protocol; of a RUN, a constant of its analysis (an empty VALUE sets it back).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write (default: FILE with -analysis).",
)
@click.option("--model", help="Curve of a Prism file: 4PL (default), one-site, 5PL.")
@click.option("--dose", help="What X of a Prism file is, like log[M] or nM (default: its title).")
@click.option("--base", type=int, help="Version of a RUN to start from (default: the newest).")
@click.option("--by", help="Who analyses a RUN anew (default: the user of this computer).")
@click.option("--reason", help="Why a RUN is analysed anew.")
@rules_option
@store_option
@json_option
def analyse(
    subject: str, protocol: str, layout: str | None, samples: Path | None, standards: Path | None,
    age_min: float | None, counted_on: datetime | None, plate: str | None, lab: Path | None, counter: str | None, vendor: str | None,
    rate: Literal["cps", "cpm"] | None, added_s: float | None,
    overrides: tuple[str, ...], out: Path | None, model: str | None, dose: str | None,
    base: int | None, by: str | None, reason: str | None, rules: Path | None, store: Path, as_json: bool,
) -> int:  # fmt: skip
    """Analyse counts, fluorescence over time, or the curves of a Prism file in FILE, or a RUN anew.

    Counts are an export of a Hidex 300 SL, Hidex Sense, EnVision or Kaleido, a table (CSV, workbook) with the columns
    well and cpm, or a plate as a grid of cpm; fluorescence is a SoftMax Pro or FLIPR export; the XY tables of a .pzfx
    file are fitted. Files of other readers are read by allotropy, if it is installed (pip install 'platectl[vendors]').

    A RUN is analysed anew with --set, --rules and --reason: that makes a version beside those
    before. Without --rules it keeps those of the version that it starts from.
    """
    counts = Path(subject)
    if not counts.is_file() and (reason is not None or not counts.suffix):
        return _anew(subject, store, overrides, rules, base, by, reason, as_json=as_json)
    if counts.suffix.lower() == ".pzfx":
        _no_effect(counts, {"--plate": plate, "--rate": rate, "--vendor": vendor})
        in_force = load_result_rules(rules_file(rules, store)).qualifiers
        return _prism(counts, out, model or "4PL", dose, in_force, as_json=as_json)
    _no_effect(
        counts, {"--model": model, "--dose": dose, "--base": base, "--by": by, "--reason": reason}
    )
    from platectl.app.analyse import AnalyseOptions, analyse_file  # heavy
    from platectl.app.run_report import write_results  # heavy

    day: date | None = counted_on.date() if counted_on else None
    options = AnalyseOptions(
        counts, protocol, layout, samples, standards, day, age_min, plate, lab, counter, vendor, rate, added_s,
        parse_overrides(overrides), load_result_rules(rules_file(rules, store)))  # fmt: skip
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


def _no_effect(path: Path, given: Mapping[str, object]) -> None:
    """Refuse options that do nothing for the subject.

    Raises:
        click.UsageError: One was given; the sentence names it.
    """
    for option, value in given.items():
        if value is not None:
            message = f"{option} has no effect on a file like {path.name}; leave it out"
            raise click.UsageError(message)


def _prism(
    path: Path, out: Path | None, model: str, dose: str | None, rules: QualifierRules, *, as_json: bool
) -> int:  # fmt: skip
    from platectl.app.curves import analyse_prism, write_curves  # heavy
    from platectl.report.curve_tables import HEAD, text_table  # heavy

    try:
        found = analyse_prism(path, model=model, dose=dose, rules=rules)
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


def _anew(
    run: str, store: Path, overrides: tuple[str, ...], rules: Path | None, base: int | None,
    by: str | None, reason: str | None, *, as_json: bool,
) -> int:  # fmt: skip
    """Make a version of the analysis of a run.

    Raises:
        click.UsageError: No such file, and no reason for a run.
    """
    from platectl.app.review.decisions import analyse_anew, whoever  # heavy
    from platectl.cli.review import told
    from platectl.store.index import RunIndex

    if reason is None:
        message = f"{run} is no file; to analyse a run anew, say why with --reason"
        raise click.UsageError(message)
    folder = RunIndex(store).folder_of(run)
    found = analyse_anew(
        folder, whoever(by, reason), rules=load_result_rules(rules) if rules else None,
        settings=parse_overrides(overrides), base=base,
    )  # fmt: skip
    return told(found.report, folder, as_json=as_json)
