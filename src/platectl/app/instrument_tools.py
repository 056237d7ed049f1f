"""Tools for one instrument without a run: find it, look at it, talk to it, record it, play it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from platectl import registry
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.truth import load_truth
from platectl.app.wire import unreached
from platectl.domain.clock import Clock
from platectl.domain.errors import (
    DisconnectedError,
    LinkError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.domain.findings import InputRefusedError
from platectl.domain.lab import Lab
from platectl.domain.transcript import Side
from platectl.files.yaml_lines import Document, findings_of
from platectl.hal.instrument import DriverSetup, Identity
from platectl.hal.stream import ByteStream, Connector
from platectl.simkit.serve import serve_pty, serve_tcp
from platectl.transport.address import open_connector
from platectl.transport.record import RecordingStream

PINGS: Final = 5
PATIENCE_S: Final = 10.0
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Pong:
    """Who answered, and how long the looks took.

    `asked` is false where looking sends nothing: then nobody has answered, and who is there is unknown.
    """

    identity: Identity
    looks_s: tuple[float, ...]
    asked: bool


def build(driver: str, connect: Connector, settings: Mapping[str, Any], clock: Clock) -> Any:
    """Build a driver that stands alone.

    Raises:
        UserInputError: No such driver, or settings that it does not take.
    """
    kind = registry.load(registry.DRIVERS, driver)
    try:
        made = kind.Settings.model_validate(dict(settings))
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, Document(driver, dict(settings)))) from error
    return kind(DriverSetup(driver, clock, connect, made))


async def ping(
    driver: str, address: str, settings: Mapping[str, Any], clock: Clock, *, connect: bool = False,
    patience_s: float = PATIENCE_S,
) -> Pong:  # fmt: skip
    """Look at an instrument several times; nothing is changed.

    With `connect` it is taken into remote control first, and given back at the end.

    Raises:
        LinkError: No usable answer within the patience; the message says what to look at.
    """
    said = bytearray()
    port = open_connector(address)

    def note(side: Side, data: bytes) -> None:
        if side == ">":
            said.extend(data)

    async def open_watched() -> ByteStream:
        return RecordingStream(await port(), note)

    subject = build(driver, open_watched, settings, clock)
    looks_s = []
    try:
        async with reaching(driver, subject, address, patience_s):
            identity = await (subject.connect() if connect else subject.observe())
            for _ in range(PINGS):
                begun_s = clock.monotonic_s()
                looked = await subject.observe()
                looks_s.append(clock.monotonic_s() - begun_s)
                identity = identity if connect else looked
    finally:
        await subject.aclose()
    return Pong(identity, tuple(looks_s), bool(said))


@asynccontextmanager
async def reaching(
    driver: str, subject: Any, address: str, patience_s: float | None
) -> AsyncIterator[None]:
    """Say of an instrument that is not reached in time which one it is, and what to look at.

    Raises:
        LinkError: As what is done within, or the patience is over.
    """
    try:
        async with asyncio.timeout(patience_s):
            yield
    except LinkError as error:
        raise LinkError(unreached(driver, subject, address, str(error))) from error
    except TimeoutError:
        said = f"no answer within {patience_s:g} s"
        raise LinkError(unreached(driver, subject, address, said)) from None


class Talk:
    """A conversation by hand: what is said goes out, what comes is shown at once.

    Lifetime: a context, closed at its end.
    """

    def __init__(self, stream: ByteStream, show: Callable[[Side, bytes], None]) -> None:
        self._stream = stream
        self._show = show
        self._heard = asyncio.Event()
        self._over = False

    async def say(self, data: bytes, *, quiet_s: float) -> None:
        """Send, and wait until nothing has come for a while.

        Raises:
            DisconnectedError: The other side is gone.
        """
        self._show(">", data)
        await self._stream.send(data)
        while not self._over:
            self._heard.clear()
            try:
                async with asyncio.timeout(quiet_s):
                    await self._heard.wait()
            except TimeoutError:
                return
        raise DisconnectedError("the other side closed the conversation")

    async def listen(self) -> None:
        """Show what comes until the conversation ends."""
        try:
            while True:
                try:
                    self._show("<", await self._stream.receive(timeout_s=1.0))
                except ReplyTimeoutError:
                    continue
                self._heard.set()
        except DisconnectedError:
            self._over = True
            self._heard.set()


@asynccontextmanager
async def talking(address: str, show: Callable[[Side, bytes], None]) -> AsyncIterator[Talk]:
    """Open a conversation by hand.

    Raises:
        DisconnectedError: The address cannot be reached.
    """
    stream = await open_connector(address)()
    talk = Talk(stream, show)
    listening = asyncio.create_task(talk.listen())
    try:
        yield talk
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await stream.aclose()


class _Wire:
    """One wire of a simulated lab; satisfies `Simulator` for whoever serves it."""

    def __init__(self, lab: SimulatedLab, wire: str) -> None:
        self._lab = lab
        self._wire = wire

    async def serve(self, stream: ByteStream) -> None:
        """Hold one conversation."""
        await self._lab.serve(self._wire, stream)


@asynccontextmanager
async def served(
    lab: Lab, wire: str, clock: Clock, *, folder: Path, port: int | None
) -> AsyncIterator[str]:
    """Serve the simulator behind a wire of a lab in real time; gives the address for a lab file.

    Without a `port`, on a pseudo terminal; port 0 is one that the system chooses. One that answers by files has
    none: its address is the folder below `folder` into which it drops them.

    Raises:
        UserInputError: The lab has no such instrument, its simulator cannot be built, or it has no line.
    """
    name = wire.partition(".")[0]
    if name not in lab.instruments:
        raise UserInputError(
            f"the lab has no instrument {wire!r}; there are {', '.join(lab.instruments)}"
        )
    entry = lab.instruments[name]
    kind = registry.load(registry.DRIVERS, entry.driver).info.wire
    if kind == "none":
        raise UserInputError(f"{name} has no line of its own; serve what it is reached through")
    simulated = SimulatedLab(lab, load_truth(None), clock, seed=SEED, folder=folder)
    if kind == "files" and entry.drop_folder is not None:
        try:
            yield f"drop:{(folder / entry.drop_folder).resolve()}"
        finally:
            await simulated.aclose()
        return
    ends: Any = _Wire(simulated, wire)
    try:
        if port is None:
            async with serve_pty(ends) as path:
                yield f"serial:{path}"
        else:
            async with serve_tcp(ends, port=port) as address:
                yield address
    finally:
        await simulated.aclose()
