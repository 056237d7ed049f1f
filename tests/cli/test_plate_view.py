"""The plate in the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from platectl.app.prepare import Options, prepare
from platectl.cli.plate_view import PlateView
from platectl.cli.render import LiveView
from platectl.domain.events import Event


def frame(
    channel: int, values: dict[str, float | None], labware: str = "P1.cells"
) -> dict[str, object]:
    return {
        "labware": labware,
        "channel": channel,
        "wells": list(values),
        "values": list(values.values()),
    }


def test_a_rise_is_seen_in_its_well() -> None:
    view = PlateView()
    assert view.render() is None
    for value in (650.0, 2000.0):
        view.take(frame(0, {"A1": 650.0, "B2": value, "H12": None}))
        view.take(frame(1, {"A1": 1000.0, "B2": 1000.0, "H12": 1000.0}))
    text = view.render()
    assert text is not None
    lines = text.plain.splitlines()
    assert "1.35" in lines[0]
    assert lines[1].startswith("A ··")
    assert lines[2].startswith("B   ██")
    assert lines[8].strip() == "H"


def test_another_plate_begins_anew() -> None:
    view = PlateView()
    view.take(frame(0, {"A1": 650.0}))
    view.take(frame(1, {"A1": 1000.0}, labware="P2.cells"))
    assert view.render() is None


def test_who_sees_a_plate_while_it_is_read_has_looked_once_at_each() -> None:
    looks: list[tuple[str, int, int]] = []
    run = prepare(Options("fura2-calcium")).compiled
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)

    with LiveView(run, terminal, lambda *look: looks.append(look)) as view:
        for labware in ("P1.cells", "P1.cells", "P2.cells"):
            for channel, value in ((0, 650.0), (1, 1000.0)):
                view(Event("frame.taken", "P1.F9", data=frame(channel, {"A1": value}, labware)))
    elsewhere = LiveView(run, Console(file=io.StringIO()), lambda *look: looks.append(look))
    elsewhere(Event("frame.taken", "P1.F9", data=frame(0, {"A1": 1.0})))

    assert looks == [("P1.cells", 2, 2), ("P2.cells", 6, 6)]
