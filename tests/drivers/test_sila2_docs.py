"""The page about SiLA servers shows settings that the drivers take."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from platectl import registry
from platectl.domain.lab import InstrumentEntry
from platectl.transport.address import open_connector

PAGE = Path(__file__).parents[2] / "docs/how-to/use-a-sila-server.md"


def test_the_lab_file_of_the_page_is_taken() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (entry,) = yaml.safe_load(block)["instruments"].values()

    checked = InstrumentEntry.model_validate(entry)
    settings = registry.load(registry.DRIVERS, checked.driver).Settings.model_validate(
        checked.settings
    )

    assert open_connector(checked.address)
    assert settings.verbs["shake"][0].parameters["Speed"].type == "integer"
