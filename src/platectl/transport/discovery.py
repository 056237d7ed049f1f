"""What a computer has on its serial ports, and what VISA finds; no port is opened.

A VISA library may ask the network who is there.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from platectl.domain.errors import DisconnectedError


@dataclass(frozen=True, slots=True)
class FoundPort:
    """One serial port; `usb` is `VID:PID` in capitals, empty for ports that are no USB."""

    device: str
    usb: str = ""
    serial_number: str = ""
    description: str = ""


def serial_ports() -> list[FoundPort]:
    """The serial ports of this computer, sorted by device."""
    from serial.tools.list_ports import comports  # start-up stays fast without pyserial

    found = [
        FoundPort(
            port.device,
            "" if port.vid is None or port.pid is None else f"{port.vid:04X}:{port.pid:04X}",
            port.serial_number or "",
            port.description if port.description != "n/a" else "",
        )
        for port in comports()
    ]
    return sorted(found, key=lambda port: port.device)


def visa_resources(backend: str = "@py") -> list[str]:
    """The resources that a VISA library lists, sorted.

    Raises:
        DisconnectedError: There is no such library.
    """
    import pyvisa  # start-up stays fast without pyvisa

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the Python backend tells what it cannot look for
            return sorted(pyvisa.ResourceManager(backend).list_resources("?*"))
    except Exception as error:  # pyvisa and its backends raise whatever they like
        raise DisconnectedError(f"VISA {backend}: {error}") from error
