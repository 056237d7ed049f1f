"""Series in vehicle, pipetted on paper: what every well of the vehicle plate holds in the end."""

from __future__ import annotations

from collections import defaultdict

import pytest

from platectl.app.prepare import Options, prepare
from platectl.domain.layout import WellPlan
from platectl.domain.run import CompiledRun
from platectl.planning.dilution import rows_in_lockstep
from platectl.steps import kind_of
from platectl.steps.transfer import TipUse, Transfer, covered

FOLD = 200.0
NIGHTS = [
    ("sigma1-binding", {}, 8),
    ("fura2-calcium", {}, 12),
    ("fura2-calcium", {"layout": "F96-columns"}, 12),
    ("fura2-calcium", {"overrides": {"points": "7"}}, 12),
]


def dilution(run: CompiledRun) -> tuple[TipUse, ...]:
    step = next(s for s in run.steps if s.title == "Series in vehicle")
    transfer = kind_of(step)
    assert isinstance(transfer, Transfer)
    return transfer.uses


class Bench:
    """Volumes and moles of the compounds in each well, pipetted without error."""

    def __init__(self, run: CompiledRun) -> None:
        self.ul: dict[tuple[str, str], float] = defaultdict(float)
        self.pmol: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        load = next(s for s in run.steps if s.kind == "load")
        for item in load.params["place"]:
            for fill in item["fills"]:
                well = item["labware"], fill["well"]
                self.ul[well] += fill["volume_ul"]
                for name, molar in fill["contents"].items():
                    self.pmol[well][name] += molar * 1e6 * fill["volume_ul"]

    def make(self, use: TipUse) -> None:
        for move in use.moves:
            for source, target in zip(use.wells(move.source), use.wells(move.target), strict=True):
                assert self.ul[source] >= move.volume_ul - 1e-6, f"{source} runs dry"
                share = move.volume_ul / self.ul[source]
                self.ul[source] -= move.volume_ul
                self.ul[target] += move.volume_ul
                for name, amount in list(self.pmol[source].items()):
                    self.pmol[source][name] -= share * amount
                    self.pmol[target][name] += share * amount

    def molar(self, well: tuple[str, str], name: str) -> float:
        return self.pmol[well][name] * 1e-6 / self.ul[well]


@pytest.mark.parametrize(("assay", "options", "channels"), NIGHTS)
def test_every_well_holds_what_the_plate_map_says(
    assay: str, options: dict[str, object], channels: int
) -> None:
    run = prepare(Options(assay, **options)).compiled  # type: ignore[arg-type]
    bench = Bench(run)

    uses = dilution(run)
    for use in uses:
        bench.make(use)

    assert max(len(covered(use.channels, "A1")) for use in uses) == channels
    for well in run.plates[0].wells:
        here = "P1.source", well.well
        assert bench.ul[here] >= 15.0
        for name, amount in bench.pmol[here].items():
            if name != "dmso" and amount > 1e-9:
                assert name == well.compound, f"{name} in {well.well}, a well of {well.compound}"
        if well.compound and well.concentration_molar:
            wanted = FOLD * well.concentration_molar
            assert bench.molar(here, well.compound) == pytest.approx(wanted, rel=1e-6), well.well


@pytest.mark.parametrize(("assay", "options"), [night[:2] for night in NIGHTS])
def test_tips_are_new_and_idle_ones_meet_empty_wells(
    assay: str, options: dict[str, object]
) -> None:
    run = prepare(Options(assay, **options)).compiled  # type: ignore[arg-type]
    bench, taken = Bench(run), set[str]()

    for use in dilution(run):
        tips = covered(use.channels, use.tip_well)
        assert not taken & set(tips)
        taken |= set(tips)
        for spot in (spot for move in use.moves for spot in (move.source, move.target)):
            wells = covered(use.channels, spot.well)
            assert all(not bench.ul[spot.labware, wells[channel]] for channel in use.idle)
        bench.make(use)


def test_series_that_run_down_their_columns_take_a_row_of_tips_for_each_step() -> None:
    uses = dilution(prepare(Options("fura2-calcium")).compiled)

    rows = [use for use in uses if use.channels == "row"]

    assert [use.moves[-1].target.well for use in rows] == ["B1", "C1", "D1", "E1", "F1", "G1", "H1"]
    assert {use.idle for use in rows} == {frozenset({0, 10, 11})}
    assert sum(len(covered(use.channels, use.tip_well)) for use in uses) <= 96


@pytest.mark.parametrize(
    "steps",
    [
        {"A1": 0, "B1": 1, "A2": 0, "C2": 1},  # one of them skips a row
        {"A1": 0, "B1": 1},  # one series alone
        {"A1": 0, "A2": 1, "B1": 0, "B2": 1},  # along rows
        {"A1": 0, "B1": 1, "B2": 0, "C2": 1},  # one row behind
    ],
)
def test_series_that_do_not_go_down_together_are_no_rows(steps: dict[str, int]) -> None:
    wells = [WellPlan(well=w, role="test", dilution_step=step) for w, step in steps.items()]
    assert rows_in_lockstep(wells) == ()
