"""Drives one run in its folder: lock, ledger, black box, instruments, engine, evaluation."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from platectl.app.channel import Channel, control_path
from platectl.app.desk import Desk
from platectl.app.emergency import keep_lab
from platectl.app.evaluation import EvaluatedPlate, Terms, evaluate_run
from platectl.app.evaluation.terms import rules_of
from platectl.app.judge import JudgeApart, JudgeHere
from platectl.app.recorder import WireRecorder
from platectl.app.replan import Replanner
from platectl.app.signals import Signals
from platectl.app.site import SimulatedSite, Site
from platectl.app.waiting import wait_for
from platectl.app.wire import connect_lab
from platectl.domain.errors import FencedError, StoreError
from platectl.domain.events import Event
from platectl.domain.policy import Policy
from platectl.domain.run import Addition, CompiledRun
from platectl.engine.ending import RunOutcome
from platectl.engine.ports import Judge, Watcher
from platectl.engine.questions import Person
from platectl.engine.run import Engine
from platectl.engine.state import RunState
from platectl.engine.suspenders import Suspenders
from platectl.simkit.world import World
from platectl.store.heartbeat import Heartbeat
from platectl.store.kept_run import with_added
from platectl.store.ledger import Ledger, Seal
from platectl.store.lock import Owner, RunLock
from platectl.transport.control_socket import ControlServer
from platectl.transport.wall_clock import WallClock

#: name of the frozen document that holds the findings of the preflight
PREFLIGHT: Final = "preflight"


@dataclass(slots=True)
class Finished:
    """How a run went; `world` is what stood behind the simulators, for those who ask for truth.

    `run` has the plates that joined it.
    """

    outcome: RunOutcome
    plates: list[EvaluatedPlate]
    events: list[Event]
    started: str
    finished: str
    world: World | None = None
    seal: Seal | None = None
    run: CompiledRun | None = None


@dataclass(slots=True)
class Drive:
    """Everything that one engine needs in a run folder; made by `open_run`."""

    folder: Path
    site: Site
    owner: Owner
    lock: RunLock
    ledger: Ledger
    recorder: WireRecorder
    watch: Watcher | None
    persons: tuple[Person, ...] = ()

    def run(self, run: CompiledRun, policy: Policy, state: RunState | None = None) -> Finished:
        """Run from the start, or from a state, to the end; then evaluate the plates."""
        try:
            with _rare_collections():
                outcome = self.site.run(self._run(run, policy, state))
        except FencedError:
            raise
        except StoreError as error:
            if not self.ledger.seal().entries:
                raise  # nothing was begun
            raise StoreError(
                f"{error}; nothing more was sent, instruments finish what they were told; "
                f"`platectl resume {self.folder.name}` goes on when that is mended"
            ) from error
        events, seal = list(self.ledger.events()), self.ledger.seal()
        started, finished = (events[0].wall, events[-1].wall) if events else ("", "")
        world = self.site.world if isinstance(self.site, SimulatedSite) else None
        run = with_added(run, events)
        plates = evaluate_run(run, events, Terms(rules_of(self.ledger)))
        return Finished(outcome, plates, events, started, finished, world, seal, run)

    async def _run(self, run: CompiledRun, policy: Policy, state: RunState | None) -> RunOutcome:
        async with AsyncExitStack() as stack:
            desk = Desk()
            if state is None and run.starts is not None:
                called_off = await wait_for(run.starts, self.site.clock, self.folder)
                if called_off:
                    return RunOutcome("stopped", called_off)
            behind = await stack.enter_async_context(self.site.behind())
            wall = self.site.clock.now().isoformat()
            epoch = self.ledger.claim(str(self.owner), wall)
            if state is None:
                self._enter_preflight(wall)
            reach = partial(
                connect_lab, run.lab, clock=self.site.clock, folder=self.folder,
                recorder=self.recorder, behind=behind, guard=self.lock.check, owner=self.owner,
                console=desk.connect, qualified=run.qualified,
            )  # fmt: skip
            connection = await stack.enter_async_context(
                reach(used_instruments(run), observe=state is not None)
            )
            keep_lab(self.folder, run.lab, used_instruments(run))
            suspenders = Suspenders(
                run.lab.suspenders, self.site.clock, self.site.clock.monotonic_s()
            )
            engine = Engine(
                run,
                clock=self.site.clock,
                instruments=connection.instruments,
                ledger=self.ledger,
                policy=policy,
                watch=self.watch,
                state=state,
                began_s=None if state is None else self.site.began_s(state),
                owner={"epoch": epoch, "owner": asdict(self.owner)},
                bytes_sent=self.recorder.bytes_sent,
                persons=self.persons,
                suspension=suspenders,
                judge=self._judge(run, stack),
                replanner=Replanner(run, apart=not run.lab.simulated),
            )

            async def connect(addition: Addition) -> None:
                """Reach instruments that the run had no use for so far."""
                new = used_instruments(run.model_copy(update={"steps": addition.steps}))
                if missing := tuple(name for name in new if name not in connection.instruments):
                    more = await stack.enter_async_context(reach(missing))
                    connection.instruments |= more.instruments
                    keep_lab(self.folder, run.lab, tuple(connection.instruments))

            channel = Channel(engine, desk, asyncio.get_running_loop(), connect)
            stack.enter_context(ControlServer(control_path(self.folder), channel.handle))
            if run.lab.suspenders:
                signals = Signals(
                    run.lab.suspenders, suspenders, clock=self.site.clock, folder=self.folder,
                    instruments=connection.instruments, borrow=engine.borrow,
                )  # fmt: skip
                stack.callback(asyncio.create_task(signals.run()).cancel)
            stack.push_async_callback(self._last_beat, engine)
            if self.site.beats_every_s is not None:
                pulse = asyncio.create_task(self._pulse(engine, self.site.beats_every_s))
                stack.callback(pulse.cancel)
            return await engine.run()

    def _enter_preflight(self, wall: str) -> None:
        """Write what the preflight found and who overrode it, unless an earlier start did."""
        if not self.ledger.has_frozen(PREFLIGHT) or self.ledger.last() is not None:
            return
        for kind, data in json.loads(self.ledger.frozen(PREFLIGHT)):
            self.ledger.append(Event(kind, "", wall, 0.0, data))

    def _judge(self, run: CompiledRun, stack: AsyncExitStack) -> Judge:
        """Whoever judges plates while others have not begun."""
        if run.lab.simulated:
            return JudgeHere(run, self.ledger)
        apart = JudgeApart(self.folder)
        stack.callback(apart.close)
        return apart

    async def _pulse(self, engine: Engine, every_s: float) -> None:
        """Say again and again that the engine lives, and what it does."""
        while True:
            self._beat(engine)
            await asyncio.sleep(every_s)

    async def _last_beat(self, engine: Engine) -> None:
        self._beat(engine)

    def _beat(self, engine: Engine) -> None:
        clock = self.site.clock
        Heartbeat(self.folder).beat(
            state=engine.state.status,
            wall=clock.now().isoformat(),
            monotonic_s=clock.monotonic_s(),
            planned_end_s=engine.left_s(),
            questions=len(engine.questions.open),
            steps=engine.under_way(),
        )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: a run makes little, and what it was made from stays."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def open_run(
    folder: Path, site: Site, *, watch: Watcher | None = None, record_wire: bool = True,
    ledger_path: Path | str | None = None, force: bool = False, persons: tuple[Person, ...] = (),
) -> Iterator[Drive]:  # fmt: skip
    """Take a run folder over and open what is in it; closes all of it at the end.

    Raises:
        StoreError: Another living process drives the run, or the disk refuses.
    """
    owner = Owner.me("platectl", WallClock().now().isoformat(timespec="seconds"))
    lock = RunLock(folder, owner, force=force)
    try:
        ledger = Ledger(ledger_path or folder / "ledger.db", for_power_cuts=site.outlives_power)
        recorder = WireRecorder(folder / "wire" if record_wire else None, site.clock)
        try:
            yield Drive(folder, site, owner, lock, ledger, recorder, watch, persons)
        finally:
            recorder.close()
            ledger.close()
    finally:
        lock.release()


def used_instruments(run: CompiledRun) -> tuple[str, ...]:
    """Instruments of the lab that a run uses, people and watched temperatures included."""
    used = {r for step in run.steps for r in step.resources}
    used |= {s.parts[1] for s in run.lab.suspenders.values() if s.parts[0] == "temperature"}
    asked = {step.params.get("operator") for step in run.steps}
    return tuple(name for name in run.lab.instruments if name in used or name in asked)
