"""`platectl layout`: a layout drawn by lot, to look at or to keep as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from platectl.cli.options import NEW_FILE, emit_json, json_option, parse_randomise, randomise_option
from platectl.cli.render import print_table, say
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.layout import PLATE, Layout, number_along
from platectl.domain.units import format_duration, format_molar

if TYPE_CHECKING:
    from platectl.domain.assay import AssayProtocol


@click.command()
@click.argument("protocol")
@click.option("--layout", "named", help="Layout of the protocol, or a plate map, to draw from.")
@click.option("--plate", default="P1", show_default=True, help="Plate of a run; each has its own.")
@randomise_option
@click.option("--out", type=NEW_FILE, help="Write it as a plate map (.yaml) for --layout.")
@json_option
def layout(
    protocol: str, named: str | None, plate: str, randomise: tuple[str, ...], out: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Draw a layout of PROTOCOL by lot, as `platectl run --randomise` does for each plate.

    Replicates lie apart and controls are as even over rows, columns, halves and edges as the wells
    allow; what cannot be had is refused with the reason. The same seed gives the same layout.
    """
    from platectl.files.plate_map import load_layout  # heavy
    from platectl.files.protocol import load_protocol
    from platectl.planning.randomise import randomised
    from platectl.planning.ties import CannotRandomiseError, ties_of

    terms = parse_randomise(randomise)
    if terms is None:
        raise click.UsageError("say at least --randomise seed=NUMBER")
    file = Path(named) if named and Path(named).suffix else None
    found, document = load_protocol(protocol, layout=None if file else named)
    base = load_layout(file) if file else found.layouts.get(found.layout)
    if base is None:
        fix = f"use one of: {', '.join(found.layouts)}"
        message = f"{found.layout!r} is no layout"
        raise InputRefusedError([document.finding(("layout",), message, fix)])
    try:
        drawn = randomised(base, terms, plate, ties_of(found))
    except CannotRandomiseError as error:
        raise InputRefusedError([Finding(str(error), document.name, None, "randomise")]) from error
    content = drawn.model_dump(mode="json", exclude_defaults=True)
    if out is not None:
        out.write_text(yaml.safe_dump(content, sort_keys=False, width=100), encoding="utf-8")
    if as_json:
        emit_json({"plate": plate, "randomised": terms.model_dump(), "layout": content})
        return 0
    _show(drawn, found, f"{plate}: {drawn.description}")
    if out is not None:
        say(f"layout: {out}")
    return 0


def _show(drawn: Layout, protocol: AssayProtocol, title: str) -> None:
    """The plate as a grid: slots with their step, roles of controls with their level, and rows with their time."""
    said = {w: f"{s.slot.replace('reference', 'ref')} {n}"
            for s in drawn.series for n, w in enumerate(s.wells, start=1)}  # fmt: skip
    binding, times = protocol.binding, dict[str, str]()
    for block in drawn.controls:
        for well in block.wells:
            said[well] = block.role
            if binding and binding.levels:
                level = number_along(block.level, block, well)
                said[well] += f"\n{format_molar(binding.levels[level])}"
            if binding and block.time is not None:
                time_s = binding.times[number_along(block.time, block, well)]
                times[well[0]] = f" {format_duration(time_s)}"
    columns = [str(number) for number in range(1, PLATE.columns + 1)]
    rows = [(letter + times.get(letter, ""), *(said.get(f"{letter}{c}", "") for c in columns))
            for letter in "ABCDEFGH"]  # fmt: skip
    print_table(("", *columns), rows, title=title)
