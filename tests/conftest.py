"""Every asynchronous test runs in virtual time; leftover tasks fail the test that left them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings

from platectl.simkit.virtual_time import VirtualTimeLoop

# Properties see the same examples every time, so that a change is judged by what it changes;
# `pytest -m hypothesis --hypothesis-profile=explore` looks for others.
# A machine that is busy with other work fails none.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", print_blob=True)
settings.load_profile("same")

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, object]:
    """Run async tests in virtual time, unless marked `wall_time`."""
    del config
    if item.get_closest_marker("wall_time"):
        return {"wall": asyncio.SelectorEventLoop}
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A test that sends the log into a file of its own leaves no closed file behind."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest_asyncio.fixture(autouse=True)
async def _no_leftover_tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    yield
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, f"{request.node.name} left tasks behind: {left}"


@pytest.fixture
def transcripts() -> Path:
    """Folder of recorded conversations."""
    return TRANSCRIPTS
