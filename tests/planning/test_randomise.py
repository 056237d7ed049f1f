"""Layouts drawn by lot keep their constraints, repeat with their seed, and say what cannot be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platectl.domain.assay import AssayProtocol
from platectl.domain.layout import PLATE, Block, Layout, Randomise, Series
from platectl.domain.standards import aliquots_of, copied_columns
from platectl.domain.wells import parse_well
from platectl.files.protocol import load_protocol
from platectl.planning.plates import plan_plates
from platectl.planning.randomise import broken, randomised
from platectl.planning.ties import CannotRandomiseError, cells_of, ties_of

BINDING, CALCIUM = (load_protocol(name)[0] for name in ("sigma1-binding", "fura2-calcium"))
SATURATION, KINETICS = (load_protocol(name)[0] for name in ("sigma1-saturation", "sigma1-kinetics"))
S8, K = SATURATION.layouts["S8"], KINETICS.layouts["K"]
LAYOUTS = [*BINDING.layouts.values(), *CALCIUM.layouts.values()]
terms = st.builds(
    Randomise, seed=st.integers(0, 2**31), scatter=st.sampled_from(["series", "wells"]),
    apart=st.integers(1, 2), lines=st.booleans(), balanced=st.booleans(),
)  # fmt: skip


def meaning(layout: Layout) -> dict[str, tuple[str, int, int]]:
    """Well -> what it is: slot, replicate and step, or role."""
    found = {
        well: (series.slot, series.replicate, step)
        for series in layout.series
        for step, well in enumerate(series.wells)
    }
    return found | {w: (b.role, b.lot, -1) for b in layout.controls for w in b.wells}


def correlation(pairs: Sequence[tuple[int, int]]) -> float:
    x, y = (np.array(v, dtype=float) for v in zip(*pairs, strict=True))
    return float(np.corrcoef(x, y)[0, 1])


@given(layout=st.sampled_from(LAYOUTS), asked=terms)
@settings(max_examples=12, deadline=None)
def test_a_drawn_layout_has_the_same_wells_and_content_and_keeps_what_was_asked(
    layout: Layout, asked: Randomise
) -> None:
    drawn = randomised(layout, asked, "P1")

    before, after = meaning(layout), meaning(drawn)
    assert before.keys() == after.keys()
    assert Counter(before.values()) == Counter(after.values())
    assert broken(drawn, asked, layout) == []


@given(seed=st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_controls_of_scattered_wells_are_even_over_rows_columns_and_edge(seed: int) -> None:
    drawn = randomised(BINDING.layouts["B10"], Randomise(seed=seed, scatter="wells"), "P1")

    for role in ("total", "nsb"):
        (block,) = (b for b in drawn.controls if b.role == role)
        places = [parse_well(well) for well in block.wells]
        outer = sum(r in {0, 7} or c in {0, 11} for r, c in places)
        assert Counter(r for r, _ in places) == dict.fromkeys(range(8), 1)
        assert max(Counter(c for _, c in places).values()) == 1
        assert sum(c < PLATE.columns // 2 for _, c in places) == len(places) // 2
        assert outer == 3  # 8 of 96 wells, of which 36 are outer


def test_replicates_of_scattered_wells_share_no_line() -> None:
    drawn = randomised(BINDING.layouts["B10"], Randomise(seed=3, scatter="wells", apart=3), "P1")

    for slot in ("test1", "test2", "reference"):
        series = [s.wells for s in drawn.series if s.slot == slot]
        for wells in zip(*series, strict=True):
            rows, columns = zip(*map(parse_well, wells), strict=True)
            assert len(set(rows)) == len(set(columns)) == len(wells)


def test_whole_series_stay_on_lines_and_can_be_pipetted_by_columns() -> None:
    drawn = randomised(BINDING.layouts["B10"], Randomise(seed=5), "P1")

    for series in drawn.series:
        assert [parse_well(w)[1] for w in series.wells] == list(range(1, 11))
        assert len({parse_well(w)[0] for w in series.wells}) == 1


def test_a_seed_gives_the_same_layout_again_and_each_plate_its_own() -> None:
    layout, asked = BINDING.layouts["B10"], Randomise(seed=7)

    first, again, other, seed = (
        randomised(layout, asked, "P1"),
        randomised(layout, asked, "P1"),
        randomised(layout, asked, "P2"),
        randomised(layout, Randomise(seed=8), "P1"),
    )

    assert first == again
    assert len({str(meaning(x)) for x in (first, other, seed)}) == 3


@pytest.mark.parametrize(
    ("layout", "asked", "words"),
    [
        ("B10", {"apart": 4}, "3 series of test1 that lie 4 apart take 9 lines, and there are 8"),
        ("B10", {"scatter": "wells", "apart": 12}, "3 replicates of test1 cannot lie 12 apart"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(
    layout: str, asked: dict[str, object], words: str
) -> None:
    wanted = Randomise.model_validate({"seed": 1, **asked})

    with pytest.raises(CannotRandomiseError, match=words):
        randomised(BINDING.layouts[layout], wanted, "P1")


def test_more_replicates_than_rows_are_refused() -> None:
    many = Layout(series=tuple(
        Series(slot="test1", replicate=n + 1, wells=tuple(f"{r}{n + 1}" for r in "ABCDE"))
        for n in range(9)
    ))  # fmt: skip

    with pytest.raises(CannotRandomiseError, match="rows and columns of their own"):
        randomised(many, Randomise(seed=1, scatter="wells", apart=1), "P1")


def test_a_search_that_finds_nothing_says_what_stands_in_the_way() -> None:
    two = Layout(
        series=(Series(slot="test1", replicate=1, wells=("A1",)),
                Series(slot="test1", replicate=2, wells=("A2",))),
        controls=(Block(role="total", wells=("B1", "B2")),),
    )  # fmt: skip

    with pytest.raises(CannotRandomiseError, match="nearest breaks: replicates of test1"):
        randomised(two, Randomise(seed=1, scatter="wells"), "P1")


def test_rows_of_a_kinetics_plate_draw_their_times_and_columns_their_content() -> None:
    asked = Randomise(seed=7)

    drawn = randomised(K, asked, "P1", ties_of(KINETICS))

    cells = cells_of(drawn, asked)
    times = {cell.row: cell.time for cell in cells}
    assert sorted(times.values()) == list(range(8))
    assert times != {row: row for row in range(8)}
    assert all(times[cell.row] == cell.time for cell in cells)
    for column in range(12):
        assert len({(c.role, c.level) for c in cells if c.column == column}) == 1
    assert broken(drawn, asked, K, ties_of(KINETICS)) == []


def test_wells_of_a_kinetics_plate_scatter_within_the_row_that_has_their_time() -> None:
    asked = Randomise(seed=2, scatter="wells", apart=2)

    drawn = randomised(K, asked, "P1", ties_of(KINETICS))

    cells = cells_of(drawn, asked)
    for row in range(8):
        own = [c for c in cells if c.row == row]
        assert len({c.time for c in own}) == 1
        assert set(Counter((c.role, c.level) for c in own).values()) == {3}
    for column in range(12):
        assert Counter(c.role for c in cells if c.column == column) == {"total": 4, "nsb": 4}
    assert broken(drawn, asked, K, ties_of(KINETICS)) == []


@given(seed=st.integers(0, 2**31))
@settings(max_examples=4, deadline=None)
def test_levels_of_a_saturation_plate_are_even_over_its_halves_and_do_not_follow_the_rows(
    seed: int,
) -> None:
    asked = Randomise(seed=seed)

    drawn = randomised(S8, asked, "P1", ties_of(SATURATION))

    cells = cells_of(drawn, asked)
    assert Counter((c.role, c.level, c.lot) for c in cells) == Counter(
        (c.role, c.level, c.lot) for c in cells_of(S8, asked)
    )
    for level in range(8):
        for role in ("total", "nsb"):
            own = [c for c in cells if (c.role, c.level) == (role, level)]
            assert sum(c.row < 4 for c in own) == sum(c.column < 6 for c in own) == 3
    assert abs(correlation([(c.row, c.level) for c in cells])) <= 0.15
    assert broken(drawn, asked, S8, ties_of(SATURATION)) == []


def test_wells_of_a_saturation_plate_go_anywhere() -> None:
    asked = Randomise(seed=0, scatter="wells")

    drawn = randomised(S8, asked, "P1", ties_of(SATURATION))

    cells = cells_of(drawn, asked)
    for role in ("total", "nsb"):
        assert set(Counter(c.row for c in cells if c.role == role).values()) == {6}
        assert set(Counter(c.column for c in cells if c.role == role).values()) == {4}
    assert sorted(c.level for c in cells if c.column == 0) == list(range(8))  # aliquots
    assert broken(drawn, asked, S8, ties_of(SATURATION)) == []


@pytest.mark.parametrize("protocol", [SATURATION, KINETICS])
@pytest.mark.parametrize("randomise", [None, Randomise(seed=0), Randomise(seed=0, scatter="wells")])
def test_aliquots_tell_the_level_of_the_well_that_they_come_from(
    protocol: AssayProtocol, randomise: Randomise | None
) -> None:
    (plate,), _ = plan_plates(
        protocol, protocol.layouts[protocol.layout], (), sheet="", run="r", randomise=randomise
    )

    found = aliquots_of(protocol, plate.wells)

    level = {w.well: w.level for w in plate.wells}
    into = {target: source for source, targets in copied_columns(protocol) for target in targets}
    assert len({len(wells) for wells in found}) == 1
    assert sum(len(wells) for wells in found) == 8 * len(into)
    for number, wells in enumerate(found):
        assert {level[f"{w[0]}{into[int(w[1:])]}"] for w in wells} == {number}


@pytest.mark.parametrize(
    ("layout", "apart", "words"),
    [
        (Layout(controls=(Block(role="total", wells=("A1", "A2", "A3"), time="by_row"),)), 2,
         "nothing of this layout can change places: each row has its level or time"),
        (Layout(controls=(Block(role="total", wells=("A1", "A2")),)), 2, "what can is alike"),
        (Layout(controls=(Block(role="total", wells=("A1",), time=1), Block(role="nsb", wells=("A2",), time=2))), 2,
         "row A has times 2 and 3, and a row gets its membranes at once"),
        (K, 6, "share the row of that time and take 13 wells to lie 6 apart; a row has 12"),
    ],
)  # fmt: skip
def test_what_holds_a_layout_together_is_named(layout: Layout, apart: int, words: str) -> None:
    with pytest.raises(CannotRandomiseError, match=words):
        randomised(layout, Randomise(seed=1, apart=apart), "P1")


def test_plates_of_a_run_have_layouts_of_their_own_and_say_so() -> None:
    plates, findings = plan_plates(
        BINDING, Layout(controls=BINDING.layouts["B10"].controls), (), sheet="s.csv", run="r",
        copies=2, randomise=Randomise(seed=2),
    )  # fmt: skip

    assert findings == []
    assert [p.randomised for p in plates] == [str(Randomise(seed=2))] * 2
    assert plates[0].wells != plates[1].wells


def test_a_seed_is_asked_for() -> None:
    with pytest.raises(ValueError, match="seed"):
        Randomise.model_validate({"scatter": "wells"})
