"""The server side of HTTP/1.1 over any byte stream, for simulated instruments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import h11

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream


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
    """One reply."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


async def serve_http(
    stream: ByteStream, handle: Callable[[HttpRequest], Awaitable[HttpReply]]
) -> None:
    """Answer requests of one connection, with keep-alive, until the client closes it."""
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            request = await _next_request(stream, connection)
            if request is None:
                return
            reply = await handle(request)
            headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
            out = connection.send(h11.Response(status_code=reply.status, headers=headers))
            out = (out or b"") + (connection.send(h11.Data(reply.body)) or b"")
            await stream.send(out + (connection.send(h11.EndOfMessage()) or b""))
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except (DisconnectedError, h11.RemoteProtocolError):
        return
    finally:
        await stream.aclose()


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
            url = urlsplit(head.target.decode("ascii"))
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            headers = {name.decode(): value.decode() for name, value in head.headers}
            return HttpRequest(head.method.decode(), url.path, query, headers, bytes(body))
        else:
            return None
