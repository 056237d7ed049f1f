"""The bench of one running step: its instruments, its ledger entries, its deadlines."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from platectl.domain.clock import Clock
from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    OutcomeUnknownError,
    RefusedError,
    StoreError,
)
from platectl.domain.events import EventKind
from platectl.domain.steps import Anchor, Effect, Step
from platectl.engine.journal import Journal
from platectl.engine.ports import Gate
from platectl.engine.settle import settle
from platectl.engine.slack import Slack
from platectl.engine.state import REPEATABLE, ActionState
from platectl.engine.times import StepTimes
from platectl.hal.recovery import ACTION_ID, Verdict
from platectl.steps import kind_of

Do = Callable[[], Awaitable[Any]]

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
#: pieces of a result that cannot be had again
DURABLE = frozenset({"addition.seen", "frame.taken"})


class StepBench:
    """Satisfies `platectl.steps.bench.Bench` for one step, in one attempt.

    The n-th action of a step is `<step>:<n>`; after a failure it is sent anew as `<step>:<n>.<k>`.
    Entering the step again counts from 1 again and meets the same actions in the ledger.
    """

    def __init__(
        self,
        step: Step,
        *,
        journal: Journal,
        instruments: Mapping[str, Any],
        times: StepTimes,
        slack: Slack,
        gate: Gate,
        bytes_sent: Callable[[str], str],
    ) -> None:
        self._step = step
        self._journal = journal
        self._instruments = instruments
        self._times = times
        self._slack = slack
        self._gate = gate
        self._bytes_sent = bytes_sent
        self._numbers = count(1)
        self.instrument_in_use = ""
        self.action: ActionState | None = None

    @property
    def clock(self) -> Clock:
        """Time of the run."""
        return self._journal.clock

    @property
    def step_id(self) -> str:
        """Identity of the running step."""
        return self._step.id

    def instrument(self, name: str) -> Any:
        """Return a connected driver."""
        self.instrument_in_use = name
        return self._instruments[name]

    async def act(
        self,
        instrument: str,
        verb: str,
        do: Do,
        *,
        effect: Effect | None = None,
        follow: Do | None = None,
        **arguments: Any,
    ) -> Any:
        """Do one action at most once; see `platectl.steps.bench.Bench`."""
        self.instrument_in_use = instrument
        base = f"{self.step_id}:{next(self._numbers)}"
        arguments = json.loads(_encode(arguments))
        effect = effect or self._step.effect
        known = self._latest(base)
        _check_same(known, instrument, verb)
        send = partial(self._send, instrument, verb, arguments, effect)
        if known is None or (effect in REPEATABLE and not follow):
            return await send(base, do)
        if known.status == "acked":
            return known.result
        if known.open:
            await self._settle(known, follow=follow is not None)
        if follow is not None and known.fate in {"done", "running"}:
            return await send(known.id, follow)
        if known.over:
            return known.result
        if known.status == "resolved" and known.remembered:
            return await send(known.id, do)
        self._check_known(known, effect)
        return await send(self._next_id(base, known), do)

    async def _settle(self, known: ActionState, *, follow: bool) -> None:
        """Have the instrument say what became of an action, and write it down."""
        instrument = self._instruments[known.instrument]
        verdict = await settle(instrument, known, clock=self.clock, follow=follow)
        self._journal.resolve(known, verdict, by=known.instrument)
        if verdict.fate == "partial" and not verdict.remembered:
            self._drop_unserved(verdict, known.instrument)

    def _check_known(self, known: ActionState, effect: Effect) -> None:
        """Refuse to send an action again that may have happened.

        Raises:
            OutcomeUnknownError: Nobody has said that it did not.
        """
        harmless = effect in REPEATABLE and known.fate != "running"
        if known.status == "resolved" and known.fate != "not_done" and not harmless:
            self.action = known
            raise OutcomeUnknownError(
                f"nobody knows whether {known.verb} of {known.instrument} took place ({known.id}, "
                f"sent at {known.wall}); it is not sent again",
                instrument=known.instrument,
            )

    def _drop_unserved(self, verdict: Verdict, by: str) -> None:
        """Give up the wells that an action left out; the others are as they should be."""
        moves = kind_of(self._step).liquid_moves()
        meant = dict.fromkeys(move.target[1] for move in moves if move.target is not None)
        lost = [well for well in meant if well not in verdict.wells]
        data = {"plate": self._step.plate, "wells": lost,
                "reason": f"left out by {by} in {self._step.title}"}  # fmt: skip
        self._journal.record("wells.dropped", self.step_id, data)

    def told(self, step: str, verb: str) -> Any:
        """What the last action of a verb gave in an earlier step."""
        known = self._journal.state.steps.get(step)
        actions = known.actions.values() if known is not None else ()
        found = [a.result for a in actions if a.verb == verb and a.status == "acked"]
        return found[-1] if found else None

    def seen(self, piece: tuple[int, int, str]) -> float | None:
        """Time of a frame's first well if the ledger has it already."""
        return self._journal.state.steps[self.step_id].frames.get(piece)

    def added(self, well: str) -> bool:
        """Whether the addition to a well is in the ledger already."""
        return well in self._journal.state.steps[self.step_id].additions

    def note(self, **detail: Any) -> None:
        """Record an observation; durable with the next action."""
        self._journal.record("step.note", self.step_id, detail, sync=False)

    def observe(self, kind: EventKind, data: Mapping[str, Any]) -> None:
        """Record a piece of a result as it comes; pieces that come together share a sync."""
        if kind in DURABLE:
            self._journal.record_soon(kind, self.step_id, data)
        else:
            self._journal.record(kind, self.step_id, data, sync=False)

    def moment_s(self, anchor: Anchor) -> float:
        """Return an anchor's time on the clock."""
        return self._times.moment_s(anchor)

    def due(self) -> str:
        """When the step must be over so that no open window breaks, ISO 8601; empty: any time."""
        due_s = self._slack.due_s(self._step.plate, self._step.id)
        if due_s is None:
            return ""
        left = timedelta(seconds=round(due_s - self.clock.monotonic_s()))
        return (self.clock.now() + left).isoformat(timespec="seconds")

    async def wait_until(self, due_s: float) -> None:
        """Sleep to a deadline."""
        left_s = due_s - self.clock.monotonic_s()
        if left_s > 0:
            await asyncio.sleep(left_s)

    def _latest(self, base: str) -> ActionState | None:
        """The last attempt at an action."""
        state, found, attempt = self._journal.state, None, 0
        while (action := state.action(self.step_id, _numbered(base, attempt))) is not None:
            found, attempt = action, attempt + 1
        return found

    def _next_id(self, base: str, known: ActionState) -> str:
        return _numbered(base, int(known.id.removeprefix(base).lstrip(".") or 0) + 1)

    async def _send(
        self, instrument: str, verb: str, arguments: Mapping[str, Any], effect: Effect,
        action_id: str, do: Do,
    ) -> Any:  # fmt: skip
        await self._gate.pass_action(self._step)
        sent = {"instrument": instrument, "verb": verb, "arguments": arguments, "effect": effect}
        digest = hashlib.sha256(_encode(sent).encode()).hexdigest()
        self._bytes_sent(instrument)
        self._record("action.sent", {"action": action_id, **sent, "hash": digest})
        self.action = self._journal.state.action(self.step_id, action_id)
        token = ACTION_ID.set(action_id)
        try:
            result = await do()
        except (LinkError, asyncio.CancelledError) as error:
            self._ended("action.in_doubt", action_id, error)
            raise
        except (InstrumentFaultError, RefusedError) as error:
            self._ended("action.failed", action_id, error)
            raise
        finally:
            ACTION_ID.reset(token)
        acked = {"action": action_id, "bytes": self._bytes_sent(instrument), "result": result}
        if effect in REPEATABLE:
            self._record("action.acked", acked, sync=False)
        else:
            self._journal.record_soon("action.acked", self.step_id, acked)
        self.action = None
        return result

    def _ended(self, kind: EventKind, action_id: str, error: BaseException) -> None:
        said = {"error": str(error) or type(error).__name__, "type": type(error).__name__}
        self._record(kind, {"action": action_id, **said})

    def _record(self, kind: EventKind, data: Mapping[str, Any], *, sync: bool = True) -> None:
        self._journal.record(kind, self.step_id, data, sync=sync)


def _check_same(known: ActionState | None, instrument: str, verb: str) -> None:
    """Check that a step asks for the same actions as when it was entered before.

    Raises:
        StoreError: It does not; the ledger is of another version of the step.
    """
    if known is not None and (known.instrument, known.verb) != (instrument, verb):
        raise StoreError(
            f"{known.id} was {known.verb} of {known.instrument}, and is now {verb} of {instrument}"
        )


def _numbered(base: str, attempt: int) -> str:
    return f"{base}.{attempt}" if attempt else base
