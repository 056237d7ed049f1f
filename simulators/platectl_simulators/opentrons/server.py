"""The HTTP face of the simulated robot: routes, checks, and faults of the conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from platectl.hal.stream import ByteStream
from platectl.simkit.hands import Hands
from platectl.simkit.http import HangUpError, HttpReply, HttpRequest, serve_http
from platectl.simkit.simulator import SimulatorSetup
from platectl_simulators.opentrons.commands import REQUIRED, Machine, completed
from platectl_simulators.opentrons.options import Options
from platectl_simulators.opentrons.replies import (
    RefusedRequestError,
    one,
    page,
    refuse,
    refuse_plainly,
    reply,
)
from platectl_simulators.opentrons.runs import Command, Run

KEPT_RUNS: Final = 20
IDS: Final = 256
_ACTIONS: Final = ("play", "pause", "stop", "resume-from-recovery")
_INTENTS: Final = ("setup", "protocol", "fixit")


class OpentronsSimulator:
    """Answers for one robot; runs live until they are released, replaced or forgotten.

    Settings are `options.Options`. Faults: `silent`, `garbled_reply` (`level`: json or wire),
    `reply_lost` (executed, connection closed), `late_reply` (`delay_s`) and `http_500`
    (`executes`) count posted commands; with a suffix (`reply_lost:aspirate`, `silent:health`)
    they count that command type or resource. `start_up_503` counts looks at `/health`,
    `runs_503` posted runs, `stall` moving commands, `overpressure` strokes, `door_open`
    (`for_s`) carried-out commands, `grip_failed` moves of the gripper. `robot_restart` (`executes`, `start_up_s`) counts posted
    commands and forgets all runs. `wrong_pipette` (`name`) stands.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._faults = setup.faults
        self._ids = _ids(setup.world.rng(setup.name).spawn(1)[0])
        self._runs: dict[str, Run] = {}
        self._up_at_s = 0.0
        self.hands = Hands(setup, self._options.slots, self._options.timing)

    async def serve(self, stream: ByteStream) -> None:
        """Answer one connection until it is closed; several may be open at a time."""
        await serve_http(stream, self._handle)

    async def settle(self) -> None:
        """Wait until no command is under way; for tests that leave one behind."""
        for run in self._runs.values():
            await run.settle()

    async def _handle(self, request: HttpRequest) -> HttpReply | None:
        parts = tuple(part for part in request.path.split("/") if part)
        label, posted = self._label(request, parts)
        if self._strikes("silent", label, posted=posted):
            return None
        try:
            self._check(request)
            answer = await self._route(request, parts)
        except RefusedRequestError as refusal:
            answer = refusal.reply
        if late := self._strikes("late_reply", label, posted=posted):
            await asyncio.sleep(float(late.get("delay_s", 60.0)))
        if self._strikes("reply_lost", label, posted=posted) is not None:
            raise HangUpError
        garbled = self._strikes("garbled_reply", label, posted=posted)
        if garbled is None:
            return answer
        if garbled.get("level") == "wire":
            return HttpReply(answer.status, b"", raw=b"\x00\xff not HTTP at all\r\n\r\n")
        return HttpReply(answer.status, answer.body[: len(answer.body) // 2])

    def _strikes(self, kind: str, label: str, *, posted: bool) -> dict[str, Any] | None:
        """Count an occasion of a fault: by plain name for commands, with the label for all."""
        fault = self._faults.strike(kind) if posted else None
        fault = self._faults.strike(f"{kind}:{label}") or fault
        return None if fault is None else {"struck": True, **fault.data}

    @staticmethod
    def _label(request: HttpRequest, parts: tuple[str, ...]) -> tuple[str, bool]:
        """Name what a request is about, and say whether it posts a command."""
        if request.method == "POST" and parts[-1:] == ("commands",):
            start = request.body.find(b'"commandType":"') + 15
            return request.body[start : request.body.find(b'"', start)].decode("latin-1"), True
        return {2: "run", 4: "command"}.get(len(parts), parts[-1] if parts else ""), False

    def _check(self, request: HttpRequest) -> None:
        """Check that the robot is up and the version header is there."""
        if asyncio.get_running_loop().time() < self._up_at_s or (
            request.path == "/health" and self._faults.strike("start_up_503")
        ):
            raise starting()
        version = request.headers.get("opentrons-version")
        if version is None:
            raise refuse(
                422, "InvalidRequest", "Invalid Request", "field required",
                pointer="/header/opentrons-version",
            )  # fmt: skip
        if version != "*" and (not version.isdigit() or int(version) < 2):  # noqa: PLR2004  # 2: the oldest served
            raise refuse_plainly(400, "The requested API version is not supported.")

    async def _route(self, request: HttpRequest, parts: tuple[str, ...]) -> HttpReply:
        query = dict(request.query)
        match (request.method, *parts):
            case ("GET", "health"):
                return reply(200, self._health())
            case ("GET", "instruments"):
                return page(self._instruments(), query)
            case ("GET", "modules"):
                return page(self._options.modules, query)
            case ("GET", "runs"):
                return page([run.shown() for run in self._runs.values()], query)
            case ("POST", "runs"):
                return self._new_run(data_of(request))
            case (_, "runs", id_, *rest):
                return await self._route_run(request, self._run(id_), tuple(rest))
        raise refuse(404, "BadRequest", "Bad Request", "Not Found")

    async def _route_run(self, request: HttpRequest, run: Run, rest: tuple[str, ...]) -> HttpReply:
        match (request.method, *rest):
            case ("GET",):
                return one(200, run.shown())
            case ("PATCH",):
                return self._release(run, data_of(request))
            case ("DELETE",):
                self._require_idle(run)
                del self._runs[run.id]
                return reply(200, {})
            case ("POST", "actions"):
                return await self._act(run, data_of(request))
            case (_, "commands", *more):
                return await self._route_commands(request, run, tuple(more))
        raise refuse(404, "BadRequest", "Bad Request", "Not Found")

    async def _route_commands(
        self, request: HttpRequest, run: Run, rest: tuple[str, ...]
    ) -> HttpReply:
        match (request.method, *rest):
            case ("GET",):
                shown = [command.shown(with_result=False) for command in run.commands.values()]
                return page(shown, dict(request.query), last=True)
            case ("GET", id_):
                if id_ not in run.commands:
                    raise refuse(500, "UnexpectedError", "Unexpected Internal Error", f"'{id_}'")
                return one(200, run.commands[id_].shown())
            case ("POST",):
                return await self._post(run, request)
        raise refuse(404, "BadRequest", "Bad Request", "Not Found")

    # Commands ------------------------------------------------------------------------------
    async def _post(self, run: Run, request: HttpRequest) -> HttpReply:
        data = data_of(request)
        command_type = data.get("commandType")
        broken = self._strikes("http_500", str(command_type), posted=True)
        restart = self._faults.strike("robot_restart")
        if broken is not None and not broken.get("executes"):
            raise broken_server()
        if restart is not None and not restart.data.get("executes"):
            self._restart(float(restart.data.get("start_up_s", 0.0)))
        command = run.add(data, checked(data))
        if request.query.get("waitUntilComplete") == "true":
            await wait_for(command, request.query.get("timeout"))
        if restart is not None:
            self._restart(float(restart.data.get("start_up_s", 0.0)))
        if broken is not None:
            raise broken_server()
        return one(201, command.shown())

    def _restart(self, start_up_s: float) -> None:
        """Lose power and come back: runs are known by name only, connections are gone."""
        for run in self._runs.values():
            run.forget()
        self._up_at_s = asyncio.get_running_loop().time() + start_up_s
        raise HangUpError

    # Runs ----------------------------------------------------------------------------------
    def _run(self, id_: str) -> Run:
        if id_ not in self._runs:
            raise refuse(404, "RunNotFound", "Run Not Found", f"Run {id_} was not found.")
        return self._runs[id_]

    def _new_run(self, data: dict[str, Any]) -> HttpReply:
        if self._faults.strike("runs_503"):
            raise starting()
        for run in self._runs.values():
            if run.current and run.busy:
                detail = f"Run {run.id} is active; only one run may be active at a time."
                raise refuse(409, "RunAlreadyActive", "Run Already Active", detail)
            self._let_go(run)
        id_ = self._new_id()
        machine = Machine(self._options, self.hands, self._faults, self._new_id)
        self._runs[id_] = run = Run(
            id_,
            machine,
            clock=self._setup.clock,
            faults=self._faults,
            new_id=self._new_id,
            protocol_id=str(data.get("protocolId") or ""),
        )
        for old in list(self._runs)[:-KEPT_RUNS]:
            del self._runs[old]
        return one(201, run.shown())

    def _release(self, run: Run, data: dict[str, Any]) -> HttpReply:
        self._require_idle(run)
        if data.get("current") is False:
            self._let_go(run)
        return one(200, run.shown())

    @staticmethod
    def _let_go(run: Run) -> None:
        if run.current and run.state == "idle":
            run.state = "stopped"
        run.current = False

    @staticmethod
    def _require_idle(run: Run) -> None:
        if run.busy:
            detail = f"Run {run.id} is {run.state} and cannot be released."
            raise refuse(409, "RunNotIdle", "Run Not Idle", detail)

    async def _act(self, run: Run, data: dict[str, Any]) -> HttpReply:
        kind = data.get("actionType")
        if kind not in _ACTIONS:
            raise refuse(
                422, "InvalidRequest", "Invalid Request", f"value is not one of {_ACTIONS}",
                pointer="/data/actionType",
            )  # fmt: skip
        return one(201, run.act(str(kind)))

    # The robot itself ----------------------------------------------------------------------
    def _health(self) -> dict[str, Any]:
        flex = self._options.robot_type == "flex"
        return {
            "name": f"{self._setup.name}-dev",
            "robot_model": "OT-3 Standard" if flex else "OT-2 Standard",
            "api_version": "8.1.0",
            "fw_version": "0" if flex else "Virtual Smoothie",
            "board_revision": "UNKNOWN" if flex else "2.1",
            "maximum_protocol_api_version": [2, 20],
            "robot_serial": "simulator",
        }

    def _instruments(self) -> list[dict[str, Any]]:
        name = Machine(self._options, self.hands, self._faults, self._new_id).attached()
        return [
            {
                "instrumentType": "pipette",
                "mount": self._options.mount,
                "instrumentName": name,
                "instrumentModel": f"{name}_v3.4",
                "serialNumber": "P1KHV0000001",
                "ok": True,
            }
        ]

    def _new_id(self) -> str:
        return next(self._ids)


def _ids(rng: np.random.Generator) -> Iterator[str]:
    """Identities as the server makes them, from many random numbers at a time."""
    while True:
        block = rng.bytes(16 * IDS).hex()
        for at in range(0, len(block), 32):
            text = block[at : at + 32]
            yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def data_of(request: HttpRequest) -> dict[str, Any]:
    """Read the envelope of a request.

    Raises:
        RefusedRequestError: No object under `data`.
    """
    try:
        body = json.loads(request.body or b"null")
    except ValueError:
        body = None
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise refuse(
            422, "InvalidRequest", "Invalid Request", "value is not a valid dict", pointer="/data"
        )
    return data


def checked(data: dict[str, Any]) -> dict[str, Any]:
    """Check type, intent and required parameters of a posted command and fill in its defaults.

    Raises:
        RefusedRequestError: 422 with a pointer to what is wrong.
    """
    command_type, params = data.get("commandType"), data.get("params")
    if command_type not in REQUIRED:
        detail = f"No match for discriminator 'commandType' (allowed values: {', '.join(REQUIRED)})"
        raise refuse(422, "InvalidRequest", "Invalid Request", detail, pointer="/data/commandType")
    if not isinstance(params, dict) or data.get("intent", "setup") not in _INTENTS:
        raise refuse(
            422, "InvalidRequest", "Invalid Request", "value is not valid", pointer="/data"
        )
    for name in REQUIRED[command_type]:
        if name not in params:
            raise refuse(
                422, "InvalidRequest", "Invalid Request", "field required",
                pointer=f"/data/params/{name}",
            )  # fmt: skip
    for name in ("volume", "flowRate"):
        value = params.get(name, 1.0)
        low = 0.0 if name == "volume" else 1e-9
        if isinstance(value, bool) or not isinstance(value, int | float) or value < low:
            raise refuse(
                422, "InvalidRequest", "Invalid Request", "value is not a valid number",
                pointer=f"/data/params/{name}",
            )  # fmt: skip
    return dict(completed(command_type, params))


async def wait_for(command: Command, timeout_ms: str | None) -> None:
    """Wait until a command is done, at most for the time that the client allows."""
    try:
        async with asyncio.timeout(None if timeout_ms is None else int(timeout_ms) / 1000.0):
            await command.done.wait()
    except TimeoutError:
        return


def starting() -> RefusedRequestError:
    """What a robot says that is still starting."""
    detail = "The robot is still starting."
    return refuse(503, "HardwareNotYetInitialized", "Hardware Not Yet Initialized", detail)


def broken_server() -> RefusedRequestError:
    """What a server says that has come upon something unforeseen."""
    return refuse(500, "UnexpectedError", "Unexpected Internal Error", "Something went wrong.")
