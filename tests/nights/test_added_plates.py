"""Plates join a night that goes on: once, where they fit, and never at the cost of those that have begun."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from rich.console import Console
from tests.nights.lives import child
from tests.nights.slow import Slow

from platectl.app.audit import audit
from platectl.app.channel import tell
from platectl.app.drive import Finished
from platectl.app.joining import Wanted, join
from platectl.app.night import resume
from platectl.app.prepare import Options, prepare
from platectl.app.replan import Replanner
from platectl.app.run_report import build_report, deviations, read_run
from platectl.cli.main import cli
from platectl.cli.render import LiveView
from platectl.domain.errors import RefusedError
from platectl.domain.events import Event
from platectl.domain.night import NightEntry
from platectl.domain.policy import Policy
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.units import FROZEN
from platectl.engine.admission import Admission, MovedOnError
from platectl.engine.control import Control
from platectl.engine.gates import QualityGates
from platectl.engine.journal import Journal
from platectl.engine.keeper import PlanKeeper
from platectl.engine.questions import Questions
from platectl.engine.remedy import Remedies
from platectl.engine.resources import ResourceQueues
from platectl.engine.slack import Slack
from platectl.engine.state import RunState
from platectl.engine.times import StepTimes
from platectl.engine.timetable import Timetable
from platectl.report.exports.archive import verify_archive, write_archive
from platectl.simkit.virtual_time import VirtualClock
from platectl.store.ledger import Ledger

NIGHT = """platectl: 1
night: n
zone: Europe/Berlin
starts: "2026-01-05 18:00"
ends: "2026-01-06 20:00"
people: {person: [{from: "2026-01-05 17:00", until: "2026-01-06 16:00"}]}
plates: [{protocol: sigma1-binding}, {protocol: sigma1-binding, not_before: "04:00"}]
"""
AT_S = 6000.0
HOUR_S = 3600.0
LATER = "2026-01-07T20:00"


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@dataclass
class Story:
    """What was said to a night while it went on, and how the night ended."""

    folder: Path
    before: CompiledRun
    dry: dict[str, Any]
    shown: str
    entries_after_dry: int
    said: dict[str, Any]
    again: dict[str, Any]
    refusals: dict[str, str] = field(default_factory=dict)
    finished: Finished | None = None
    seen: str = ""
    long_after: str = ""

    @property
    def events(self) -> list[Event]:
        assert self.finished is not None
        return self.finished.events

    @property
    def run(self) -> CompiledRun:
        assert self.finished is not None
        assert self.finished.run is not None
        return self.finished.run


def said_by(store: Path, *words: str) -> str:
    """What `platectl add` prints."""
    ran = CliRunner().invoke(
        cli, ["add", "run", *words, "--store", str(store), "--by", "Ana"],
        standalone_mode=False, catch_exceptions=False,
    )  # fmt: skip
    return ran.stdout


def add(store: Path, *words: str) -> dict[str, Any]:
    """What `platectl add` says, as JSON."""
    found: dict[str, Any] = json.loads(said_by(store, *words, "--json").splitlines()[-1])
    return found


REFUSED = {
    "name": "sigma1-binding --name P1",
    "no name": "sigma1-binding --name P1.b",
    "end": "sigma1-binding --not-after 2026-01-05T23:00",
    "absence": "sigma1-binding --not-before 2026-01-06T16:30",
    "protocol": "sigma9-binding",
    "time": "sigma1-binding --not-before 25:00",
    "compound": "sigma1-binding --samples {tmp}/unknown.csv",
    "stock": f"sigma1-binding --name short --stock {{tmp}}/stock.yaml --not-after {LATER}",
    "several": "sigma1-binding --name both --copies 2",
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two binding plates; a calcium plate and a third binding plate join while the first goes on."""
    tmp = tmp_path_factory.mktemp("night")
    (tmp / "n.yaml").write_text(NIGHT)
    (tmp / "unknown.csv").write_text(
        "compound,stock_concentration,top_concentration\nmystery,10 mM,10 uM\n"
    )
    (tmp / "stock.yaml").write_text("platectl: 1\nreagents: {}\n")
    (tmp / "more.yaml").write_text(
        "platectl: 1\nplates: [{protocol: fura2-calcium, not_before: '22:00'}]\n"
    )
    night, store = prepare(Options(str(tmp / "n.yaml"), run="run")), tmp / "runs"
    screen = io.StringIO()
    view = LiveView(night.compiled, Console(file=screen, width=120))
    with view, Slow(night, store / "run", AT_S, watch=view) as going:
        dry = add(store, str(tmp / "more.yaml"), "--dry-run")
        kinds = len(entries(store / "run"))
        shown = said_by(store, str(tmp / "more.yaml"), "--dry-run")
        said = add(store, str(tmp / "more.yaml"), "--reason", "urgent")
        again = add(store, str(tmp / "more.yaml"))
        story = Story(store / "run", night.compiled, dry, shown, kinds, said, again)
        for name, words in REFUSED.items():
            found = add(store, *words.format(tmp=tmp).split())
            assert not found["ok"], name
            story.refusals[name] = "\n".join(found["findings"])
        assert add(store, "sigma1-binding", "--name", "late", "--not-after", LATER)["added"]
        story.finished = going.end()
    story.seen = screen.getvalue()
    story.long_after = said_by(store, str(tmp / "more.yaml"))
    story.refusals["over"] = "\n".join(add(store, "sigma1-binding")["findings"])
    return story


def entries(folder: Path) -> list[Event]:
    with Ledger.reading(folder / "ledger.db") as ledger:
        return list(ledger.events())


def test_a_plate_of_another_assay_and_one_of_the_same_are_run_and_analysed(story: Story) -> None:
    assert story.finished is not None

    assert story.finished.outcome.status == "done", story.finished.outcome.error
    assert [(p.plan.name, type(p.result).__name__) for p in story.finished.plates] == [
        ("P1", "PlateResult"), ("P2", "PlateResult"), ("P3", "CalciumPlateResult"),
        ("late", "PlateResult"),
    ]  # fmt: skip
    assert audit(story.run, story.events) == []
    assert not [e for e in story.events if e.kind == "window.broken"]
    assert "late  Load the lab" in story.seen
    report = build_report("run", story.run, story.events, story.finished.plates)
    assert [plate.name for plate in report.plates] == ["P1", "P2", "P3", "late"]
    assert report.protocol == "sigma1-binding+fura2-calcium"


def test_what_was_planned_before_is_not_moved(story: Story) -> None:
    begun = {e.step: e.monotonic_s for e in story.events if e.kind == "step.claimed"}

    moved = [s.id for s in story.before.steps if abs(begun[s.id] - s.planned_start_s) > 60.0]

    assert not moved
    assert begun["P3.F0"] >= 4 * HOUR_S


def test_a_dry_run_says_what_would_happen_and_changes_nothing(story: Story) -> None:
    assert story.dry["ok"]
    assert not story.dry["added"]
    assert story.dry["plates"] == ["P3"]
    assert story.dry["end_s"] >= story.dry["end_before_s"]
    assert story.dry["people"]
    assert {plate for plate, *_ in story.dry["windows"]} <= {"P3"}
    for words in ("P3: from Mon 22:00 to Mon 23:", "the run would end at", "nothing was changed"):
        assert words in story.shown
    before = story.events[: story.entries_after_dry]
    assert not [e for e in before if e.kind == "plate.added"]


def test_the_ledger_says_who_added_what_and_why(story: Story) -> None:
    added = [e for e in story.events if e.kind == "plate.added"]

    assert [e.data["by"] for e in added] == ["Ana", "Ana"]
    assert added[0].data["reason"] == "urgent"
    assert "Ana added P3 1 h 40 min after the start: urgent" in deviations(story.run, story.events)


def test_what_was_added_is_not_added_again(story: Story) -> None:
    assert story.said["added"]
    assert story.again["already"]
    assert story.again["plates"] == story.said["plates"] == ["P3"]
    assert "joined the run before" in story.long_after
    assert len([e for e in story.events if e.kind == "plate.added"]) == 2


def test_an_archive_of_it_is_whole(story: Story, tmp_path: Path) -> None:
    assert story.finished is not None
    report = build_report("run", story.run, story.events, story.finished.plates)

    write_archive(tmp_path / "run.zip", story.folder, report, (), story.finished.seal)

    assert verify_archive(tmp_path / "run.zip").findings == ()


def test_a_run_read_back_has_the_plates_that_joined(story: Story) -> None:
    run, _ = read_run(story.folder)

    assert run.hash() == story.run.hash()
    assert [p.name for p in run.plates] == ["P1", "P2", "P3", "late"]
    assert [p.name for p in run.protocols].count("fura2-calcium") == 1
    assert run.seen_by(run.plates[2]).protocol.name == "fura2-calcium"


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("name", "'P1' is a plate of the run already; use a name that is none of"),
        ("no name", "'P1.b' can be no plate's name; use letters"),
        ("end", "may not after 2026-01-05 23:00; allow it .--not-after '2026-01-0"),
        (
            "absence",
            "would never begin: person is not there to load it; if person were there, it would end at 2026-01-0",
        ),
        ("protocol", "no such protocol"),
        ("time", "is no time"),
        ("compound", "knows no effect of 'mystery'"),
        ("stock", "needed, not listed there; prepare"),
        ("several", "fills 2 plates, of which not all can be 'both'"),
        ("over", "run is over since 2026-01-0.*; run the plates by themselves"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(story: Story, case: str, said: str) -> None:
    assert re.search(said, story.refusals[case]), story.refusals[case]


def test_a_run_that_is_stopped_says_so_and_takes_plates_again_when_it_was_resumed(
    tmp_path: Path,
) -> None:
    night = prepare(Options("sigma1-binding", run="run"))
    with Slow(night, tmp_path / "run", AT_S) as going:
        tell(going.folder, "stop", by="Ana")

        stopping = add(tmp_path, "sigma1-binding")["findings"]
        going.end()

    assert "is being stopped" in stopping[0]
    assert (
        "run was stopped; `platectl resume run` first"
        in add(tmp_path, "sigma1-binding")["findings"][0]
    )


def test_a_killed_run_knows_the_plates_that_joined(tmp_path: Path) -> None:
    night = prepare(Options("sigma1-binding", run="run"))
    folder = tmp_path / "run"

    def life() -> None:
        joined = 0

        def watch(event: Event) -> None:
            nonlocal joined
            joined += bool(joined) or event.kind == "plate.added"
            if joined == 300:
                os.kill(os.getpid(), signal.SIGKILL)

        with Slow(night, folder, AT_S, watch=watch) as going:
            join(
                folder,
                Wanted((NightEntry(protocol="fura2-calcium"),), Path(), tmp_path, "Ana"),
            )
            going.end()

    pid = child(life)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    finished = resume(folder)

    assert finished.outcome.status == "done", finished.outcome.error
    assert [type(p.result).__name__ for p in finished.plates] == [
        "PlateResult",
        "CalciumPlateResult",
    ]
    assert finished.run is not None
    assert audit(finished.run, finished.events) == []
    loaded = [e.step for e in finished.events if e.kind == "step.done" and e.step.endswith("0")]
    assert loaded.count("P2.F0") == 1


class Asked:
    """The admission of the story's first addition, at the moment at which it was asked for."""

    def __init__(self, story: Story, *, run: CompiledRun | None = None) -> None:
        at = next(n for n, e in enumerate(story.events) if e.kind == "plate.added")
        self.run, self.addition = run or story.before, joined(story.events[at])
        self.ledger, self.control = Ledger(":memory:"), Control()
        self.state = RunState.of(story.events[:at])
        journal = Journal(
            self.ledger, clock=VirtualClock(), state=self.state,
            began_s=-story.events[at].monotonic_s,
        )  # fmt: skip
        remedies = Remedies(Policy(rules=()), Questions(journal), ())
        queues, timetable = ResourceQueues(self.run.steps), Timetable(self.run.steps)
        replanner = Replanner(self.run, apart=False)
        keeper = PlanKeeper(self.run, journal, timetable, queues, remedies, replanner)
        slack = Slack(self.run, journal, StepTimes())
        gates = QualityGates(self.run, journal, remedies, queues, timetable, keeper, slack, None)
        self.admission = Admission(keeper, gates, self.control, dict(story.run.lab.instruments))

    def admit(self, *due: str) -> CompiledRun:
        return self.admission.admit(self.addition, due, {"by": "Ana", "reason": "", "checks": []})


def joined(event: Event) -> Addition:
    return Addition.model_validate(event.data["addition"], context=FROZEN)


async def test_the_engine_writes_what_it_admits(story: Story) -> None:
    asked = Asked(story)

    grown = asked.admit()

    assert [p.name for p in grown.plates] == ["P1", "P2", "P3"]
    assert [e.kind for e in asked.ledger.events()] == ["plate.added"]
    assert list(asked.state.added.values()) == [("P3",)]


async def test_the_engine_admits_nothing_that_was_planned_for_another_moment(story: Story) -> None:
    first = Asked(story)
    changed = {s.id for s in first.addition.steps} & {s.id for s in first.run.steps}
    lost = Asked(story)
    lost.state.lost["incubator"] = "door"
    cases = [
        (Asked(story, run=story.before.with_plates(first.addition)), (), "P3 joined the run meanwhile"),
        (first, (min(changed),), "began meanwhile"),
        (lost, (), "incubator was given up: door"),
    ]  # fmt: skip

    for asked, due, why in cases:
        with pytest.raises(MovedOnError, match=why):
            asked.admit(*due)
        assert not list(asked.ledger.events())


async def test_the_engine_admits_nothing_that_costs_a_plate_its_window(story: Story) -> None:
    asked = Asked(story)
    tight = {"P3": asked.addition.terms["P3"].model_copy(update={"not_after_s": 5 * HOUR_S})}
    asked.addition = asked.addition.model_copy(update={"terms": tight})

    with pytest.raises(MovedOnError, match="window 'end' of P3 would break"):
        asked.admit()

    assert not list(asked.ledger.events())


async def test_the_engine_is_not_held_up_by_a_plan_that_contradicts_itself(story: Story) -> None:
    asked = Asked(story)
    at_once = {name: (AT_S, AT_S) for name in asked.addition.times if name.startswith("P3.")}
    asked.addition = asked.addition.model_copy(
        update={"times": {**asked.addition.times, **at_once}}
    )

    with pytest.raises(MovedOnError):
        asked.admit()

    assert not list(asked.ledger.events())


async def test_the_engine_needs_every_instrument_and_a_run_that_goes_on(story: Story) -> None:
    asked, stopping = Asked(story), Asked(story)
    asked.admission.instruments = {}
    await stopping.control.set("stopping")

    with pytest.raises(RefusedError, match="not connected"):
        asked.admit()
    assert "is being stopped" in stopping.admission.closed()
    assert not asked.admission.closed()
