r"""A person at a terminal, as an instrument.

The wire is our own: one JSON object a line, in UTF-8, ended by `\n`. To the person goes
`{"prompt": id, "kind": ..., "text": ..., "options": [...], "data": {...}}` and, when it is no
longer wanted, `{"cancel": id}`; from the person comes
`{"answer": id, "option": ..., "person": ..., "note": ...}`. An answer with an unknown option is
refused with `{"refused": id, "why": ...}` and the prompt stays open; answers to other prompts are
logged and dropped. Maturity: captured, since both ends are platectl's.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError, MalformedReplyError, ReplyTimeoutError
from platectl.hal.handling import Answer, Prompt
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.transport.line import LineLink

log = structlog.get_logger()
LONG_S = 30 * 86400.0


class Settings(BaseModel):
    """A person has no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OperatorConsole:
    """Asks a person; satisfies `platectl.hal.handling.Operator`.

    Concurrency: several steps may ask at once; their prompts are put one after another.
    """

    info: ClassVar[DriverInfo] = DriverInfo(
        name="operator",
        makes="a person at a terminal",
        interfaces=("Operator",),
        wire="console",
        source="platectl_drivers.operator: the format is platectl's own",
        maturity="captured",
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings
        self._setup = setup
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._open: str | None = None

    async def connect(self) -> Identity:
        """Open the terminal; nobody is asked anything."""
        self._link = LineLink(await self._setup.open_stream(), tx_end=b"\n", rx_end=b"\n")
        return Identity("person")

    async def ask(self, prompt: Prompt) -> Answer:
        """Show the prompt and wait, without limit, for one of its options.

        Raises:
            MalformedReplyError: The answer is not of the published form.
            DisconnectedError: The terminal closed; what the person did is unknown.
        """
        async with self._one_at_a_time:
            link = self._connected()
            self._open = prompt.id
            await link.send_line(encode_prompt(prompt))
            while True:
                try:
                    fields = decode_line(await link.read_line(timeout_s=LONG_S))
                except ReplyTimeoutError:
                    continue
                if fields.get("answer") != prompt.id:
                    log.warning("operator.answer.ignored", answer=fields.get("answer"))
                    continue
                answer = decode_answer(fields)
                if answer.option in prompt.options:
                    self._open = None
                    return answer
                why = f"{answer.option!r} is not offered; answer one of {', '.join(prompt.options)}"
                await link.send_line(_json({"refused": prompt.id, "why": why}))

    async def abort(self) -> None:
        """Withdraw the open prompt."""
        if self._link is not None and self._open is not None:
            try:
                await self._link.send_line(_json({"cancel": self._open}))
            except DisconnectedError:
                log.warning("operator.cancel.failed")

    async def aclose(self) -> None:
        """Close the terminal."""
        if self._link is not None:
            await self._link.aclose()

    def _connected(self) -> LineLink:
        if self._link is None:
            raise DisconnectedError("the terminal is not connected")
        return self._link


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def encode_prompt(prompt: Prompt) -> bytes:
    """Write a prompt as one line, without its end."""
    fields = {
        "prompt": prompt.id,
        "kind": prompt.kind,
        "text": prompt.text,
        "options": prompt.options,
    }
    return _json({**fields, "data": dict(prompt.data)})


def decode_line(line: bytes) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        MalformedReplyError: Not a JSON object.
    """
    try:
        fields = json.loads(line)
    except ValueError:
        raise MalformedReplyError(f"not an answer: {line[:80]!r}") from None
    if not isinstance(fields, dict):
        raise MalformedReplyError(f"not an answer: {line[:80]!r}")
    return fields


def decode_answer(fields: dict[str, Any]) -> Answer:
    """Take an answer out of its fields.

    Raises:
        MalformedReplyError: Option, person or note is missing or not text.
    """
    option, person, note = fields.get("option"), fields.get("person"), fields.get("note", "")
    if (
        not isinstance(option, str)
        or not isinstance(person, str)
        or not isinstance(note, str)
        or not person
    ):
        raise MalformedReplyError("an answer needs the texts option, person and note")
    return Answer(option, person, note)
