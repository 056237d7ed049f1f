"""`platectl rules`: by what results are judged, and where a lab's own rules differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from platectl.cli.options import emit_json, json_option, rules_option, store_option
from platectl.cli.render import print_table, say
from platectl.domain.doc import flattened
from platectl.files.result_rules import BUNDLED, load_result_rules, rules_file


@click.command()
@store_option
@rules_option
@json_option
def rules(store: Path, rules: Path | None, as_json: bool) -> int:
    """Show the rules in force: those given, else rules.yaml of the store, else the bundled ones."""
    path = rules_file(rules, store)
    found, usual = load_result_rules(path), load_result_rules(None)
    if as_json:
        emit_json({"file": str(path or BUNDLED), "digest": found.digest(), **found.model_dump()})
        return 0
    values, bundled = (dict(flattened(r.model_dump())) for r in (found, usual))
    shown = [
        (name, _text(value), "" if bundled.get(name) == value else _text(bundled.get(name)))
        for name, value in values.items()
        if name not in {"platectl", "name", "version"}
    ]
    print_table(("rule", "value", "bundled"), shown, title=found.title)
    say(f"rules: {path or 'bundled'}; SHA-256 {found.digest()}")
    return 0


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
