"""What a computer has on its serial ports, what VISA finds, and who announces itself on the network.

No port is opened; a VISA library may ask the network who is there. Announcements are multicast DNS, as SiLA 2
servers (`_sila._tcp`) and Opentrons robots (`_http._tcp` on port 31950) make them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from platectl.domain.errors import DisconnectedError
from platectl.domain.extras import extra

SILA: Final = "_sila._tcp.local."
HTTP: Final = "_http._tcp.local."
ROBOT_PORT: Final = 31950
ASK_MS: Final = 1000


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


@dataclass(frozen=True, slots=True)
class FoundService:
    """Who announces itself: a SiLA 2 server or an Opentrons robot.

    `own_certificate` is that of a server whose certificate nobody else signed; its certificate authority
    came with the announcement.
    """

    kind: Literal["sila2", "opentrons"]
    name: str
    host: str
    port: int
    description: str = ""
    own_certificate: bool = False


def services_of(infos: Iterable[Any]) -> list[FoundService]:
    """What announcements (zeroconf's `ServiceInfo`) say; others than ours are left out."""
    found = []
    for info in infos:
        said = {
            key.decode("utf-8", "replace"): (value or b"").decode("utf-8", "replace")
            for key, value in info.properties.items()
        }
        addresses = info.parsed_addresses()
        name = info.name.removesuffix(f".{info.type}")
        if not addresses or info.port is None:
            continue
        if info.type == SILA:
            about = " ".join(filter(None, (said.get("description"), said.get("version"), name)))
            own = any(key.startswith("ca") and key[2:].isdecimal() for key in said)
            found.append(
                FoundService(
                    "sila2", said.get("server_name") or name, addresses[0], info.port, about, own
                )
            )
        elif info.port == ROBOT_PORT:
            found.append(
                FoundService("opentrons", name, addresses[0], info.port, said.get("robotModel", ""))
            )
    return sorted(found, key=lambda service: (service.kind, service.name))


def network_services(wait_s: float = 2.0, interfaces: Any = None) -> list[FoundService]:
    """Listen for announcements; `interfaces` are those of zeroconf, all of them unless told.

    Raises:
        UserInputError: The extra is missing or broken.
        DisconnectedError: There is no network on which to listen.
    """
    with extra("sila2", "SiLA servers and robots on the network need zeroconf"):
        from zeroconf import InterfaceChoice, ServiceBrowser, ServiceListener, Zeroconf

    class Names(ServiceListener):  # type: ignore[misc]  # zeroconf is optional
        def __init__(self) -> None:
            self.seen: set[tuple[str, str]] = set()

        def add_service(self, zc: Any, type_: str, name: str) -> None:
            del zc
            self.seen.add((type_, name))

        def update_service(self, zc: Any, type_: str, name: str) -> None:
            self.add_service(zc, type_, name)

        def remove_service(self, zc: Any, type_: str, name: str) -> None:
            del zc
            self.seen.discard((type_, name))

    names = Names()
    try:
        with Zeroconf(interfaces=interfaces or InterfaceChoice.All) as network:
            browser = ServiceBrowser(network, [SILA, HTTP], names)
            threading.Event().wait(wait_s)
            infos = [network.get_service_info(*seen, ASK_MS) for seen in sorted(names.seen)]
            browser.cancel()
    except OSError as error:
        raise DisconnectedError(f"multicast DNS: {error}") from error
    return services_of(info for info in infos if info is not None)
