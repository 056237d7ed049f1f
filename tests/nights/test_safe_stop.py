"""Ctrl-C at any moment: instruments are stopped, nothing more is sent, the ledger says how far it came."""

from __future__ import annotations

import logging
import re
import signal
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.cli.main import cli
from platectl.domain.events import Event
from platectl.store.ledger import Ledger

#: what instruments may still hear a moment after the operator stopped the night: farewells
FAREWELLS = ("halt", "attach 0", "exit", "QIT", "M120 S0", "M124 V1")
STOPS = {
    "arm": "halt",
    "combi_membranes": "\\x1b",
    "flex": "/actions",
    "manifold": "M120 S0",
    "sealer": "*00SR=zz!",
    "shaker1": "shakeOff",
}
CONNECTED_S = 2.0
SAID = re.compile(r"@(\d+\.\d+) > (.*)")
MOMENTS = ["P1.B0", "P1.B2", "P1.B4", "P1.B6", "P1.B7", "P1.B8", "P1.B9", "P1.B11b", "P1.B13"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class CtrlC:
    """Presses Ctrl-C when a step is under way."""

    def __init__(self, step: str, *, consuming: bool = False) -> None:
        self.step = step
        self.consuming = consuming
        self.pressed_s: float | None = None

    def __call__(self, event: Event) -> None:
        under_way = event.step == self.step and event.kind in {"action.sent", "step.claimed"}
        if self.consuming and event.data.get("effect") == "set":
            return
        wanted = "step.claimed" if self.step == "P1.B8" else "action.sent"
        if self.pressed_s is None and under_way and event.kind == wanted:
            self.pressed_s = event.monotonic_s
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", MOMENTS)
def test_a_stopped_night_is_stopped_everywhere(tmp_path: Path, step: str) -> None:
    watch = CtrlC(step)
    with pytest.raises(KeyboardInterrupt):
        execute(prepare(Options("sigma1-binding")), tmp_path, watch=watch)

    book = Ledger(tmp_path / "ledger.db")
    events = list(book.events())
    assert book.verify() is None
    book.close()
    assert watch.pressed_s is not None
    last = events[-1]
    assert last.kind == "run.aborted"
    assert last.monotonic_s - watch.pressed_s < 10.0
    begun_later = [e for e in events if e.kind == "action.sent" and e.monotonic_s > watch.pressed_s]
    assert not begun_later
    unfinished = {e.step for e in events if e.kind == "action.sent"} - {
        e.step for e in events if e.kind in {"step.done", "step.failed", "step.in_doubt"}
    }
    assert not unfinished
    said = said_after(tmp_path, watch.pressed_s)
    for instrument, stop in STOPS.items():
        assert any(stop in text for _, text in said[instrument]), instrument
    late = [text for heard in said.values() for at_s, text in heard if at_s > 0.1]
    assert not [text for text in late if not text.startswith(FAREWELLS)]


def said_after(folder: Path, moment_s: float) -> dict[str, list[tuple[float, str]]]:
    """What each instrument was told from a moment of the ledger on: seconds after it, and the words.

    The wires' clock runs from the connection of the lab, the ledger's from the start of the run.
    """
    said: dict[str, list[tuple[float, str]]] = {}
    for path in (folder / "wire").glob("*.txt"):
        found = [m for m in map(SAID.fullmatch, path.read_text().splitlines()) if m]
        after = [(float(m[1]) - CONNECTED_S - moment_s, m[2]) for m in found]
        heard = said.setdefault(path.stem.partition("~")[0], [])
        heard += [(at_s, text) for at_s, text in after if at_s >= -1e-6]
    return said


@pytest.mark.parametrize("step", ["P1.B6", "P1.B7", "P1.B9"])
def test_what_consumes_is_in_doubt(tmp_path: Path, step: str) -> None:
    watch = CtrlC(step, consuming=step != "P1.B7")
    with pytest.raises(KeyboardInterrupt):
        execute(prepare(Options("sigma1-binding")), tmp_path, watch=watch)

    book = Ledger(tmp_path / "ledger.db")
    events = {(e.step, e.kind) for e in book.events()}
    book.close()
    assert (step, "step.failed" if step == "P1.B7" else "step.in_doubt") in events


def test_the_command_ends_with_130_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("platectl.cli.run.execute", stopped)
    ran = CliRunner().invoke(cli, ["run", "sigma1-binding", "--store", str(tmp_path)])
    assert ran.exit_code in {1, 130}
    assert "Traceback" not in ran.output
