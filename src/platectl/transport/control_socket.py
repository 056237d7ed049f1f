"""A local socket on which a running engine takes orders; its own thread, so that it answers when the engine is busy."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from platectl.domain.errors import DisconnectedError, PlatectlError

#: longest line, bytes; a plate that joins a run takes some hundred thousand
LONGEST: Final = 1 << 26
FAREWELL_S: Final = 2.0
Handle = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlServer:
    """Answers one JSON line with one JSON line; only the user who runs the engine can connect.

    Lifetime: a context. `handle` is called in a thread for each connection; what it raises as
    `PlatectlError` is answered as `{"error": text}`.
    """

    def __init__(self, path: Path, handle: Handle) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        self._path = path

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    answer = handle(json.loads(self.rfile.readline(LONGEST)))
                except ValueError:
                    answer = {"error": "one JSON object in one line is wanted"}
                except PlatectlError as error:
                    answer = {"error": str(error)}
                with suppress(OSError):
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Conversation)
        self._server.daemon_threads = True
        path.chmod(0o600)
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock, suppress(OSError):
            knock.connect(str(self._path))
        self._thread.join(FAREWELL_S)
        self._server.server_close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._over:
            self._server.handle_request()


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
    """Put one request to an engine and return its answer.

    Raises:
        DisconnectedError: Nobody listens, or no answer came in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.readline(LONGEST))
        except (OSError, ValueError) as error:
            raise DisconnectedError(f"the engine does not answer: {error}") from error
    found: dict[str, Any] = answer
    return found
