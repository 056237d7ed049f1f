"""What a tutorial shows is what the program writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from platectl.app.new_instrument import write_instrument
from platectl.cli.instruments import TOOLS
from platectl.domain.lab import InstrumentEntry

TUTORIAL = (Path(__file__).parents[2] / "docs/tutorials/new-instrument.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)\n```$", TUTORIAL, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_block_is_part_of_what_is_written(tmp_path: Path, number: int) -> None:
    language, block = BLOCKS[number]
    if language == "yaml":
        (entry,) = yaml.safe_load(block)["instruments"].values()
        assert InstrumentEntry.model_validate(entry).driver == "kx1"
        return
    written = [path.read_text() for path in write_instrument("kx1", tmp_path)]
    assert any(block in text for text in written)


def test_the_commands_exist() -> None:
    tools = set(re.findall(r"platectl instruments (\w+)", TUTORIAL))

    assert tools == set(TOOLS) - {"serve", "qualify"}
