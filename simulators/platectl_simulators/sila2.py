"""Simulated devices behind SiLA 2 servers, from the server's side of `platectl.transport.sila`.

Which command stands for which verb it learns from the driver's settings, as a server would be asked in
its own words; a command that the lab file does not map is unknown to it. Executions go on when a
conversation closes, and are remembered by the key under which they were begun.

Faults, one occasion for each command: `not_accepted`, `defined_error` (`code`), `undefined_error`,
`recoverable` (asks for one of `retry` and `skip`; given up it is a defined error), `forgets` (what
was begun before is forgotten); and the wire faults `silent`, `reply_lost`, `late_reply`
(`delay_s`), `garbled_reply`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from platectl.domain import frames
from platectl.domain.errors import DisconnectedError, MalformedReplyError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, note_mishap, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import WorldError

BEAT_S: Final = 2.0
SPACE: Final = uuid.UUID("b5b2ff9a-9f0c-4d55-8a0e-6a0f7f6c2b11")
#: how an execution ended, until it ends otherwise
STOPPED: Final = ("fault", "Stopped", "it was stopped", None)
OPTIONS: Final = (("retry", "do it again"), ("skip", "leave it as it is"))


class _ServerError(Exception):
    def __init__(self, kind: str, code: str, says: str) -> None:
        super().__init__(says)
        self.kind, self.code = kind, code


class SilaServerSimulator:
    """One server with one device; see the module."""

    kind: ClassVar[str] = ""
    #: verb -> how long it takes, besides `duration_s`
    takes_s: ClassVar[Mapping[str, float]] = {}

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        verbs: Mapping[str, Any] = setup.settings.get("verbs", {})
        self._calls = {
            call["command"]: (verb, number, call.get("parameters", {}))
            for verb, calls in verbs.items() for number, call in enumerate(calls)
        }  # fmt: skip
        self._readings: Mapping[str, Any] = setup.settings.get("readings", {})
        self._stops = [call["command"] for call in setup.settings.get("abort", ())]
        self._doing: dict[str, asyncio.Task[Any]] = {}
        self._ends: dict[str, tuple[str, str, str, Any]] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._chosen: dict[str, asyncio.Future[str]] = {}
        self._begun = 0

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation; what is under way when it closes goes on to its end."""
        tasks = set[asyncio.Task[None]]()

        async def answer(number: int, **fields: Any) -> None:
            with contextlib.suppress(DisconnectedError):
                await send_reply(
                    stream, frames.encode({"id": number, **fields}), self._setup.faults
                )

        async def attend(asked: Mapping[str, Any]) -> None:
            number = int(asked["id"])
            try:
                await answer(number, ok=await self._do(asked, lambda **f: answer(number, **f)))
            except _ServerError as error:
                await answer(number, kind=error.kind, code=error.code, says=str(error))

        async def handle(line: bytes) -> None:
            if await is_silent(self._setup.faults):
                return
            with contextlib.suppress(MalformedReplyError):
                task = asyncio.create_task(attend(frames.decode(line)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        try:
            await serve_lines(stream, handle, end=frames.END)
            await asyncio.gather(*tasks, *self._doing.values(), return_exceptions=True)
        finally:
            for task in (*tasks, *self._doing.values()):
                task.cancel()

    async def _do(self, asked: Mapping[str, Any], say: Callable[..., Any]) -> Any:
        given = asked["with"]
        if asked["do"] == "hello":
            features = {c.partition(".")[0] for c in (*self._calls, *self._stops)}
            features |= {r["property"].partition(".")[0] for r in self._readings.values()}
            return {
                "name": self._setup.name, "type": f"Simulated{self.kind}", "version": "1.0",
                "uuid": str(uuid.uuid5(SPACE, self._setup.name)),
                "features": sorted(f"org.platectl/simulated/{f}/v1" for f in features),
            }  # fmt: skip
        if asked["do"] == "get":
            return self._get(given["property"])
        if asked["do"] == "recall":
            return {
                k: self._state(k)
                for k in (*self._ends, *self._doing)
                if k.startswith(given["action"])
            }
        if asked["do"] == "recover":
            return self._recover(given["execution"], given["option"])
        if asked["do"] == "call":
            return await self._call(
                asked.get("key", ""), given["command"], given["parameters"], say
            )
        raise _ServerError("refused", "request", f"nothing is known of {asked['do']!r}")

    def _state(self, key: str) -> str:
        return "running" if key in self._doing else self._ends[key][0]

    def _recover(self, execution: str, option: str) -> None:
        if execution not in self._chosen:
            raise _ServerError("fault", "InvalidCommandExecutionUUID", "no error waits")
        self._chosen.pop(execution).set_result(option)

    def _get(self, name: str) -> float:
        for what, reading in self._readings.items():
            if reading["property"] == name and what == "temperature_c":
                celsius = self._setup.world.temperature_c(self._position)
                return float((celsius - reading.get("offset", 0.0)) / reading.get("scale", 1.0))
        raise _ServerError("refused", "command", f"the server has no {name}")

    async def _call(
        self, key: str, command: str, parameters: Mapping[str, Any], say: Callable[..., Any]
    ) -> Any:
        if command in self._stops and command not in self._calls:
            for task in self._doing.values():
                task.cancel()
            return {}
        if command not in self._calls:
            raise _ServerError("refused", "command", f"the server has no {command}")
        if self._setup.faults.strike("forgets"):
            self._ends.clear()
        if key in self._ends and self._ends[key][0] == "done":
            return self._ends[key][3]
        if key not in self._doing:
            self._begin(key, command, parameters)
        while (doing := self._doing.get(key)) is not None and not doing.done():
            await say(**self._told[key])
            await asyncio.wait({doing}, timeout=BEAT_S)
        kind, code, says, ok = self._ends[key]
        if kind != "done":
            raise _ServerError(kind, code, says)
        return ok

    def _begin(self, key: str, command: str, parameters: Mapping[str, Any]) -> None:
        if self._setup.faults.strike("not_accepted"):
            raise _ServerError("refused", "not_accepted", "busy with something else")
        self._begun += 1
        execution = str(uuid.uuid5(SPACE, f"{self._setup.name}.{self._begun}"))
        self._told[key] = {"execution": execution, "state": "running", "progress": 0.0}
        self._ends[key] = STOPPED
        task = self._doing[key] = asyncio.create_task(self._execute(key, command, parameters))
        task.add_done_callback(lambda _: self._doing.pop(key, None))

    async def _execute(self, key: str, command: str, parameters: Mapping[str, Any]) -> None:
        """Do it and keep how it ended; an abort is a defined error."""
        end: tuple[str, str, str, Any] = ("done", "", "", {})
        try:
            await self._carry_out(key, command, parameters)
        except _ServerError as error:
            end = (error.kind, error.code, str(error), None)
        except WorldError as error:
            note_mishap(self._setup, error)
            end = ("fault", error.reason, str(error), None)
        except asyncio.CancelledError:
            end = STOPPED
        self._ends[key] = end

    async def _carry_out(self, key: str, command: str, parameters: Mapping[str, Any]) -> None:
        verb, number, mapped = self._calls[command]
        faults = self._setup.faults
        if (wrong := faults.strike("defined_error")) is not None:
            raise _ServerError("fault", str(wrong.data.get("code", "Jammed")), "it does not move")
        if faults.strike("recoverable") and await self._asked(key, command) != "retry":
            raise _ServerError("fault", "Jammed", "it does not move")
        arguments = {
            parameter["of"]: (float(parameters[name]) - parameter.get("offset", 0.0)) / parameter.get("scale", 1.0)
            for name, parameter in mapped.items() if parameter.get("of")
        }  # fmt: skip
        takes_s = self.takes_s.get(verb, 0.5) + arguments.get("duration_s", 0.0)
        await asyncio.sleep(
            self._setup.world.takes_s(self._setup.name, takes_s) if takes_s else 0.0
        )
        if number == 0:
            self.act(verb, arguments)
        if faults.strike("undefined_error"):
            raise _ServerError("unknown", "undefined", "it smells")

    async def _asked(self, key: str, command: str) -> str:
        execution = self._told[key]["execution"]
        self._chosen[execution] = asyncio.get_running_loop().create_future()
        self._told[key]["recoverable"] = {
            "ErrorIdentifier": "Jammed", "CommandIdentifier": command, "CommandExecutionUUID": execution,
            "ErrorTime": self._setup.clock.now().isoformat(), "ErrorMessage": "it does not move",
            "ContinuationOptions": [
                {"Identifier": name, "Description": says, "RequiredInputData": ""} for name, says in OPTIONS
            ],
            "DefaultOption": "skip", "AutomaticSelectionTimeout": 0,
        }  # fmt: skip
        try:
            return await self._chosen[execution]
        finally:
            del self._told[key]["recoverable"]

    def act(self, verb: str, arguments: Mapping[str, float]) -> None:
        """Let it happen in the world."""
        if verb == "set_temperature":
            self._setup.world.set_temperature(self._position, arguments["temperature_c"])
        elif verb == "stop_heating":
            self._setup.world.set_temperature(self._position, None)


class SilaThermostatServer(SilaServerSimulator):
    """A heated nest."""

    kind = "Thermostat"


class SilaShakerServer(SilaServerSimulator):
    """A heated shaker."""

    kind = "Shaker"
    takes_s: ClassVar[Mapping[str, float]] = {"shake": 3.0}

    def act(self, verb: str, arguments: Mapping[str, float]) -> None:
        """Shake, too."""
        if verb == "shake":
            self._setup.world.shake(self._position)
        else:
            super().act(verb, arguments)


class SilaSealerServer(SilaServerSimulator):
    """A heat sealer."""

    kind = "Sealer"
    takes_s: ClassVar[Mapping[str, float]] = {"seal": 8.0}

    def act(self, verb: str, arguments: Mapping[str, float]) -> None:
        """Seal."""
        del verb, arguments
        self._setup.world.seal(self._position)


class SilaIncubatorServer(SilaServerSimulator):
    """An incubator; `slots` of the settings are its positions by number."""

    kind = "Incubator"
    takes_s: ClassVar[Mapping[str, float]] = {"store": 12.0, "fetch": 12.0}

    def act(self, verb: str, arguments: Mapping[str, float]) -> None:
        """Carry a plate between the station and a slot."""
        if verb not in {"store", "fetch"}:
            super().act(verb, arguments)
            return
        world = self._setup.world
        places = self._setup.settings["slots"]
        slot = places[str(round(arguments["slot"]))]
        source, target = (self._position, slot) if verb == "store" else (slot, self._position)
        labware = world.lift(source)
        if labware is None:
            raise WorldError("nothing_there", f"nothing stands at {source}")
        world.set_down(labware, target)
