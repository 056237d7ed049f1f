"""A bridged device in a child process of its own, with PyLabRobot's simulated backends."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.bridge_bench import SHAKER, STROKE, acting, describe

from platectl import registry
from platectl.bridge.memory import FileMemory
from platectl.conformance.bridge_scenes import BENCH
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import Action
from platectl.transport.address import open_connector
from platectl.transport.child import BRIDGES, ChildStream
from platectl.transport.wall_clock import WallClock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where children keep their memories."""
    monkeypatch.setenv(BRIDGES, str(tmp_path))
    return tmp_path


def driver(name: str, address: str, **settings: Any) -> Any:
    kind = registry.load(registry.DRIVERS, name)
    made = kind.Settings.model_validate(settings)
    return kind(DriverSetup("it", WallClock(), open_connector(address), made))


@pytest.mark.wall_time
async def test_a_child_works_remembers_and_lets_go(home: Path) -> None:
    subject = driver("pylabrobot_handler", "pylabrobot:STARlet 4711", **BENCH)
    identity = await subject.connect()
    await describe(subject)
    with acting("a-1"):
        await subject.pick_up_tips("tips", "A1")
        await subject.aspirate("S1", "A1", **STROKE)
    await subject.aclose()
    heir = driver("pylabrobot_handler", "pylabrobot:STARlet 4711", **BENCH)
    sent = WallClock().now().astimezone(UTC)

    await heir.observe()
    verdict = await heir.reconcile(Action("a-1", "it", "transfer", {}, sent))
    await heir.aclose()

    assert identity.model == "LiquidHandlerChatterboxBackend"
    assert identity.firmware == "PyLabRobot 0.2.2"
    assert verdict.evidence["verbs"] == {"a-1#1": "done", "a-1#2": "done"}
    assert "Aspirating:" in (home / "STARlet_4711.log").read_text()


@pytest.mark.wall_time
async def test_a_child_that_is_killed_leaves_its_verb_unknown_and_a_word_in_the_error(
    home: Path,
) -> None:
    subject = driver("pylabrobot_shaker", "pylabrobot:shaker", **SHAKER)
    await subject.connect()
    with acting("a-1"):
        doing = asyncio.create_task(subject.shake(speed_rpm=600, duration_s=60))
    log = home / "shaker.log"
    while "Shaking at speed" not in log.read_text():  # noqa: ASYNC110  # another process writes
        await asyncio.sleep(0.01)
    link = subject._line.link._stream
    os.kill(link._process.pid, signal.SIGKILL)

    with pytest.raises(DisconnectedError, match=r"shaker\.log"):
        await doing
    verdict = await subject.reconcile(Action("a-1", "it", "shake", {}, WallClock().now()))
    await subject.aclose()

    assert verdict.fate == "unknown"
    assert verdict.evidence["verbs"] == {"a-1#1": "lost"}


@pytest.mark.long
@pytest.mark.wall_time
async def test_another_process_stops_what_a_dead_engine_left_at_work(home: Path) -> None:
    subject = driver("pylabrobot_shaker", "pylabrobot:shaker", **SHAKER)
    await subject.connect()
    with acting("a-1"):
        doing = asyncio.create_task(subject.shake(speed_rpm=600, duration_s=60))
    log = home / "shaker.log"
    while "Shaking at speed" not in log.read_text():  # noqa: ASYNC110  # another process writes
        await asyncio.sleep(0.01)
    link = subject._line.link._stream
    await link._stream.aclose()
    doing.cancel()

    stranger = driver("pylabrobot_shaker", "pylabrobot:shaker", **SHAKER)
    await stranger.observe()
    await stranger.abort()
    await asyncio.to_thread(link._process.wait, 20)
    verdict = await stranger.reconcile(Action("a-1", "it", "shake", {}, WallClock().now()))
    await stranger.aclose()

    assert "Stopping shaking" in log.read_text()
    assert verdict.evidence["verbs"] == {"a-1#1": "aborted"}


@pytest.mark.wall_time
async def test_a_folder_that_cannot_be_written_is_a_broken_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(BRIDGES, str(tmp_path / "file" / "below"))

    with pytest.raises(DisconnectedError, match="no child process for x"):
        await ChildStream.start("x")


def test_an_address_names_its_device() -> None:
    with pytest.raises(UserInputError, match="names no device"):
        open_connector("pylabrobot:")


def test_a_memory_is_read_again_without_what_a_death_left_half_written(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    first = FileMemory(path)
    assert first.take(first)
    first.add({"since": "2026-01-05T18:00:00+00:00"})
    first.add({"key": "a#1", "do": "shake", "with": {}})
    first.add({"key": "a#1", "end": "done", "ok": None})
    first.add({"key": "a#2", "do": "heat", "with": {"temperature_c": 37.0}})
    first.release(first)
    with path.open("ab") as file:
        file.write(b'{"key": "a#2", "en')

    second = FileMemory(path)
    assert second.take(second)

    assert second.since == "2026-01-05T18:00:00+00:00"
    assert second.states("a#") == {"a#1": "done", "a#2": "begun"}
    assert [record["do"] for record in second.accomplished()] == ["shake"]
    second.add({"key": "a#2", "end": "done", "ok": 1})
    second.release(second)
    third = FileMemory(path)
    third.look()
    assert third.result("a#2") == 1


def test_a_device_has_one_child_at_a_time(tmp_path: Path) -> None:
    first, second = FileMemory(tmp_path / "m.jsonl"), FileMemory(tmp_path / "m.jsonl")
    assert first.take(first)

    assert second.busy(second)
    assert not second.take(second)

    first.release(first)
    assert not second.busy(second)
    assert second.take(second)
