"""A serial port through pyserial."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.serial_line import SerialLine
from platectl.transport.port_thread import PortThread

if TYPE_CHECKING:
    from serial import Serial

READ_S: Final = 5.0
WRITE_S: Final = 0.1


async def open_serial(path: str, line: SerialLine) -> PortThread:
    """Open a port for this program alone.

    Raises:
        DisconnectedError: There is no such port, or another program has it.
    """
    return await PortThread.open(path, lambda: SerialPort(path, line))


class SerialPort:
    """One open port; satisfies `BlockingPort`."""

    def __init__(self, path: str, line: SerialLine) -> None:
        from serial import Serial  # start-up stays fast without pyserial

        self._path = path
        self._waitable = os.name == "posix"  # elsewhere a port has no file descriptor
        with _port_errors(path):
            self._serial: Serial = Serial(
                path,
                baudrate=line.baud,
                bytesize=line.bytesize,
                parity=line.parity,
                stopbits=line.stopbits,
                xonxoff=line.xonxoff,
                rtscts=line.rtscts,
                exclusive=True,
                timeout=READ_S,
            )
            if line.break_ms:
                self._serial.send_break(line.break_ms / 1000.0)
                self._serial.reset_input_buffer()

    def read(self) -> bytes:
        """Wait for a byte and take what came with it."""
        with _port_errors(self._path):
            first: bytes = self._serial.read(1)
            more = self._serial.in_waiting if first else 0
            return first + self._serial.read(more) if more else first

    def interrupt(self) -> None:
        """End a read that waits."""
        with contextlib.suppress(Exception):  # the port may be going away, which ends a read too
            self._serial.cancel_read()

    def write_now(self, data: bytes) -> int:
        """Write what fits into the system's buffer."""
        with _port_errors(self._path):
            return write_within(0.0, self._serial.fileno(), data) if self._waitable else 0

    def write(self, data: bytes) -> int:
        """Write what fits into the system's buffer, which XOFF may keep full."""
        with _port_errors(self._path):
            if self._waitable:
                return write_within(WRITE_S, self._serial.fileno(), data)
            return self._serial.write(data) or 0

    def close(self) -> None:
        """Close; harmless when repeated."""
        with contextlib.suppress(Exception):  # a port that is gone cannot refuse to be closed
            self._serial.close()


@contextlib.contextmanager
def _port_errors(path: str) -> Iterator[None]:
    """Map what pyserial raises: OSError and its kin, and `termios.error`, a bare Exception."""
    try:
        yield
    except DisconnectedError:
        raise
    except Exception as error:
        raise DisconnectedError(f"serial port {path}: {error}") from error


def write_within(wait_s: float, descriptor: int, data: bytes) -> int:
    """Write to a descriptor what fits within a time; the libraries' own `write` spins or waits."""
    if not select.select([], [descriptor], [], wait_s)[1]:
        return 0
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0
