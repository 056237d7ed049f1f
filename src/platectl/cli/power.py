"""`platectl power`: how precise a layout will be, and how many replicates it takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from platectl.cli.options import (
    FILE,
    emit_json,
    json_option,
    parse_overrides,
    rules_option,
    store_option,
)
from platectl.cli.render import print_table, say
from platectl.domain.units import format_molar

if TYPE_CHECKING:
    from platectl.analysis.power import CompoundPower, Spread
    from platectl.app.power import Planned


@click.command()
@click.argument("protocol")
@click.option("--layout", help="Name of a layout of the protocol, or a plate map (.csv, .yaml).")
@click.option("--samples", type=FILE, help="Sample sheet (default: the protocol's own).")
@click.option("--truth", type=FILE, help="What to expect of the lab (default: the bundled truth).")
@click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the protocol."
)  # fmt: skip
@click.option(
    "--cv", "cvs", multiple=True, metavar="NAME=VALUE",
    help="A variance of the lab, like dispense=5% or well=12%; a wrong name lists them.",
)  # fmt: skip
@click.option(
    "--expect", "expected", multiple=True, metavar="COMPOUND=VALUE",
    help="Expected Ki (EC50, Kb) of a compound, like SA4503='5 nM'.",
)  # fmt: skip
@click.option("--plates", type=click.IntRange(1, 40), default=1, show_default=True,
              help="Plates of one experiment.")  # fmt: skip
@click.option("--until", type=click.FloatRange(min=1.0, min_open=True), metavar="FOLD",
              help="Say what it takes for upper/lower limit below FOLD.")  # fmt: skip
@click.option("--assurance", type=click.FloatRange(0.05, 0.99), default=0.8, show_default=True,
              help="Share of experiments that must be so narrow.")  # fmt: skip
@click.option("--experiments", type=click.IntRange(20, 5000), default=200, show_default=True,
              help="Experiments to simulate.")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the simulation."
)
@rules_option
@store_option
@json_option
def power(
    protocol: str, layout: str | None, samples: Path | None, truth: Path | None,
    overrides: tuple[str, ...], cvs: tuple[str, ...], expected: tuple[str, ...], plates: int,
    until: float | None, assurance: float, experiments: int, seed: int, rules: Path | None,
    store: Path, as_json: bool,
) -> int:  # fmt: skip
    """Predict intervals, bias, Z' and the chance to pass of PROTOCOL, before anything is spent.

    Plates are simulated with the lab's variances and analysed as real ones are, by the same rules.
    """
    from platectl.app.power import PowerOptions, plan_power  # heavy
    from platectl.files.result_rules import load_result_rules, rules_file

    file = rules_file(rules, store)
    in_force = load_result_rules(file)

    found = plan_power(PowerOptions(
        protocol, layout, samples, truth, parse_overrides(overrides), parse_overrides(cvs, "--cv"),
        parse_overrides(expected, "--expect"), plates, experiments, until, assurance, seed,
        in_force,
    ))  # fmt: skip
    if as_json:
        told = {"file": str(file) if file else None, "name": in_force.name,
                "version": in_force.version, "sha256": in_force.digest()}  # fmt: skip
        emit_json({**_as_json(found, until, assurance), "rules": told})
    else:
        _show(found, until, assurance)
        say(f"by the rules {in_force.title} of {file or 'platectl'}")
    return 0


def _show(found: Planned, until: float | None, assurance: float) -> None:
    made = found.power
    plates = f"{made.plates} plate{'s' if made.plates > 1 else ''}"
    print_table(
        ("compound", "assumed", "series", "upper/lower limit", "bias of p", "holds the truth",
         "gives a number"),
        [_row(c, found.series[c.compound] * made.plates) for c in made.compounds],
        title=f"{found.title}, layout {found.layout}, {plates}: 95 % interval",
    )  # fmt: skip
    share, low, high = made.passes
    say(f"a plate passes in {_percent(share)} ({_percent(low)} to {_percent(high)}), "
        f"with a flag in {_percent(made.flagged)}")  # fmt: skip
    if made.z_prime:
        say(f"Z' {_spread(made.z_prime)}")
    if until is not None:
        _show_needs(found, until, assurance)
    say(
        f"{made.experiments} simulated experiments; intervals speak of the plates, not of stock, Kd and day"
    )


def _show_needs(found: Planned, until: float, assurance: float) -> None:
    rows = [
        (
            name,
            str(n.series),
            str(n.plates),
            str(n.replicates),
            f"{n.fold:.2f}",
            _percent(n.assured),
        )
        for name, options in found.needs.items()
        for n in options
    ]
    print_table(
        (
            "compound",
            "series on a plate",
            "plates",
            "series in all",
            "median fold",
            "narrow enough",
        ),
        rows,
        title=f"Upper/lower limit below {until:g} in {_percent(assurance)} of experiments",
    )
    for name, options in found.needs.items():
        if not options:
            say(f"{name}: not even 12 plates give an interval below {until:g}-fold")


def _row(c: CompoundPower, series: int) -> tuple[str, ...]:
    known = f"{c.quantity} {format_molar(c.true_molar)}"
    if c.fold is None or c.bias is None or c.coverage is None:
        return (c.compound, known, str(series), "no number", "", "", _percent(c.reported))
    bias = f"{c.bias:+.3f}" + (f" ± {1.96 * c.bias_se:.3f}" if c.bias_se is not None else "")
    return (
        c.compound, known, str(series), _spread(c.fold), bias, _percent(c.coverage),
        _percent(c.reported),
    )  # fmt: skip


def _spread(s: Spread) -> str:
    return f"{s.median:.2f} ({s.low:.2f} to {s.high:.2f})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _as_json(found: Planned, until: float | None, assurance: float) -> dict[str, object]:
    made = found.power
    compounds = []
    for c in made.compounds:
        fold = asdict(c.fold) if c.fold else None
        compounds.append(
            {**asdict(c), "fold": fold, "series": found.series[c.compound] * made.plates}
        )
    needs = {name: [{**asdict(n), "replicates": n.replicates} for n in options]
             for name, options in found.needs.items()}  # fmt: skip
    return {
        "title": found.title, "layout": found.layout, "plates": made.plates,
        "experiments": made.experiments, "z_prime": asdict(made.z_prime) if made.z_prime else None,
        "passes": dict(zip(("share", "lower", "upper"), made.passes, strict=True)),
        "flagged": made.flagged, "compounds": compounds, "until": until, "assurance": assurance,
        "needs": needs, "variances": asdict(found.variances),
    }  # fmt: skip
