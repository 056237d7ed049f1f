"""The server side of HTTP/1.1 over any byte stream, for simulated instruments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

import h11

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream

_REASONS = {status.value: status.phrase for status in HTTPStatus}
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}


class HangUpError(Exception):
    """Raised by a handler to close the connection instead of answering."""


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
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            try:
                request = await _next_request(stream, connection)
            except h11.RemoteProtocolError:
                await stream.send(_bytes_of(connection, HttpReply(400, b"{}")))
                return
            if request is None:
                return
            reply = await handle(request)
            if reply is None:
                await _ignore(stream)
            elif reply.raw is not None:
                await stream.send(reply.raw)
                return
            else:
                await stream.send(_bytes_of(connection, reply))
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except (DisconnectedError, HangUpError):
        return
    finally:
        await stream.aclose()


def _bytes_of(connection: h11.Connection, reply: HttpReply) -> bytes:
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    reason = _REASONS.get(reply.status, "")
    head = h11.Response(status_code=reply.status, headers=headers, reason=reason)
    out = connection.send(head) or b""
    if reply.body:
        out += connection.send(h11.Data(reply.body)) or b""
    return out + (connection.send(h11.EndOfMessage()) or b"")


async def _ignore(stream: ByteStream) -> None:
    """Read and drop until the client gives up and closes."""
    while True:
        await stream.receive()


async def _next_request(stream: ByteStream, connection: h11.Connection) -> HttpRequest | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            path, _, query = head.target.decode("ascii").partition("?")
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            return HttpRequest(
                head.method.decode(), path, dict(parse_qsl(query)), headers, bytes(body)
            )
        else:
            return None
