"""Simulated modules on the deck of an Opentrons robot, seen through the robot's HTTP.

Source: the maker's robot server (robot-server/robot_server/commands and modules, 8.x) and its tests. Framing: HTTP/1.1
with JSON; `GET /modules`, `POST /commands`, `GET /commands/{id}`; commands are executed one after another. Assumed where
no source speaks: the latch takes 2 s, stopping at home 3 s, a module of 60 s (Heater-Shaker) or 120 s (Temperature
Module) follows its target.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from platectl.hal.stream import ByteStream
from platectl.simkit.chamber import Nest
from platectl.simkit.http import HangUpError, HttpReply, HttpRequest, serve_http
from platectl.simkit.simulator import SimulatorSetup, unnoticed

LATCH_S: Final = 2.0
STOP_S: Final = 3.0
RPM_PER_S: Final = 1000.0
Failed = tuple[str, str, str]


class _Deck:
    """The robot with one module; state survives reconnects.

    Faults: `silent`, `reply_lost` (executed, connection closed), `late_reply` (`delay_s`), `garbled_reply` and
    `run_active` (409) count posted commands, `fails` (`code`) commands that are executed.
    """

    model: ClassVar[str]
    serial_number: ClassVar[str]
    follow_s: ClassVar[float]

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._position = setup.position or setup.name
        self._commands: dict[str, dict[str, Any]] = {}
        self._turn = asyncio.Lock()
        self._working: set[asyncio.Task[None]] = set()
        self._nest = Nest(setup, tau_s=self.follow_s)

    async def serve(self, stream: ByteStream) -> None:
        """Answer one connection until it is closed; several may be open at a time."""
        await serve_http(stream, self._handle)
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _handle(self, request: HttpRequest) -> HttpReply | None:
        faults, posted = self._setup.faults, request.method == "POST"
        if posted and faults.strike("silent"):
            return None
        self._nest.tell_world()
        answer = await self._route(request)
        self._nest.tell_world()
        if posted and (late := faults.strike("late_reply")) is not None:
            await asyncio.sleep(float(late.data.get("delay_s", 60.0)))
        if posted and faults.strike("reply_lost"):
            raise HangUpError
        if posted and faults.strike("garbled_reply"):
            return HttpReply(answer.status, answer.body[: len(answer.body) // 2])
        return answer

    async def _route(self, request: HttpRequest) -> HttpReply:
        if "opentrons-version" not in request.headers:
            return _refused(422, "InvalidRequest", "field required")
        match (request.method, *filter(None, request.path.split("/"))):
            case ("GET", "modules"):
                return _reply(
                    200, {"data": [self._shown()], "meta": {"cursor": 0, "totalLength": 1}}
                )
            case ("POST", "commands"):
                return await self._post(request)
            case ("GET", "commands", id_) if id_ in self._commands:
                return _reply(200, {"data": self._commands[id_]})
        return _refused(404, "BadRequest", "Not Found")

    async def _post(self, request: HttpRequest) -> HttpReply:
        if self._setup.faults.strike("run_active"):
            return _refused(409, "RunActive", "There is an active run.")
        data = json.loads(request.body)["data"]
        id_ = f"command-{len(self._commands) + 1}"
        command = {**data, "id": id_, "key": id_, "status": "queued", "intent": "setup"}
        self._commands[id_] = command
        task = asyncio.create_task(self._execute(command))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        if request.query.get("waitUntilComplete") == "true":
            limit_s = float(request.query.get("timeout", "30000")) / 1000.0
            await asyncio.wait([task], timeout=limit_s)
        else:
            await asyncio.sleep(0)
        return _reply(201, {"data": command})

    async def _execute(self, command: dict[str, Any]) -> None:
        async with self._turn:
            command["status"] = "running"
            params = command["params"]
            failed: Failed | None = ("ModuleNotLoadedError", "4000", "no such module")
            if (fault := self._setup.faults.strike("fails")) is not None:
                failed = ("RoboticsControlError", str(fault.data.get("code", "2000")), "it did not")
            elif params.get("moduleId") == self._id:
                failed = await self._do(str(command["commandType"]), params)
            command["status"] = "succeeded" if failed is None else "failed"
            if failed is not None:
                kind, code, detail = failed
                command["error"] = {"errorType": kind, "errorCode": code, "detail": detail}

    async def _do(self, command_type: str, params: Mapping[str, Any]) -> Failed | None:
        raise NotImplementedError

    def _live(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def _id(self) -> str:
        return f"{self.serial_number.lower()}-id"

    def _shown(self) -> dict[str, Any]:
        return {
            "id": self._id, "serialNumber": self.serial_number, "firmwareVersion": "v2.1.0",
            "hardwareRevision": "1", "hasAvailableUpdate": False, "moduleModel": self.model,
            "data": {
                "currentTemperature": round(self._nest.actual_c(), 2),
                "targetTemperature": self._nest.target_c,
                **self._live(),
            },
        }  # fmt: skip


class OpentronsDeckBlockSimulator(_Deck):
    """A Temperature Module; faults of the robot alone (see `_Deck`)."""

    model = "temperatureModuleV2"
    serial_number = "TDV21P20221103D05"
    follow_s = 120.0

    async def _do(self, command_type: str, params: Mapping[str, Any]) -> Failed | None:
        match command_type:
            case "temperatureModule/setTargetTemperature":
                self._nest.heat(float(params["celsius"]))
            case "temperatureModule/deactivate":
                self._nest.heat(None)
            case _:
                return "InvalidRequest", "4000", f"unknown command {command_type}"
        return None

    def _live(self) -> dict[str, Any]:
        return {"status": "idle" if self._nest.target_c is None else "holding at target"}


class OpentronsDeckShakerSimulator(_Deck):
    """A Heater-Shaker; the setting `latch` is its state at power-up.

    Besides the faults of `_Deck`: `latch_stuck` (a movement of the latch fails), `stall` (`after_s`: the motor
    stops so long after it was started).
    """

    model = "heaterShakerModuleV1"
    serial_number = "HSV1020230504001"
    follow_s = 60.0

    def __init__(self, setup: SimulatorSetup) -> None:
        super().__init__(setup)
        self._latch = str(setup.settings.get("latch", "idle_open"))
        self._rpm = 0
        self._stalls_s = math.inf

    async def _do(self, command_type: str, params: Mapping[str, Any]) -> Failed | None:
        match command_type.removeprefix("heaterShaker/"):
            case "setTargetTemperature":
                self._nest.heat(float(params["celsius"]))
            case "deactivateHeater":
                self._nest.heat(None)
            case "closeLabwareLatch":
                return await self._move_latch("idle_closed")
            case "openLabwareLatch":
                if self._rpm:
                    return (
                        "CannotPerformModuleAction",
                        "4000",
                        "Cannot open the latch while shaking.",
                    )
                return await self._move_latch("idle_open")
            case "setAndWaitForShakeSpeed":
                return await self._start(int(params["rpm"]))
            case "deactivateShaker":
                if self._rpm:
                    self._rpm = 0
                    await asyncio.sleep(STOP_S)
            case _:
                return "InvalidRequest", "4000", f"unknown command {command_type}"
        return None

    async def _move_latch(self, state: str) -> Failed | None:
        if self._latch == state:
            return None
        self._latch = "closing" if state == "idle_closed" else "opening"
        await asyncio.sleep(LATCH_S)
        stuck = self._setup.faults.strike("latch_stuck")
        self._latch = "idle_unknown" if stuck else state
        return ("RoboticsControlError", "2000", "ERR125:plate lock:timeout") if stuck else None

    async def _start(self, rpm: int) -> Failed | None:
        if self._latch != "idle_closed":
            return (
                "CannotPerformModuleAction",
                "4000",
                "Heater-Shaker cannot shake with its latch open.",
            )
        self._rpm = rpm
        await asyncio.sleep(rpm / RPM_PER_S)
        if (stall := self._setup.faults.strike("stall")) is not None:
            now_s = self._setup.clock.monotonic_s()
            self._stalls_s = now_s + float(stall.data.get("after_s", 1.0))
        with unnoticed(self._setup):
            self._setup.world.shake(self._position)
        return None

    def _live(self) -> dict[str, Any]:
        if self._setup.clock.monotonic_s() >= self._stalls_s:
            self._rpm, self._stalls_s = 0, math.inf
        return {
            "status": "running" if self._rpm else "idle",
            "labwareLatchStatus": self._latch,
            "currentSpeed": self._rpm,
            "targetSpeed": self._rpm or None,
            "errorDetails": None,
        }


def _reply(status: int, body: Any) -> HttpReply:
    return HttpReply(status, json.dumps(body, separators=(",", ":")).encode())


def _refused(status: int, id_: str, detail: str) -> HttpReply:
    error = {"id": id_, "title": id_, "detail": detail, "errorCode": "4000"}
    return _reply(status, {"errors": [error]})
