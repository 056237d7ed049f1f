"""Whatever the line does: pieces of any size, faults of every kind, numbers that are none."""

from __future__ import annotations

import pytest

from platectl.conformance import trials
from platectl.conformance.strikes import SHORT, defects_of, on_stage, row_of
from platectl.simkit.line_faults import KINDS, LineFaultKind


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_any_pieces_of_the_stream_give_the_same_answers(scene: str, size: int) -> None:
    whole = on_stage(scene, trials.undisturbed)

    cut = on_stage(scene, trials.undisturbed, piece=size)

    assert cut.result == whole.result
    assert cut.acts == whole.acts
    assert cut.said() == whole.said()


@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_of_the_line_makes_it_lie_hang_or_do_it_twice(
    scene: str, kind: LineFaultKind
) -> None:
    row = row_of(scene, kinds=(kind,))

    assert defects_of(scene, row) == []
    assert {found.outcome for cells in row.values() for found in cells.values()} <= set(SHORT)


def test_what_is_no_number_is_not_taken_for_one(scene: str) -> None:
    clean = on_stage(scene, trials.undisturbed)

    found = [
        f"{what}: {defect}"
        for what, alter in trials.odd_numbers(clean)
        for defect in on_stage(scene, trials.read_with_odd_numbers(clean), alter=alter)
    ]

    assert found == []


def test_a_number_that_matters_is_read_strictly(scene: str) -> None:
    clean = on_stage(scene, trials.undisturbed)

    found = [
        what
        for what, garbage, lenient in trials.lenient_numbers(clean)
        if on_stage(scene, trials.succeeds, alter=lenient)
        and not on_stage(scene, trials.succeeds, alter=garbage)
    ]

    assert found == []


def test_odd_arguments_are_said_or_refused(scene: str) -> None:
    assert on_stage(scene, trials.says_odd_arguments) == []
