"""Real ports: pyserial and pyvisa on a pseudo terminal, pyvisa and asyncio on TCP."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from platectl.domain.errors import DisconnectedError, LinkError, ReplyTimeoutError
from platectl.hal.stream import ByteStream, Connector
from platectl.simkit.serve import serve_pty, serve_tcp
from platectl.simkit.simulator import serve_lines
from platectl.transport.address import open_connector
from platectl.transport.line import LineLink
from platectl.transport.wall_clock import WallClock

pytestmark = pytest.mark.wall_time


class Echo:
    """Answers a line with itself; `drip` slowly, `wait` late, `bye` by hanging up."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, stream: ByteStream) -> None:
        async def handle(line: bytes) -> None:
            self.heard.append(line)
            if line == b"bye":
                await stream.aclose()
                return
            if line == b"wait":
                await asyncio.sleep(0.3)
            if line.startswith(b"drip"):
                for byte in line + b"\r\n":
                    await stream.send(bytes([byte]))
                    await asyncio.sleep(0.002)
                return
            await stream.send(line + b"\r\n")

        await serve_lines(stream, handle, end=b"\r")


Wire = Callable[[Echo], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def serial_wire(echo: Echo) -> AsyncIterator[str]:
    async with serve_pty(echo) as path:
        yield f"serial:{path}?baud=115200"


@asynccontextmanager
async def visa_serial_wire(echo: Echo) -> AsyncIterator[str]:
    async with serve_pty(echo) as path:
        yield f"visa:ASRL{path}::INSTR?baud=9600&parity=N"


@asynccontextmanager
async def visa_socket_wire(echo: Echo) -> AsyncIterator[str]:
    async with serve_tcp(echo) as address:
        yield f"visa:TCPIP::127.0.0.1::{address.rsplit(':', 1)[1]}::SOCKET"


@asynccontextmanager
async def tcp_wire(echo: Echo) -> AsyncIterator[str]:
    async with serve_tcp(echo) as address:
        yield address


WIRES = {
    "serial": serial_wire,
    "visa-serial": visa_serial_wire,
    "visa-socket": visa_socket_wire,
    "tcp": tcp_wire,
}


@pytest.fixture(params=list(WIRES))
def wire(request: pytest.FixtureRequest) -> Wire:
    return WIRES[request.param]


@asynccontextmanager
async def talking(connect: Connector) -> AsyncIterator[LineLink]:
    link = LineLink(await connect(), tx_end=b"\r", rx_end=b"\r\n")
    try:
        yield link
    finally:
        await link.aclose()


async def test_questions_are_answered(wire: Wire) -> None:
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        for number in range(50):
            question = b"line %d" % number
            assert await link.ask(question, timeout_s=2) == question


async def test_any_chunking_gives_the_same_lines(wire: Wire) -> None:
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        await link.send_line(b"one\rdrip two\rthree")

        lines = [await link.read_line(timeout_s=2) for _ in range(3)]

    assert lines == [b"one", b"drip two", b"three"]


async def test_all_bytes_pass_unchanged(wire: Wire) -> None:
    everything = bytes(byte for byte in range(256) if byte != 0x0D)
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        assert await link.ask(everything, timeout_s=2) == everything


async def test_long_messages_pass_whole(wire: Wire) -> None:
    message = b"0123456789abcdef" * 2000
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        assert await link.ask(message, timeout_s=10) == message


async def test_silence_is_a_timeout_and_the_late_answer_is_not_lost(wire: Wire) -> None:
    clock = WallClock()
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        begun_s = clock.monotonic_s()
        with pytest.raises(ReplyTimeoutError, match=r"within 0\.1 s"):
            await link.ask(b"wait", timeout_s=0.1)
        assert clock.monotonic_s() - begun_s > 0.09

        assert await link.read_line(timeout_s=2) == b"wait"


async def test_a_cancelled_receiver_loses_nothing(wire: Wire) -> None:
    async with wire(Echo()) as address, talking(open_connector(address)) as link:
        await link.send_line(b"wait")
        reading = asyncio.create_task(link.read_line(timeout_s=5))
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

        assert await link.read_line(timeout_s=2) == b"wait"


async def test_sending_is_possible_while_another_task_waits(wire: Wire) -> None:
    echo = Echo()
    async with wire(echo) as address:
        stream = await open_connector(address)()
        waiting = asyncio.create_task(stream.receive(timeout_s=5))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(stream.send(b"abort\r"), 0.5)

        assert (await waiting).startswith(b"a")
        await stream.aclose()


@pytest.mark.parametrize("closes", ["visa-socket", "tcp"])
async def test_an_instrument_that_hangs_up_is_disconnected(closes: str) -> None:
    async with WIRES[closes](Echo()) as address, talking(open_connector(address)) as link:
        await link.ask(b"hello", timeout_s=2)
        with pytest.raises(DisconnectedError):
            await link.ask(b"bye", timeout_s=2)
        with pytest.raises(DisconnectedError):
            await link.ask(b"still there?", timeout_s=2)


async def test_a_port_that_vanishes_in_mid_conversation_is_disconnected(wire: Wire) -> None:
    serving = wire(Echo())
    async with talking(open_connector(await serving.__aenter__())) as link:
        await link.ask(b"hello", timeout_s=2)
        await link.send_line(b"wait")
        reading = asyncio.create_task(link.read_line(timeout_s=5))
        await asyncio.sleep(0.05)
        await serving.__aexit__(None, None, None)

        with pytest.raises(DisconnectedError):
            await reading
        with pytest.raises(DisconnectedError):
            await link.ask(b"again", timeout_s=1)


async def test_closing_twice_and_under_a_waiting_receiver_is_harmless(wire: Wire) -> None:
    async with wire(Echo()) as address:
        stream = await open_connector(address)()
        waiting = asyncio.create_task(stream.receive(timeout_s=5))
        await asyncio.sleep(0.05)

        await stream.aclose()
        await stream.aclose()

        with pytest.raises(DisconnectedError):
            await waiting
        with pytest.raises(DisconnectedError):
            await stream.send(b"x")
        with pytest.raises(DisconnectedError):
            await stream.receive(timeout_s=0.1)


async def test_a_port_can_be_opened_again_after_closing(wire: Wire) -> None:
    async with wire(Echo()) as address:
        connect = open_connector(address)
        for _ in range(2):
            async with talking(connect) as link:
                assert await link.ask(b"hello", timeout_s=2) == b"hello"


@pytest.mark.parametrize("first", ["serial", "visa-serial"])
@pytest.mark.parametrize("second", ["serial", "visa-serial"])
async def test_a_serial_port_belongs_to_one(first: str, second: str) -> None:
    forms = {"serial": "serial:{}", "visa-serial": "visa:ASRL{}::INSTR"}
    async with (
        serve_pty(Echo()) as path,
        talking(open_connector(forms[first].format(path))) as link,
    ):
        with pytest.raises(DisconnectedError, match="lock"):
            await open_connector(forms[second].format(path))()

        assert await link.ask(b"mine", timeout_s=2) == b"mine"


@pytest.mark.parametrize("form", ["tcp:127.0.0.1:{}", "visa:TCPIP::127.0.0.1::{}::SOCKET"])
async def test_a_port_where_nobody_listens_is_disconnected(form: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(DisconnectedError):
            await open_connector(form.format(unused.getsockname()[1]))()


@pytest.mark.parametrize("address", ["serial:/dev/no-such-port", "visa:ASRL/dev/no-such::INSTR"])
async def test_a_port_that_is_not_there_is_disconnected(address: str) -> None:
    with pytest.raises(DisconnectedError, match="no-such"):
        await open_connector(address)()


async def test_a_missing_visa_library_is_disconnected() -> None:
    with pytest.raises(LinkError):
        await open_connector("visa:ASRL/dev/x::INSTR?backend=/no/such/library.so")()


async def test_a_line_may_be_opened_with_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks: list[float] = []
    monkeypatch.setattr("serial.Serial.send_break", lambda _port, duration: breaks.append(duration))
    async with (
        serve_pty(Echo()) as path,
        talking(open_connector(f"serial:{path}?break_ms=200")) as link,
    ):
        await link.ask(b"hello", timeout_s=5)

    assert breaks == [0.2]


async def test_a_full_line_can_be_closed() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    try:
        stream = await open_connector(f"serial:{os.ttyname(theirs)}")()
        sending = asyncio.create_task(stream.send(b"x" * 200_000))
        await asyncio.sleep(0.3)
        assert not sending.done()

        await asyncio.wait_for(stream.aclose(), 2)

        with pytest.raises(DisconnectedError, match="closed; not everything was sent"):
            await sending
    finally:
        os.close(ours)
        os.close(theirs)
