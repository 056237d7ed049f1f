"""What a simulator is, what it is built with, and the two loops that most of them need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from platectl.domain.clock import Clock
from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import FaultPlan
from platectl.simkit.world import World, WorldError


@dataclass(frozen=True, slots=True)
class SimulatorSetup:
    """What a simulator is built with.

    `position` is the world position at which the instrument works (None for an arm, a handler
    or a person, which reach several; those find names in `settings`). `settings` are the raw
    settings of the instrument in the lab file: stations of the arm, slots of the deck, lines of
    a dispenser. `folder` is where a file-dropping instrument drops its files.
    """

    name: str
    world: World
    clock: Clock
    position: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: FaultPlan = field(default_factory=FaultPlan)
    folder: Path | None = None


class Simulator(Protocol):
    """An instrument from its own side of the wire.

    State survives reconnects; `serve` is called once for each conversation, possibly for two
    at the same time, and returns when the other side closes it.
    """

    def __init__(self, setup: SimulatorSetup) -> None: ...

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation until it is closed."""
        ...


def note_mishap(setup: SimulatorSetup, error: WorldError, **more: Any) -> None:
    """Note in `world.notices[f"{name}.mishap"]` what the instrument does not notice."""
    mishaps = setup.world.notices.setdefault(f"{setup.name}.mishap", [])
    mishaps.append({**more, "reason": error.reason, "message": str(error)})


@contextmanager
def unnoticed(setup: SimulatorSetup) -> Iterator[None]:
    """Let something happen in the world; the instrument notices nothing when it goes wrong."""
    try:
        yield
    except WorldError as error:
        note_mishap(setup, error)


async def serve_lines(
    stream: ByteStream,
    handle: Callable[[bytes], Awaitable[None]],
    *,
    end: bytes,
    longest: int = 65536,
) -> None:
    """Cut what arrives into lines and hand each, without its end, to `handle`.

    Lines are handled one after another, as by a single-threaded firmware; what arrives while a
    line is being handled waits. Returns when the other side closes.
    """
    buffer = bytearray()
    while True:
        try:
            buffer += await stream.receive()
        except DisconnectedError:
            return
        while (cut := buffer.find(end)) >= 0:
            line = bytes(buffer[:cut])
            del buffer[: cut + len(end)]
            try:
                await handle(line)
            except DisconnectedError:
                return
        if len(buffer) > longest:
            buffer.clear()  # firmware drops an overlong line
