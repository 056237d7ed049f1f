"""The clock jumps; order and durations are those of real time."""

import asyncio

import pytest

from platectl.domain.errors import DisconnectedError, ReplyTimeoutError
from platectl.simkit.pipe import pipe
from platectl.simkit.virtual_time import run_virtual


def test_fifteen_hours_pass_at_once_and_in_order() -> None:
    seen: list[tuple[str, float]] = []

    async def ticker(name: str, every_s: float, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(every_s)
            seen.append((name, asyncio.get_running_loop().time()))

    async def night() -> float:
        async with asyncio.TaskGroup() as group:
            group.create_task(ticker("a", 3600.0, 15))
            group.create_task(ticker("b", 5400.0, 10))
        return asyncio.get_running_loop().time()

    assert run_virtual(night()) == pytest.approx(15 * 3600.0)
    assert [t for _, t in seen] == sorted(t for _, t in seen)


async def test_a_timeout_expires_in_virtual_time() -> None:
    ours, theirs = pipe()
    with pytest.raises(ReplyTimeoutError):
        await ours.receive(timeout_s=7200.0)
    assert asyncio.get_running_loop().time() >= 7200.0
    await theirs.aclose()
    with pytest.raises(DisconnectedError):
        await ours.receive(timeout_s=1.0)
