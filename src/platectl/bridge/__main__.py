"""The child process: `python -m platectl.bridge MEMORY`, spoken to over the socket that is its stdin.

What PyLabRobot prints goes to stderr, so that it never gets between the lines.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from platectl.bridge.host import Host
from platectl.bridge.memory import FileMemory
from platectl.domain.errors import DisconnectedError

PIECE: Final = 1 << 16


class Line:
    """The connected socket; satisfies `ByteStream`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0.0)
        self._socket = connection

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError as error:
            raise DisconnectedError(str(error)) from error

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Wait for the next bytes."""
        del timeout_s
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, PIECE)
        except OSError as error:
            raise DisconnectedError(str(error)) from error
        if not data:
            raise DisconnectedError("the driver is gone")
        return data

    async def aclose(self) -> None:
        """Close it."""
        self._socket.close()


def main() -> None:
    """Keep the socket for the conversation alone, and serve it."""
    line = Line(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    asyncio.run(_serve(Host(FileMemory(Path(sys.argv[1]))), line))


async def _serve(host: Host, line: Line) -> None:
    """Serve; another child that is told to abort says so by SIGTERM."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, host.stop)
    await host.serve(line)


if __name__ == "__main__":
    main()
