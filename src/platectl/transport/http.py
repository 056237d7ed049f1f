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
    whole, the caller learns so and decides.
    """

    def __init__(self, connect: Connector, *, host: str) -> None:
        self._connect = connect
        self._host = host
        self._stream: ByteStream | None = None
        self._connection = h11.Connection(h11.CLIENT)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float,
    ) -> HttpAnswer:
        """Send one request and return the whole answer.

        `body` is sent as JSON unless it is None.

        Raises:
            ReplyTimeoutError: No whole answer in time; the server may have acted.
            DisconnectedError: The connection broke; the server may have acted.
            MalformedReplyError: The answer is not HTTP.
        """
        stream = await self._ready()
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        fields = [("host", self._host), ("accept", "application/json"), *(headers or {}).items()]
        if body is not None:
            fields += [("content-type", "application/json"), ("content-length", str(len(data)))]
        try:
            async with asyncio.timeout(timeout_s):
                out = self._connection.send(h11.Request(method=method, target=target, headers=fields))
                out = (out or b"") + (self._connection.send(h11.Data(data)) or b"" if data else b"")
                await stream.send(out + (self._connection.send(h11.EndOfMessage()) or b""))
                return await self._answer(stream)
        except TimeoutError:
            await self.aclose()
            raise ReplyTimeoutError(f"{method} {target}: no answer within {timeout_s:g} s") from None
        except h11.RemoteProtocolError as error:
            await self.aclose()
            raise MalformedReplyError(f"{method} {target}: not HTTP: {error}") from error
        except DisconnectedError:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def _ready(self) -> ByteStream:
        if self._stream is not None and self._connection.our_state is h11.DONE:
            self._connection.start_next_cycle()
        if self._stream is None or self._connection.our_state is not h11.IDLE:
            await self.aclose()
            self._stream = await self._connect()
            self._connection = h11.Connection(h11.CLIENT)
        return self._stream

    async def _answer(self, stream: ByteStream) -> HttpAnswer:
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await self._bytes(stream))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                if self._connection.our_state is h11.MUST_CLOSE:
                    await self.aclose()
                return HttpAnswer(head.status_code, headers, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise DisconnectedError("the server closed the connection before it answered")

    async def _bytes(self, stream: ByteStream) -> bytes:
        try:
            return await stream.receive()
        except DisconnectedError:
            return b""
