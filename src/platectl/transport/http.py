"""The client side of HTTP/1.1 over any byte stream, one request at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h11

from platectl.domain.errors import DisconnectedError, MalformedReplyError, ReplyTimeoutError
from platectl.hal.stream import ByteStream, Connector

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, headers (lower-case names) and body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body.

        Raises:
            MalformedReplyError: Not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise MalformedReplyError(f"not JSON: {self.body[:80]!r}") from None


class HttpLink:
    """A keep-alive connection; opened at the first request and again after a close.

    A request is never sent twice by the link: when the connection breaks before the answer is
    whole, the caller learns so and decides. Because servers close idle connections without a
    word (uvicorn after 5 s), one that has been idle for `idle_s` is replaced before a request
    is sent, not after it was lost.

    Concurrency: one request at a time; `aclose` may be called at any time.
    """

    def __init__(self, connect: Connector, *, host: str, idle_s: float = 2.0) -> None:
        self._connect = connect
        self._host = host
        self._idle_s = idle_s
        self._stream: ByteStream | None = None
        self._connection = h11.Connection(h11.CLIENT)
        self._used_at_s = 0.0

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float,
    ) -> HttpAnswer:
        """Send one request and return the whole answer; connecting counts into `timeout_s`.

        `body` is sent as JSON unless it is None.

        Raises:
            ReplyTimeoutError: No whole answer in time; the server may have acted.
            DisconnectedError: The connection broke; the server may have acted.
            MalformedReplyError: The answer is not HTTP.
        """
        head, data = self._request(method, target, headers or {}, body)
        whole = False
        try:
            async with asyncio.timeout(timeout_s):
                stream = await self._ready()
                await stream.send(self._bytes_of(head, data))
                answer = await self._answer(stream)
            whole = True
        except TimeoutError:
            raise ReplyTimeoutError(
                f"{method} {target}: no answer within {timeout_s:g} s"
            ) from None
        except h11.RemoteProtocolError as error:
            raise MalformedReplyError(f"{method} {target}: not HTTP: {error}") from error
        except DisconnectedError as error:
            raise DisconnectedError(f"{method} {target}: {error}") from error
        finally:
            if not whole:  # also when the caller was cancelled: a late answer must find no reader
                await self.aclose()
        await self._keep()
        return answer

    async def aclose(self) -> None:
        """Close the connection; the next request opens a new one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def _keep(self) -> None:
        """Keep the connection for the next request if both sides may go on."""
        self._used_at_s = asyncio.get_running_loop().time()
        if (
            self._connection.our_state is not h11.DONE
            or self._connection.their_state is not h11.DONE
        ):
            await self.aclose()

    def _request(
        self, method: str, target: str, headers: Mapping[str, str], body: Any
    ) -> tuple[h11.Request, bytes]:
        data = b"" if body is None else _encode(body).encode()
        fields = [("host", self._host), ("accept", "application/json"), *headers.items()]
        if body is not None:
            fields += [("content-type", "application/json"), ("content-length", str(len(data)))]
        return h11.Request(method=method, target=target, headers=fields), data

    def _bytes_of(self, head: h11.Request, data: bytes) -> bytes:
        out = self._connection.send(head) or b""
        if data:
            out += self._connection.send(h11.Data(data)) or b""
        return out + (self._connection.send(h11.EndOfMessage()) or b"")

    async def _ready(self) -> ByteStream:
        idle_s = asyncio.get_running_loop().time() - self._used_at_s
        if self._stream is not None and idle_s < self._idle_s:
            self._connection.start_next_cycle()
            return self._stream
        await self.aclose()
        self._stream = stream = await self._connect()
        self._connection = h11.Connection(h11.CLIENT)
        return stream

    async def _answer(self, stream: ByteStream) -> HttpAnswer:
        head: h11.Response | None = None
        body = bytearray()
        ended = False
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                if ended:
                    raise DisconnectedError("closed before the answer was whole") from error
                raise
            if event is h11.NEED_DATA:
                data = await _bytes(stream)
                ended = not data
                self._connection.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                if ended:
                    await self.aclose()
                return HttpAnswer(head.status_code, headers, bytes(body))


async def _bytes(stream: ByteStream) -> bytes:
    """Receive; an end of the stream is the empty piece that h11 expects."""
    try:
        return await stream.receive()
    except DisconnectedError:
        return b""
