"""Runs a compiled run: every step when its time, its predecessors and its resources allow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError, LinkError, PlatectlError, RunAbortedError
from platectl.domain.events import Event, EventKind
from platectl.domain.run import CompiledRun
from platectl.domain.steps import Anchor, Step
from platectl.engine.bench import StepBench
from platectl.engine.ports import EventSink, Watcher
from platectl.engine.resources import ResourceQueues
from platectl.engine.times import StepTimes
from platectl.steps import kind_of

log = structlog.get_logger()
Status = Literal["done", "failed", "aborted"]


@dataclass(slots=True)
class RunOutcome:
    """How a run ended. `error` is the first error, in plain words; `in_doubt` names steps."""

    status: Status
    error: str = ""
    in_doubt: tuple[str, ...] = ()
    readings: list[dict[str, Any]] = field(default_factory=list)


class Engine:
    """Executes one compiled run.

    Lifetime: built for one run, `run` is called once. Instruments are connected before.
    Concurrency: one task for each step; resources are handed out in planned order, so that no
    two steps use an instrument at once and none waits in a circle.

    Nothing is sent before its entry is durable. A step whose outcome is unknown ends the run as
    in doubt; it is never sent again.
    """

    def __init__(
        self,
        run: CompiledRun,
        *,
        clock: Clock,
        instruments: Mapping[str, Any],
        ledger: EventSink,
        watch: Watcher | None = None,
    ) -> None:
        self._run = run
        self._clock = clock
        self._instruments = instruments
        self._ledger = ledger
        self._watch = watch
        self._times = StepTimes()
        self._queues = ResourceQueues(run.steps)
        self._done = {step.id: asyncio.Event() for step in run.steps}
        self._readings: list[dict[str, Any]] = []
        self._in_doubt: list[str] = []
        self._began_s = 0.0

    async def run(self) -> RunOutcome:
        """Run all steps; returns how it ended. Cancelling it stops safely: instruments are aborted."""
        self._began_s = self._clock.monotonic_s()
        begun = {"hash": self._run.hash(), "steps": len(self._run.steps), "clock_s": self._began_s}
        self._record("run.started", "", begun)
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._run.steps:
                    group.create_task(self._step(step), name=step.id)
        except asyncio.CancelledError:
            await self._abort_all()
            self._record("run.aborted", "", {"in_doubt": self._in_doubt})
            raise
        except ExceptionGroup as errors:
            return await self._failed(errors)
        self._record("run.finished", "", {"readings": len(self._readings)})
        return RunOutcome("done", readings=self._readings)

    async def _failed(self, errors: ExceptionGroup[Exception]) -> RunOutcome:
        first: Exception = errors
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        await self._abort_all()
        if not isinstance(first, (PlatectlError, OSError)):
            self._record("run.failed", "", {"error": repr(first), "in_doubt": self._in_doubt})
            raise first
        status: Status = "aborted" if isinstance(first, RunAbortedError) else "failed"
        data = {"error": str(first), "type": type(first).__name__, "in_doubt": self._in_doubt}
        self._record("run.aborted" if status == "aborted" else "run.failed", "", data)
        return RunOutcome(status, str(first), tuple(self._in_doubt), self._readings)

    async def _step(self, step: Step) -> None:
        for before in step.after:
            await self._done[before].wait()
        await self._wait_for_time(step)
        async with self._queues.turn(step):
            await self._execute(step)
        self._done[step.id].set()

    async def _wait_for_time(self, step: Step) -> None:
        due_s = self._began_s + (step.planned_start_s if not step.after else 0.0)
        if step.not_before is not None:
            due_s = max(due_s, self._times.moment_s(step.not_before))
        for window in self._run.windows:
            if window.end == Anchor(step=step.id, edge="start") and window.at_least_s:
                await self._done[window.start.step].wait()
                due_s = max(due_s, self._times.moment_s(window.start) + window.at_least_s)
        if (left_s := due_s - self._clock.monotonic_s()) > 0:
            await asyncio.sleep(left_s)

    async def _execute(self, step: Step) -> None:
        structlog.contextvars.bind_contextvars(step=step.id)
        bench = StepBench(
            step.id,
            clock=self._clock,
            instruments=self._instruments,
            times=self._times,
            record=self._record,
        )
        self._times.started(step.id, self._clock.monotonic_s())
        self._record("step.claimed", step.id, {"title": step.title, "kind": step.kind}, sync=False)
        self._judge(step, "start")
        try:
            outcome = await kind_of(step).execute(bench)
        except (InstrumentError, asyncio.CancelledError) as error:
            self._broken(step, bench, error)
            raise
        self._times.ended(step.id, self._clock.monotonic_s())
        for reading in outcome.readings:
            self._readings.append({"step": step.id, **reading})
            self._record("reading.taken", step.id, dict(reading), sync=False)
        self._record("step.done", step.id, {"evidence": dict(outcome.evidence)})
        self._judge(step, "end")
        log.info("step.run.completed", step=step.id, title=step.title)

    def _broken(self, step: Step, bench: StepBench, error: BaseException) -> None:
        data = {"error": str(error) or type(error).__name__, "type": type(error).__name__}
        if isinstance(error, InstrumentError):
            error.instrument = error.instrument or bench.instrument_in_use
            data["instrument"] = error.instrument
        unknown = isinstance(error, (LinkError, asyncio.CancelledError))
        doubtful = bench.sent and unknown and step.effect in {"consume", "place", "shot"}
        if doubtful:
            self._in_doubt.append(step.id)
        self._record("step.in_doubt" if doubtful else "step.failed", step.id, data)

    def _judge(self, step: Step, edge: str) -> None:
        for window, elapsed_s, verdict in self._times.judge(self._run.windows, step.id, edge):
            data = {
                "window": window.name,
                "plate": window.plate,
                "elapsed_s": round(elapsed_s, 3),
                "hard": window.hard,
            }
            if verdict:
                log.warning("window.watch.failed", window=window.name, verdict=verdict)
                self._record("window.broken", step.id, {**data, "verdict": verdict})
            else:
                self._record("window.kept", step.id, data, sync=False)

    async def _abort_all(self) -> None:
        async def abort(instrument: Any) -> None:
            try:
                async with asyncio.timeout(5.0):
                    await instrument.abort()
            except (InstrumentError, TimeoutError) as error:
                log.warning("instrument.abort.failed", error=str(error))

        await asyncio.gather(*(abort(i) for i in self._instruments.values()))

    def _record(
        self, kind: EventKind, step: str, data: Mapping[str, Any], *, sync: bool = True
    ) -> None:
        now_s = round(self._clock.monotonic_s() - self._began_s, 6)
        event = Event(kind, step, self._clock.now().isoformat(), now_s, data)
        self._ledger.append(event, sync=sync)
        if self._watch is not None:
            self._watch(event)
