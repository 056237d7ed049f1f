"""Addresses of lab files: text to something that opens a conversation.

::

    serial:/dev/ttyUSB0?baud=9600&bytesize=8&parity=N&stopbits=1&xonxoff=1&rtscts=1&break_ms=200
    visa:ASRL/dev/ttyUSB0::INSTR?baud=9600&backend=@py
    visa:TCPIP::192.168.0.7::5000::SOCKET
    tcp:hidex.lab:2005            (instruments that speak HTTP too: tcp:flex.lab:31950)
    replay:recordings/combi.txt
    pylabrobot:STARlet-4711
    sila:192.168.0.9:50052?insecure=1

The last one is a child process; its name is free, and is what the device is locked under.
`sim:`, `drop:`, `console:` and `none:` are no ports; whoever builds a lab deals with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from platectl.domain.errors import UserInputError
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream, Connector

_TCP: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/\s\[\]]+):(\d{1,5})")
_VISA_SERIAL: Final = re.compile(r"ASRL\S+::INSTR", re.IGNORECASE)
_VISA_SOCKET: Final = re.compile(r"TCPIP\d*::[^:\s]+::\d{1,5}::SOCKET", re.IGNORECASE)
_HIGHEST_PORT: Final = 65535
_HTTP_PORT: Final = 31950
#: addresses that open no port
NO_PORT: Final = ("sim:", "console:", "drop:", "none:")


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise ValueError("a whole number")
    return int(text)


def _one_of(*choices: Any) -> Callable[[str], Any]:
    by_text = {str(choice): choice for choice in choices}

    def choose(text: str) -> Any:
        if text not in by_text:
            raise ValueError(" or ".join(by_text))
        return by_text[text]

    return choose


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("0 or 1")
    return text == "1"


_LINE_OPTIONS: Final[Mapping[str, Callable[[str], Any]]] = {
    "baud": _whole_number,
    "bytesize": _one_of(5, 6, 7, 8),
    "parity": _one_of("N", "E", "O"),
    "stopbits": _one_of(1, 2),
    "xonxoff": _switch,
    "rtscts": _switch,
}
_BREAK: Final[Mapping[str, Callable[[str], Any]]] = {"break_ms": _whole_number}
_BACKEND: Final[Mapping[str, Callable[[str], Any]]] = {"backend": str}
_SILA: Final[Mapping[str, Callable[[str], Any]]] = {"insecure": _switch, "ca": Path}


def open_connector(address: str) -> Connector:
    """Understand an address; nothing is opened until the connector is called.

    Raises:
        UserInputError: Malformed; says what would be right.
    """
    scheme, colon, rest = address.partition(":")
    if scheme in {"http", "https"}:
        raise UserInputError(f"{address!r} is no address of a port; {_for_http(address)}")
    makers = {
        "serial": _serial, "visa": _visa, "tcp": _tcp, "replay": _replay, "pylabrobot": _child,
        "sila": _sila,
    }  # fmt: skip
    if not colon or scheme not in makers:
        raise UserInputError(
            f"{address!r} is no address of a port; write serial:/dev/ttyUSB0?baud=9600, "
            "visa:ASRL/dev/ttyUSB0::INSTR, visa:TCPIP::host::port::SOCKET, tcp:host:port, "
            "replay:file, pylabrobot:name or sila:host:port"
        )
    return makers[scheme](address, rest)


def is_port(address: str) -> bool:
    """Whether an address is one of a port, and not one that whoever builds a lab deals with."""
    return not address.startswith(NO_PORT)


def check_address(address: str) -> None:
    """Understand an address, of a port or not; nothing is opened.

    Raises:
        UserInputError: Malformed; says what would be right.
    """
    if is_port(address):
        open_connector(address)


def line_of(address: str) -> SerialLine | None:
    """How an address sets its serial line; None where it names none.

    Raises:
        UserInputError: Malformed.
    """
    scheme, _, rest = address.partition(":")
    if scheme != "serial" and not address.upper().startswith("VISA:ASRL"):
        return None
    _, options = _split(address, rest, {**_LINE_OPTIONS, **_BREAK, **_BACKEND})
    options.pop("backend", None)
    return SerialLine(**options)


def _for_http(address: str) -> str:
    """What stands for a URL."""
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    return f"for HTTP write tcp:{host or 'host'}:{port or _HTTP_PORT}"


def _serial(address: str, rest: str) -> Connector:
    path, options = _split(address, rest, {**_LINE_OPTIONS, **_BREAK})
    if not path:
        raise UserInputError(f"{address!r} names no port; write serial:/dev/ttyUSB0?baud=9600")
    line = SerialLine(**options)

    async def connect() -> ByteStream:
        from platectl.transport.serial_port import open_serial  # fast start-up

        return await open_serial(path, line)

    return connect


def _visa(address: str, rest: str) -> Connector:
    serial = rest.upper().startswith("ASRL")
    known = {**_LINE_OPTIONS, **_BACKEND} if serial else _BACKEND
    resource, options = _split(address, rest, known)
    if not (_VISA_SERIAL if serial else _VISA_SOCKET).fullmatch(resource):
        raise UserInputError(
            f"{address!r} is no VISA resource that platectl can use raw; write "
            "visa:ASRL/dev/ttyUSB0::INSTR?baud=9600 or visa:TCPIP::host::port::SOCKET"
        )
    backend = options.pop("backend", "@py")
    line = SerialLine(**options) if serial else None

    async def connect() -> ByteStream:
        from platectl.transport.visa import open_visa  # fast start-up

        return await open_visa(resource, line, backend=backend)

    return connect


def _tcp(address: str, rest: str) -> Connector:
    match = _TCP.fullmatch(rest)
    if not match or not 0 < int(match[2]) <= _HIGHEST_PORT:
        raise UserInputError(
            f"{address!r} needs a host and a port from 1 to {_HIGHEST_PORT}; write tcp:host:port"
        )
    host, port = match[1].strip("[]"), int(match[2])

    async def connect() -> ByteStream:
        from platectl.transport.tcp import TcpStream  # fast start-up

        return await TcpStream.open(host, port)

    return connect


def _replay(address: str, rest: str) -> Connector:
    path = Path(rest)
    if not rest or not path.is_file():
        raise UserInputError(
            f"{address!r}: there is no such file; write replay:path/of/transcript.txt"
        )

    async def connect() -> ByteStream:
        from platectl.transport.replay import ReplayStream  # fast start-up

        return ReplayStream.from_file(path)

    return connect


def _sila(address: str, rest: str) -> Connector:
    place, options = _split(address, rest, _SILA)
    match = _TCP.fullmatch(place)
    if not match or not 0 < int(match[2]) <= _HIGHEST_PORT:
        raise UserInputError(
            f"{address!r} needs a host and a port; write sila:host:port?insecure=1"
        )

    async def connect() -> ByteStream:
        from platectl.transport.sila import open_sila  # fast start-up

        return await open_sila(match[1].strip("[]"), int(match[2]), **options)

    return connect


def _child(address: str, rest: str) -> Connector:
    if not rest:
        raise UserInputError(f"{address!r} names no device; write pylabrobot:name-of-the-device")

    async def connect() -> ByteStream:
        from platectl.transport.child import ChildStream  # fast start-up

        return await ChildStream.start(rest)

    return connect


def _split(
    address: str, rest: str, known: Mapping[str, Callable[[str], Any]]
) -> tuple[str, dict[str, Any]]:
    """Cut off and convert the options."""
    name, question, query = rest.partition("?")
    options: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if question else []
    except ValueError as error:
        raise UserInputError(f"{address!r}: write options as ?name=value&name=value") from error
    for option, text in pairs:
        if option not in known:
            raise UserInputError(f"{address!r}: no option {option!r}; there is {', '.join(known)}")
        if option in options:
            raise UserInputError(f"{address!r}: option {option!r} stands there twice")
        try:
            options[option] = known[option](text)
        except ValueError as error:
            raise UserInputError(f"{address!r}: {option} must be {error}, not {text!r}") from None
    return name, options
