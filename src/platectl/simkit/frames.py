"""Frames between an engine and a lab that is simulated in another process, in one virtual time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_HEAD: Final = struct.Struct("<BIdI")
PIECE: Final = 1 << 16


class Kind(IntEnum):
    """OPEN names a wire, DATA and CLOSE belong to a stream; IDLE and TIME carry the clock.

    IDLE: the engine has nothing to do before `at_s`, and has had `stream` frames so far.
    TIME: it is `at_s`.
    """

    OPEN = 1
    DATA = 2
    CLOSE = 3
    IDLE = 4
    TIME = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; every frame of the lab carries its time."""

    kind: Kind
    stream: int = 0
    at_s: float = 0.0
    data: bytes = b""

    def encode(self) -> bytes:
        """Head and payload."""
        return _HEAD.pack(self.kind, self.stream, self.at_s, len(self.data)) + self.data


class FrameSocket:
    """Frames over one connected socket. `take` gives what has arrived whole; None is its end."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = bytearray()
        self.sent = 0
        self.received = 0

    def fileno(self) -> int:
        """Descriptor, for selectors."""
        return self.socket.fileno()

    def send(self, frame: Frame) -> None:
        """Send one frame whole.

        Raises:
            OSError: The other side is gone.
        """
        self.socket.sendall(frame.encode())
        self.sent += 1

    def take(self) -> list[Frame] | None:
        """Read once; waits if nothing has arrived."""
        try:
            data = self.socket.recv(PIECE)
        except OSError:
            return None
        if not data:
            return None
        self._buffer += data
        frames = list(self._cut())
        self.received += len(frames)
        return frames

    def _cut(self) -> Iterator[Frame]:
        while len(self._buffer) >= _HEAD.size:
            kind, stream, at_s, length = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            data = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            yield Frame(Kind(kind), stream, at_s, data)
