"""Serial lines and sockets through pyvisa, raw: no terminator is added, cut off or needed."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.serial_line import SerialLine
from platectl.transport.port_thread import PortThread
from platectl.transport.serial_port import write_within

if TYPE_CHECKING:
    from pyvisa.resources import MessageBasedResource, SerialInstrument

#: how long the library may hold the thread, and so the longest that a `send` waits for it
SLICE_MS: Final = 20
#: how long a full line may hold up a write, and a busy computer a read
WHOLE_MS: Final = 5000
OPEN_MS: Final = 5000
CHUNK: Final = 4096


async def open_visa(
    resource: str, line: SerialLine | None = None, *, backend: str = "@py"
) -> PortThread:
    """Open an ASRL resource, with its line settings, or a SOCKET resource, without.

    Raises:
        DisconnectedError: The library or the resource is not there, or another program has it.
    """
    if line is None:
        return await PortThread.open(resource, lambda: VisaSocket(resource, backend))
    return await PortThread.open(resource, lambda: VisaSerial(resource, backend, line))


class _VisaPort:
    """What both kinds of resource share."""

    def __init__(self, resource: str, backend: str) -> None:
        import pyvisa  # start-up stays fast without pyvisa

        self._name = resource
        self._timeout = pyvisa.constants.StatusCode.error_timeout
        self._full = pyvisa.constants.StatusCode.success_max_count_read
        self._io_error = pyvisa.errors.VisaIOError
        with _visa_errors(resource):
            manager = pyvisa.ResourceManager(backend)
            self._resource: Any = manager.open_resource(resource, open_timeout=OPEN_MS)
            self._resource.timeout = SLICE_MS
            self._library = self._resource.visalib
            self._session = self._resource.session

    def interrupt(self) -> None:
        """VISA cannot interrupt a read; slices are short instead."""

    def write_now(self, data: bytes) -> int:
        """VISA cannot tell whether a write would wait."""
        del data
        return 0

    def write(self, data: bytes) -> int:
        """Write all of it; a library that gives up does not say how much went."""
        with _visa_errors(self._name), self._patiently():
            self._library.write(self._session, data)
            return len(data)

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[None]:
        """Let the library take its time; what it has when it gives up is lost."""
        self._resource.timeout = WHOLE_MS
        yield
        self._resource.timeout = SLICE_MS

    def close(self) -> None:
        """Close; harmless when repeated."""
        with contextlib.suppress(Exception):  # a port that is gone cannot refuse to be closed
            self._resource.close()

    def _read(self, count: int) -> bytes:
        """Read up to `count` bytes; nothing when the slice is over."""
        try:
            with self._library.ignore_warning(self._session, self._full):
                return bytes(self._library.read(self._session, count)[0])
        except self._io_error as error:
            if error.error_code == self._timeout:
                return b""
            raise

    def _backend_port(self) -> Any:
        """What the pure Python backend works on: a pyserial port or a socket; None elsewhere."""
        sessions = getattr(self._library, "sessions", {})
        return getattr(sessions.get(self._session), "interface", None)


class VisaSerial(_VisaPort):
    """An ASRL resource; satisfies `BlockingPort`.

    The Python backend loses what it has read of a message when its time is over, so that the
    wait for the first byte is done before it is asked, where the system can wait for a port.
    """

    def __init__(self, resource: str, backend: str, line: SerialLine) -> None:
        super().__init__(resource, backend)
        self._descriptor: int | None = None
        try:
            with _visa_errors(resource):
                self._set(self._resource, line)
                port = self._backend_port()
                if port is not None:
                    port.exclusive = True
                    self._descriptor = port.fileno() if os.name == "posix" else None
                if self._descriptor is not None:
                    self._resource.timeout = WHOLE_MS
        except DisconnectedError:
            self.close()
            raise

    def _set(self, port: SerialInstrument, line: SerialLine) -> None:
        from pyvisa import constants as visa  # start-up stays fast without pyvisa

        parity = {"N": visa.Parity.none, "E": visa.Parity.even, "O": visa.Parity.odd}
        port.baud_rate = line.baud
        port.data_bits = line.bytesize
        port.parity = parity[line.parity]
        port.stop_bits = visa.StopBits.one if line.stopbits == 1 else visa.StopBits.two
        port.flow_control = visa.ControlFlow(
            visa.ControlFlow.xon_xoff * line.xonxoff | visa.ControlFlow.rts_cts * line.rtscts
        )
        port.end_input = visa.SerialTermination.none
        port.end_output = visa.SerialTermination.none
        self._available = visa.ResourceAttribute.asrl_avalaible_number

    def write_now(self, data: bytes) -> int:
        """Write what fits into the system's buffer, if the Python backend has the port."""
        if self._descriptor is None:
            return 0
        with _visa_errors(self._name):
            return write_within(0.0, self._descriptor, data)

    def close(self) -> None:
        """Close; the number of the descriptor may belong to somebody else then."""
        self._descriptor = None
        super().close()

    def read(self) -> bytes:
        """Wait for a byte and take what came with it."""
        with _visa_errors(self._name):
            if self._descriptor is not None:
                ready = select.select([self._descriptor], [], [], SLICE_MS / 1000)[0]
                return self._read(max(1, self._waiting())) if ready else b""
            first = self._read(1)
            if not first or not (more := self._waiting()):
                return first
            with super()._patiently():
                return first + self._read(more)

    def _waiting(self) -> int:
        return int(self._library.get_attribute(self._session, self._available)[0])

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[None]:
        """Spare the Python backend two reconfigurations of the port: it is patient anyway."""
        if self._descriptor is not None:
            yield
            return
        with super()._patiently():
            yield


class VisaSocket(_VisaPort):
    """A SOCKET resource; satisfies `BlockingPort`.

    VISA returns from a read at a terminator, or when nothing more comes for a while. The last
    byte of what came before is given to it as the terminator: only a hint, which saves the while.
    """

    def __init__(self, resource: str, backend: str) -> None:
        super().__init__(resource, backend)
        try:
            with _visa_errors(resource):
                self._set(self._resource)
                self._check_alive()
        except DisconnectedError:
            self.close()
            raise

    def _set(self, port: MessageBasedResource) -> None:
        from pyvisa import constants as visa  # start-up stays fast without pyvisa

        self._hint = visa.ResourceAttribute.termchar
        self._last = ord("\n")
        self._library.set_attribute(self._session, self._hint, self._last)
        port.set_visa_attribute(visa.ResourceAttribute.termchar_enabled, True)  # noqa: FBT003  # VISA's own call
        port.set_visa_attribute(visa.ResourceAttribute.suppress_end_enabled, False)  # noqa: FBT003  # likewise

    def write_now(self, data: bytes) -> int:
        """Send what fits into the system's buffer, if the Python backend has the socket."""
        port, now = self._backend_port(), getattr(socket, "MSG_DONTWAIT", None)
        if not isinstance(port, socket.socket) or now is None:
            return 0
        with _visa_errors(self._name), contextlib.suppress(BlockingIOError):
            return port.send(data, now)
        return 0

    def read(self) -> bytes:
        """Wait for bytes; silence makes sure that the other side is still there."""
        with _visa_errors(self._name):
            data = self._read(CHUNK)
            if not data:
                self._check_alive()
            elif data[-1] != self._last:
                self._last = data[-1]
                self._library.set_attribute(self._session, self._hint, self._last)
            return data

    def _check_alive(self) -> None:
        """Ask the socket of the Python backend, which takes a refused or closed one for silent."""
        port = self._backend_port()
        if not isinstance(port, socket.socket):
            return
        code = port.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "no connection")
        try:
            if port.recv(1, socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)) == b"":
                raise DisconnectedError(f"{self._name}: the other side closed the connection")
        except BlockingIOError:
            return


@contextlib.contextmanager
def _visa_errors(name: str) -> Iterator[None]:
    """Map whatever pyvisa and its backends raise; they use bare Exceptions too."""
    try:
        yield
    except DisconnectedError:
        raise
    except Exception as error:
        raise DisconnectedError(f"{name}: {error}") from error
