"""Runs and their commands: states, queue, actions, and what the server shows of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from platectl.domain.clock import Clock
from platectl.simkit.faults import FaultPlan
from platectl_simulators.opentrons.belief import CommandFailedError
from platectl_simulators.opentrons.commands import Machine
from platectl_simulators.opentrons.replies import refuse

OVER: Final = ("stopped", "succeeded", "failed")


@dataclass(slots=True)
class Command:
    """One command of a run; `done` is set when it succeeded or failed."""

    id: str
    key: str
    type: str
    params: Mapping[str, Any]
    intent: str
    created_at: str
    status: str = "queued"
    started_at: str = ""
    completed_at: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    met_door: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def shown(self, *, with_result: bool = True) -> dict[str, Any]:
        """As the server shows it; lists leave the result out."""
        data: dict[str, Any] = {
            "id": self.id,
            "createdAt": self.created_at,
            "commandType": self.type,
            "key": self.key,
            "status": self.status,
            "params": self.params,
        }
        if with_result and self.result is not None:
            data["result"] = self.result
        if self.error is not None:
            data["error"] = self.error
        if self.started_at:
            data["startedAt"] = self.started_at
        if self.completed_at:
            data["completedAt"] = self.completed_at
        return data | {"intent": self.intent, "notes": []}


class Run:
    """One run; carries its commands out one after another in a task that ends with the queue."""

    def __init__(
        self,
        id_: str,
        machine: Machine,
        *,
        clock: Clock,
        faults: FaultPlan,
        new_id: Callable[[], str],
        protocol_id: str = "",
    ) -> None:
        self.id = id_
        self.protocol_id = protocol_id
        self.machine = machine
        self.state = "idle"
        self.current = True
        self.played = False
        self.ok = True
        self.commands: dict[str, Command] = {}
        self._clock = clock
        self._faults = faults
        self._new_id = new_id
        self._created_at = self._stamp()
        self._actions: list[dict[str, Any]] = []
        self._queue: deque[Command] = deque()
        self._program: deque[Command] = deque()
        self._worker: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being carried out or the run was played and is not over."""
        working = self._worker is not None and not self._worker.done()
        return self.state not in OVER and (working or self.state != "idle")

    def shown(self) -> dict[str, Any]:
        """As the server shows it."""
        data: dict[str, Any] = {
            "id": self.id,
            "ok": self.ok,
            "createdAt": self._created_at,
            "status": self.state,
            "current": self.current,
            "actions": self._actions,
            "errors": [],
        }
        if self.protocol_id:
            data["protocolId"] = self.protocol_id
        if not self.ok:
            detail = "The run was not ended properly and its data cannot be read."
            error = {"id": "InvalidStoredData", "title": "Invalid Stored Data", "detail": detail}
            data["dataError"] = error | {"errorCode": "4008"}
        pipettes = self.machine.belief.pipettes.values()
        labware = self.machine.belief.labware.values()
        return data | {
            "pipettes": [{"id": p.id, "pipetteName": p.name} for p in pipettes],
            "labware": [{"id": w.id, "loadName": w.definition.load_name} for w in labware],
        }

    def add(self, body: Mapping[str, Any], params: Mapping[str, Any]) -> Command:
        """Take a command into the queue of its intent.

        Raises:
            RefusedRequestError: The state of the run does not allow it.
        """
        intent = body.get("intent", "setup")
        if self.state in OVER or not self.current:
            raise refuse(409, "RunStopped", "Run Stopped", f"Run {self.id} is not the current run.")
        recovering = self.state.startswith("awaiting-recovery")
        if intent == "fixit" and not recovering:
            raise refuse(500, "UnexpectedError", "Unexpected Internal Error", "Not in recovery.")
        if intent == "setup" and (self.played or recovering):
            detail = f"Setup commands are not allowed while the run is {self.state}."
            raise refuse(409, "SetupCommandNotAllowed", "Setup Command Not Allowed", detail)
        id_ = self._new_id()
        key = body.get("key") or id_
        command = Command(id_, key, body["commandType"], params, intent, self._stamp())
        self.commands[id_] = command
        (self._program if intent == "protocol" else self._queue).append(command)
        self._kick()
        return command

    def act(self, kind: str) -> dict[str, Any]:
        """Carry out an action.

        Raises:
            RefusedRequestError: The state of the run does not allow it.
        """
        if self.state in OVER or not self.current:
            raise refuse(409, "RunStopped", "Run Stopped", f"Run {self.id} is not the current run.")
        if kind == "pause" and self.state != "running":
            detail = "Cannot pause a run that is not running."
            raise refuse(409, "RunActionNotAllowed", "Run Action Not Allowed", detail, code="3000")
        action = {"id": self._new_id(), "createdAt": self._stamp(), "actionType": kind}
        self._actions.append(action)
        if kind == "stop":
            self.stop()
        elif kind == "play":
            self.state, self.played = "running", True
            self.machine.resumed.set()
            self._kick()
        elif kind == "pause":
            self.state = "paused"
        elif self.state.startswith("awaiting-recovery"):
            self.state = "running" if self.played else "idle"
            self._kick()
        return action

    def stop(self, state: str = "stopped") -> None:
        """Stop motion; what is under way fails, what is queued is never carried out."""
        self.state = state
        for command in (*self._queue, *self._program):
            command.done.set()  # nobody need wait for what stays queued for ever
        self._queue.clear()
        self._program.clear()
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()

    def forget(self) -> None:
        """Lose everything but the fact that there was a run."""
        self.stop()
        self.ok, self.current = False, False
        self.commands.clear()

    async def settle(self) -> None:
        """Wait until nothing is being carried out."""
        if self._worker is not None:
            await asyncio.wait([self._worker])

    def _kick(self) -> None:
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while (command := self._next()) is not None:
            fault = None if command.met_door else self._faults.strike("door_open")
            if fault is not None:
                command.met_door = True
                self._return(command)
                self._open_door(fault.data.get("for_s"))
                return
            await self._carry_out(command)
        if self.played and self.state == "running":
            self.state = "succeeded"

    def _next(self) -> Command | None:
        if self._queue:
            return self._queue.popleft()
        if self._program and self.state == "running":
            return self._program.popleft()
        return None

    def _return(self, command: Command) -> None:
        (self._program if command.intent == "protocol" else self._queue).appendleft(command)

    def _open_door(self, for_s: Any) -> None:
        before, self.state = self.state, "blocked-by-open-door"

        def close() -> None:
            if self.state == "blocked-by-open-door":
                self.state = before
                self._kick()

        if for_s is not None:
            asyncio.get_running_loop().call_later(float(for_s), close)

    async def _carry_out(self, command: Command) -> None:
        command.status, command.started_at = "running", self._stamp()
        try:
            command.result = await self.machine.execute(command.type, command.params)
            command.status = "succeeded"
        except CommandFailedError as error:
            self._fail(command, error)
            if error.run and self.state not in OVER:
                self.state = error.run
                self._queue.clear()
        except asyncio.CancelledError:
            self._fail(command, CommandFailedError("RunStoppedError", "Run was cancelled"))
            raise
        finally:
            command.completed_at = self._stamp()
            command.done.set()

    def _fail(self, command: Command, error: CommandFailedError) -> None:
        command.status = "failed"
        command.error = {
            "id": self._new_id(),
            "createdAt": self._stamp(),
            "isDefined": error.defined,
            "errorType": error.kind,
            "errorCode": error.code,
            "detail": error.detail,
            "errorInfo": error.info,
            "wrappedErrors": [],
        }

    def _stamp(self) -> str:
        return self._clock.now().isoformat()
