"""The truth that comes with platectl: what is so in a simulated lab unless a user says otherwise."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from platectl.simkit.world import Truth


@cache
def default_truth() -> Truth:
    """Return the bundled truth."""
    text = files("platectl_simulators").joinpath("truth.yaml").read_text(encoding="utf-8")
    return Truth.model_validate(yaml.safe_load(text))
