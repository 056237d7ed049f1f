"""Who waits after a bad plate, who goes on, and what lets others pass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from tests.nights.lives import two_plates

from platectl.domain.events import Event
from platectl.domain.policy import Policy, Rule, When
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Hold, Step
from platectl.engine.gates import QualityGates
from platectl.engine.journal import Journal
from platectl.engine.keeper import PlanKeeper
from platectl.engine.questions import Answer, Questions
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.slack import Slack
from platectl.engine.state import RunState
from platectl.engine.times import StepTimes
from platectl.engine.timetable import Timetable
from platectl.engine.waiting import Waiting, who_waits
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.steps import consumes
from platectl.store.ledger import Ledger

#: step -> begin and, if it is over, end, in seconds of the run
Past = Mapping[str, tuple[float, float | None]]
LOADED = {"P2.B0": (9000.0, 9300.0)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CompiledRun:
    return two_plates(tmp_path_factory.mktemp("two")).compiled


def waiting(run: Any, past: Past) -> Waiting:
    """Who waits after P1, which is over, when a night has come so far."""
    events, times = [], StepTimes()
    past = {**{s.id: (0.0, 10.0) for s in run.steps if s.plate == "P1"}, **past}
    for name, (begin, end) in past.items():
        events.append(Event("step.claimed", name, monotonic_s=begin))
        times.started(name, begin)
        if end is not None:
            events.append(Event("step.done", name, monotonic_s=end))
            times.ended(name, end)
    state = RunState.of(events)
    journal: Any = SimpleNamespace(state=state)
    return who_waits(run, state, Slack(run, journal, times), {"P1"})


def test_what_is_loaded_poured_sealed_or_added_is_spent(run: CompiledRun) -> None:
    spent = {s.title for s in run.steps if consumes(s)}

    assert {"Load the lab", "Radioligand", "Series in vehicle", "Bottom seal", "Top seal"} <= spent
    assert spent.isdisjoint({"Incubate", "Mix", "Dry", "Count the filters", "lid to shaker1"})


def test_a_plate_that_has_not_begun_waits_as_a_whole(run: CompiledRun) -> None:
    found = waiting(run, {})

    assert found.plates == ("P2",)
    assert found.steps == {s.id for s in run.steps if s.plate == "P2"}


def test_a_loaded_plate_waits_before_what_spends_and_is_warmed_meanwhile(run: CompiledRun) -> None:
    found = waiting(run, LOADED)

    assert found.plates == ("P2",)
    assert not found.going
    assert {"P2.B2.1", "P2.B3", "P2.B6", "P2.B9"} <= found.steps
    assert "P2.B1" not in found.steps


@pytest.mark.parametrize(
    ("past", "why"),
    [
        ({"P2.B2": (9400.0, None)}, "'Soak the filters' is under way"),
        ({"P2.B2": (9400.0, 9450.0)}, "its window 'soak' is open"),
        ({"P2.B6": (9400.0, 9450.0)}, "its window 'mixing' is open"),
    ],
)
def test_a_plate_with_something_to_lose_goes_on(run: CompiledRun, past: Past, why: str) -> None:
    found = waiting(run, {**LOADED, **past})

    assert found.going == {"P2": why}
    assert not found.plates
    assert not found.steps


def test_a_plate_that_spends_nothing_any_more_goes_on(run: CompiledRun) -> None:
    ahead = [s.id for s in run.steps if s.plate == "P2" and not s.id.startswith("P2.B13b")]

    found = waiting(run, dict.fromkeys(ahead, (9400.0, 9450.0)))

    assert found.going == {"P2": "it spends nothing any more"}


def made(name: str, *resources: str, after: tuple[str, ...] = ()) -> Step:
    return Step(
        id=name, kind="dispense", plate=name.split(".", maxsplit=1)[0], title=name, effect="consume",
        after=after, resources=resources, duration_s=60.0,
    )  # fmt: skip


def small_run(protocols: tuple[str, ...]) -> Any:
    """Plates with a step in a hotel each; P2 stands there between its steps."""
    names = [f"P{number}" for number in range(1, len(protocols) + 1)]
    steps = [made(f"{p}.a", "person") for p in names]
    steps += [made(f"{p}.b", "hotel", after=(f"{p}.a",)) for p in names]
    known = [SimpleNamespace(name=name) for name in dict.fromkeys(protocols)]
    return SimpleNamespace(
        plates=[
            SimpleNamespace(name=p, assay=[k.name for k in known].index(assay))
            for p, assay in zip(names, protocols, strict=True)
        ],
        protocols=known, steps=steps, windows=[], lab=SimpleNamespace(instruments={}),
        holds=[Hold(resource="hotel", first="P2.a", last="P2.b")],
    )  # fmt: skip


def test_a_plate_that_stands_in_the_way_of_a_begun_one_goes_on() -> None:
    run = small_run(("binding", "binding", "calcium"))

    found = waiting(run, {"P2.a": (0.0, 10.0), "P3.a": (0.0, 10.0)})

    assert found.going == {"P2": "P3 needs hotel"}
    assert not found.steps


def test_a_plate_that_has_not_begun_does_not_come_where_another_stands() -> None:
    run = small_run(("binding", "binding", "calcium"))

    found = waiting(run, {"P2.a": (0.0, 10.0)})

    assert (found.plates, found.behind) == (("P2",), ("P3",))
    assert found.steps == {"P2.b", "P3.a", "P3.b"}


async def test_who_waits_lets_others_have_the_turn_and_comes_back() -> None:
    first, second = made("P1.a", "flex"), made("P2.a", "flex")
    queues, timetable = ResourceQueues([first, second]), Timetable([first, second])
    order = []

    async def later() -> None:
        async with queues.turn(second):
            order.append("P2.a")
        timetable.parked = frozenset()
        await queues.reorder(timetable.rank)

    async with asyncio.TaskGroup() as group, queues.turn(first):
        timetable.parked = frozenset({"P1.a"})
        await queues.let_pass(first, timetable.rank)
        group.create_task(later())
        await queues.come(first)
        order.append("P1.a")

    assert order == ["P2.a", "P1.a"]


def test_a_plate_is_asked_about_when_it_comes_to_wait_and_goes_on_after_a_word(
    run: CompiledRun,
) -> None:
    said = run_virtual(doubted(run))

    assert said == [
        "nobody waits: its window 'soak' is open",
        "P1 is no good: too little was poured. Nothing more is spent on P2",
        "P2 goes on",
    ]


async def doubted(run: CompiledRun) -> list[str]:
    """P1 is doubted while P2 soaks; P2 comes to a place where nothing is lost by waiting."""
    said: list[str] = []
    clock, state, times = VirtualClock(), RunState(), StepTimes()
    journal = Journal(Ledger(":memory:"), clock=clock, state=state, began_s=clock.monotonic_s())
    steps = {step.id: step for step in run.steps}

    async def person(question: Any) -> Answer:
        await asyncio.sleep(600.0)
        said.append(". ".join(question.text.split(". ")[:2]))
        return Answer("go_on", "Ana")

    async def happens(name: str) -> None:
        journal.record("step.claimed", name, {})
        times.started(name, clock.monotonic_s())
        journal.record("step.done", name, {})
        times.ended(name, clock.monotonic_s())
        await gates.ended(steps[name])

    rule = Rule(when=When(error=("quality",)), then="ask", options=("go_on",))
    remedies = Remedies(Policy(rules=(rule,)), Questions(journal, (person,)), ("P1", "P2"))
    queues, timetable = ResourceQueues(run.steps), Timetable(run.steps)
    keeper = PlanKeeper(run, journal, timetable, queues, remedies, None)
    slack = Slack(run, journal, times)
    gates = QualityGates(run, journal, remedies, queues, timetable, keeper, slack, None)
    keeping = asyncio.create_task(gates.keep())
    over = [s.id for s in run.steps if s.plate == "P1"]
    for name in (*over, "P2.B0", "P2.B2"):
        await happens(name)
    gates.doubt("P1", "too little was poured")
    await asyncio.sleep(1.0)
    said.append(f"nobody waits: {state_of(journal)['going']['P2']}")
    await happens("P2.B8c")
    assert gates.holds(steps["P2.B3"])
    assert not gates.holds(steps["P2.B1"])
    await gates.pass_step(steps["P2.B3"])
    said.append("P2 goes on")
    assert "P1" not in state.judged
    keeping.cancel()
    return said


def state_of(journal: Journal) -> Mapping[str, Any]:
    """What the ledger says of the gate."""
    ledger: Any = journal._ledger
    return next(event.data for event in ledger.events() if event.kind == "gate.closed")


def opened(at_s: float, **put_off_s: float) -> Event:
    data = {"after": ["P1"], "plates": list(put_off_s), "put_off_s": put_off_s}
    return Event("gate.opened", monotonic_s=at_s, data=data)


def test_what_was_put_off_stays_put_off_after_a_restart(run: CompiledRun) -> None:
    begun = Event("step.claimed", "P2.B0", monotonic_s=50.0)

    state = RunState.of([begun, opened(100.0, P2=600.0), opened(200.0, P2=60.0)])

    late = state.put_off(run.steps)
    assert late.keys() == {s.id for s in run.steps if s.plate == "P2"} - {"P2.B0"}
    planned_s = next(s.planned_start_s for s in run.steps if s.id == "P2.B3")
    assert late["P2.B3"][0] == pytest.approx(planned_s + 660.0)


async def test_a_gap_in_the_night_makes_up_for_a_late_word() -> None:
    steps = [made("P2.a", "flex"), made("P3.a", "flex"), made("P4.a", "flex")]
    clock, state = VirtualClock(), RunState()
    journal = Journal(Ledger(":memory:"), clock=clock, state=state, began_s=clock.monotonic_s())
    timetable, queues = Timetable(steps), ResourceQueues(steps)
    timetable.move({"P2.a": (-500.0, -440.0), "P3.a": (-440.0, -380.0), "P4.a": (900.0, 960.0)})
    run: Any = SimpleNamespace(steps=steps)
    keeper = PlanKeeper(run, journal, timetable, queues, Remedies(*[None] * 3), None)  # type: ignore[arg-type]  # asks nobody

    put_off = await keeper.put_back({s.id for s in steps}, "P1: go_on")

    assert put_off == {"P2": pytest.approx(500.0, abs=1), "P3": pytest.approx(500.0, abs=1)}
    assert timetable["P4.a"] == (900.0, 960.0)
