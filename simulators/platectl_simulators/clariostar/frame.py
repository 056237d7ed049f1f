"""Frames as the reader writes and takes them: size, payload, sum."""

from __future__ import annotations

import struct

START, MARK, END = 0x02, 0x0C, 0x0D


def frame_of(payload: bytes) -> bytes:
    """A frame around a payload."""
    body = struct.pack(">BHB", START, len(payload) + 8, MARK) + payload
    return body + sum(body).to_bytes(3, "big") + bytes((END,))


def take_frames(buffer: bytearray) -> list[bytes]:
    """Take whole frames out of what has come and return their payloads.

    What cannot begin a frame is skipped byte by byte; a frame with a wrong sum is ignored.
    """
    found = []
    while len(buffer) >= 4:  # noqa: PLR2004  # start, size, mark
        size = int.from_bytes(buffer[1:3], "big")
        if buffer[0] != START or buffer[3] != MARK or size <= 8:  # noqa: PLR2004  # as above
            del buffer[0]
            continue
        if len(buffer) < size:
            break
        frame = bytes(buffer[:size])
        del buffer[:size]
        if frame == frame_of(frame[4:-4]):
            found.append(frame[4:-4])
    return found
