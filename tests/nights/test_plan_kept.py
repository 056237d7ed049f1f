"""When reality leaves the plan, the rest is planned anew, and windows are decided before they break."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from platectl.app.audit import audit
from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.prepare import Night, Options, prepare
from platectl.domain.errors import RunAbortedError
from platectl.domain.events import Event
from platectl.domain.night import SIMULATED_START
from platectl.domain.policy import Policy, Rule, When
from platectl.engine.journal import Journal
from platectl.engine.keeper import PlanKeeper
from platectl.engine.ports import Proposal, Replanner, Situation
from platectl.engine.questions import Questions
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.state import RunState
from platectl.engine.timetable import Timetable
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world.truth import FaultEntry
from platectl.store.ledger import Ledger

NIGHT = """platectl: 1
night: n
starts: "2026-01-05 18:00"
plates: [{protocol: fura2-calcium, copies: 2}, {protocol: sigma1-binding}]
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    path = tmp_path_factory.mktemp("night") / "n.yaml"
    path.write_text(NIGHT)
    return prepare(Options(str(path)))


def run(night: Night, folder: Path, *faults: FaultEntry) -> Finished:
    assert night.truth is not None
    truth = night.truth.model_copy(update={"faults": faults})
    return execute(replace(night, truth=truth), folder, record_wire=False, ledger_path=":memory:")


def changes(finished: Finished) -> list[Event]:
    return [e for e in finished.events if e.kind == "plan.changed"]


def test_a_night_that_goes_as_planned_is_not_planned_anew(night: Night, tmp_path: Path) -> None:
    finished = run(night, tmp_path / "run")

    assert not changes(finished)
    begun = {e.step: e.monotonic_s for e in finished.events if e.kind == "step.claimed"}
    early = [s.id for s in night.compiled.steps if begun[s.id] < s.planned_start_s - 0.01]
    assert not early


def test_a_person_who_is_late_moves_what_has_not_begun(night: Night, tmp_path: Path) -> None:
    late = FaultEntry(instrument="person", kind="absent", after=1, data={"delay_s": 2400.0})

    finished = run(night, tmp_path / "run", late)

    assert finished.outcome.status == "done"
    assert not finished.outcome.dropped
    assert "Load the lab of P" in changes(finished)[0].data["reasons"][0]
    assert not [e for e in finished.events if e.kind == "window.broken" and e.data["hard"]]
    assert audit(night.compiled, finished.events) == []


def test_the_plan_stays_in_the_ledger(night: Night, tmp_path: Path) -> None:
    late = FaultEntry(instrument="person", kind="absent", after=1, data={"delay_s": 2400.0})

    change = changes(run(night, tmp_path / "run", late))[0]

    assert change.data["method"] == "order kept"
    assert change.data["moved"] > 0
    assert change.data["end_s"] > night.compiled.planned_end_s - 1
    assert change.data["broken"] == []


def test_a_window_that_no_plan_keeps_is_decided_before_it_breaks(night: Night) -> None:
    """The night orders give the plate up; the others go on."""

    class Foreteller:
        async def __call__(self, situation: Situation) -> Proposal:
            return Proposal(situation.planned, (("P2", "wash"),), "told")

    state = run_virtual(threatened(night, night.policy, Foreteller()))

    assert list(state.dropped_plates) == ["P2"]
    assert "window 'wash' of P2 is going to break" in state.dropped_plates["P2"]
    orders = Policy(rules=(Rule(when=When(error=("window",)), then="abort"),))
    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(threatened(night, orders, Foreteller()))
    assert caught.group_contains(RunAbortedError, match="is going to break")


async def threatened(night: Night, policy: Policy, replanner: Replanner) -> RunState:
    """A keeper that is told of a window that will break, for an hour."""
    run, state = night.compiled, RunState()
    clock = VirtualClock(SIMULATED_START)
    journal = Journal(Ledger(":memory:"), clock=clock, state=state, began_s=0.0)
    remedies = Remedies(policy, Questions(journal), tuple(p.name for p in run.plates))
    queues, timetable = ResourceQueues(run.steps), Timetable(run.steps)
    keeper = PlanKeeper(run, journal, timetable, queues, remedies, replanner)
    keeping = asyncio.create_task(keeper.keep())
    keeper.ask("something was late")
    await asyncio.wait([keeping], timeout=3600.0)
    if keeping.done():
        keeping.result()
    keeping.cancel()
    return state
