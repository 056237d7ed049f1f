r"""A person at a terminal, as an instrument.

Wire: our own; one JSON object (ASCII, everything else escaped) in a line, LF. To the person go::

    {"prompt": id, "kind": ..., "text": ..., "options": [...], "data": {...}, "due": ...}
    {"cancel": id}                  the prompt is not wanted any more
    {"refused": id, "why": ...}     the answer was not taken; the prompt stays open

and from the person comes, in UTF-8, with no other members, `note` and `barcode` optional::

    {"answer": id, "option": ..., "person": ..., "note": ..., "barcode": ...}

`due` is when it must be done so that no window breaks, ISO 8601; it is left out where there is none.
A `barcode` among the data is scanned with the first option; another one is refused.
`kind` is one of load, confirm, move, refill, start_counter, harvest; `data` belongs to the kind:

============= ==================================================================================
load          `remove`: [labware], `place`: [{labware, kind, position, barcode, `fills`: [{well,
              volume_ul, contents}]}], `bottles`: [{instrument, liquid, volume_ul, contents}]
move          `source`, `target`: positions
refill        `instrument`, `liquid`
start_counter `instrument`, `title`, `wells`, `count_s`
harvest       `plate`, `filter_plate`, `washes`, `wash_ml`
============= ==================================================================================

Responsible for: one prompt at a time on the terminal, and for taking only an answer that belongs
to it. An answer to another prompt (withdrawn, or of an earlier session) is logged and dropped; an
option that was not offered is refused and asked again; anything else is malformed. Not responsible
for: whether the person did what the answer says. Maturity: captured, since both ends are ours.

A person remembers: a prompt may be put again under the same id after a broken conversation, and
whoever has done it says so. So `reconcile` always allows `ask` to be done again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    DisconnectedError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.hal.handling import Answer, Prompt
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.transport.line import LineLink

log = structlog.get_logger()

WEEK_S: Final = 7 * 86400.0
_REQUIRED: Final = {"answer", "option", "person"}
_ALLOWED: Final = _REQUIRED | {"note", "barcode"}


class Settings(BaseModel):
    """How long an answer is worth waiting for; by default longer than any plate is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patience_s: float = Field(default=WEEK_S, gt=0)


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
        transcripts=("operator_prompts",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self.settings = setup.settings_as(Settings)
        self._open_stream = setup.open_stream
        self._link: LineLink | None = None
        self._one_at_a_time = asyncio.Lock()
        self._asking: asyncio.Task[Answer] | None = None
        self._withdrawn = False

    async def connect(self) -> Identity:
        """Open the terminal; nobody is asked anything."""
        await self.aclose()
        return await self.observe()

    async def observe(self) -> Identity:
        """Open the terminal, unless it is open; nobody is asked anything and nothing withdrawn."""
        if self._link is None:
            self._link = LineLink(await self._open_stream(), tx_end=b"\n", rx_end=b"\n")
        return Identity("person at a terminal")

    async def take_over(self) -> Identity:
        """As `observe`; what a person is doing goes on."""
        return await self.observe()

    async def reconcile(self, action: Action) -> Verdict:
        """Open the terminal for the prompt to be put again; whoever has done it says so."""
        await self.observe()
        if action.verb != "ask":
            return Verdict("unknown", {"looked_at": "nothing; a terminal cannot be looked at"})
        why = "asking again is harmless: who has done it says so"
        return Verdict("not_done", {"prompt": action.id, "why": why}, remembered=True)

    async def ask(self, prompt: Prompt) -> Answer:
        """Show the prompt and wait for one of its options.

        Raises:
            RefusedError: The prompt has no options or cannot be written; nobody saw it.
            ReplyTimeoutError: No answer within `patience_s`; the prompt was withdrawn.
            MalformedReplyError: The answer is not of the published form; it was withdrawn.
            LinkError: Aborted, or the terminal closed; what the person did is unknown.
        """
        if not prompt.options:
            raise RefusedError(f"prompt {prompt.id} offers nothing to answer")
        async with self._one_at_a_time:
            self._withdrawn = False
            self._asking = asyncio.ensure_future(self._put(prompt))
            try:
                return await self._asking
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not self._withdrawn or (task is not None and task.cancelling()):
                    raise
                raise LinkError(
                    f"prompt {prompt.id} was withdrawn; what the person did is unknown"
                ) from None
            finally:
                self._asking.cancel()
                self._asking = None

    async def abort(self) -> None:
        """Withdraw the open prompt; the verb that waits for it ends in a LinkError."""
        if self._asking is not None:
            self._withdrawn = True
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def aclose(self) -> None:
        """Close the terminal."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _put(self, prompt: Prompt) -> Answer:
        if self._link is None:
            raise DisconnectedError("the terminal is not connected")
        link, line = self._link, encode_prompt(prompt)
        try:
            await link.send_line(line)
            return await self._answer(link, prompt)
        except DisconnectedError:
            await self._forget(link)
            raise
        except BaseException:  # a cancelled step withdraws its prompt too
            await _say(link, {"cancel": prompt.id})
            raise

    async def _forget(self, link: LineLink) -> None:
        """Drop a terminal that is gone, so that `reconcile` opens another."""
        if self._link is link:
            self._link = None
        await link.aclose()

    async def _answer(self, link: LineLink, prompt: Prompt) -> Answer:
        deadline_s = asyncio.get_running_loop().time() + self.settings.patience_s
        while True:
            left_s = deadline_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                raise ReplyTimeoutError(f"no answer to prompt {prompt.id}")
            prompt_id, answer = decode_answer(await link.read_line(timeout_s=left_s))
            if prompt_id != prompt.id:
                log.warning("operator.answer.ignored", answer=prompt_id, prompt=prompt.id)
                continue
            why = objection(prompt, answer)
            if not why:
                return answer
            await _say(link, {"refused": prompt.id, "why": why})


def objection(prompt: Prompt, answer: Answer) -> str:
    """Why an answer is not taken; empty when it is."""
    if answer.option not in prompt.options:
        return f"{answer.option!r} is not offered; answer one of {', '.join(prompt.options)}"
    wanted = str(prompt.data.get("barcode", ""))
    if wanted and answer.option == prompt.options[0] and answer.barcode != wanted:
        return f"scan the barcode {wanted}; {answer.barcode or 'nothing'} was scanned"
    return ""


async def _say(link: LineLink, fields: dict[str, Any]) -> None:
    try:
        await link.send_line(_json(fields))
    except DisconnectedError as error:
        log.warning("operator.message.failed", error=str(error), **fields)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def encode_prompt(prompt: Prompt) -> bytes:
    """Write a prompt as one line, without its end.

    Raises:
        RefusedError: The data hold something that JSON has no words for.
    """
    fields = {
        "prompt": prompt.id,
        "kind": prompt.kind,
        "text": prompt.text,
        "options": list(prompt.options),
        "data": dict(prompt.data),
        **({"due": prompt.due} if prompt.due else {}),
    }
    try:
        return _json(fields)
    except (TypeError, ValueError) as error:
        raise RefusedError(f"prompt {prompt.id} cannot be written: {error}") from error


def decode_answer(line: bytes) -> tuple[str, Answer]:
    """Return the prompt that is answered, and the answer.

    Raises:
        MalformedReplyError: Not one JSON object of texts with just the published members, a
            person without a name, or a member twice.
    """
    try:
        fields = json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError(f"not an answer: {line[:80]!r}: {error}") from None
    if not isinstance(fields, dict) or not _REQUIRED <= set(fields) <= _ALLOWED:
        raise MalformedReplyError(f"an answer has answer, option, person and note: {line[:80]!r}")
    if not all(isinstance(value, str) for value in fields.values()):
        raise MalformedReplyError(f"an answer consists of texts: {line[:80]!r}")
    if not fields["person"].strip():
        raise MalformedReplyError("an answer names the person")
    note, barcode = fields.get("note", ""), fields.get("barcode", "")
    return fields["answer"], Answer(fields["option"], fields["person"], note, barcode)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a member stands there twice")
    return fields
