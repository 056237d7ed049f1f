"""A night that dies in the middle of a read: the read is followed, never started again."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import structlog
from tests.nights.lives import child
from tests.nights.test_calcium_nights import READERS, lab_with

from platectl.app.drive import Finished
from platectl.app.night import execute, resume
from platectl.app.prepare import Night, Options, prepare
from platectl.domain.events import Event


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def killed_at(night: Night, folder: Path, kind: str, number: int, verb: str = "") -> Finished:
    """Kill the engine at the n-th entry of a kind, and resume."""
    seen = 0

    def watch(event: Event) -> None:
        nonlocal seen
        seen += event.kind == kind and event.data.get("verb", "") == verb
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(child(lambda: execute(night, folder, watch=watch)), 0)
    return resume(folder)


def frames_of(finished: Finished) -> Counter[tuple[str, int, int, str]]:
    return Counter(
        (e.step, e.data["index"], e.data["channel"], e.data["wells"][0])
        for e in finished.events
        if e.kind == "frame.taken"
    )


@pytest.fixture(scope="module", params=["flipr", *sorted(READERS)])
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Night, Finished]:
    """A reader, a night with it, and how that night goes undisturbed."""
    name, folder = request.param, tmp_path_factory.mktemp("undisturbed")
    options = Options("fura2-calcium")
    if name in READERS:
        reader, more = READERS[name]
        options = Options("fura2-calcium", lab=lab_with(folder, reader), **more)
    night = prepare(options)
    return name, night, execute(night, folder / "run", record_wire=False, ledger_path=":memory:")


@pytest.mark.parametrize("moment", ["ordered", "early", "late"])
def test_a_read_is_followed_by_the_next_engine(
    tmp_path: Path, reader: tuple[str, Night, Finished], moment: str
) -> None:
    name, night, whole = reader
    total = sum(frames_of(whole).values())
    at = {
        "ordered": ("action.sent", 1, "read_kinetic"),
        "early": ("frame.taken", 2, ""),
        "late": ("frame.taken", total - 3, ""),
    }[moment]

    finished = killed_at(night, tmp_path / "run", *at)

    assert finished.outcome.status == "done", finished.outcome.error
    assert max(frames_of(finished).values()) == 1
    orders = Counter(
        e.data["action"]
        for e in finished.events
        if e.kind == "action.sent" and e.data["verb"] == "read_kinetic"
    )
    assert max(orders.values()) <= 2  # the second time it was followed, not begun
    added = [e for e in finished.events if e.kind == "addition.seen"]
    wells = Counter(well for e in added for well in e.data["at_s"])
    assert not wells or max(wells.values()) == 1
    if name == "clariostar" and moment == "early":  # it was still reading: followed to its end
        fates = [e.data["fate"] for e in finished.events if e.kind == "action.resolved"]
        assert "running" in fates
        assert not [e for e in finished.events if e.kind == "step.skipped"]
    if name in {"flipr", "flexstation"} and moment != "ordered":
        assert frames_of(finished) == frames_of(whole)
        assert finished.plates[0].result is not None
