"""What can be said to a running engine from another terminal, and what it answers."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from platectl.app.desk import Desk
from platectl.domain.errors import ReplyTimeoutError, UserInputError
from platectl.domain.policy import Remedy
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.units import FROZEN
from platectl.engine.admission import MovedOnError
from platectl.engine.control import Mode
from platectl.engine.ports import Situation
from platectl.engine.questions import Answer
from platectl.engine.run import Engine
from platectl.transport.control_socket import ask

#: longest time the engine's loop may take to do as it was told
REACTION_S: Final = 5.0
#: longest time until instruments answer that the run did not need before
CONNECTING_S: Final = 60.0
#: and before whoever wants to abort does it without the engine
AT_ONCE_S: Final = 0.3
#: how long an answer of the engine is waited for
ANSWER_S: Final = 10.0
PATIENCE_S: Final = {"add": 2 * CONNECTING_S}
MODES: Final[dict[str, Mode]] = {
    "pause": "pausing", "pause_now": "pausing_now", "continue": "running", "stop": "stopping",
}  # fmt: skip


def control_path(folder: Path) -> Path:
    """Socket of the engine that drives a run folder; short, because sockets' names must be."""
    base = os.environ.get("XDG_RUNTIME_DIR") or str(
        Path(tempfile.gettempdir()) / f"platectl-{os.getuid()}"
    )
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]
    return Path(base) / f"{name}.sock"


def tell(folder: Path, word: str, **fields: Any) -> dict[str, Any]:
    """Say something to the engine of a run.

    Raises:
        DisconnectedError: No engine listens.
        UserInputError: It refused.
    """
    patience_s = PATIENCE_S.get(word, ANSWER_S)
    answer = ask(control_path(folder), {"say": word, **fields}, timeout_s=patience_s)
    if "error" in answer:
        raise UserInputError(str(answer["error"]))
    return answer


#: connects instruments that an addition needs and the run had no use for
Connect = Callable[[Addition], Awaitable[None]]


def situation_from(found: Mapping[str, Any], run: CompiledRun) -> Situation:
    """Where a run stands, as its engine says it.

    Args:
        found: The answer to `outlook`.
        run: The run, with all plates that joined it.
    """
    return Situation(
        run, found["now_s"], {name: (a, b) for name, (a, b) in found["begun"].items()},
        frozenset(found["dropped"]), {name: (a, b) for name, (a, b) in found["planned"].items()},
        found["seats"],
    )  # fmt: skip


class Channel:
    """Takes requests in the socket's threads and has the engine's loop carry them out.

    `connect` is asked for instruments before plates join that need them.
    """

    def __init__(
        self, engine: Engine, desk: Desk, loop: asyncio.AbstractEventLoop, connect: Connect
    ) -> None:
        self._engine = engine
        self._connect = connect
        self._desk = desk
        self._loop = loop
        self._aborting: asyncio.Task[None] | None = None

    def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out one request."""
        word = str(request.get("say"))
        if word == "halt":
            os._exit(130)  # by definition without any clean-up
        if word in MODES:
            self._do(self._engine.switch(MODES[word], by=str(request.get("by", ""))))
        elif word == "abort":
            by, reason = str(request.get("by") or ""), str(request.get("reason") or "")
            self._do(self._begin_abort(by, reason), within_s=AT_ONCE_S)
            return {"status": "aborting"}
        elif word == "outlook":
            found: dict[str, Any] = self._do(self._outlook())
            return found
        elif word == "add":
            return self._do(self._add(request), within_s=CONNECTING_S)  # type: ignore[no-any-return]  # what `_add` returns
        elif word == "answer":
            self._do(self._answer(request))
        elif word != "status":
            raise UserInputError(f"{word!r} is no word of the command channel")
        status: dict[str, Any] = self._do(self._status())
        return status

    def _do(self, work: Coroutine[Any, Any, Any], *, within_s: float = REACTION_S) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s)
        except TimeoutError:
            future.cancel()
            raise ReplyTimeoutError(f"the engine did not react within {within_s:g} s") from None

    async def _begin_abort(self, by: str, reason: str) -> None:
        """Have every instrument told at once; the answer does not wait for theirs."""
        self._aborting = asyncio.create_task(self._engine.abort(by, reason))

    async def _status(self) -> dict[str, Any]:
        engine = self._engine
        questions = [
            {"id": q.id, "step": q.step, "plate": q.plate, "text": q.text,
             "options": list(q.options), "default": q.default, "patience_s": q.patience_s,
             "due": q.due}
            for q in engine.questions.open
        ]  # fmt: skip
        prompts = [
            {"id": name, "text": p["text"], "options": list(p["options"]), "data": p["data"],
             "due": p.get("due", "")}
            for name, p in self._desk.prompts.items()
        ]  # fmt: skip
        return {
            "status": engine.state.status, "mode": engine.control.mode,
            "running": engine.under_way(), "questions": questions, "prompts": prompts,
            "dropped": engine.state.dropped_plates, "waiting": list(engine.gates.held),
        }  # fmt: skip

    async def _outlook(self) -> dict[str, Any]:
        """Where the run stands, for whoever plans plates that are to join it."""
        now, state = self._engine.situation(), self._engine.state
        return {
            "closed": self._engine.closed(), "now_s": now.now_s, "begun": dict(now.begun),
            "planned": dict(now.planned), "dropped": sorted(now.dropped), "seats": now.seats,
            "lost": state.lost,
        }  # fmt: skip

    async def _add(self, request: Mapping[str, Any]) -> dict[str, Any]:
        by = str(request.get("by") or "")
        if not by:
            raise UserInputError("an addition carries a name: --by NAME")
        try:
            addition = Addition.model_validate(request.get("addition"), context=FROZEN)
        except ValidationError as error:
            raise UserInputError(f"that is no addition: {error}") from error
        if addition.key not in self._engine.state.added and not self._engine.closed():
            await self._connect(addition)
        reason, checks = str(request.get("reason") or ""), list(request.get("preflight") or ())
        try:
            return {"added": self._engine.add(addition, by=by, reason=reason, checks=checks)}
        except MovedOnError as error:
            return {"moved_on": str(error)}

    async def _answer(self, request: Mapping[str, Any]) -> None:
        name, option = str(request.get("id")), str(request.get("option"))
        by, reason = str(request.get("by") or ""), str(request.get("reason") or "")
        if not by:
            raise UserInputError("an answer carries a name: --by NAME")
        if name in self._desk.prompts:
            barcode = str(request.get("barcode") or "")
            await self._desk.answer(name, option=option, person=by, note=reason, barcode=barcode)
            return
        if option not in get_args(Remedy):
            raise UserInputError(f"{option!r} is no option")
        wells = tuple(str(well) for well in request.get("wells", ()))
        self._engine.questions.answer(name, Answer(option, by, reason, wells))  # type: ignore[arg-type]  # just checked
