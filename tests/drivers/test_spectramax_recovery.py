"""The SpectraMax driver after a death: a read is not kept for a second owner, and that is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.drivers.test_spectramax import Bench, bench, frames, kinetic

from platectl.domain.errors import LinkError, RefusedError
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault
from platectl.simkit.virtual_time import VirtualClock
from platectl_drivers.spectramax import Settings, SpectraMax

LOOKS = {b"!", b"!STATUS", b"!OPTION", b"!TEMP"}


class Telling:
    """A stream that notes the lines that go out."""

    def __init__(self, inner: ByteStream, said: list[bytes]) -> None:
        self.inner, self.said = inner, said

    async def send(self, data: bytes) -> None:
        self.said.append(data.rstrip(b"\r"))
        await self.inner.send(data)

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        return await self.inner.receive(timeout_s=timeout_s)

    async def aclose(self) -> None:
        await self.inner.aclose()


def asked(verb: str = "read_kinetic", **arguments: Any) -> Action:
    return Action("a", "r", verb, arguments, VirtualClock().now())


def heir_of(it: Bench) -> tuple[SpectraMax, list[bytes]]:
    said: list[bytes] = []

    async def opened() -> ByteStream:
        return Telling(await it.open(), said)

    return SpectraMax(DriverSetup("r", VirtualClock(), opened, Settings())), said


async def test_a_read_goes_on_undisturbed_and_is_not_taken_for_more_than_it_is() -> None:
    async with bench() as it:
        await it.subject.set_temperature(37)
        reading = asyncio.create_task(frames(it, kinetic(interval_s=20.0, record_s=400.0)))
        await asyncio.sleep(45)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await it.subject.aclose()
        heir, said = heir_of(it)

        identity = await heir.observe()
        verdict = await heir.reconcile(asked(title="t"))
        warm = await heir.reconcile(asked("set_temperature", temperature_c=37.0))
        cold = await heir.reconcile(asked("set_temperature", temperature_c=None))
        await heir.take_over()

        assert set(said) <= LOOKS
        assert it.simulator._activity() == "MEASURING"
        assert identity.model == "SpectraMax"
        assert (verdict.fate, "MEASURING" in verdict.evidence["status"]) == ("unknown", True)
        assert (warm.fate, cold.fate, cold.remembered) == ("done", "not_done", True)
        with pytest.raises(RefusedError, match="does not give the read 't' a second time"):
            heir.reattach(kinetic())
        it.subject = heir
        await asyncio.sleep(400)
        assert len(await frames(it, kinetic())) == 10


async def test_only_a_start_that_was_not_sent_is_no_read() -> None:
    async with bench(Fault("silent", after=6)) as it:
        with pytest.raises(LinkError):
            await frames(it, kinetic())
        assert (await it.subject.reconcile(asked(title="t"))).fate == "not_done"
        assert (await it.subject.reconcile(asked(title="u"))).fate == "unknown"
        assert (await it.subject.reconcile(asked("dance"))).fate == "unknown"
        assert len(await frames(it, kinetic())) == 10


async def test_a_dead_line_is_opened_anew_and_the_drawer_is_told() -> None:
    async with bench(Fault("unplugged", data={"point": 2})) as it:
        with pytest.raises(LinkError):
            await frames(it, kinetic())
        assert (await it.subject.reconcile(asked(title="t"))).fate == "unknown"
        await it.subject.open_drawer()
        out = await it.subject.reconcile(asked("open_drawer"))
        in_ = await it.subject.reconcile(asked("close_drawer"))
        assert (out.fate, in_.fate, in_.remembered) == ("done", "not_done", True)
