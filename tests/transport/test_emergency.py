"""The emergency stop needs neither the engine nor the ledger, and reaches every instrument within a second."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from platectl.app.emergency import abort_without_engine, keep_lab
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.truth import load_truth
from platectl.domain.errors import StoreError
from platectl.files.lab import load_lab
from platectl.hal.stream import ByteStream
from platectl.simkit.serve import serve_tcp
from platectl.transport.wall_clock import WallClock

pytestmark = pytest.mark.wall_time
STOPS = {
    "flex": b"/runs", "arm": b"halt", "combi_membranes": b"\x1b", "shaker1": b"shakeOff",
    "sealer": b"*00SR=zz!", "manifold": b"M120 S0",
}  # fmt: skip


class Heard:
    """One wire of the lab on a port, and what came over it."""

    def __init__(self, lab: SimulatedLab, wire: str, said: dict[str, bytes]) -> None:
        self._lab, self._wire, self._said = lab, wire, said

    async def serve(self, stream: ByteStream) -> None:
        await self._lab.serve(self._wire, _Noting(stream, self._wire, self._said))


class _Noting:
    def __init__(self, stream: ByteStream, wire: str, said: dict[str, bytes]) -> None:
        self._stream, self._wire, self._said = stream, wire, said

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        data = await self._stream.receive(timeout_s=timeout_s)
        self._said[self._wire] = self._said.get(self._wire, b"") + data
        return data

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def aclose(self) -> None:
        await self._stream.aclose()


async def test_every_instrument_hears_it_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platectl_simulators.a4s.IDLE_EVERY_S", 0.1)
    lab, _ = load_lab(None)
    said: dict[str, bytes] = {}
    async with AsyncExitStack() as stack:
        behind = SimulatedLab(lab, load_truth(None), WallClock(), seed=1, folder=tmp_path)
        stack.push_async_callback(behind.aclose)
        entries = {}
        for name, entry in lab.instruments.items():
            address = entry.address
            if not address.startswith("drop:"):
                address = await stack.enter_async_context(serve_tcp(Heard(behind, name, said)))  # type: ignore[arg-type]  # it serves
            entries[name] = entry.model_copy(update={"address": address})
        real = lab.model_copy(update={"simulated": False, "instruments": entries})
        keep_lab(tmp_path, real, tuple(entries))
        outcome = await asyncio.to_thread(abort_without_engine, tmp_path)
    assert {name: text for name, text in outcome.items() if text != "stopped"} == {}
    for name, word in STOPS.items():
        assert word in said[name], name


def test_without_the_list_of_instruments_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"lab\.json cannot be read"):
        abort_without_engine(tmp_path)


def test_instruments_of_a_simulated_run_are_gone_with_it(tmp_path: Path) -> None:
    lab, _ = load_lab(None)
    keep_lab(tmp_path, lab, ("flex",))
    assert json.loads((tmp_path / "lab.json").read_text())["instruments"] == ["flex"]
    assert "gone" in abort_without_engine(tmp_path)["flex"]
