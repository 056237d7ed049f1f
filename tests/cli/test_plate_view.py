"""The plate in the terminal."""

from __future__ import annotations

from platectl.cli.plate_view import PlateView


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
