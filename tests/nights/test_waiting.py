"""A night that waits for its start answers, and can be called off before anything is sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from platectl.app.channel import tell
from platectl.app.drive import Finished, open_run
from platectl.app.prepare import Options, prepare
from platectl.app.runs import announce, keep
from platectl.app.site import RealSite
from platectl.app.waiting import wait_for
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.store.index import RunIndex
from platectl.transport.wall_clock import WallClock

pytestmark = pytest.mark.wall_time


def waited(folder: Path, say: Callable[[], Any], *, left_s: float = 60.0) -> tuple[str, Any]:
    """Wait on the wall clock; meanwhile `say` something from another thread."""

    async def main() -> tuple[str, Any]:
        starts = WallClock().now() + timedelta(seconds=left_s)
        waiting = asyncio.create_task(wait_for(starts, WallClock(), folder))
        heard = await asyncio.to_thread(_when_it_listens, say)
        return await waiting, heard

    return asyncio.run(main())


def _when_it_listens(say: Callable[[], Any]) -> Any:
    while True:
        try:
            return say()
        except DisconnectedError:
            continue


@pytest.mark.parametrize("word", ["stop", "abort"])
def test_it_can_be_called_off_with_name_and_reason(word: str, tmp_path: Path) -> None:
    why, heard = waited(tmp_path, lambda: tell(tmp_path, word, by="Ada", reason="no membranes"))

    assert (heard["status"], heard["mode"]) == ("waiting", "stopping")
    assert why.startswith("called off by Ada before its start")


def test_it_says_for_what_it_waits_and_goes_on_waiting(tmp_path: Path) -> None:
    def say() -> list[str]:
        told = [tell(tmp_path, "status")["mode"]]
        for word in ("pause", "add", "answer"):
            with pytest.raises(UserInputError, match="nothing has begun before") as refused:
                tell(tmp_path, word)
            told.append(str(refused.value))
        return told

    why, told = waited(tmp_path, say, left_s=1.0)

    assert why == ""
    assert told[0].startswith("until ")
    assert "platectl stop" in told[1]
    assert "write the plates into the night file" in told[2]


def test_a_night_that_was_called_off_has_done_nothing_and_is_kept_as_stopped(
    tmp_path: Path,
) -> None:
    night = prepare(Options("sigma1-binding", run="night"))
    starts = WallClock().now() + timedelta(seconds=60)
    run, folder = night.compiled.model_copy(update={"starts": starts}), tmp_path / "night"
    folder.mkdir()
    ended: list[Finished] = []

    def go() -> None:
        with open_run(folder, RealSite()) as drive:
            drive.ledger.freeze("run", run.model_dump_json())
            ended.append(drive.run(run, night.policy))

    engine = threading.Thread(target=go)
    engine.start()
    _when_it_listens(lambda: tell(folder, "stop", by="Ada"))
    engine.join()

    announce(tmp_path, "night", run, starts.isoformat())
    keep(tmp_path, "night", run, ended[0])
    assert (ended[0].outcome.status, ended[0].events) == ("stopped", [])
    assert RunIndex(tmp_path).find("night")["status"] == "stopped"
