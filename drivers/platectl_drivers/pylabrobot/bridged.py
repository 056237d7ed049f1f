"""What all bridged drivers have in common: the conversation, control, keys and verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from platectl.bridge.library import VERSION, require
from platectl.domain import frames
from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.transport.line import InstrumentLine, LineLink

SOURCE: Final = (
    "lines of platectl.bridge, which run PyLabRobot 0.2.2 (read and run, its simulated backends)"
)
UNATTESTED: Final = ("what a backend of PyLabRobot does with a real device",)
ABORTED: Final = "aborted"
QUIET_S: Final = 0.3
#: longer than a child waits for an earlier one
TAKE_S: Final = 150.0
LONGEST: Final = 1 << 22
ROUNDING: Final = timedelta(seconds=1)


class BridgeSettings(BaseModel):
    """Which backend, and how patient to be.

    `backend` is its dotted name in pylabrobot, or in a package under `trusted`; `arguments` are those
    of its constructor. `command_s` is added to the time that a verb should take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    set_up_at_connect: bool = Field(default=False, description="connect sets up, which may move")
    reply_s: float = Field(
        default=30.0, gt=0, description="for answers that nothing has to move for"
    )
    command_s: float = Field(
        default=300.0, gt=0, description="margin of a verb, its set-up included"
    )


def bridged_info(device: str, makes: str, *interfaces: str, recorded: str) -> DriverInfo:
    """What is said of a driver; `recorded` is the verb of its transcript."""
    return DriverInfo(
        name=f"pylabrobot_{device}", makes=f"{makes}, through PyLabRobot 0.2.2", interfaces=interfaces,
        wire="child", source=SOURCE, unattested=UNATTESTED,
        transcripts=(f"pylabrobot_{device}_{recorded}",),
    )  # fmt: skip


class Bridged:
    """One device behind one child; drivers add their verbs.

    Lifetime and concurrency are those of `Instrument`. After a broken line the next `observe` or
    `reconcile` starts another child, and the next verb resumes with what it remembers.
    """

    #: its name on the bridge
    device: ClassVar[str]
    Settings: ClassVar[type[BridgeSettings]]
    settings: BridgeSettings

    def __init__(self, setup: DriverSetup) -> None:
        require()
        self.settings = setup.settings_as(self.Settings)
        self._setup = setup
        self._line = InstrumentLine(
            setup.open_stream, "the bridge", tx_end=b"", rx_end=frames.END, longest=LONGEST
        )
        self._id = 0
        self._owner = False
        self._resumed = False
        self._stamp = ""
        self._action = ""
        self._verb = 0
        self._number = 0

    async def connect(self) -> Identity:
        """Start the child and take the device; nothing moves unless `set_up_at_connect` says so.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: `settings`, `busy` (an earlier child is still at work), `setup`.
        """
        await self.aclose()
        identity = await self._look()
        await self._control("begin", now=self._setup.clock.now().isoformat())
        if self.settings.set_up_at_connect:
            await self._query("ready", timeout_s=self.settings.command_s)
        return identity

    async def observe(self) -> Identity:
        """Start a child if there is none, and ask which backend it would use; the device is not touched.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        return await self._look()

    async def take_over(self) -> Identity:
        """Take the device with all that earlier children remember of it; nothing moves.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: `settings`, or `busy` when an earlier child is still at work.
        """
        identity = await self._look()
        await self._control("resume")
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """Ask the child what is remembered of an action; done again, it sends what is missing.

        Raises:
            LinkError: No usable answer now.
        """
        await self._look()
        told = await self._query("recall", action=f"{action.id}#", timeout_s=self.settings.reply_s)
        self._action, self._verb = "", 0
        try:
            return _judge(action, told["states"], str(told["since"]), busy=bool(told["busy"]))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise MalformedReplyError(f"the bridge recalls {told!r}") from error

    async def abort(self) -> None:
        """Tell the child to cancel its verb and stop, without waiting for a turn."""
        await self._line.shout(self._request("abort", {}))

    async def aclose(self) -> None:
        """Close the line; the child lets go of the device and ends. Heating stays as it is."""
        self._owner = self._resumed = False
        await self._line.aclose()

    # For drivers -----------------------------------------------------------------------------
    async def _act(self, do: str, *, takes_s: float = 0.0, **given: Any) -> Any:
        """Have a verb done, once."""
        await self._resume()
        return await self._ask(
            do, given, key=self._key(), timeout_s=takes_s + self.settings.command_s
        )

    def _key(self) -> str:
        """Identity of the next verb; the same action done again has the same ones."""
        if not (action := ACTION_ID.get()):
            self._number += 1
            return f"{self._stamp}#{self._number}"
        self._verb = self._verb + 1 if action == self._action else 1
        self._action = action
        return f"{action}#{self._verb}"

    async def _query(self, do: str, *, timeout_s: float = 0.0, **given: Any) -> Any:
        """Ask for something; it may be asked again."""
        if do != "recall":
            await self._resume()
        return await self._ask(do, given, timeout_s=timeout_s or self.settings.command_s)

    # The conversation ------------------------------------------------------------------------
    async def _look(self) -> Identity:
        return await self._line.look(self._hello, self._hello_anew)

    async def _hello_anew(self) -> Identity:
        self._resumed = False
        return await self._hello()

    async def _hello(self) -> Identity:
        given = {
            "device": self.device,
            "backend": self.settings.backend,
            "trusted": self.settings.trusted,
        }
        try:
            told = await self._ask("hello", given, timeout_s=self.settings.reply_s)
        except RefusedError as error:
            raise InstrumentFaultError(str(error), code="settings") from error
        if not isinstance(told, dict) or told.get("version") != VERSION:
            raise MalformedReplyError(f"the bridge introduces itself as {told!r}")
        return Identity(str(told.get("backend")), firmware=f"PyLabRobot {told['version']}")

    async def _control(self, how: str, **more: str) -> None:
        options = self.settings.model_dump(mode="json")
        try:
            await self._ask(
                how, {"device": self.device, "options": options, **more}, timeout_s=TAKE_S
            )
        except RefusedError as error:
            raise InstrumentFaultError(str(error), code="settings") from error
        self._owner = self._resumed = True
        self._stamp = self._setup.clock.now().isoformat()
        self._action, self._verb = "", 0

    async def _resume(self) -> None:
        """After a broken line, let the new child take the device."""
        if self._owner and not self._resumed:
            await self._control("resume")

    def _request(self, do: str, given: Mapping[str, Any], key: str = "") -> bytes:
        self._id += 1
        return frames.encode({"id": self._id, "do": do, "key": key, "with": given})

    async def _ask(
        self, do: str, given: Mapping[str, Any], *, timeout_s: float, key: str = ""
    ) -> Any:
        async with self._line.turn(lambda link: link.drain(quiet_s=QUIET_S)) as link:
            return _result(await self._exchange(link, do, given, key, timeout_s))

    async def _exchange(
        self, link: LineLink, do: str, given: Mapping[str, Any], key: str, timeout_s: float
    ) -> dict[str, Any]:
        """Ask, and pass over what is no answer to this."""
        request = self._request(do, given, key)
        mine = self._id
        due_s = asyncio.get_running_loop().time() + timeout_s
        await link.send_line(request)
        while True:
            answer = frames.decode(await link.read_line_by(due_s))
            if answer.get("id") == mine:
                return answer


def _result(answer: Mapping[str, Any]) -> Any:
    """What an answer gives, or the error that it tells."""
    if "ok" in answer:
        return answer["ok"]
    kind, code, says = (str(answer.get(field, "")) for field in ("kind", "code", "says"))
    if kind == "fault" or code == ABORTED:
        raise InstrumentFaultError(says, code=code)
    if kind == "refused":
        raise RefusedError(says)
    if kind == "unknown":
        raise LinkError(f"{code}: {says}")
    raise MalformedReplyError(f"the bridge answers {dict(answer)!r}")


def _judge(action: Action, states: Mapping[str, str], since: str, *, busy: bool) -> Verdict:
    """What became of an action whose verbs ended so.

    `not_done` is said only by a memory that is older than the action, when nobody is at work.
    """
    evidence = {"verbs": dict(states), "since": since, "busy": busy}
    present = set(states.values())
    if "running" in present or (busy and not present):
        return Verdict("running", evidence)
    if present - {"done", "fault", "refused"}:
        return Verdict("unknown", evidence)
    if "done" in present:
        return Verdict("partial", evidence, remembered=True)
    if not since or action.sent_at < datetime.fromisoformat(since) - ROUNDING:
        return Verdict("unknown", evidence)
    return Verdict("not_done", evidence, remembered=True)


def number(value: Any) -> float:
    """A number that the bridge gave.

    Raises:
        MalformedReplyError: None, or something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedReplyError(f"{value!r} is not a number")
    return float(value)
