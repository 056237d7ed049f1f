"""The JSON Schemas accept the bundled files and refuse what the loader refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from platectl.app.truth import default_truth_path
from platectl.cli.main import cli
from platectl.files.protocol import bundled, load_protocol, protocol_names


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("schemas")
    result = CliRunner().invoke(cli, ["schema", str(folder), "--json"], standalone_mode=False)
    assert result.exception is None
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in folder.glob("*.json")}


def test_every_schema_is_one(schemas: dict[str, Any]) -> None:
    assert set(schemas) == {
        "protocol",
        "lab",
        "layout",
        "truth",
        "policy",
        "notify",
        "night",
        "stock",
        "control-rules",
        "result-rules",
    }
    for schema in schemas.values():
        jsonschema.validators.validator_for(schema).check_schema(schema)


def test_bundled_lab_and_truth_conform(schemas: dict[str, Any]) -> None:
    files = {
        "lab": bundled("simulated-lab.yaml"),
        "truth": default_truth_path(),
        "policy": bundled("policy.yaml"),
        "stock": bundled("stock.yaml"),
        "control-rules": bundled("control-rules.yaml"),
        "result-rules": bundled("result-rules.yaml"),
    }
    for name, path in files.items():
        data = json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
        jsonschema.validate(data, schemas[name])


def test_a_night_file_conforms(schemas: dict[str, Any]) -> None:
    night = {
        "platectl": 1,
        "night": "n",
        "starts": "2026-01-05 18:00",
        "stock": "stock.yaml",
        "people": {"person": [{"from": "07:00", "until": "23:30"}]},
        "plates": [{"protocol": "sigma1-binding", "copies": 2}],
    }

    jsonschema.validate(night, schemas["night"])


@pytest.mark.parametrize("name", protocol_names())
def test_merged_protocols_conform(schemas: dict[str, Any], name: str) -> None:
    _, document = load_protocol(name)
    jsonschema.validate(json.loads(json.dumps(document.data, default=str)), schemas["protocol"])


def test_a_misspelt_field_is_refused(schemas: dict[str, Any]) -> None:
    data = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    data["instrments"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schemas["lab"])
