"""HTTP over any byte stream: both ends, over a pipe that can be cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platectl.domain.errors import DisconnectedError, MalformedReplyError, ReplyTimeoutError
from platectl.simkit.http import HangUpError, HttpReply, HttpRequest, serve_http
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.virtual_time import run_virtual
from platectl.transport.http import HttpLink

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    b'7\r\n{"data"\r\n8;x=y\r\n:[1,2,3]\r\n1\r\n}\r\n0\r\n\r\n'
)

Script = Callable[[PipeEnd], Awaitable[None]]


class Server:
    """Plays one script per connection and remembers everything that was said to it."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.heard: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> PipeEnd:
        if not self.scripts:
            raise DisconnectedError("nobody listens")
        ours, theirs = pipe()
        self.tasks.append(asyncio.create_task(self.scripts.pop(0)(Ear(theirs, self.heard))))
        return ours

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Ear:
    def __init__(self, end: PipeEnd, heard: list[bytes]) -> None:
        self._end, self._heard = end, heard
        self.send, self.aclose = end.send, end.aclose

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        data = await self._end.receive(timeout_s=timeout_s)
        self._heard.append(data)
        return data


def answering(*answers: bytes, close: bool = False, piece: int = 0, late_s: float = 0.0) -> Script:
    async def script(stream: PipeEnd) -> None:
        for answer in answers:
            await stream.receive()
            await asyncio.sleep(late_s)
            size = piece or len(answer) or 1
            for start in range(0, len(answer), size):
                await stream.send(answer[start : start + size])
                await asyncio.sleep(0.001)
        if close:
            await stream.aclose()

    return script


async def test_one_connection_serves_many_requests() -> None:
    server = Server(answering(OK, OK, OK))
    link = HttpLink(server.connect, host="robot")

    answers = [await link.request("GET", f"/{n}", timeout_s=5) for n in range(3)]

    assert [a.json() for a in answers] == [{}, {}, {}]
    assert len(server.tasks) == 1
    await link.aclose()
    await server.aclose()


async def test_a_request_says_exactly_this() -> None:
    server = Server(answering(OK))
    link = HttpLink(server.connect, host="robot:31950")

    await link.request("POST", "/runs?a=b", headers={"X-Y": "4"}, body={"data": {}}, timeout_s=5)

    assert b"".join(server.heard) == (
        b"POST /runs?a=b HTTP/1.1\r\nHost: robot:31950\r\naccept: application/json\r\nX-Y: 4\r\n"
        b'content-type: application/json\r\ncontent-length: 11\r\n\r\n{"data":{}}'
    ).replace(b"Host", b"host")
    await link.aclose()
    await server.aclose()


@given(piece=st.integers(1, 120))
def test_an_answer_in_any_pieces_is_the_same(piece: int) -> None:
    async def main() -> None:
        server = Server(answering(CHUNKED, OK, piece=piece))
        link = HttpLink(server.connect, host="robot")
        first = await link.request("GET", "/", timeout_s=5)
        assert (first.json(), first.headers["x-a"]) == ({"data": [1, 2, 3]}, "b")
        assert (await link.request("GET", "/", timeout_s=5)).json() == {}
        assert len(server.tasks) == 1
        await link.aclose()
        await server.aclose()

    run_virtual(main())


async def test_an_answer_that_ends_with_the_connection_is_whole() -> None:
    server = Server(answering(b"HTTP/1.1 200 OK\r\n\r\n[1]", close=True), answering(OK))
    link = HttpLink(server.connect, host="robot")

    assert (await link.request("GET", "/", timeout_s=5)).json() == [1]
    assert (await link.request("GET", "/", timeout_s=5)).json() == {}

    await link.aclose()
    await server.aclose()


@pytest.mark.parametrize("cut", [0, 10, len(OK) - 1])
async def test_a_connection_that_breaks_before_the_end_is_not_used_to_send_again(cut: int) -> None:
    server = Server(answering(OK[:cut], close=True), answering(OK))
    link = HttpLink(server.connect, host="robot")

    with pytest.raises(DisconnectedError, match="POST /pump"):
        await link.request("POST", "/pump", timeout_s=5)

    assert b"".join(server.heard).count(b"POST /pump") == 1
    assert len(server.tasks) == 1
    await link.request("GET", "/", timeout_s=5)
    assert b"".join(server.heard).count(b"POST /pump") == 1
    await link.aclose()
    await server.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        OK + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ],
)
async def test_what_is_not_one_answer_is_no_answer(answer: bytes) -> None:
    server = Server(answering(answer), answering(OK))
    link = HttpLink(server.connect, host="robot")

    with pytest.raises(MalformedReplyError, match="not HTTP"):
        await link.request("GET", "/", timeout_s=5)

    assert (await link.request("GET", "/", timeout_s=5)).json() == {}
    await link.aclose()
    await server.aclose()


async def test_an_announcement_before_the_answer_is_passed_over() -> None:
    server = Server(answering(b"HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n" + OK))
    link = HttpLink(server.connect, host="robot")

    answer = await link.request("GET", "/", timeout_s=5)

    assert (answer.status, answer.json(), "x-a" in answer.headers) == (200, {}, False)
    await link.aclose()
    await server.aclose()


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "a"])
async def test_a_request_that_is_none_is_not_sent(target: str) -> None:
    server = Server(answering(OK))
    link = HttpLink(server.connect, host="robot")

    with pytest.raises(ValueError, match="cannot be written"):
        await link.request("GET", target, timeout_s=5)

    assert not server.tasks


async def test_no_answer_ends_in_time_and_a_late_one_is_never_taken_for_the_next() -> None:
    late = b'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"late"'
    server = Server(answering(late, late_s=8), answering(OK))
    link = HttpLink(server.connect, host="robot")

    with pytest.raises(ReplyTimeoutError, match="within 5 s"):
        await link.request("GET", "/slow", timeout_s=5)
    await asyncio.sleep(4)

    assert (await link.request("GET", "/", timeout_s=5)).json() == {}
    await link.aclose()
    await server.aclose()


async def test_a_cancelled_request_leaves_no_half_open_connection() -> None:
    server = Server(answering(OK, late_s=8), answering(OK))
    link = HttpLink(server.connect, host="robot")
    asking = asyncio.create_task(link.request("GET", "/slow", timeout_s=60))
    await asyncio.sleep(1)

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert (await link.request("GET", "/", timeout_s=5)).json() == {}
    await link.aclose()
    await server.aclose()


async def test_a_connection_that_was_idle_is_replaced_before_anything_is_sent() -> None:
    async def closes_when_idle(stream: PipeEnd) -> None:
        await stream.receive()
        await stream.send(OK)
        await asyncio.sleep(5)
        await stream.aclose()

    server = Server(closes_when_idle, answering(OK))
    link = HttpLink(server.connect, host="robot")
    await link.request("GET", "/", timeout_s=5)
    await asyncio.sleep(6)

    assert (await link.request("POST", "/pump", timeout_s=5)).status == 200

    assert b"".join(server.heard).count(b"POST /pump") == 1
    await link.aclose()
    await server.aclose()


async def test_an_answer_that_announces_the_close_is_obeyed() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
    server = Server(answering(closing), answering(OK))
    link = HttpLink(server.connect, host="robot")

    await link.request("GET", "/", timeout_s=5)
    await link.request("GET", "/", timeout_s=5)

    assert len(server.tasks) == 2
    await link.aclose()
    await link.aclose()
    await server.aclose()


async def test_what_is_no_http_is_malformed() -> None:
    server = Server(answering(b"\x00\xff\x00\r\n\r\n"))
    link = HttpLink(server.connect, host="robot")

    with pytest.raises(MalformedReplyError, match="not HTTP"):
        await link.request("GET", "/", timeout_s=5)
    with pytest.raises(DisconnectedError, match="nobody listens"):
        await link.request("GET", "/", timeout_s=5)
    await server.aclose()


async def test_a_host_that_never_accepts_ends_in_time() -> None:
    async def never() -> PipeEnd:
        await asyncio.sleep(1e6)
        raise AssertionError

    with pytest.raises(ReplyTimeoutError):
        await HttpLink(never, host="robot").request("GET", "/", timeout_s=5)


async def echo(request: HttpRequest) -> HttpReply | None:
    if request.path == "/hang-up":
        raise HangUpError
    if request.path == "/silent":
        return None
    text = f"{request.method} {request.path} {sorted(request.query.items())} {request.body!r}"
    return HttpReply(200, text.encode(), raw=b"garbage" if request.path == "/raw" else None)


@given(piece=st.integers(1, 200))
def test_a_request_in_any_pieces_is_understood(piece: int) -> None:
    async def main() -> None:
        ours, theirs = pipe()
        serving = asyncio.create_task(serve_http(theirs, echo))
        said = b"POST /a/b?x=1&y=%20&x=2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc" * 2
        for start in range(0, len(said), piece):
            await ours.send(said[start : start + piece])
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        heard = await ours.receive()
        assert heard.count(b"POST /a/b [('x', '2'), ('y', ' ')] b'abc'") == 2
        await ours.aclose()
        await serving

    run_virtual(main())


@pytest.mark.parametrize(
    ("path", "heard"), [("/hang-up", b""), ("/raw", b"garbage"), ("/\x01", b"HTTP/1.1 400 ")]
)
async def test_a_server_that_does_not_answer_properly_closes(path: str, heard: bytes) -> None:
    ours, theirs = pipe()
    serving = asyncio.create_task(serve_http(theirs, echo))

    await ours.send(f"GET {path} HTTP/1.1\r\nhost: h\r\n\r\n".encode())
    await serving

    got = await ours.receive(timeout_s=1) if heard else b""
    with pytest.raises(DisconnectedError):
        await ours.receive(timeout_s=1)
    assert got.startswith(heard)
    assert bool(got) == bool(heard)


async def test_a_silent_server_stays_silent_until_the_client_leaves() -> None:
    ours, theirs = pipe()
    serving = asyncio.create_task(serve_http(theirs, echo))

    await ours.send(b"GET /silent HTTP/1.1\r\nhost: h\r\n\r\n")
    with pytest.raises(ReplyTimeoutError):
        await ours.receive(timeout_s=100)
    await ours.aclose()
    await serving
