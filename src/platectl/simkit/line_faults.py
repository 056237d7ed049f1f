"""Faults of the line itself, for any instrument: what goes wrong between a driver and its wire.

A `FaultyStream` stands between a driver and the stream it would have had, simulated or real. Time
is that of the running loop, virtual or not. Occasions are counted by a `LineFaults`, one for each
wire, over all conversations of that wire.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.hal.stream import ByteStream, Connector

LineFaultKind = Literal[
    "drop",
    "delay",
    "duplicate",
    "garble",
    "truncate",
    "stall",
    "disconnect",
    "answer_late",
    "lose_reply",
]
Direction = Literal["out", "in", "both"]

KINDS: Final[tuple[LineFaultKind, ...]] = get_args(LineFaultKind)
#: by kind, the directions that it may have; the first is the one it has if none is given
DIRECTIONS: Final[dict[LineFaultKind, tuple[Direction, ...]]] = {
    "drop": ("out",),
    "delay": ("both", "out", "in"),
    "duplicate": ("in",),
    "garble": ("in",),
    "truncate": ("in",),
    "stall": ("out", "in"),
    "disconnect": ("out", "in"),
    "answer_late": ("out",),
    "lose_reply": ("out",),
}
FLIPS: Final = (0x01, 0x20, 0x80, 0xFF)
GARBLED_SHARE: Final = 0.2
BYTE: Final = 0xFF


@dataclass(frozen=True, slots=True)
class LineFault:
    """One fault of a line.

    Kinds. `drop`: bytes of the driver vanish and are never executed. `delay`: a piece comes
    `delay_s` later. `duplicate`: a piece of the answer arrives twice. `garble`: some bytes of a
    piece of the answer have the bits of `flip` flipped (0x80 is what parity would see, 0x01 makes
    another digit of a digit). `truncate`: a piece of the answer loses its second half, and the
    rest of that answer never comes. `stall`: from now on nothing comes in either direction, the
    conversation stays open. `disconnect`: the line breaks. `answer_late`: the request is executed
    at once, the answer comes `delay_s` later. `lose_reply`: the request is executed, the answer
    never comes. An answer is all that comes until the driver sends again.

    `direction` is the driver's: `out` strikes what it sends, `in` what it receives. `after`
    counts either the driver's sends (0 = the first; `in` then strikes the answer to that send)
    or the bytes in that direction, as `counts` says; in bytes it strikes at exactly that byte,
    which is the first that is hit. With `anew` each conversation counts from its start, otherwise
    all conversations of the wire count together. It strikes from there on, each piece, `times`
    times in all (None = always).
    """

    kind: LineFaultKind
    after: int = 0
    times: int | None = 1
    counts: Literal["sends", "bytes"] = "sends"
    direction: Direction | None = None
    delay_s: float = 60.0
    flip: int = 0x80
    anew: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault of a line is {self.kind!r}; there are {', '.join(KINDS)}")
        if self.direction is not None and self.direction not in DIRECTIONS[self.kind]:
            allowed = " or ".join(DIRECTIONS[self.kind])
            raise ValueError(f"{self.kind} has the direction {allowed}, not {self.direction!r}")
        if self.counts not in {"sends", "bytes"}:
            raise ValueError(f"after counts sends or bytes, not {self.counts!r}")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("after is at least 0 and times at least 1")
        if not 0 <= self.delay_s < math.inf or not 0 < self.flip <= BYTE:
            raise ValueError("delay_s is a time, and flip has between one and eight bits")

    def strikes(self, direction: Direction) -> bool:
        """Whether it concerns what goes `out`, or what comes `in`."""
        return (self.direction or DIRECTIONS[self.kind][0]) in {direction, "both"}


@dataclass(slots=True)
class LineCount:
    """What has gone over a line: sends of the driver, bytes out, bytes in."""

    sends: int = 0
    out_bytes: int = 0
    in_bytes: int = 0

    def add(self, direction: Direction, size: int) -> None:
        """Count one piece."""
        if direction == "out":
            self.sends += 1
            self.out_bytes += size
        else:
            self.in_bytes += size

    def place(self, fault: LineFault, direction: Direction, size: int) -> int | None:
        """Where in a piece that is about to be counted a fault is due; None if it is not yet."""
        if fault.counts == "sends":
            now = self.sends if direction == "out" else self.sends - 1
            return 0 if now >= fault.after else None
        gone = self.out_bytes if direction == "out" else self.in_bytes
        return max(0, fault.after - gone) if gone + size > fault.after else None


class LineFaults:
    """The faults of one wire; counts what goes over it, and how often each fault struck.

    Without faults it only counts. `seed` decides which bytes are garbled.
    """

    def __init__(self, faults: Iterable[LineFault] = (), *, seed: int = 0) -> None:
        self.faults = tuple(faults)
        self.count = LineCount()
        self.struck = [0] * len(self.faults)
        self._rng = random.Random(seed)

    def due(
        self, direction: Direction, size: int, conversation: LineCount
    ) -> list[tuple[LineFault, int]]:
        """Count one piece and return the faults that strike it, each with its first byte."""
        found = []
        for index, fault in enumerate(self.faults):
            if not fault.strikes(direction) or self.struck[index] == fault.times:
                continue
            place = (conversation if fault.anew else self.count).place(fault, direction, size)
            if place is not None:
                self.struck[index] += 1
                found.append((fault, place))
        self.count.add(direction, size)
        conversation.add(direction, size)
        return found

    def garbled(self, data: bytes, fault: LineFault) -> bytes:
        """Flip bits of at least one byte, if there is one."""
        if not data:
            return data
        number = max(1, round(GARBLED_SHARE * len(data)))
        changed = bytearray(data)
        for at in self._rng.sample(range(len(data)), number):
            changed[at] ^= fault.flip
        return bytes(changed)

    def on(self, connect: Connector) -> Connector:
        """Return a connector whose conversations have these faults."""

        async def open_faulty() -> ByteStream:
            return FaultyStream(await connect(), self)

        return open_faulty


class FaultyStream:
    """A stream with the faults of its line; satisfies `ByteStream`.

    Lifetime and concurrency are those of the stream below; no task runs in the background. A
    delayed piece counts from when the driver first listens for it.
    """

    def __init__(self, stream: ByteStream, faults: LineFaults) -> None:
        self._stream = stream
        self._faults = faults
        self._count = LineCount()
        self._held: deque[tuple[float, bytes]] = deque()
        self._late_s = 0.0
        self._mute = False
        self._stalled = False
        self._broken = False
        self._closed = asyncio.Event()

    async def send(self, data: bytes) -> None:
        """Send, unless a fault says otherwise.

        Raises:
            DisconnectedError: The line is broken, by a fault or in truth.
        """
        self._check()
        if self._stalled:
            return
        self._mute, self._late_s, delay_s, breaks = False, 0.0, 0.0, False
        for fault, place in self._faults.due("out", len(data), self._count):
            if fault.kind == "delay":
                delay_s += fault.delay_s
            elif fault.kind == "answer_late":
                self._late_s += fault.delay_s
            elif fault.kind == "lose_reply":
                self._mute = True
            else:
                data = data[:place]
                self._stalled = self._stalled or fault.kind == "stall"
                breaks = breaks or fault.kind == "disconnect"
        if delay_s:
            await asyncio.sleep(delay_s)
        if data:
            await self._stream.send(data)
        if breaks:
            await self._break()
            self._check()

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        """Return what comes, as the faults let it come.

        Raises:
            ReplyTimeoutError: Nothing came within `timeout_s`; the stream stays usable.
            DisconnectedError: The line is broken, by a fault or in truth.
        """
        loop = asyncio.get_running_loop()
        end_s = math.inf if timeout_s is None else loop.time() + timeout_s
        while True:
            due_s = self._held[0][0] if self._held else math.inf
            if due_s <= loop.time():
                return self._held.popleft()[1]
            if not self._held:
                self._check()
            wake_s = min(due_s, end_s)
            left_s = None if wake_s == math.inf else max(0.0, wake_s - loop.time())
            try:
                await self._listen(left_s)
            except ReplyTimeoutError:
                if end_s < due_s:
                    raise ReplyTimeoutError(f"nothing came within {timeout_s:g} s") from None

    async def aclose(self) -> None:
        """Close the stream below; a waiting receiver wakes up."""
        self._held.clear()
        await self._break()

    async def _listen(self, timeout_s: float | None) -> None:
        """Take what comes and hold it until its time; returns with nothing held if it is lost."""
        if self._stalled or self._broken:
            await self._silence(timeout_s)
            return
        try:
            data = await self._stream.receive(timeout_s=timeout_s)
        except DisconnectedError:
            if not self._stalled:
                self._broken = True  # raised once what came before it was heard
                if not self._held:
                    raise
            return
        if not (self._mute or self._stalled):
            await self._take(data)

    async def _take(self, data: bytes) -> None:
        """Hold a piece that came, as the faults leave it."""
        late_s, copies, breaks = self._late_s, 1, False
        for fault, at in self._faults.due("in", len(data), self._count):
            place = min(at, len(data))
            if fault.kind == "delay":
                late_s += fault.delay_s
            elif fault.kind == "duplicate":
                copies += 1
            elif fault.kind == "garble":
                data = data[:place] + self._faults.garbled(data[place:], fault)
            else:
                halved = fault.kind == "truncate" and fault.counts == "sends"
                data = data[: len(data) // 2 if halved else place]
                self._mute = self._mute or fault.kind == "truncate"
                self._stalled = self._stalled or fault.kind == "stall"
                breaks = breaks or fault.kind == "disconnect"
        self._hold(data, late_s, copies)
        if breaks:
            await self._break()

    def _hold(self, data: bytes, late_s: float, copies: int) -> None:
        if data:
            before_s = self._held[-1][0] if self._held else 0.0
            due_s = max(before_s, asyncio.get_running_loop().time() + late_s)
            self._held.extend([(due_s, data)] * copies)

    async def _silence(self, timeout_s: float | None) -> None:
        """Hear nothing; ends early when the conversation does."""
        try:
            async with asyncio.timeout(timeout_s):
                await (asyncio.Event() if self._held else self._closed).wait()
        except TimeoutError:
            raise ReplyTimeoutError("the line is silent") from None

    def _check(self) -> None:
        if self._broken:
            raise DisconnectedError("the line broke, or was closed")

    async def _break(self) -> None:
        self._broken = True
        self._closed.set()
        await self._stream.aclose()


def random_line_fault(rng: random.Random, *, sends: int = 50) -> LineFault:
    """One fault for a rehearsal, somewhere in the first `sends` sends of a wire."""
    kind = rng.choice(KINDS)
    return LineFault(
        kind,
        after=rng.randrange(sends),
        times=rng.choice((1, 1, 1, 2, 5)),
        direction=rng.choice(DIRECTIONS[kind]),
        delay_s=rng.choice((0.2, 2.0, 20.0, 200.0)),
        flip=rng.choice(FLIPS),
    )
