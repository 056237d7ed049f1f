"""The client side of HTTP/1.1 over any byte stream, one request at a time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httptools

from platectl.domain.errors import DisconnectedError, MalformedReplyError, ReplyTimeoutError
from platectl.hal.stream import ByteStream, Connector

_encode = json.JSONEncoder(separators=(",", ":")).encode
_REQUEST_LINE = re.compile(r"[A-Z]+ /[!-~]* HTTP/1\.1")
_FIELD = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*")
FIRST_FINAL_STATUS = 200


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
            ValueError: A blank or a line end where HTTP allows none; nothing was sent.
            ReplyTimeoutError: No whole answer in time; the server may have acted.
            DisconnectedError: The connection broke; the server may have acted.
            MalformedReplyError: The answer is not HTTP.
        """
        data = b"" if body is None else _encode(body).encode()
        fields = (("host", self._host), ("accept", "application/json"), *(headers or {}).items())
        head = _head(method, target, fields, None if body is None else len(data))
        reply = None
        try:
            async with asyncio.timeout(timeout_s):
                stream = await self._ready()
                await stream.send(head + data)
                reply = await _reply(stream)
        except TimeoutError:
            raise ReplyTimeoutError(
                f"{method} {target}: no answer within {timeout_s:g} s"
            ) from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise MalformedReplyError(f"{method} {target}: not HTTP: {error}") from error
        except DisconnectedError as error:
            raise DisconnectedError(f"{method} {target}: {error}") from error
        finally:
            if reply is None or not reply.goes_on:  # a late answer must find no reader
                await self.aclose()
        self._used_at_s = asyncio.get_running_loop().time()
        return reply.answer

    async def aclose(self) -> None:
        """Close the connection; the next request opens a new one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    async def _ready(self) -> ByteStream:
        idle_s = asyncio.get_running_loop().time() - self._used_at_s
        if self._stream is not None and idle_s < self._idle_s:
            return self._stream
        await self.aclose()
        self._stream = stream = await self._connect()
        return stream


@lru_cache(maxsize=512)
def _head(
    method: str, target: str, fields: tuple[tuple[str, str], ...], length: int | None
) -> bytes:
    """The head of a request as it goes out; nearly the same again and again.

    Raises:
        ValueError: A blank or a line end where HTTP allows none.
    """
    if length is not None:
        fields += ("content-type", "application/json"), ("content-length", str(length))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if not _REQUEST_LINE.fullmatch(lines[0]) or not all(map(_FIELD.fullmatch, lines[1:])):
        raise ValueError(f"{method} {target!r} cannot be written with {dict(fields)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class _Reply:
    """Takes one reply from the parser; an announcement (1xx) before it is passed over."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.whole = False
        self.goes_on = False
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("ascii").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_begin(self) -> None:
        if self.whole:
            raise ValueError("more than one reply to one request")

    def on_message_complete(self) -> None:
        if self._status < FIRST_FINAL_STATUS:
            self._headers.clear()
            return
        self.whole, self.goes_on = True, self.parser.should_keep_alive()

    def end(self) -> None:
        """The connection has ended: so has a reply that announces no length.

        Raises:
            DisconnectedError: The reply has not.
        """
        if not self._status or {"content-length", "transfer-encoding"} & self._headers.keys():
            raise DisconnectedError("closed before the answer was whole")
        self.whole = True

    @property
    def answer(self) -> HttpAnswer:
        """What came."""
        return HttpAnswer(self._status, self._headers, bytes(self._body))


async def _reply(stream: ByteStream) -> _Reply:
    """Receive one whole reply."""
    reply = _Reply()
    while not reply.whole:
        try:
            data = await stream.receive()
        except DisconnectedError:
            data = b""
        if data:
            reply.parser.feed_data(data)
        else:
            reply.end()
    return reply
