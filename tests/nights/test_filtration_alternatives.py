"""The same protocol on labs that filter in different ways: only the lab file differs."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.replay import replay_run
from platectl.domain.findings import InputRefusedError
from platectl.files.protocol import bundled

TRUTH = {"(+)-igmesine": 19.1e-9, "SA4503": 4.6e-9, "haloperidol": 1.5e-9}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def lab_with(tmp_path: Path, manifold: dict[str, Any] | None, **others: Any) -> Path:
    """The bundled lab with another way to filter."""
    data = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    del data["instruments"]["manifold"]
    if manifold is not None:
        data["instruments"]["manifold"] = manifold
    data["instruments"] |= others
    path = tmp_path / "lab.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def night(tmp_path: Path, lab: Path) -> Finished:
    return execute(prepare(Options("sigma1-binding", lab=lab)), tmp_path / "run")


def check(finished: Finished) -> None:
    assert finished.outcome.status == "done"
    result = finished.plates[0].result
    assert result is not None
    for compound in result.compounds:  # type: ignore[union-attr]
        assert abs(math.log10(compound.value_molar / TRUTH[compound.compound])) < 0.15
    assert len(result.equilibrium.ages) == 96  # type: ignore[union-attr]
    assert all(abs(age.age_min - 120) < 5 for age in result.equilibrium.ages)  # type: ignore[union-attr]


def test_a_pump_controller_with_a_relay_valve(tmp_path: Path) -> None:
    pump = {
        "driver": "cvc3000",
        "address": "sim:",
        "wires": {"relay": "sim:"},
        "position": "flex.D1",
    }

    check(night(tmp_path, lab_with(tmp_path, pump)))

    compared = {c.instrument: c for c in replay_run(tmp_path / "run")}
    assert compared["manifold.relay"].said > 0
    assert all(c.first_difference is None for c in compared.values())


def test_a_harvester_that_a_person_works(tmp_path: Path) -> None:
    served = {"driver": "operator_harvester", "address": "sim:", "uses": {"operator": "person"}}

    finished = night(tmp_path, lab_with(tmp_path, None, harvester=served))

    check(finished)
    harvest = next(e for e in finished.events if e.kind == "step.done" and e.step == "P1.B9")
    assert harvest.data["evidence"]["washes"] == 4
    assert all(c.first_difference is None for c in replay_run(tmp_path / "run"))


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({}, "neither a vacuum manifold nor a harvester"),
        (
            {"harvester": {"driver": "operator_harvester", "address": "sim:",
                           "uses": {"operator": "nobody"}}},
            "instruments.harvester.uses.operator: 'nobody' is no instrument",
        ),
    ],
)  # fmt: skip
def test_a_lab_that_cannot_filter_is_refused(
    tmp_path: Path, others: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputRefusedError, match=message):
        prepare(Options("sigma1-binding", lab=lab_with(tmp_path, None, **others)))
