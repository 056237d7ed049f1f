"""What a person at the harvester is told."""

from __future__ import annotations

from typing import Any

from platectl.conformance.scenes import operator_harvester
from platectl.conformance.stage import Stage
from platectl.conformance.strikes import on_stage
from platectl.conformance.trials import undisturbed


def test_the_plate_is_harvested_onto_the_filter_plate_and_not_the_other_way() -> None:
    def scene(stage: Stage) -> Any:
        return operator_harvester(stage)

    said = on_stage(scene, undisturbed).said().decode("ascii")

    assert "Harvest P1 onto F1 and wash 1 times" in said
