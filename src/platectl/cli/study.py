"""`platectl study`: do two runs agree, and are plates uniform?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from platectl.cli.options import NEW_FILE, emit_json, json_option, rules_option, store_option
from platectl.cli.render import print_table, say
from platectl.files.result_rules import load_result_rules, rules_file

if TYPE_CHECKING:
    from platectl.analysis.limits import QcMetric
    from platectl.app.study import Readout

out_option = click.option("--out", type=NEW_FILE, help="Page to write (default: in the store).")


@click.group()
def study() -> None:
    """Studies of the NIH Assay Guidance Manual over runs of the store.

    They end with 4 when a limit is not kept.
    """


@study.command()
@click.argument("first", metavar="RUN1")
@click.argument("second", metavar="RUN2")
@click.option("--quantity", help="Such as Ki or EC50, when the runs have several.")
@click.option("--site", help="Binding site, when the runs have several.")
@click.option(
    "--readout", type=click.Choice(["potency", "effect"]), default="potency",
    show_default=True, help="Ratios of potencies, or differences of largest effects.",
)  # fmt: skip
@out_option
@store_option
@rules_option
@json_option
def replicate(
    first: str, second: str, quantity: str | None, site: str | None, readout: Readout,
    out: Path | None, store: Path, rules: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Compare RUN1 with RUN2, compound by compound: mean ratio, MSR, limits of agreement."""
    from platectl.app.study import ReplicateOptions, compare_runs  # heavy
    from platectl.report.study import replicate_json, write_replicate  # heavy

    limits = load_result_rules(rules_file(rules, store)).studies.replicate
    found = compare_runs(ReplicateOptions(store, first, second, quantity, site, readout, limits))
    names = f"{found.of['first']}-and-{found.of['second']}"
    page = out or store / f"study-replicate-{names}.html"
    write_replicate(page, found.of, found.study, found.left_out)
    code = 0 if found.study.passes else 4
    if as_json:
        content = replicate_json(found.of, found.study, found.left_out)
        emit_json({**content, "page": str(page)})
        return code
    _checks(found.study.checks, f"{found.of['quantity']} of {names.replace('-and-', ' and ')}")
    say(found.of["review"])
    for name, why in found.left_out:
        say(f"not compared: {name}: {why}")
    say(f"study: {page}")
    return code


@study.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@out_option
@store_option
@rules_option
@json_option
def uniformity(
    names: tuple[str, ...], out: Path | None, store: Path, rules: Path | None, as_json: bool
) -> int:
    """Judge the control signals of all plates of RUNs: window, Z', drift, edge effect."""
    from platectl.app.study import study_uniformity  # heavy
    from platectl.report.study import uniformity_json, write_uniformity  # heavy

    limits = load_result_rules(rules_file(rules, store)).studies.uniformity
    found = study_uniformity(store, names, limits)
    page = out or store / "study-uniformity.html"
    write_uniformity(page, found)
    if as_json:
        emit_json({**uniformity_json(found), "page": str(page)})
    else:
        _checks(found.checks, f"Uniformity of {len(found.plates)} plates")
        say(f"study: {page}")
    return 4 if found.state == "fail" else 0


def _checks(checks: Iterable[QcMetric], title: str) -> None:
    rows = [(c.state, c.name, c.limit, c.explanation) for c in checks]
    print_table(("", "check", "limit", ""), rows, title=title)
