"""Joins a frozen run to its instruments: real streams, or simulators on one world."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from platectl import registry
from platectl.app.recorder import WireRecorder
from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError, LinkError, PlatectlError, StoreError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.lab import InstrumentEntry, Lab
from platectl.domain.qualification import Unit
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream, Connector, DropFolder
from platectl.store.lock import FileLock, Owner, lock_instrument
from platectl.transport.address import is_port, open_connector
from platectl.transport.drop_folder import DropDirectory
from platectl.transport.record import RecordingStream

#: longest that an instrument may take to say who it is
LOOK_S: Final = 60.0
#: wires on which somebody could have been asked
LINES: Final = ("serial", "tcp", "http")


class NotAsked:
    """Looking at an instrument opened its port and sent nothing: who is there is unknown."""

    def __str__(self) -> str:
        return "port opened; nothing was asked, so who is there is unknown"


NOT_ASKED: Final = NotAsked()
#: who answered, that nobody was asked, or what is wrong
Look = Identity | NotAsked | str


@dataclass(slots=True)
class LabConnection:
    """The connected drivers of a run, and who answered."""

    instruments: dict[str, Any] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)


class Behind(Protocol):
    """What stands behind the wires of a simulated lab."""

    def connector(self, wire: str) -> Connector:
        """Return what opens conversations on a wire, `flex` or `manifold.relay`."""
        ...


@asynccontextmanager
async def connect_lab(
    lab: Lab,
    names: tuple[str, ...],
    *,
    clock: Clock,
    folder: Path,
    recorder: WireRecorder,
    behind: Behind | None = None,
    observe: bool = False,
    guard: Callable[[], None] = lambda: None,
    owner: Owner | None = None,
    console: Connector | None = None,
    qualified: Mapping[str, Sequence[Unit]] | None = None,
) -> AsyncIterator[LabConnection]:
    """Connect the named instruments; closes all of them at the end, whatever happened.

    When the ledger fails they are left as they are, without a farewell: they finish what they
    were told, and a later engine asks them about it.

    `behind` is what stands behind the wires of a simulated lab; None is a real one. With
    `observe` the instruments are only looked at, because an earlier engine may have left them at
    work; the engine takes them over. `guard` is called before every byte that is sent; `owner`
    is who takes the locks of real instruments. `console` is what answers on `console:` wires;
    `qualified` are the units that may answer for some of the names.

    Raises:
        LinkError: One or more instruments did not answer; the message lists all of them.
        StoreError: Another process drives one of the instruments.
        UserInputError: Another unit answered than one whose hardware tests passed.
    """
    connection = LabConnection()
    wiring = _Wiring(lab, clock, folder, recorder, behind, guard, owner, console)
    try:
        for name in names:
            wiring.build(name, connection.instruments)
        await _connect_all(lab, connection, observe=observe)
        _refuse_strangers(lab, connection, qualified or {})
        yield connection
    except StoreError:
        await wiring.abandon()
        raise
    except BaseException:
        await _close_all(connection)
        raise
    else:
        await _close_all(connection)
    finally:
        wiring.unlock()


def build_drivers(
    lab: Lab, names: tuple[str, ...], *, clock: Clock, folder: Path
) -> dict[str, Any]:
    """Drivers on the wires of a real lab that nobody owns, for an emergency."""
    wiring = _Wiring(lab, clock, folder, WireRecorder(None, clock), None, lambda: None, None, None)
    built: dict[str, Any] = {}
    for name in names:
        wiring.build(name, built)
    return built


async def look_at(
    lab: Lab, names: tuple[str, ...], *, clock: Clock, folder: Path, behind: Behind | None,
    owner: Owner, console: Connector,
) -> dict[str, Look]:  # fmt: skip
    """Observe each instrument by itself and close again; says who answered, or what is wrong."""
    recorder = WireRecorder(None, clock)
    wiring = _Wiring(lab, clock, folder, recorder, behind, lambda: None, owner, console)
    connection = LabConnection()
    said: dict[str, Look] = {}

    async def look(name: str) -> Look:
        instrument = connection.instruments[name]
        try:
            async with asyncio.timeout(LOOK_S):
                who: Identity = await instrument.observe()
                unasked = instrument.info.wire in LINES and not recorder.bytes_sent(name)
                return NOT_ASKED if unasked else who
        except LinkError as error:
            return _not_reached(lab, name, instrument, str(error))
        except PlatectlError as error:
            return str(error)
        except TimeoutError:
            said = f"no answer within {LOOK_S:.0f} s"
            return _not_reached(lab, name, instrument, said)

    try:
        for name in names:
            try:
                wiring.build(name, connection.instruments)
            except PlatectlError as error:
                said[name] = str(error)
        built = [name for name in names if name not in said]
        answers = await asyncio.gather(*(look(name) for name in built))
        said |= dict(zip(built, answers, strict=True))
        return {name: said[name] for name in names}
    finally:
        await _close_all(connection)
        wiring.unlock()


def unreached(driver: str, subject: Any, address: str, problem: str) -> str:
    """What is wrong with an instrument that does not answer as it should, and what to look at."""
    lines: tuple[SerialLine, ...] = getattr(subject, "lines", subject.info.lines)
    hint = "is it switched on, and are host and port right?"
    if address.startswith(("serial:", "visa:ASRL")):
        hint = (
            "is it switched on, is its cable in, is it this port (platectl instruments discover)?"
        )
        if lines:
            hint += f" Its line is {' or '.join(map(str, lines))}: ?{lines[0].options}"
    return f"{driver} at {address}: {problem}; {hint}"


def _not_reached(lab: Lab, name: str, instrument: Any, problem: str) -> str:
    """As `unreached`, for an instrument of a lab; a simulator needs no such advice."""
    entry = lab.instruments[name]
    if lab.simulated or not is_port(entry.address):
        return problem
    return unreached(entry.driver, instrument, entry.address, problem)


async def _close_all(connection: LabConnection) -> None:
    for instrument in connection.instruments.values():
        await instrument.aclose()


async def _connect_all(lab: Lab, connection: LabConnection, *, observe: bool) -> None:
    async def one(name: str, instrument: Any) -> str | None:
        try:
            join = instrument.observe if observe else instrument.connect
            connection.identities[name] = await join()
        except LinkError as error:
            return f"{name}: {_not_reached(lab, name, instrument, str(error))}"
        except InstrumentError as error:
            return f"{name}: {error}"
        return None

    problems = await asyncio.gather(*(one(n, i) for n, i in connection.instruments.items()))
    if found := [p for p in problems if p]:
        raise LinkError("instruments that do not answer as they should:\n  " + "\n  ".join(found))


def stranger(entry: InstrumentEntry, who: Identity, units: Sequence[Unit]) -> str:
    """Why a unit that answered is none whose hardware tests passed; empty if it is one."""
    serial = who.serial_number or entry.serial_number
    if entry.serial_number not in {"", serial}:
        return f"serial number {serial} answered, the lab file says {entry.serial_number}"
    if Unit(serial_number=serial, firmware=who.firmware) in units:
        return ""
    known = "; ".join(map(str, units))
    answered = f"serial number {serial or 'unknown'}, firmware {who.firmware or 'unknown'}"
    return f"{answered} answered, hardware tests passed for {known} only"


def _refuse_strangers(
    lab: Lab, connection: LabConnection, qualified: Mapping[str, Sequence[Unit]]
) -> None:
    refuse_if_any(
        Finding(
            problem, where=f"instruments.{name}",
            fix=f"test it (platectl instruments qualify {name}), or set allow_paper: true",
        )
        for name, units in qualified.items()
        if name in connection.identities
        and (problem := stranger(lab.instruments[name], connection.identities[name], units))
    )  # fmt: skip


@dataclass(slots=True)
class _Wiring:
    """Builds drivers with their wires."""

    lab: Lab
    clock: Clock
    folder: Path
    recorder: WireRecorder
    behind: Behind | None
    guard: Callable[[], None]
    owner: Owner | None
    console: Connector | None
    locks: list[FileLock] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    streams: list[ByteStream] = field(default_factory=list)

    async def abandon(self) -> None:
        """Close all conversations without another word."""
        for stream in self.streams:
            with contextlib.suppress(LinkError):
                await stream.aclose()

    def unlock(self) -> None:
        """Give the instruments back."""
        for lock in self.locks:
            lock.release()

    def build(self, name: str, built: dict[str, Any]) -> Any:
        """Build one driver, and first those that it uses."""
        if name in built:
            return built[name]
        entry = self.lab.instruments[name]
        extras = {role: self.build(other, built) for role, other in entry.uses.items()}
        driver_class = registry.load(registry.DRIVERS, entry.driver)
        for wire, address in entry.wires.items():
            extras[wire] = self._recorded(f"{name}.{wire}", address)
        settings = driver_class.Settings.model_validate(entry.settings)
        connect = self._recorded(name, entry.address)
        drop = self._drop_folder(entry.drop_folder)
        built[name] = driver_class(DriverSetup(name, self.clock, connect, settings, drop, extras))
        return built[name]

    def _drop_folder(self, folder: str | None) -> DropFolder | None:
        if folder is None:
            return None
        path = (self.folder / folder).resolve()
        path.mkdir(parents=True, exist_ok=True)
        return DropDirectory(path, in_thread=self.behind is None)

    def _recorded(self, wire: str, address: str) -> Connector:
        if self.behind is not None:
            connect = self.behind.connector(wire)
        elif address == "console:":
            connect = self.console or _no_wire
        else:
            wireless = address.startswith(("drop:", "none:"))
            connect = _no_wire if wireless else open_connector(address)
            if self.owner is not None and not wireless and address not in self.locked:
                self.locked.add(address)  # those that share an address share its lock
                self.locks.append(lock_instrument(address, self.owner))

        async def open_recorded() -> ByteStream:
            stream = await connect()
            self.streams.append(stream)
            return RecordingStream(stream, self.recorder.writer(wire), guard=self.guard)

        return open_recorded


async def _no_wire() -> ByteStream:
    raise LinkError("this instrument has no wire")
