"""`platectl blind`: draws codes for the compounds of a study."""

from __future__ import annotations

from pathlib import Path

import click

from platectl.cli.options import FILE, emit_json, json_option, keys_option, store_option
from platectl.cli.render import print_table, say
from platectl.cli.review import by_option, reason_option
from platectl.domain.units import format_molar


@click.command()
@click.argument("sheet", metavar="SAMPLES", type=FILE)
@click.option("--study", required=True, help="Name of the study; every code begins with it.")
@by_option
@reason_option
@store_option
@keys_option
@json_option
def blind(
    sheet: Path, study: str, by: str | None, reason: str, store: Path, keys: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Put codes in place of the compounds of a SAMPLES sheet, for `platectl run --study`.

    For whoever labels the tubes, not for those who run or analyse: the table of codes is printed
    once, and kept in the folder of keys.
    """
    from platectl.app.blinding import make_key, telling  # heavy
    from platectl.app.review.decisions import whoever

    key, path = make_key(keys or store / "keys", sheet, study, whoever(by, reason))
    said = telling(key.coded())
    if as_json:
        emit_json({
            "study": study, "key": str(path), "commitment": key.commitment, "codes": key.names,
            "warnings": said,
        })  # fmt: skip
        return 0
    print_table(
        ("label of the tube", "compound", "stock", "barcode"),
        [(e.code, e.sample.compound, format_molar(e.sample.stock_molar), e.sample.barcode)
         for e in key.entries],
        title=f"Key of {study}: not for those who run or analyse",
    )  # fmt: skip
    for text in said:
        say(f"warning: {text}")
    say(f"key: {path}; SHA-256 {key.commitment}")
    return 0
