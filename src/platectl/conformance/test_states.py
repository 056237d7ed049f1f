"""Whatever state it is in: looking changes nothing, abort returns, closing is closing once."""

from __future__ import annotations

import pytest

from platectl.conformance import trials
from platectl.conformance.strikes import on_stage
from platectl.simkit.line_faults import LineFault, LineFaultKind

SHARES = pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])


def test_looking_does_nothing_and_claims_nothing(scene: str) -> None:
    assert on_stage(scene, trials.looked_at) == []


@SHARES
def test_looking_after_a_death_leaves_what_is_under_way(scene: str, share: float) -> None:
    clean = on_stage(scene, trials.undisturbed)

    alone = on_stage(scene, trials.died(share, clean, looked=False))
    looked_at = on_stage(scene, trials.died(share, clean, looked=True))

    assert looked_at == alone


def test_it_is_built_without_talking_and_may_be_aborted_and_closed_unopened(scene: str) -> None:
    assert on_stage(scene, trials.unopened) == []


def test_aborting_and_closing_are_harmless_in_any_state(scene: str) -> None:
    assert on_stage(scene, trials.closed_in_any_state) == []


@SHARES
def test_abort_returns_and_nothing_is_done_after_it(scene: str, share: float) -> None:
    clean = on_stage(scene, trials.undisturbed)

    assert on_stage(scene, trials.aborted(share, clean)) == []


@pytest.mark.parametrize("kind", ["stall", "disconnect", "drop"])
@pytest.mark.parametrize("after", [0, 1, 3, 8])
def test_abort_returns_on_a_dead_line(scene: str, kind: LineFaultKind, after: int) -> None:
    clean = on_stage(scene, trials.undisturbed)
    dead = LineFault(kind, after, None)

    assert on_stage(scene, trials.aborted(0.5, clean, heard=False), dead) == []


def test_what_sets_a_state_may_be_said_twice(scene: str) -> None:
    assert on_stage(scene, trials.set_twice) == []


def test_what_was_done_is_not_denied(scene: str) -> None:
    assert on_stage(scene, trials.asked_afterwards) == []
