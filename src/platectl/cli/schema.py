"""`platectl schema`: JSON Schemas, so that an editor can check files while they are written."""

from __future__ import annotations

import json
from pathlib import Path

import click
from pydantic import BaseModel

from platectl.cli.options import emit_json, json_option
from platectl.cli.render import say
from platectl.domain.assay import AssayProtocol
from platectl.domain.control_rules import ControlRules
from platectl.domain.lab import Lab
from platectl.domain.layout import Layout
from platectl.domain.night import NightDoc
from platectl.domain.notices import Notices
from platectl.domain.policy import Policy
from platectl.domain.result_rules import ResultRules
from platectl.domain.stock import Stock
from platectl.simkit.world.truth import Truth

MODELS: dict[str, type[BaseModel]] = {
    "protocol": AssayProtocol,
    "lab": Lab,
    "layout": Layout,
    "truth": Truth,
    "policy": Policy,
    "notify": Notices,
    "night": NightDoc,
    "stock": Stock,
    "control-rules": ControlRules,
    "result-rules": ResultRules,
}


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@json_option
def schema(directory: Path, as_json: bool) -> int:
    """Write the JSON Schemas of all files that operators write into DIRECTORY."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        text = json.dumps(model.model_json_schema(), indent=2, sort_keys=True)
        (directory / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")
    if as_json:
        emit_json({"directory": str(directory), "schemas": sorted(MODELS)})
    else:
        say(f"wrote {len(MODELS)} schemas to {directory}")
    return 0
