"""The audit of a ledger finds what must never be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import structlog

from platectl.app.audit import audit
from platectl.app.drive import Finished
from platectl.app.night import execute
from platectl.app.outlook import chance, outlook, quantile
from platectl.app.prepare import Night, Options, prepare
from platectl.app.rehearse import NOT_BEGUN, Conditions, rehearse
from platectl.domain.events import Event

NIGHT = """platectl: 1
night: n
starts: "2026-01-05 18:00"
plates: [{protocol: fura2-calcium, copies: 2}]
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    path = tmp_path_factory.mktemp("night") / "n.yaml"
    path.write_text(NIGHT)
    return prepare(Options(str(path)))


@pytest.fixture(scope="module")
def finished(night: Night, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("run")
    return execute(night, folder, record_wire=False, ledger_path=":memory:")


def shifted(step: str, by_s: float) -> Callable[[list[Event]], list[Event]]:
    def change(events: list[Event]) -> list[Event]:
        moved = [
            replace(e, monotonic_s=e.monotonic_s + by_s) if e.step == step else e for e in events
        ]
        return sorted(moved, key=lambda e: e.monotonic_s)

    return change


def without(kind: str, step: str) -> Callable[[list[Event]], list[Event]]:
    return lambda events: [e for e in events if (e.kind, e.step) != (kind, step)]


def broken(events: list[Event]) -> list[Event]:
    data = {"window": "wash", "plate": "P2", "hard": True, "elapsed_s": 1e4, "verdict": "too late"}
    return [*events, Event("window.broken", "P2.F4", "", 1e5, data)]


def test_a_sound_night_has_nothing_to_say(night: Night, finished: Finished) -> None:
    assert audit(night.compiled, finished.events) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (shifted("P2.F1", -4500.0), "was used by"),
        (without("step.done", "P1.F9.3"), "P1 was lost: P1.F9.3 never ended"),
        (without("step.done", "P1.F9.2"), "was put onto P1"),
        (shifted("P2.F4", -3000.0), "began before"),
        (broken, "window wash of P2 broke unannounced"),
    ],
)
def test_what_must_never_be_is_found(
    night: Night, finished: Finished, change: Callable[[list[Event]], list[Event]], said: str
) -> None:
    found = audit(night.compiled, change(list(finished.events)))

    assert any(said in text for text in found), found


def test_rehearsed_nights_with_jitter_and_faults_are_sound(night: Night) -> None:
    conditions = Conditions(faults=2, instruments_sd=0.1, people_sd=0.5)

    found = list(rehearse(night, nights=3, conditions=conditions, seed=3))

    summary = outlook(found)
    assert [n.unsound for n in found] == [(), (), ()]
    assert summary.nights == 3
    assert summary.links[0].window in {"wash", "loading", "first-read"}
    assert {e.quantity for e in summary.expected} == {"EC50"}


def test_nights_that_never_begin_have_brought_no_plate_to_the_end(night: Night) -> None:
    (done,) = rehearse(night, nights=1, conditions=Conditions(), seed=1)
    never = replace(done, status=NOT_BEGUN, windows=(), end_s=0.0)

    half, none = outlook([done, never]), outlook([never])

    assert half.all_plates_kept.share == 0.5
    assert half.all_windows_kept is not None
    assert half.all_windows_kept.share == 1.0
    assert half.end_s == (done.end_s,) * 3
    assert (none.all_plates_kept.share, none.all_windows_kept, none.end_s) == (0.0, None, None)


def test_a_chance_without_a_miss_is_not_certain() -> None:
    found = chance(200, 200)

    assert found.share == 1.0
    assert 0.975 < found.lower < 0.985


def test_quantiles_lie_between_the_values() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([0.0, 1.0], 0.25) == 0.25


def test_activity_outside_its_zone_is_seen(night: Night, finished: Finished) -> None:
    run = night.compiled
    washer = run.lab.positions["washer"].model_copy(update={"radioactive": True})
    arm = run.lab.instruments["arm"].model_copy(update={"stays_clean": False})
    lab = run.lab.model_copy(
        update={
            "positions": {**run.lab.positions, "washer": washer},
            "instruments": {**run.lab.instruments, "arm": arm},
        }
    )
    first = next(s for s in run.steps if "arm" in s.resources)
    steps = tuple(
        s.model_copy(update={"radioactive": True}) if s.id == first.id else s for s in run.steps
    )

    found = audit(run.model_copy(update={"lab": lab, "steps": steps}), finished.events)

    assert any("washer is for radioactive plates only and was used by P1" in text for text in found)
    assert any("arm handled clean labware in" in text for text in found)


def test_time_in_light_that_nobody_judged_is_seen(night: Night, finished: Finished) -> None:
    run = night.compiled
    short = tuple(
        w.model_copy(update={"at_most_s": 1.0}) if "in light" in w.name else w for w in run.windows
    )

    found = audit(run.model_copy(update={"windows": short}), finished.events)

    assert any("window cells in light of P1 broke unseen" in text for text in found)
