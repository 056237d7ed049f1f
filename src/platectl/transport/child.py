"""A child process that owns a bridged device, spoken to over its stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.transport.tcp import TcpStream

MODULE: Final = "platectl.bridge"
#: where children keep their memories and what they print
BRIDGES: Final = "PLATECTL_BRIDGES"
FAREWELL_S: Final = 10.0
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9._-]")


def folder() -> Path:
    """Where children keep what must outlive them."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get(BRIDGES) or Path(state).expanduser() / "platectl" / "bridges")


class ChildStream:
    """The line to one child; satisfies `ByteStream`.

    Closing it closes the child's stdin: the child ends what it has begun, lets go of its device and
    ends by itself. It is never killed, because the device would be left in the middle of a stroke.
    """

    def __init__(self, process: subprocess.Popen[bytes], stream: TcpStream, log: Path) -> None:
        self._process = process
        self._stream = stream
        self._log = log

    @classmethod
    async def start(cls, device: str) -> ChildStream:
        """Start the child of a device.

        Raises:
            DisconnectedError: The process cannot be started, or its folder not be written.
        """
        home = folder()
        name = _UNUSUAL.sub("_", device)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                home.mkdir(parents=True, exist_ok=True, mode=0o700)
                with (home / f"{name}.log").open("ab") as log:
                    process = subprocess.Popen(  # noqa: ASYNC220, S603  # it returns at once; our own module
                        [sys.executable, "-m", MODULE, str(home / f"{name}.jsonl")],
                        stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=log, start_new_session=True,
                    )  # fmt: skip
        except OSError as error:
            ours.close()
            raise DisconnectedError(f"no child process for {device}: {error}") from error
        reader, writer = await asyncio.open_connection(sock=ours)
        stream = TcpStream(f"the bridge of {device}", reader, writer)
        return cls(process, stream, home / f"{name}.log")

    async def send(self, data: bytes) -> None:
        """Hand all bytes to the child.

        Raises:
            DisconnectedError: The child has ended; names its log.
        """
        try:
            await self._stream.send(data)
        except DisconnectedError as error:
            raise self._gone(error) from error

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return what the child has said.

        Raises:
            ReplyTimeoutError: Nothing came in time.
            DisconnectedError: The child has ended; names its log.
        """
        try:
            return await self._stream.receive(timeout_s=timeout_s)
        except ReplyTimeoutError:
            raise
        except DisconnectedError as error:
            raise self._gone(error) from error

    async def aclose(self) -> None:
        """Close the line and wait a moment for the child to end; one that is at work goes on."""
        await self._stream.aclose()
        if self._process.returncode is None:
            await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        try:
            self._process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            self._process.returncode = 0  # it is nobody's any more; nobody waits for it

    def _gone(self, error: DisconnectedError) -> DisconnectedError:
        code = self._process.poll()
        ended = "" if code is None else f", which ended with {code}"
        return DisconnectedError(f"{error}{ended}; it prints to {self._log}")
