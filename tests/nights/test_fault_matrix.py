"""Every instrument by every fault of its line: typed errors, true successes, nothing done twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks import faults

from platectl import registry
from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.replay import replay_run
from platectl.app.truth import default_truth_path
from platectl.domain.errors import LinkError
from platectl.hal.recovery import Verdict
from platectl.simkit.line_faults import KINDS, LineFaultKind
from platectl_drivers.bioshake import BioShake
from platectl_drivers.hidex300 import Hidex300
from platectl_drivers.spectramax import SpectraMax


def test_every_driver_has_a_scene() -> None:
    assert registry.names() == registry.names(registry.SCENES)


def test_the_matrix_is_told_by_fault_and_place() -> None:
    """That no cell of any driver is a defect is a test of platectl.conformance."""
    row = faults.row_of("bioshake")

    told = json.loads(json.dumps(faults.summary({"bioshake": row})))

    assert tuple(row) == KINDS
    assert told["defects"] == []
    assert told["cells"] == len(KINDS)
    outcomes = {
        cell["outcome"] for row in told["matrix"]["bioshake"].values() for cell in row.values()
    }
    assert {"ok", "ReplyTimeoutError"} <= outcomes <= set(faults.SHORT)


# The matrix sees what is wrong -----------------------------------------------------------------
SHAKE = BioShake.shake


async def _swallows(self: Any, **how: Any) -> None:
    try:
        await SHAKE(self, **how)
    except LinkError:
        return


async def _repeats(self: Any, **how: Any) -> None:
    try:
        await SHAKE(self, **how)
    except LinkError:
        await SHAKE(self, **how)


async def _stumbles(self: Any, **how: Any) -> None:
    try:
        await SHAKE(self, **how)
    except LinkError as error:
        raise KeyError("answer") from error


async def _waits(self: Any, **how: Any) -> None:
    try:
        await SHAKE(self, **how)
    except LinkError:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("shake", "defect"),
    [(_swallows, "succeeds, and did not do"), (_repeats, "more was done than asked"),
     (_stumbles, "not a typed error: KeyError"), (_waits, "no end within")],
)  # fmt: skip
def test_a_bad_verb_is_seen(
    monkeypatch: pytest.MonkeyPatch, shake: Callable[..., Any], defect: str
) -> None:
    monkeypatch.setattr(BioShake, "shake", shake)
    assert any(defect in line for line in faults.defects_of("bioshake", faults.row_of("bioshake")))


COUNT = Hidex300.count


async def _makes_up(self: Any, **how: Any) -> Any:
    try:
        return await COUNT(self, **how)
    except LinkError:
        return ()


async def _waits_for_good(self: Any, **how: Any) -> Any:
    try:
        return await COUNT(self, **how)
    except LinkError:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("count", "defect"),
    [(_makes_up, "succeeds with another result"), (_waits_for_good, "no end within")],
)
@pytest.mark.parametrize("kind", ["truncate", "stall", "duplicate", "lose_reply"])
def test_a_driver_that_takes_a_bad_file_is_seen(
    monkeypatch: pytest.MonkeyPatch, count: Callable[..., Any], defect: str, kind: LineFaultKind
) -> None:
    monkeypatch.setattr(Hidex300, "count", count)

    row = faults.row_of("hidex300", kinds=(kind,))

    assert any(defect in line for line in faults.defects_of("hidex300", row))


@pytest.mark.parametrize(
    ("verdict", "defect"),
    [(Verdict("done"), "says done at once, and it is not"),
     (Verdict("not_done"), "says not_done at once, and did"),
     (Verdict("not_done", remembered=True), "when done after not_done, and did more")],
)  # fmt: skip
def test_a_wrong_verdict_is_seen(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, defect: str
) -> None:
    async def reconcile(self: Any, action: Any) -> Verdict:
        return verdict

    monkeypatch.setattr(BioShake, "reconcile", reconcile)
    found = faults.defects_of("bioshake", faults.row_of("bioshake"))
    assert any(defect in line for line in found), found


def test_a_wrong_value_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    read = SpectraMax.read_kinetic

    async def cut_short(self: Any, **how: Any) -> Any:
        try:
            async for item in read(self, **how):
                yield item
        except LinkError:
            return

    monkeypatch.setattr(SpectraMax, "read_kinetic", cut_short)
    found = faults.defects_of("spectramax", faults.row_of("spectramax"))
    assert any("succeeds with another result" in line for line in found)


# A whole night ----------------------------------------------------------------------------------
def test_a_night_with_a_fault_of_the_line_replays_byte_for_byte(tmp_path: Path) -> None:
    truth = yaml.safe_load(default_truth_path().read_text())
    truth["faults"] = [
        {"instrument": "flex", "kind": "line_delay", "after": 40, "times": 30,
         "data": {"delay_s": 0.5, "direction": "in"}},
        {"instrument": "shaker1", "kind": "line_duplicate", "after": 2, "times": 1},
    ]  # fmt: skip
    path = tmp_path / "truth.yaml"
    path.write_text(yaml.safe_dump(truth))

    finished = execute(prepare(Options("sigma1-binding", truth=path)), tmp_path / "run")

    assert finished.outcome.status == "done"
    shaker = (tmp_path / "run" / "wire" / "shaker1.txt").read_text("ascii")
    assert r"< ok\r\n22.0\r\n" in shaker  # the answer to another question came once more
    compared = replay_run(tmp_path / "run")
    assert compared
    assert [c.instrument for c in compared if c.first_difference is not None] == []
