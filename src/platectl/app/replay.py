"""Says a recorded night again: the recorded questions, at their times, to fresh simulators."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from platectl.app.simulated_lab import SimulatedLab
from platectl.domain.errors import DisconnectedError, StoreError
from platectl.domain.run import CompiledRun
from platectl.domain.transcript import Turn, unescape
from platectl.domain.units import FROZEN
from platectl.hal.stream import ByteStream
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world import Truth
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger

_LINE = re.compile(r"@(\d+\.\d+) ([<>]) (.*)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One instrument: bytes said, bytes recorded as answers, and the first difference if any."""

    instrument: str
    said: int
    answered: int
    first_difference: int | None


def read_wire(path: Path) -> list[Turn]:
    """Read a recorded conversation, one turn for each piece."""
    found = map(_LINE.fullmatch, path.read_text(encoding="ascii").splitlines())
    return [Turn(">" if m[2] == ">" else "<", unescape(m[3]), float(m[1])) for m in found if m]


def read_wires(folder: Path) -> dict[str, list[Turn]]:
    """All recorded conversations of a run, by file name."""
    return {path.stem: read_wire(path) for path in sorted(folder.glob("*.txt"))}


def replay_run(folder: Path) -> list[Comparison]:
    """Replay all wires of a run folder and compare every answer byte.

    Raises:
        StoreError: The run was not simulated, or was not recorded.
    """
    ledger = Ledger(folder / "ledger.db")
    try:
        run = run_of(ledger)
        simulation = json.loads(ledger.frozen("simulation"))
    finally:
        ledger.close()
    wires = read_wires(folder / "wire")
    if not simulation["truth"] or not wires:
        raise StoreError(f"{folder} was not recorded on a simulated lab")
    truth = Truth.model_validate(simulation["truth"], context=FROZEN)
    with TemporaryDirectory() as drops:
        return run_virtual(_replay(run, truth, int(simulation["seed"]), wires, Path(drops)))


async def _replay(
    run: CompiledRun, truth: Truth, seed: int, wires: dict[str, list[Turn]], drops: Path
) -> list[Comparison]:
    clock = VirtualClock()
    lab = SimulatedLab(run.lab, truth, clock, seed=seed, folder=drops)
    ends: dict[str, ByteStream] = {}
    for conversation in wires:
        wire = conversation.partition("~")[0]
        ends[conversation] = await lab.connector(wire)()
    results = await asyncio.gather(*(_say(name, end, wires[name]) for name, end in ends.items()))
    for end in ends.values():
        await end.aclose()
    await lab.aclose()
    return list(results)


async def rebuild(
    lab: SimulatedLab, conversations: Mapping[str, Sequence[Turn]], *, until_s: float
) -> None:
    """Bring a fresh lab to where a cut-off run left it: say again what every instrument was told."""
    ends: list[ByteStream] = []
    said = []
    for name, turns in conversations.items():
        if turns:
            end = await lab.connector(name.partition("~")[0])()
            ends.append(end)
            said.append(_say(name, end, turns))
    await asyncio.gather(*said)
    await asyncio.sleep(max(0.0, until_s - asyncio.get_running_loop().time()))
    for end in ends:
        await end.aclose()


async def _say(name: str, end: ByteStream, turns: Sequence[Turn]) -> Comparison:
    loop = asyncio.get_running_loop()
    expected = b"".join(t.data for t in turns if t.side == "<")
    heard = bytearray()

    async def listen() -> None:
        try:
            while True:
                heard.extend(await end.receive())
        except DisconnectedError:
            return

    listening = asyncio.create_task(listen())
    for turn in turns:
        if turn.side == ">":
            await asyncio.sleep(max(0.0, (turn.at_s or 0.0) - loop.time()))
            try:
                await end.send(turn.data)
            except DisconnectedError:  # the line broke here, as it did then
                break
    last_s = max((turn.at_s or 0.0 for turn in turns), default=0.0)
    await asyncio.sleep(max(0.0, last_s - loop.time()) + 1.0)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    differs = next(
        (i for i, (a, b) in enumerate(zip(heard, expected, strict=False)) if a != b), None
    )
    if differs is None and len(heard) < len(expected):
        differs = len(heard)
    said = sum(len(t.data) for t in turns if t.side == ">")
    return Comparison(name, said, len(expected), differs)
