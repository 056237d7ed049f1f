"""Drivers that wait for a file: their folder, their titles, and patience that ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.file_bench import collector
from tests.reader_bench import kinetic

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    RefusedError,
    UserInputError,
)

COUNTERS = pytest.mark.parametrize("name", ["envision_csv", "hidex300"])


@pytest.mark.parametrize("name", ["envision_csv", "hidex300", "softmax_file"])
async def test_a_folder_that_is_missing_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(DisconnectedError, match="cannot read"):
        await collector(name, tmp_path / "nowhere").connect()
    with pytest.raises(UserInputError, match="drop:FOLDER"):
        await collector(name, None).connect()
    assert (await collector(name, tmp_path).connect()).model


@COUNTERS
@pytest.mark.parametrize("title", ["", " P1", "P1\n", "Größe"])
async def test_titles_that_cannot_stand_in_a_file_are_refused(
    tmp_path: Path, name: str, title: str
) -> None:
    with pytest.raises(RefusedError, match="title"):
        await collector(name, tmp_path).count(title=title, wells=["A1"], count_s=60.0)


@pytest.mark.parametrize("name", ["envision_csv", "hidex300", "softmax_file"])
async def test_abort_ends_the_waiting(tmp_path: Path, name: str) -> None:
    subject = collector(name, tmp_path)
    result = (
        anext(subject.read_kinetic(kinetic()))
        if name == "softmax_file"
        else subject.count(title="P1", wells=["A1"], count_s=60.0)
    )
    waiting = asyncio.ensure_future(result)
    await asyncio.sleep(100)

    await subject.abort()

    with pytest.raises(InstrumentFaultError, match="given up") as caught:
        await waiting
    assert caught.value.code == "aborted"
    await subject.aclose()
    await subject.aclose()
