"""Writes docs/reference/models.md from the curves of `platectl.analysis`.

python -m benchmarks.models_page [--write]

Without `--write` it prints the text. A test fails when the file is not what this writes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from platectl.analysis import MODELS
from platectl.analysis.binding_models import (
    CompetitionSetting,
    competition_mass_action,
    heterologous_with_depletion,
    saturation_naive,
    saturation_with_depletion,
)
from platectl.analysis.dose_response import one_site_ki
from platectl.analysis.kinetic_models import association, association_plate, competitive_kinetics
from platectl.analysis.model import Model
from platectl.analysis.schild import GADDUM_SCHILD

PAGE: Final = Path(__file__).parents[1] / "docs/reference/models.md"
HEAD: Final = """# Curves

Written by `python -m benchmarks.models_page --write`; do not edit.

The curves of `platectl.analysis`, which need no lab. The first ten are fitted by their short name (`fit_curve("4PL", x, y)`),
`GADDUM_SCHILD` by `fit_schild`; the others are made by a function from the constants of an assay. X is log10 of the concentration in M unless said
otherwise; how to use them is in [fit curves in Python](../how-to/fit-curves-in-python.md).

| name | equation | parameters | source |
|---|---|---|---|
"""


def models() -> Iterator[tuple[str, Model]]:
    """Every curve with the name or the function that gives it."""
    yield from MODELS.items()
    yield "GADDUM_SCHILD", GADDUM_SCHILD
    yield "one_site_ki", one_site_ki(3e-9, 5e-9)
    yield "heterologous_with_depletion", heterologous_with_depletion(1000.0, 500.0)
    setting = CompetitionSetting(3e-9, 5e-9, 1e12, 18.0)
    yield "competition_mass_action", competition_mass_action(setting)
    yield "saturation_naive", saturation_naive(18.0)
    yield "saturation_with_depletion", saturation_with_depletion(18.0)
    yield "association", association()
    yield "association_plate", association_plate(18.0, 1000.0)
    yield "competitive_kinetics", competitive_kinetics(6e6, 0.03)


def page() -> str:
    """The text of the page."""
    rows = [
        f"| `{name}` | `{model.equation.replace('|', '/')}` | {', '.join(model.parameters)} | {model.source} |"
        for name, model in models()
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
