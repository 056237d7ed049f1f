"""`platectl chart`: has the assay changed? The reference compound over all runs."""

from __future__ import annotations

import re
from pathlib import Path

import click

from platectl.cli.options import FILE, NEW_FILE, emit_json, json_option, store_option
from platectl.cli.render import print_table, say
from platectl.domain.units import format_molar


@click.command()
@store_option
@click.option("--compound", default="haloperidol", show_default=True, help="The reference.")
@click.option("--quantity", default="Ki", show_default=True, help="Such as Ki, IC50, EC50, Kd.")
@click.option("--site", help="Binding site, when the store has several.")
@click.option("--lab", help="Name of the lab, when the store has several.")
@click.option("--radioligand", help="Radioligand, when the store has several.")
@click.option("--rules", type=FILE, help="Rules (default: the bundled control-rules.yaml).")
@click.option("--out", type=NEW_FILE, help="Page to write (default: in the store).")
@json_option
def chart(
    store: Path, compound: str, quantity: str, site: str | None, lab: str | None,
    radioligand: str | None, rules: Path | None, out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Chart a constant of the reference over runs; limits come from the lab's own history.

    Ends with 4 when the newest result breaks a rule that rejects.
    """
    from platectl.app.chart import ChartOptions, chart_history  # heavy
    from platectl.report.control_chart import chart_json, write_chart  # heavy

    found = chart_history(ChartOptions(store, compound, quantity, site, lab, radioligand, rules))
    parts = (found.of, found.chart, found.left_out, found.rules)
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"chart-{compound}-{quantity}-{found.of.get('site', '')}")
    page = out or store / f"{name.strip('-')}.html"
    write_chart(page, *parts)
    if as_json:
        emit_json({**chart_json(*parts), "page": str(page)})
        return 4 if found.chart.points[-1].rejected else 0
    molar = found.of.get("unit") == "M"
    limits = found.chart.limits
    shown = [format_molar(v) if molar else f"{v:.4g}" for v in map(limits.at, (0, -3, 3))]
    say(f"{quantity} of {found.of['compound']}: centre {shown[0]}, 3 SD {shown[1]} to {shown[2]}, "
        f"learned from {limits.learned_from} of {len(found.chart.points)} results; MSR {limits.msr:.2f}")  # fmt: skip
    say(found.of["review"])
    if found.chart.broken:
        print_table(
            ("run", "plate", "value", "SD", "rules"),
            [(p.point.run, p.point.plate, format_molar(p.point.value) if molar else f"{p.point.value:.4g}",
              f"{p.z:+.1f}", ", ".join(f"{r.name} ({r.verdict})" for r in p.broken))
             for p in found.chart.broken],
            title="Broken rules",
        )  # fmt: skip
    for run, plate, why in found.left_out:
        say(f"left out: {run} {plate}: {why}")
    say(f"chart: {page}")
    return 4 if found.chart.points[-1].rejected else 0
