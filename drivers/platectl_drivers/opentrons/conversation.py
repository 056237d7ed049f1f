"""One run on one robot: requests, commands to their end, and what became of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from platectl.domain.clock import Clock
from platectl.domain.errors import (
    InstrumentError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.stream import Connector
from platectl.transport.http import HttpAnswer, HttpLink
from platectl_drivers.opentrons import wire
from platectl_drivers.opentrons.recall import Keys, Recalled
from platectl_drivers.opentrons.settings import Settings

PAGE: Final = 100
#: commands that one verb sends for several labware
NAMED: Final = ("loadLabware", "moveLabware")
SERVICE_UNAVAILABLE: Final = 503
SERVER_ERROR: Final = 500
#: 4008: the vendor's code for stored data that cannot be read, as after a restart in mid-run
FORGOTTEN: Final = "4008"


class RunConversation:
    """Talks to one robot about one run.

    Concurrency: one verb at a time; `stop` and `release` may be called beside it and then use
    a connection of their own.
    """

    def __init__(self, connect: Connector, *, settings: Settings, clock: Clock, keys: Keys) -> None:
        self._connect = connect
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._link = HttpLink(connect, host=settings.host)
        self._busy = False
        self.run_id = ""
        self.last_key = ""

    async def wait_until_up(self) -> Mapping[str, Any]:
        """Return `/health` as soon as the robot has started.

        Raises:
            ReplyTimeoutError: It still answers 503 after the declared limit.
            InstrumentFaultError: Another refusal.
        """
        deadline_s = self._clock.monotonic_s() + self._settings.start_up_s
        while True:
            answer = await self._request("GET", "/health")
            if answer.status != SERVICE_UNAVAILABLE:
                break
            if self._clock.monotonic_s() >= deadline_s:
                raise ReplyTimeoutError(
                    f"the robot is still starting after {self._settings.start_up_s:g} s (HTTP 503)"
                )
            await asyncio.sleep(self._settings.poll_s)
        body = answer.json()
        if answer.status != 200 or not isinstance(body, dict):  # noqa: PLR2004  # HTTP says OK
            raise wire.decode_refusal(answer.status, body if isinstance(body, dict) else {})
        return body

    async def start(self) -> None:
        """Create the protocol-less run; a 503 says that nothing was created yet.

        Raises:
            InstrumentFaultError: `RunAlreadyActive` when another client's run is under way.
        """
        deadline_s = self._clock.monotonic_s() + self._settings.start_up_s
        while True:
            answer = await self._request("POST", "/runs", body={"data": {}})
            if answer.status != SERVICE_UNAVAILABLE or self._clock.monotonic_s() >= deadline_s:
                break
            await asyncio.sleep(self._settings.poll_s)
        self.run_id = wire.decode_id(wire.decode_data(answer))

    async def get(self, target: str) -> Any:
        """Return the data of a resource."""
        return wire.decode_data(await self._request("GET", target))

    async def run_status(self) -> str:
        """State of this run, or nothing when the robot does not say; only ever explains a fault."""
        try:
            data = await self.get(f"/runs/{self.run_id}")
        except InstrumentError:
            return ""
        return str(data.get("status", "")) if isinstance(data, dict) else ""

    async def execute(self, command_type: str, params: Mapping[str, Any]) -> wire.Command:
        """Post one command, once, and follow it to its end; one that the robot has is only followed.

        Raises:
            InstrumentFaultError: Refused, failed, or stopped.
            ReplyTimeoutError: Still not done after the limit; it may go on. Names the key.
            LinkError: The answer was lost; names the key for `find`.
        """
        labware = str(params["labwareId"]) if command_type in NAMED else ""
        self.last_key = key = self._keys.next(command_type, labware)
        self._busy = True
        try:
            return await self._execute(command_type, params, key)
        except LinkError as error:
            raise type(error)(f"{command_type} (key {key}): {error}") from error
        finally:
            self._busy = False

    async def _execute(
        self, command_type: str, params: Mapping[str, Any], key: str
    ) -> wire.Command:
        deadline_s = self._clock.monotonic_s() + self._settings.command_s
        if (command := self._keys.known(key)) is None:
            command = await self._post(command_type, params, key)
        if not command.done:
            command = await self._follow(command, deadline_s)
        if command.status == "failed":
            status = await self.leave_recovery()
            raise wire.command_fault(command_type, command, status)
        return command

    async def leave_recovery(self) -> str:
        """Let a run that waits for recovery take commands again; nothing moves. Return its state before.

        Whoever sent the command that failed knows of it. A run that stays as it is, because its door is
        open, refuses the next command and says so.
        """
        status = await self.run_status()
        if status.startswith(wire.RECOVERING):
            body = {"data": {"actionType": "resume-from-recovery"}}
            with contextlib.suppress(InstrumentError):
                await self._request("POST", f"/runs/{self.run_id}/actions", body=body)
        return status

    async def _post(self, command_type: str, params: Mapping[str, Any], key: str) -> wire.Command:
        wait_s = min(self._settings.wait_s, self._settings.command_s)
        answer = await self._request(
            "POST",
            f"/runs/{self.run_id}/commands?waitUntilComplete=true&timeout={round(wait_s * 1000)}",
            body=wire.posting(command_type, params, key),
            timeout_s=wait_s + self._settings.reply_s,
        )
        return await self._posted(answer, key)

    async def _posted(self, answer: HttpAnswer, key: str) -> wire.Command:
        """Read the answer to a posting; after a server error, look whether it was taken."""
        if answer.status >= SERVER_ERROR:
            found = await self._find_in(self.run_id, key)
            if found is not None:
                return found
        try:
            command = wire.decode_command(wire.decode_data(answer))
        except InstrumentFaultError as fault:
            hint = wire.run_hint(await self.run_status())
            raise InstrumentFaultError(f"{fault}{hint}", code=fault.code) from fault
        if command.key != key:
            raise MalformedReplyError(f"the answer is about another command, {command.key!r}")
        return command

    async def _follow(self, command: wire.Command, deadline_s: float) -> wire.Command:
        """Look again and again at a command that takes its time; never post it again."""
        target = f"/runs/{self.run_id}/commands/{command.id}"
        while not command.done:
            status = await self.run_status()
            if status in wire.OVER and command.status == "queued":
                raise InstrumentFaultError(
                    f"never executed{wire.run_hint(status)}", code="RunStopped"
                )
            if self._clock.monotonic_s() >= deadline_s:
                raise ReplyTimeoutError(
                    f"still {command.status} after {self._settings.command_s:g} s and may yet be "
                    f"executed{wire.run_hint(status)}"
                )
            await asyncio.sleep(self._settings.poll_s)
            command = wire.decode_command(await self.get(target))
        return command

    async def find(self, key: str) -> str | None:
        """Say what became of the command with this key, in this run or any that is kept.

        Raises:
            InstrumentFaultError: 4008 when the robot restarted and forgot commands; the key
                may have been among them.
        """
        if self.run_id and (found := await self._find_in(self.run_id, key)):
            return found.status
        forgotten = False
        for run in reversed(wire.decode_list(await self.get(f"/runs?pageLength={PAGE}"))):
            forgotten |= run.get("ok") is False
            if run.get("id") != self.run_id and run.get("ok") is not False:
                found = await self._find_in(wire.decode_id(run), key)
                if found is not None:
                    return found.status
        if forgotten:
            raise InstrumentFaultError(
                f"the robot restarted and forgot its commands; the fate of {key} is unknown",
                code=FORGOTTEN,
            )
        return None

    async def ours(self) -> Recalled:
        """This run, or for a driver that has none yet, the last one with commands of ours.

        Also a current run without protocol or command, because it may have been made a moment
        ago. A run that a restart made unreadable is not current any more; where none of ours is
        newer, it may have been ours.

        Raises:
            InstrumentFaultError: 4008: the robot restarted and forgot the run's commands.
        """
        runs = wire.decode_list(await self.get(f"/runs?pageLength={PAGE}"))
        kept = {wire.decode_id(run): run.get("ok") is not False for run in runs}
        for run in reversed(runs):
            run_id, current = wire.decode_id(run), run.get("current") is True
            strange = run_id != self.run_id if self.run_id else bool(run.get("protocolId"))
            if strange:
                continue
            if not kept[run_id]:
                raise InstrumentFaultError(
                    "the robot restarted and forgot the commands of the run", code=FORGOTTEN
                )
            items = await self.commands(run_id)
            mine = run_id == self.run_id or any(self._keys.owns(item) for item in items)
            if mine or (current and not items):
                alive = current and run.get("status") not in wire.OVER
                earlier, whole = await self._before(items, kept)
                return Recalled(run_id, alive, items, earlier, whole)
        return Recalled()

    async def _before(
        self, items: list[dict[str, Any]], kept: Mapping[str, bool]
    ) -> tuple[list[dict[str, Any]], bool]:
        """Commands of the stopped runs that a run follows, first to last, and whether all are kept."""
        earlier: list[dict[str, Any]] = []
        while before := self._keys.run_before(items):
            if not kept.get(before, False):
                return earlier, False
            items = await self.commands(before)
            earlier = items + earlier
        return earlier, True

    async def commands(self, run_id: str) -> list[dict[str, Any]]:
        """All commands of a run, first to last."""
        found: list[dict[str, Any]] = []
        while True:
            page = f"/runs/{run_id}/commands?pageLength={PAGE}&cursor={len(found)}"
            answer = await self._request("GET", page)
            listed = wire.decode_list(wire.decode_data(answer))
            found += listed
            if not listed or len(found) >= wire.decode_total(answer.json(), len(found)):
                return found

    async def hang_up(self) -> None:
        """Close the line; the run stays as it is."""
        await self._link.aclose()

    async def _find_in(self, run_id: str, key: str) -> wire.Command | None:
        """Search the commands of a run from the last page to the first."""
        page = f"/runs/{run_id}/commands?pageLength={PAGE}"
        first: int | None = None
        while first is None or first > 0:
            cursor = "" if first is None else f"&cursor={max(0, first - PAGE)}"
            answer = await self._request("GET", page + cursor)
            listed = wire.decode_list(wire.decode_data(answer))
            for item in reversed(listed):
                command = wire.decode_command(item)
                if command.key == key:
                    return command
            total = wire.decode_total(answer.json(), len(listed))
            first = max(0, total - PAGE) if first is None else max(0, first - PAGE)
        return None

    async def stop(self) -> None:
        """Stop the run's motion; faults and a broken conversation are of no use to the caller."""
        body = {"data": {"actionType": "stop"}}
        await self._aside("POST", f"/runs/{self.run_id}/actions", body)

    async def release(self) -> None:
        """Give the run back; stop it first when it cannot be released as it is."""
        if self.run_id:
            body = {"data": {"current": False}}
            status = await self._aside("PATCH", f"/runs/{self.run_id}", body)
            if status == 409:  # noqa: PLR2004  # RunNotIdle
                await self.stop()
                await self._aside("PATCH", f"/runs/{self.run_id}", body)
        self.run_id = ""
        await self._link.aclose()

    async def _aside(self, method: str, target: str, body: Any) -> int:
        """Ask beside a running verb, over a second connection if the first is busy."""
        link = HttpLink(self._connect, host=self._settings.host) if self._busy else self._link
        timeout_s = self._settings.reply_s
        try:
            answer = await link.request(
                method, target, headers=wire.HEADERS, body=body, timeout_s=timeout_s
            )
        except LinkError:
            return 0
        finally:
            if link is not self._link:
                await link.aclose()
        return answer.status

    async def _request(
        self, method: str, target: str, *, body: Any = None, timeout_s: float | None = None
    ) -> HttpAnswer:
        return await self._link.request(
            method,
            target,
            headers=wire.HEADERS,
            body=body,
            timeout_s=timeout_s or self._settings.reply_s,
        )
