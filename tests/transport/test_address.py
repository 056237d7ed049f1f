"""Addresses: what is accepted, and that a wrong one says what would be right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from platectl.domain.errors import UserInputError
from platectl.transport.address import open_connector
from platectl.transport.replay import ReplayStream


@pytest.mark.parametrize(
    "address",
    [
        "serial:/dev/ttyUSB0",
        "serial:COM3?baud=9600&bytesize=7&parity=E&stopbits=2&xonxoff=1&rtscts=0&break_ms=200",
        "visa:ASRL/dev/pts/3::INSTR?baud=9600",
        "visa:ASRL3::INSTR?backend=@ivi",
        "visa:TCPIP::127.0.0.1::5000::SOCKET",
        "visa:TCPIP0::reader.lab::5000::SOCKET?backend=@py",
        "tcp:localhost:2005",
        "tcp:[::1]:2005",
    ],
)
def test_good_addresses_open_nothing_yet(address: str) -> None:
    assert callable(open_connector(address))


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("", "write serial:/dev/ttyUSB0"),
        ("/dev/ttyUSB0", "write serial:/dev/ttyUSB0"),
        ("usb:0", "pylabrobot:name or sila:host:port"),
        ("sim:", "is no address of a port"),
        ("serial:", "names no port"),
        ("serial:/dev/x?baud", r"options as \?name=value"),
        ("serial:/dev/x?speed=9600", "no option 'speed'; there is baud, bytesize, parity"),
        ("serial:/dev/x?baud=fast", "baud must be a whole number, not 'fast'"),
        ("serial:/dev/x?baud=", "baud must be a whole number, not ''"),
        ("http://flex.lab:31950/health", "for HTTP write tcp:flex.lab:31950"),
        ("http://flex.lab", "for HTTP write tcp:flex.lab:31950"),
        ("https://[::1", "for HTTP write tcp:host:31950"),
        ("serial:/dev/x?baud=0", "baud must be a whole number"),
        ("serial:/dev/x?parity=M", "parity must be N or E or O, not 'M'"),
        ("serial:/dev/x?stopbits=3", "stopbits must be 1 or 2"),
        ("serial:/dev/x?xonxoff=yes", "xonxoff must be 0 or 1"),
        ("serial:/dev/x?break_ms=0", "break_ms must be a whole number"),
        ("visa:ASRL/dev/x::INSTR?break_ms=200", "no option 'break_ms'"),
        ("serial:/dev/x?baud=1&baud=2", "stands there twice"),
        ("visa:GPIB0::5::INSTR", "no VISA resource that platectl can use raw"),
        ("visa:TCPIP::host::INSTR", "visa:TCPIP::host::port::SOCKET"),
        ("visa:TCPIP::h::1::SOCKET?baud=9600", "no option 'baud'; there is backend"),
        ("tcp:localhost", "write tcp:host:port"),
        ("tcp:localhost:0", "a port from 1 to 65535"),
        ("tcp:localhost:70000", "a port from 1 to 65535"),
        ("replay:/nowhere/at/all.txt", "there is no such file"),
        ("replay:", "there is no such file"),
    ],
)
def test_a_malformed_address_says_what_would_be_right(address: str, advice: str) -> None:
    with pytest.raises(UserInputError, match=advice):
        open_connector(address)


async def test_a_replay_address_plays_a_transcript(tmp_path: Path) -> None:
    path = tmp_path / "story.txt"
    path.write_text("# source: invented\n> A\\r\n< B\\r\n")

    stream = await open_connector(f"replay:{path}")()

    assert isinstance(stream, ReplayStream)
    await stream.send(b"A\r")
    assert await stream.receive(timeout_s=1) == b"B\r"
    await stream.aclose()


def test_understanding_addresses_loads_no_port_library() -> None:
    program = (
        "import sys; from platectl.transport.address import open_connector\n"
        "open_connector('serial:/dev/x'); open_connector('visa:ASRL1::INSTR')\n"
        "assert not {'serial', 'pyvisa', 'socket'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
