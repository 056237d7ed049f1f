"""What all drivers of SiLA servers have in common: the conversation, progress, recovery, verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import structlog

from platectl.domain import frames
from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    OutcomeUnknownError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.handling import Operator, Prompt
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.transport.handed import Handed
from platectl.transport.line import InstrumentLine, LineLink
from platectl_drivers.sila2.mapping import Call, Settings

log = structlog.get_logger()

SOURCE: Final = "SiLA 2 1.1 as sila2 0.14.0 speaks it (read, and run with its own servers); the lab file maps features"
UNATTESTED: Final = (
    "what a maker's server does: whether an execution outlives its client, and for how long it is remembered",
)
QUIET_S: Final = 0.3
GIVE_UP: Final = "give_up"
PROGRESS: Final = ("state", "progress", "remaining_s", "intermediate")
LONGEST: Final = 1 << 20


class Sila:
    """One device behind one server; drivers add their verbs.

    A verb is one or more commands, each begun once for one action. While one runs, its server may ask
    for a decision about an error (ErrorRecoveryService): the person under `uses: {operator: NAME}`
    chooses one of its options; without a person the server's own default counts, or the error.
    """

    #: verbs that have to be mapped
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._setup = setup
        self._person: Operator | None = setup.extras.get("operator")
        self._line = InstrumentLine(
            setup.open_stream, "the server", tx_end=b"", rx_end=frames.END, longest=LONGEST
        )
        self._id = 0
        self._handed = Handed()
        self._stamp = ""
        self._number = 0

    async def connect(self) -> Identity:
        """Ask the server who it is and whether it has the features of the lab file; nothing changes.

        Raises:
            LinkError: No usable answer.
            InstrumentFaultError: `code` "unsupported" if it lacks a feature, or the lab file maps no verb.
        """
        await self.aclose()
        told = await self._line.look(self._hello)
        if lacks := [verb for verb in self.needs if verb not in self.settings.verbs]:
            raise InstrumentFaultError(
                f"the lab file maps no {', '.join(lacks)}", code="unsupported"
            )
        features = {str(name).split("/")[-2] for name in told["features"]}
        calls = [
            call for part in (*self.settings.verbs.values(), self.settings.abort) for call in part
        ]
        named = [call.command for call in calls] + [
            r.property for r in self.settings.readings.values()
        ]
        if strange := sorted({_feature(name) for name in named} - features):
            raise InstrumentFaultError(
                f"{told['name']} has no feature {', '.join(strange)}; it has {', '.join(sorted(features))}",
                code="unsupported",
            )
        return _identity(told)

    async def observe(self) -> Identity:
        """Ask the server who it is; changes nothing.

        Raises:
            LinkError: No usable answer.
        """
        return _identity(await self._line.look(self._hello))

    async def take_over(self) -> Identity:
        """As `observe`; what the server does goes on."""
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Ask the server about each execution that was begun for an action.

        Raises:
            LinkError: No usable answer.
        """
        await self._line.look(self._hello)
        states = await self._ask(
            "recall", {"action": f"{action.id}#"}, timeout_s=self.settings.reply_s
        )
        if not isinstance(states, dict):
            raise MalformedReplyError(f"what became of {action.id} is {states!r}")
        evidence, present = {"executions": states}, set(states.values())
        if "running" in present:
            return Verdict("running", evidence)
        if present - {"done", "refused", "fault"}:
            return Verdict("unknown", evidence)
        calls = len(self.settings.verbs.get(action.verb, ()))
        if calls and list(states.values()).count("done") == calls:
            return Verdict("done", evidence)
        if present:
            return Verdict(
                "partial" if "done" in present else "not_done", evidence, remembered=True
            )
        if self._handed.never(action):
            return Verdict("not_done", {**evidence, "sent": "nothing"})
        return Verdict("unknown", {**evidence, "remembered": "nothing"})

    async def abort(self) -> None:
        """Call what the lab file maps to `abort`, without waiting for a turn."""
        for call in self.settings.abort:
            await self._line.shout(self._request("call", _with(call, {})))

    async def aclose(self) -> None:
        """Let go of the server; what it does goes on."""
        await self._line.aclose()

    # For drivers --------------------------------------------------------------------------------
    async def _act(self, verb: str, **arguments: Any) -> None:
        """Have the commands of a verb done, one after another."""
        if verb not in self.settings.verbs:
            raise RefusedError(f"the lab file maps no command to {verb}")
        self._handed.begin()
        asked = [(call, _with(call, arguments)) for call in self.settings.verbs[verb]]
        action = ACTION_ID.get()
        if not action:
            self._number += 1
            action = f"{self._stamp}.{self._number}"
        for number, (call, given) in enumerate(asked, 1):
            key = f"{action}#{verb}.{number}"
            await self._ask("call", given, key=key, timeout_s=self.settings.silent_s)
            if call.wait:
                await asyncio.sleep(float(arguments[call.wait]))

    async def _read(self, what: str) -> float:
        """Read a mapped property."""
        if what not in self.settings.readings:
            raise RefusedError(f"the lab file maps no property to {what}")
        reading = self.settings.readings[what]
        given = {"property": reading.property}
        return reading.heard(await self._ask("get", given, timeout_s=self.settings.reply_s))

    # The conversation ---------------------------------------------------------------------------
    async def _hello(self) -> dict[str, Any]:
        told = await self._ask("hello", {}, timeout_s=self.settings.reply_s)
        if not isinstance(told, dict) or not isinstance(told.get("features"), list):
            raise MalformedReplyError(f"the server introduces itself as {told!r}")
        self._stamp = self._stamp or self._setup.clock.now().isoformat()
        return told

    def _request(self, do: str, given: Mapping[str, Any], key: str = "") -> bytes:
        self._id += 1
        return frames.encode({"id": self._id, "do": do, "key": key, "with": given})

    async def _ask(
        self, do: str, given: Mapping[str, Any], *, timeout_s: float, key: str = ""
    ) -> Any:
        """Ask, hear what comes before the answer, and give the answer."""
        async with self._line.turn(lambda link: link.drain(quiet_s=QUIET_S)) as link:
            if key:
                self._handed.hand()
            await link.send_line(self._request(do, given, key))
            return _result(await self._answer(link, self._id, timeout_s))

    async def _answer(self, link: LineLink, mine: int, timeout_s: float) -> dict[str, Any]:
        """The answer to a question; each word about its progress is as good as time."""
        loop, decided = asyncio.get_running_loop(), ""
        told: dict[str, Any] = {}
        due_s = loop.time() + timeout_s
        while True:
            heard = frames.decode(await link.read_line(timeout_s=max(due_s - loop.time(), 0.0)))
            if heard.get("id") != mine:
                if loop.time() > due_s:
                    raise ReplyTimeoutError("the server talks, but not of what was asked")
                continue
            if "ok" in heard or "kind" in heard:
                return heard
            due_s = loop.time() + timeout_s
            progress = {name: heard.get(name) for name in PROGRESS}
            if progress != told:
                told = progress
                log.info("sila.progress", instrument=self._setup.name, **progress)
            error = heard.get("recoverable")
            if isinstance(error, dict) and error.get("ErrorTime") != decided:
                decided = str(error.get("ErrorTime"))
                option = await self._decide(error)
                given = {"execution": error.get("CommandExecutionUUID", ""), "option": option}
                await link.send_line(self._request("recover", given))
                due_s = loop.time() + timeout_s

    async def _decide(self, error: Mapping[str, Any]) -> str:
        """Which continuation option is taken; empty gives up, so that the error is an error."""
        try:
            options = {
                str(o["Identifier"]): str(o["Description"])
                for o in error["ContinuationOptions"] if not o["RequiredInputData"]
            }  # fmt: skip
            default, patience_s = (
                str(error["DefaultOption"]),
                float(error["AutomaticSelectionTimeout"]),
            )
            text = f"{self._setup.name}: {error['ErrorMessage']}"
        except (KeyError, TypeError, ValueError) as wrong:
            raise MalformedReplyError(f"an error that cannot be recovered: {error!r}") from wrong
        automatic = default if default in options and patience_s > 0 else ""
        if self._person is None:
            await asyncio.sleep(patience_s if automatic else 0.0)
            return automatic
        listed = "; ".join(f"{name}: {says}" for name, says in options.items())
        prompt = Prompt(
            f"{self._setup.name}-{error['CommandExecutionUUID']}-{error['ErrorTime']}", "confirm",
            f"{text}. {listed}; {GIVE_UP}: treat it as an error", (*options, GIVE_UP), dict(error),
        )  # fmt: skip
        try:
            async with asyncio.timeout(patience_s if automatic else None):
                chosen = (await self._person.ask(prompt)).option
        except TimeoutError:
            return automatic
        return chosen if chosen in options else ""


def _with(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {name: parameter.said(arguments) for name, parameter in call.parameters.items()}
    return {"command": call.command, "parameters": parameters}


def _feature(name: str) -> str:
    """Feature of `Feature.Name`, or of a fully qualified identifier."""
    return name.split("/")[2] if "/" in name else name.partition(".")[0]


def _identity(told: Mapping[str, Any]) -> Identity:
    return Identity(
        f"{told.get('type', '')} {told.get('name', '')}".strip(),
        serial_number=str(told.get("uuid", "")), firmware=str(told.get("version", "")),
    )  # fmt: skip


def _result(answer: Mapping[str, Any]) -> Any:
    """What an answer gives, or the error that it tells."""
    if "ok" in answer:
        return answer["ok"]
    kind, code, says = (str(answer.get(field, "")) for field in ("kind", "code", "says"))
    if kind == "fault":
        raise InstrumentFaultError(says, code=code)
    if kind == "refused":
        raise RefusedError(says)
    if kind == "unknown" and code == "connection":
        raise LinkError(says)
    if kind == "unknown":
        raise OutcomeUnknownError(f"{code}: {says}")
    raise MalformedReplyError(f"the server answers {dict(answer)!r}")
