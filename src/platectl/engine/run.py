"""Runs a compiled run: every step when its time, its predecessors and its resources allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from platectl.domain.clock import MOMENT_S, Clock
from platectl.domain.errors import (
    InstrumentError,
    PlatectlError,
    RefusedError,
    RunHeldError,
)
from platectl.domain.events import EventKind
from platectl.domain.policy import Policy
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.steps import Step
from platectl.engine.admission import Admission
from platectl.engine.bench import StepBench
from platectl.engine.control import Control, Mode
from platectl.engine.ending import Ending, RunOutcome, StoppedError
from platectl.engine.gates import QualityGates
from platectl.engine.journal import Journal
from platectl.engine.keeper import PlanKeeper
from platectl.engine.ports import EventSink, Judge, Replanner, Situation, Suspension, Watcher
from platectl.engine.questions import Person, Questions
from platectl.engine.recover import Recovery
from platectl.engine.remedy import Remedies
from platectl.engine.removals import is_left_out, take_over_removals
from platectl.engine.resources import ResourceQueues
from platectl.engine.salvage import Salvage
from platectl.engine.slack import Slack
from platectl.engine.stand_ins import StandIns, seated
from platectl.engine.state import RunState
from platectl.engine.times import StepTimes
from platectl.engine.timetable import Timetable
from platectl.engine.window_watch import WindowWatch
from platectl.steps import kind_of

log = structlog.get_logger()


class Engine:
    """Executes one compiled run, or what is left of it.

    Lifetime: built for one run in one process; `run` is called once. For a new run instruments
    are connected before; with a `state` from the ledger they are observed only, and the engine
    takes them over when it knows what became of everything that was sent.
    Concurrency: one task for each step; resources are handed out in planned order, so that no
    two steps use an instrument at once and none waits in a circle.

    Nothing is sent before its entry is durable. An action whose outcome is unknown is never sent
    again: the instrument is asked, then the policy, then a person.
    """

    def __init__(
        self,
        run: CompiledRun,
        *,
        clock: Clock,
        instruments: Mapping[str, Any],
        ledger: EventSink,
        policy: Policy,
        watch: Watcher | None = None,
        state: RunState | None = None,
        began_s: float | None = None,
        owner: Mapping[str, Any] | None = None,
        bytes_sent: Callable[[str], str] = lambda _: "",
        suspension: Suspension | None = None,
        persons: tuple[Person, ...] = (),
        replanner: Replanner | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._run = run
        self._instruments = instruments
        self._owner = dict(owner or {})
        self._bytes_sent = bytes_sent
        self._resumed = state is not None
        self.state = state or RunState()
        began_s = clock.monotonic_s() if began_s is None else began_s
        self._journal = Journal(ledger, clock=clock, state=self.state, began_s=began_s, watch=watch)
        self._ending = Ending(self._journal, instruments)
        self.questions = Questions(self._journal, persons)
        self.control = Control(suspension, self._note)
        self._remedies = Remedies(policy, self.questions, ())
        self._held = ""
        self._aborted_by = ""
        self._main: asyncio.Task[Any] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._due: set[str] = set()
        self._times = StepTimes()
        self._salvage = Salvage(self._journal, instruments, self._times, self._remedies, ())
        for name, known in self.state.steps.items():
            self._times.started(name, began_s + known.started_s)
            if known.over and known.ended_s is not None:
                self._times.ended(name, began_s + known.ended_s)
        self._left = [
            seated(step, self.state) for step in run.steps if not self.state.is_over(step.id)
        ]
        self._queues = ResourceQueues(self._left, lending=not self._resumed)
        self._slack = Slack(run, self._journal, self._times)
        self._timetable = Timetable(run.steps)
        self._timetable.move(self.state.put_off(run.steps))
        self._keeper = PlanKeeper(
            run, self._journal, self._timetable, self._queues, self._remedies, replanner
        )
        self.gates = QualityGates(
            run, self._journal, self._remedies, self._queues, self._timetable, self._keeper,
            self._slack, judge,
        )  # fmt: skip
        self._stand_ins = StandIns(run, self._journal, self._queues, self._timetable, instruments)
        self._salvage.stand_ins = self._stand_ins
        self._admission = Admission(self._keeper, self.gates, self.control, instruments)
        self._watch = WindowWatch(run, self._journal, self._times)
        self._done: dict[str, asyncio.Event] = {}
        self._know(run)
        for step in run.steps:
            if self.state.is_over(step.id):
                self._done[step.id].set()

    async def run(self) -> RunOutcome:
        """Run what is left; returns how it ended. Cancelling it stops safely: instruments are aborted."""
        self._main = asyncio.current_task()
        self._begin()
        try:
            if self._resumed:
                await self._recover()
                await self.gates.take_up()
                self._keeper.ask("the run was cut off")
                self._queues.lending = True
            async with asyncio.TaskGroup() as group:
                aside = [group.create_task(self._stop_when_told()),
                         group.create_task(self._aside(self._keeper.keep())),
                         group.create_task(self._aside(self.gates.keep()))]  # fmt: skip
                self._group = group
                for step in self._left:
                    self._start(step.id, self._step(step))
                while self._tasks:
                    await asyncio.wait(self._tasks.values())
                self._group = None
                for task in aside:
                    task.cancel()
        except asyncio.CancelledError:
            if self._aborted_by and self._main is not None:
                self._main.uncancel()
                return self._ending.aborted(self._aborted_by)
            await self._ending.cancelled()
            raise
        except (ExceptionGroup, PlatectlError) as error:
            return await self._ending.failed(error, self._held)
        return self._ending.done()

    async def switch(self, mode: Mode, *, by: str) -> None:
        """Pause, go on or stop, as an operator says; it is in the ledger before it is done."""
        kind: EventKind = "run.continued" if mode == "running" else "run.paused"
        if mode not in {"stopping", self.control.mode}:
            self._journal.record(kind, "", {"mode": mode, "by": by})
        await self.control.set(mode)

    async def abort(self, by: str, reason: str) -> None:
        """Stop every instrument at once, then end the run; the ledger is written last."""
        self._aborted_by = f"aborted by {by or 'the operator'}" + (f": {reason}" if reason else "")
        await self._ending.abort_all()
        if self._main is not None:
            self._main.cancel()

    def situation(self) -> Situation:
        """Where the run stands, for whoever plans plates that are to join it."""
        return self._keeper.situation()

    def closed(self) -> str:
        """Why no plates can join the run; empty when they can."""
        if self._aborted_by:
            return "the run is being aborted"
        if self._held:
            return f"the run is held: {self._held}"
        if self._group is None:
            return "no step of the run is under way: it recovers, or has come to its end"
        return self._admission.closed()

    def add(
        self, addition: Addition, *, by: str, reason: str = "", checks: Sequence[Any] = ()
    ) -> tuple[str, ...]:
        """Have plates join the run; returns their names, those that it has if they joined before.

        It is in the ledger when this returns. What has begun is not changed, and no hard window that
        could be kept is broken.

        Raises:
            MovedOnError: The run went on meanwhile; planned anew they may fit.
            RefusedError: They cannot join; nothing was changed.
        """
        if addition.key not in self.state.added:
            if why := self.closed():
                raise RefusedError(why)
            said = {"by": by, "reason": reason, "checks": list(checks)}
            grown = self._admission.admit(addition, self._due, said)
            for step in addition.steps:  # those of the run wait for other things from now on
                if step.id in self._tasks:
                    self._tasks[step.id].cancel()
            self._know(grown)
            self._timetable.move({
                step.id: (step.planned_start_s, step.planned_end_s)
                for step in grown.steps if step.id not in self.state.steps
            })  # fmt: skip
            self._start(addition.key, self._join([self._steps[s.id] for s in addition.steps]))
        return self.state.added[addition.key]

    async def _join(self, steps: Sequence[Step]) -> None:
        await self.gates.sort()
        await self._queues.join(steps, self._timetable.rank)
        for step in steps:
            self._start(step.id, self._step(step))

    def _know(self, run: CompiledRun) -> None:
        """Go by a run, which may have more plates than before."""
        self._run = self._keeper.run = self.gates.run = self._stand_ins.run = run
        self._salvage.plates = self._remedies.plates = tuple(plate.name for plate in run.plates)
        self._slack.take(run)
        self._watch.take(run)
        self._steps = {step.id: step for step in run.steps}
        for name in self._steps.keys() - self._done.keys():
            self._done[name] = asyncio.Event()

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something that the run does not end before."""

        def ended(task: asyncio.Task[None]) -> None:
            if self._tasks[name] is task:
                del self._tasks[name]

        if self._group is not None:
            self._tasks[name] = self._group.create_task(work, name=name)
            self._tasks[name].add_done_callback(ended)

    def under_way(self) -> list[dict[str, Any]]:
        """Steps that run now: identity, title, instruments, seconds since their start and expected."""
        now_s = self._journal.now_s
        return [
            {"step": step.id, "title": step.title, "plate": step.plate,
             "instruments": [r for r in seated(step, self.state).resources if r in self._instruments],
             "since_s": round(now_s - known.started_s, 1), "expected_s": step.duration_s}
            for step in self._run.steps
            if (known := self.state.steps.get(step.id)) is not None and known.status == "claimed"
        ]  # fmt: skip

    def _note(self, step: Step, detail: dict[str, Any]) -> None:
        self._journal.record("step.note", step.id, detail)

    def borrow(self, resource: str) -> AbstractAsyncContextManager[bool]:
        """Have an instrument between two steps; False while a step or the recovery uses it."""
        return self._queues.borrow(resource)

    def left_s(self) -> float:
        """Seconds until the planned end."""
        return max(self._timetable.end_s - self._journal.now_s, 0.0)

    def _begin(self) -> None:
        clock_s = self._journal.began_s
        data = {"hash": self._run.hash(), "steps": len(self._run.steps), "clock_s": clock_s}
        if self._resumed:
            outage_s = round(self._journal.now_s - self.state.last_s, 3)
            self._journal.record("run.resumed", "", {"outage_s": outage_s, **self._owner})
        else:
            self._journal.record("run.started", "", {**data, **self._owner})

    async def _recover(self) -> None:
        recovery = Recovery(
            self._run, self._journal, self._instruments, self._slack, self._remedies
        )
        await recovery.look()
        for name, instrument in self._instruments.items():
            try:
                await instrument.take_over()
            except InstrumentError as error:
                error.instrument = error.instrument or name
                raise

    async def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the steps; if it holds the run, steps that have begun end first."""
        try:
            await work
        except* RunHeldError as held:
            self._held = self._held or str(held.exceptions[0])
            await self.control.set("stopping")

    async def _stop_when_told(self) -> None:
        await self.control.stopped()
        raise StoppedError

    # One step -----------------------------------------------------------------------------------
    async def _step(self, step: Step) -> None:
        for before in step.after:
            await self._done[before].wait()
        if not self._given_up(step):
            await self._wait_for_time(step)
        self._due.add(step.id)
        async with self._queues.turn(step):
            while not self._given_up(step) and not await self._enter(step):
                await self._queues.let_pass(step, self._timetable.rank)
                await self._wait_for_time(step)
                await self._queues.come(step)
            if self._given_up(step):
                self._salvage.skip(step, self.state.dropped_plates[step.plate])
            else:
                try:
                    await self._execute(step)
                except RunHeldError as held:
                    self._held = self._held or str(held)
                    await self.control.set("stopping")
                finally:
                    await self.control.leave_step()
                if self._held and not self.state.is_over(step.id):
                    await asyncio.Event().wait()  # until the run ends as held
            await self.gates.ended(step)
        self._keeper.ended(step)
        self._done[step.id].set()

    async def _enter(self, step: Step) -> bool:
        """Begin a step when nothing holds it; False: it waits for a word, and lets others have the turn."""
        await self.control.enter_step(step)
        await self._queues.take(step)
        while (waits := self.gates.holds(step)) or self.control.reasons(step):
            self._queues.give_back(step)
            await self.control.leave_step()
            if waits:
                return False
            await self.control.enter_step(step)
            await self._queues.take(step)
        return True

    def _given_up(self, step: Step) -> bool:
        return is_left_out(step, self._run, self.state)

    async def _wait_for_time(self, step: Step) -> None:
        """Wait for the planned start and for what must pass before, but past no window's end."""
        windows = self._watch.ending_with(step)
        for window in windows:
            await self._done[window.start.step].wait()
        while True:
            await self.gates.pass_step(step)
            planned_s = self._journal.began_s + self._timetable[step.id][0]
            due_s = self._times.due_s(step, windows, planned_s)
            if (left_s := due_s - self._journal.clock.monotonic_s()) <= MOMENT_S:
                return
            await self._timetable.pause(left_s)

    async def _execute(self, step: Step) -> None:
        """Enter a step until it is done, or something else was decided about it."""
        structlog.contextvars.bind_contextvars(step=step.id)
        step = seated(step, self.state)
        self._times.started(step.id, self._journal.clock.monotonic_s())
        claim = {"title": step.title, "kind": step.kind, "epoch": self.state.epoch}
        self._journal.record("step.claimed", step.id, claim, sync=False)
        self._keeper.began(step)
        self._watch.judge(step, "start")
        step = take_over_removals(step, self._run, self.state)
        outcome, attempt = None, 0
        while outcome is None:
            attempt += 1
            bench = self._bench(step)
            try:
                outcome = await kind_of(step).execute(bench)
            except asyncio.CancelledError as error:
                self._salvage.broken(step, bench, error)
                raise
            except (InstrumentError, RefusedError) as error:
                if not await self._salvage.overcome(step, bench, error, attempt):
                    return
        self._times.ended(step.id, self._journal.clock.monotonic_s())
        for reading in outcome.readings:
            self._journal.record("reading.taken", step.id, dict(reading), sync=False)
        if outcome.doubt:
            self.gates.doubt(step.plate, outcome.doubt)
        self._journal.record("step.done", step.id, {"evidence": dict(outcome.evidence)})
        self._watch.judge(step, "end")
        log.info("step.run.completed", step=step.id, title=step.title)

    def _bench(self, step: Step) -> StepBench:
        return StepBench(
            step,
            journal=self._journal,
            instruments=self._instruments,
            times=self._times,
            slack=self._slack,
            gate=self.control,
            bytes_sent=self._bytes_sent,
        )
