"""The robot behind a module: its list of modules, and commands outside of any run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.instrument import Identity
from platectl.hal.stream import Connector
from platectl.transport.http import HttpAnswer, HttpLink

HEADERS: Final = {"Opentrons-Version": "4"}
STATUSES: Final = ("queued", "running", "succeeded", "failed")
GOOD: Final = (200, 201)


class Settings(BaseModel):
    """Which robot, which of its modules, and how long things may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "opentrons:31950"
    serial_number: str = Field(default="", description="needed where two of a kind are attached")
    reply_s: float = Field(default=10.0, gt=0)
    wait_s: float = Field(default=30.0, gt=0, description="how long the robot holds back an answer")
    command_s: float = Field(default=180.0, gt=0, description="longest time of one command")
    poll_s: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, slots=True)
class Module:
    """One attached module: the robot's name for it, who it is, and how it is."""

    id: str
    model: str
    serial_number: str
    firmware: str
    data: Mapping[str, Any]

    @property
    def identity(self) -> Identity:
        """For people."""
        return Identity(f"Opentrons {self.model}", self.serial_number, self.firmware)

    def number(self, name: str) -> float | None:
        """A number of the live data; None where there is none at present.

        Raises:
            MalformedReplyError: Neither a finite number nor nothing.
        """
        if name not in self.data:
            raise MalformedReplyError(f"the module tells no {name}")
        value = self.data[name]
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
            raise MalformedReplyError(f"{name} is {str(value)[:40]!r}, which is no number")
        return float(value)


class Robot:
    """Talks to one robot about one module.

    Concurrency: one request at a time, except `post_aside`, which has a connection of its own.
    """

    def __init__(self, connect: Connector, settings: Settings, models: tuple[str, ...]) -> None:
        self._connect = connect
        self._settings = settings
        self._models = models
        self._link = HttpLink(connect, host=settings.host)
        self._one_at_a_time = asyncio.Lock()

    async def module(self) -> Module:
        """Find the module among those that are attached.

        Raises:
            InstrumentFaultError: `no_module`, `which_module`, or the robot refused.
            LinkError: No usable answer.
        """
        listed = _data(await self._request("GET", "/modules"))
        if not isinstance(listed, list):
            raise MalformedReplyError(f"no list of modules: {str(listed)[:60]}")
        wanted = self._settings.serial_number
        found = [
            module
            for module in map(decode_module, listed)
            if module.model in self._models and wanted in {"", module.serial_number}
        ]
        if len(found) == 1:
            return found[0]
        name = f"{self._models[0]} {wanted}".strip()
        if not found:
            raise InstrumentFaultError(f"the robot has no {name}", code="no_module")
        serials = ", ".join(module.serial_number for module in found)
        raise InstrumentFaultError(
            f"the robot has several: {serials}; write serial_number into the settings",
            code="which_module",
        )

    async def execute(self, command_type: str, **params: Any) -> None:
        """Post one command, once, and follow it to its end.

        Raises:
            InstrumentFaultError: Refused or failed; `code` is the robot's.
            ReplyTimeoutError: Not done within the limit; it may go on.
            LinkError: No usable answer; it may have been executed.
        """
        limit_s = self._settings.command_s
        deadline_s = asyncio.get_running_loop().time() + limit_s
        body = {"data": {"commandType": command_type, "params": params}}
        answer = await self._request(
            "POST",
            f"/commands?waitUntilComplete=true&timeout={round(self._settings.wait_s * 1000)}",
            body,
            timeout_s=self._settings.wait_s + self._settings.reply_s,
        )
        id_, status, error = decode_command(_data(answer))
        while status not in {"succeeded", "failed"}:
            if asyncio.get_running_loop().time() > deadline_s:
                raise ReplyTimeoutError(f"{command_type} is {status} after {limit_s:g} s")
            await asyncio.sleep(self._settings.poll_s)
            _, status, error = decode_command(_data(await self._request("GET", f"/commands/{id_}")))
        if status == "failed":
            raise _failure(command_type, error)

    async def post_aside(self, command_type: str, **params: Any) -> None:
        """Post a command beside what is under way, and do not wait for it; never raises LinkError."""
        link = HttpLink(self._connect, host=self._settings.host)
        body = {"data": {"commandType": command_type, "params": params}}
        try:
            await link.request(
                "POST", "/commands", headers=HEADERS, body=body, timeout_s=self._settings.reply_s
            )
        except LinkError:
            return
        finally:
            await link.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()

    async def _request(
        self, method: str, target: str, body: Any = None, *, timeout_s: float | None = None
    ) -> HttpAnswer:
        async with self._one_at_a_time:
            return await self._link.request(
                method, target, headers=HEADERS, body=body, timeout_s=timeout_s or self._settings.reply_s
            )  # fmt: skip


def _data(answer: HttpAnswer) -> Any:
    """The data of a good answer.

    Raises:
        InstrumentFaultError: The robot refused; `code` is the id of its first error.
        MalformedReplyError: Not the documented envelope.
    """
    body = answer.json()
    if not isinstance(body, dict):
        raise MalformedReplyError(f"HTTP {answer.status} without an object")
    if answer.status not in GOOD:
        errors = body.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else body
        told = first if isinstance(first, dict) else {}
        code = str(told.get("id") or told.get("errorCode") or answer.status)
        detail = told.get("detail") or told.get("message") or "no reason given"
        raise InstrumentFaultError(
            f"the robot refused with {code} (HTTP {answer.status}): {detail}", code=code
        )
    if "data" not in body:
        raise MalformedReplyError(f"HTTP {answer.status} without data")
    return body["data"]


def decode_command(data: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Identity, status and error of a command.

    Raises:
        MalformedReplyError: Not a command, or a status that the published format does not have.
    """
    told = data if isinstance(data, dict) else {}
    id_, status, error = told.get("id"), told.get("status"), told.get("error") or {}
    if not isinstance(id_, str) or status not in STATUSES or not isinstance(error, dict):
        raise MalformedReplyError(f"not a command: {str(data)[:80]}")
    return id_, str(status), error


def decode_module(data: Any) -> Module:
    """One attached module.

    Raises:
        MalformedReplyError: Not one.
    """
    told = data if isinstance(data, dict) else {}
    names = ("id", "moduleModel", "serialNumber", "firmwareVersion")
    words = [told.get(name) for name in names]
    live = told.get("data")
    if not all(isinstance(word, str) for word in words) or not isinstance(live, dict):
        raise MalformedReplyError(f"not a module: {str(data)[:80]}")
    id_, model, serial_number, firmware = map(str, words)
    return Module(id_, model, serial_number, firmware, live)


def _failure(command_type: str, error: Mapping[str, Any]) -> InstrumentFaultError:
    kind, code = str(error.get("errorType", "unknown error")), str(error.get("errorCode", ""))
    lines = [line.strip() for line in str(error.get("detail", "")).splitlines() if line.strip()]
    detail = lines[-1] if lines else "no reason given"
    return InstrumentFaultError(f"{command_type} failed: {kind}: {detail}", code=code)
