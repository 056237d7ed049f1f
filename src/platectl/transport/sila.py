r"""A SiLA 2 server behind lines, so that a driver speaks to it as to any instrument.

The client of the package sila2 runs in threads of this process; the server is another process
anyway, and remembers executions by their UUID. One line each way, JSON behind a checksum
(`platectl.domain.frames`). Request: `{"do", "id", "key", "with"}`. Answer: `{"id", "ok"}` or
`{"id", "kind", "code", "says"}`. Requests are served side by side, each by its own thread.

======= ===================== =====================================================================
do      with                  answer
======= ===================== =====================================================================
hello   (none)                name, type, version, uuid, features
call    command, parameters   its responses; before them any number of `{"id", "progress", ...}`
get     property              its value
recall  action                state of each key that begins so: `done`, `running`, `refused`, `fault`, `unknown`
recover execution, option     takes a continuation option of the ErrorRecoveryService; empty: gives up
======= ===================== =====================================================================

`progress` is a percentage or null; beside it stand `remaining_s`, `state`, `intermediate` and
`recoverable`, an error that waits for one of its options. `kind` is what is known: `refused` (nothing
began: validation, not accepted, not sent), `fault` (a defined execution error; `code` is its
identifier), `unknown` (an undefined one, or a broken connection).

What is begun is on disk, under its key and with the UUID of its execution, so that a later process can ask
the server what became of it. A key that is done is not done again; one that runs is waited for.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any, Final

from platectl.domain import frames
from platectl.domain.errors import (
    DisconnectedError,
    MalformedReplyError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.transport.sila_client import SilaFailure, SilaServer
from platectl.transport.sila_journal import Journal

LOOK_S: Final = 0.2
#: longest without a word about a command that runs
BEAT_S: Final = 2.0
#: how long a server may be away before a command is in doubt
AWAY_S: Final = 10.0
#: where what was begun is remembered
SILA: Final = "PLATECTL_SILA"
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9._-]")


async def open_sila(
    host: str, port: int, *, insecure: bool = False, ca: Path | None = None
) -> SilaStream:
    """Connect to a server and learn its features; nothing is asked of it.

    Raises:
        UserInputError: The extra is missing, or the certificate cannot be read.
        DisconnectedError: Nobody answers there.
    """
    try:
        server = await asyncio.to_thread(_connected, host, port, ca, insecure=insecure)
    except SilaFailure as error:
        raise DisconnectedError(f"SiLA server {host}:{port}: {error}") from error
    return SilaStream(server, Journal(_folder() / f"{_UNUSUAL.sub('_', server.uuid)}.jsonl"))


def _connected(host: str, port: int, ca: Path | None, *, insecure: bool) -> SilaServer:
    try:
        certificate = None if ca is None else ca.read_bytes()
    except OSError as error:
        raise UserInputError(f"{ca}: {error.strerror}") from error
    return SilaServer.connect(host, port, certificate, insecure=insecure)


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get(SILA) or Path(state).expanduser() / "platectl" / "sila")


class SilaStream:
    """The line to one server; satisfies `ByteStream`.

    Lifetime: closing it leaves what the server does as it is. Concurrency: requests run side by side.
    """

    def __init__(self, server: SilaServer, journal: Journal) -> None:
        self._server = server
        self._journal = journal
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._heard = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = True

    async def send(self, data: bytes) -> None:
        """Take requests in.

        Raises:
            DisconnectedError: It was closed.
        """
        if not self._open:
            raise DisconnectedError("closed")
        *lines, self._heard = (self._heard + data).split(frames.END)
        for line in lines:
            task = asyncio.create_task(self._serve(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return what the next answer says.

        Raises:
            ReplyTimeoutError: There is none in time.
            DisconnectedError: It was closed.
        """
        if not self._open:
            raise DisconnectedError("closed")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._said.get()
        except TimeoutError:
            raise ReplyTimeoutError(f"nothing came within {timeout_s:g} s") from None

    async def aclose(self) -> None:
        """Let go of the server."""
        if self._open:
            self._open = False
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(self._server.close)

    # Requests ---------------------------------------------------------------------------------
    async def _serve(self, line: bytes) -> None:
        try:
            asked = frames.decode(line)
            number, do, given = int(asked["id"]), str(asked["do"]), dict(asked["with"])
        except (MalformedReplyError, KeyError, TypeError, ValueError):
            return  # it is not answered, as on any line
        try:
            self._say(id=number, ok=await self._do(number, do, str(asked.get("key", "")), given))
        except SilaFailure as error:
            self._say(id=number, kind=error.kind, code=error.code, says=str(error))

    async def _do(self, number: int, do: str, key: str, given: dict[str, Any]) -> Any:
        server = self._server
        try:
            if do == "hello":
                return await asyncio.to_thread(server.about)
            if do == "get":
                return await asyncio.to_thread(server.get, str(given["property"]))
            if do == "recall":
                return await self._recall(str(given["action"]))
            if do == "recover":
                return await asyncio.to_thread(server.recover, given["execution"], given["option"])
            if do == "call":
                return await self._call(
                    number, key, str(given["command"]), dict(given["parameters"])
                )
        except (KeyError, TypeError) as error:
            raise SilaFailure("refused", "request", f"not a request: {error!r}") from error
        raise SilaFailure("refused", "request", f"nothing is known of {do!r}")

    async def _call(self, number: int, key: str, command: str, parameters: dict[str, Any]) -> Any:
        known = self._journal.last(key) if key else None
        if known is not None and known.end == "done":
            return known.ok
        try:
            if known is not None and not known.end and known.execution:
                done = await self._follow(number, command, known.execution)
            else:
                done = await self._begin(number, key, command, parameters)
        except SilaFailure as error:
            if error.code != "connection":
                self._journal.add(key, end=error.kind, code=error.code)
            raise
        self._journal.add(key, end="done", ok=done)
        return done

    async def _begin(self, number: int, key: str, command: str, parameters: dict[str, Any]) -> Any:
        ready = await asyncio.to_thread(self._server.prepare, command, parameters)
        self._journal.add(key, command=command)
        if not ready.observable:
            return await asyncio.to_thread(ready.call)
        execution = await asyncio.to_thread(ready.start)
        self._journal.add(key, command=command, execution=execution)
        return await self._follow(number, command, execution)

    async def _follow(self, number: int, command: str, execution: str) -> Any:
        """Look at an execution until it ends; say what changes, and that it is still looked at."""
        loop, told_s = asyncio.get_running_loop(), 0.0
        told: dict[str, Any] = {}
        away_s: float | None = None
        while True:
            try:
                look = await asyncio.to_thread(self._server.look, command, execution)
            except SilaFailure as error:
                away_s = loop.time() if away_s is None else away_s
                if error.code != "connection" or loop.time() - away_s > AWAY_S:
                    raise
            else:
                away_s = None
                if look.pop("over"):
                    return await asyncio.to_thread(self._server.result, command, execution)
                if look != told or loop.time() - told_s > BEAT_S:
                    told, told_s = look, loop.time()
                    self._say(id=number, execution=execution, **look)
            await asyncio.sleep(LOOK_S)

    async def _recall(self, action: str) -> dict[str, str]:
        """What became of what was begun under an action, by asking the server about what has no end."""
        states = {}
        for key, entry in self._journal.begun(action).items():
            state = entry.end or "unknown"
            if not entry.end and entry.execution:
                try:
                    look = await asyncio.to_thread(
                        self._server.look, entry.command, entry.execution
                    )
                    state = "running"
                    if look["over"]:
                        ok = await asyncio.to_thread(
                            self._server.result, entry.command, entry.execution
                        )
                        self._journal.add(key, end="done", ok=ok)
                        state = "done"
                except SilaFailure as error:
                    if error.code == "connection":
                        raise
                    self._journal.add(key, end=error.kind, code=error.code)
                    state = error.kind
            states[key] = state
        return states

    def _say(self, **fields: Any) -> None:
        self._said.put_nowait(frames.encode(fields))
