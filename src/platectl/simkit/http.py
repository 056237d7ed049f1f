"""The server side of HTTP/1.1 over any byte stream, for simulated instruments.

Bodies have a content-length. Names, values and lengths that RFC 9112 does not allow are refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qsl

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_LONGEST = 65536
_NAME = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_REQUEST = re.compile(rf"({_NAME}) ([!-~]+) HTTP/1\.1")
_FIELD = re.compile(rf"({_NAME}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


class HangUpError(Exception):
    """Raised by a handler to close the connection instead of answering."""


class _NotHttpError(Exception):
    """What came is no request."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are lower case, query values the last of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One reply. With `raw` set, those bytes go out instead and the connection is closed."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS)
    raw: bytes | None = None


Handler = Callable[[HttpRequest], Awaitable[HttpReply | None]]


async def serve_http(stream: ByteStream, handle: Handler) -> None:
    """Answer requests of one connection, with keep-alive, until the client closes it.

    A handler that returns None leaves the client without an answer on an open connection; one
    that raises `HangUpError` closes it. What is no HTTP is answered with 400.
    """
    buffer = bytearray()
    try:
        while True:
            request = await _next_request(stream, buffer)
            reply = await handle(request)
            if reply is None:
                await _ignore(stream)
            elif reply.raw is not None:
                await stream.send(reply.raw)
                return
            else:
                last = request.headers.get("connection", "").lower() == "close"
                await stream.send(_bytes_of(reply, last=last))
                if last:
                    return
    except _NotHttpError:
        await stream.send(_bytes_of(HttpReply(400, b"{}"), last=True))
    except (DisconnectedError, HangUpError):
        return
    finally:
        await stream.aclose()


def _bytes_of(reply: HttpReply, *, last: bool) -> bytes:
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    if last:
        headers["Connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, '')}\r\n{lines}\r\n"
    return head.encode("latin-1") + reply.body


async def _ignore(stream: ByteStream) -> None:
    """Read and drop until the client gives up and closes."""
    while True:
        await stream.receive()


async def _next_request(stream: ByteStream, buffer: bytearray) -> HttpRequest:
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if len(buffer) > _LONGEST:
            raise _NotHttpError
        buffer += await stream.receive()
    method, path, query, headers = _head(bytes(buffer[:end]))
    body_end = end + 4 + int(headers.get("content-length", "0"))
    while len(buffer) < body_end:
        buffer += await stream.receive()
    body = bytes(buffer[end + 4 : body_end])
    del buffer[:body_end]
    return HttpRequest(method, path, query, headers, body)


@lru_cache(maxsize=512)
def _head(head: bytes) -> tuple[str, str, Mapping[str, str], Mapping[str, str]]:
    """Method, path, query and headers; clients say nearly the same again and again."""
    first, *lines = head.decode("latin-1").split("\r\n")
    request = _REQUEST.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    headers = {field[1].lower(): field[2] for field in fields if field}
    length = headers.get("content-length", "0")
    whole = len(headers) == len(lines) and "host" in headers and "transfer-encoding" not in headers
    if request is None or not whole or not (length.isascii() and length.isdigit()):
        raise _NotHttpError
    path, _, query = request[2].partition("?")
    return request[1], path, MappingProxyType(dict(parse_qsl(query))), MappingProxyType(headers)
