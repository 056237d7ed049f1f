"""The mechanistic model of calcium gives the published peaks, and agrees with another solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from platectl.simkit.world import li_rinzel
from platectl.simkit.world.li_rinzel import Population
from platectl.simkit.world.truth_cells import CellLine, Fura2

FURA2 = Fura2()


def population(wells: int, *, cells: int = 1, cv: float = 0.0) -> Population:
    line = CellLine(model="li_rinzel", population=cells, sensitivity_cv=cv, ip3_per_ratio=1.0)
    return Population(wells, line, FURA2)


def calcium_nm(model: Population, wells: int, times: Any) -> np.ndarray[Any, Any]:
    """Calcium over time, shape (times, wells)."""
    every = np.arange(wells)
    bound = [model.bound(every, np.full(wells, time)) for time in times]
    share = np.array(bound)
    made: np.ndarray[Any, Any] = FURA2.kd * 1e9 * share / (1.0 - share)
    return made


def test_rest_and_peaks_of_a_single_cell() -> None:
    amplitudes = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0])
    model = population(7)
    model.stimulate(np.arange(7), 100.0, amplitudes)
    traces = calcium_nm(model, 7, 100.0 + np.arange(0.0, 40.0, 0.1))
    assert traces.max(axis=0) == pytest.approx([56, 63, 78, 122, 462, 736, 919], abs=0.8)
    assert ((traces.argmax(axis=0)[1:] >= 9) & (traces.argmax(axis=0)[1:] <= 35)).all()


def test_the_fixed_step_agrees_with_an_adaptive_solver() -> None:
    def slopes(time_s: float, state: Any) -> list[float]:
        ip3 = np.array(li_rinzel.IP3_REST + 0.6 * np.exp(-time_s / li_rinzel.IP3_FADE_S))
        return [float(s) for s in li_rinzel.slopes(state[0], state[1], ip3)]

    times = np.arange(0.0, 60.0, 1.0)
    exact = solve_ivp(slopes, (0, 60), li_rinzel.rest(), t_eval=times, rtol=1e-9, atol=1e-12).y[0]
    model = population(1)
    model.stimulate(np.array([0]), 0.0, np.array([0.6]))
    assert calcium_nm(model, 1, times)[:, 0] == pytest.approx(exact * 1e3, rel=1e-3)


def test_a_population_is_graded_where_a_cell_switches() -> None:
    amplitudes = np.linspace(0.1, 1.0, 40)
    peaks = []
    for cells, cv in ((1, 0.0), (200, 0.6)):
        model = population(40, cells=cells, cv=cv)
        model.stimulate(np.arange(40), 0.0, amplitudes)
        peaks.append(calcium_nm(model, 40, np.arange(0.0, 12.0, 0.2)).max(axis=0))
    single, graded = (np.diff(np.log(p)).max() for p in peaks)
    assert single > 3 * graded
    assert (np.diff(peaks[1]) > 0).all()


def test_a_second_stimulus_adds_to_what_is_left_of_the_first() -> None:
    def peak(*stimuli: tuple[float, float]) -> float:
        model = population(1)
        for at_s, amplitude in stimuli:
            model.stimulate(np.array([0]), at_s, np.array([amplitude]))
        return float(calcium_nm(model, 1, stimuli[-1][0] + np.arange(0.0, 20.0, 0.1)).max())

    assert peak((0.0, 0.25)) < 120.0
    assert peak((0.0, 0.25), (10.0, 0.25)) > 200.0
    # after a long rest the second finds a cell at rest again
    assert peak((0.0, 0.25), (400.0, 0.25)) == pytest.approx(peak((0.0, 0.25)), rel=1e-6)


def test_times_may_be_asked_for_in_any_order_and_before_the_stimulus() -> None:
    model = population(2, cells=20, cv=0.6)
    assert calcium_nm(model, 2, [5.0])[0] == pytest.approx(55.76, abs=0.01)
    model.stimulate(np.array([1]), 10.03, np.array([1.0]))
    times = np.array([9.0, 10.03, 12.0, 11.0, 30.0, 12.0])
    traces = calcium_nm(model, 2, times)
    assert traces[:, 0] == pytest.approx(55.76, abs=0.01)
    assert traces[:2, 1] == pytest.approx(55.76, abs=0.01)
    assert traces[2, 1] == traces[5, 1]
    assert traces[3, 1] > 60.0
    assert calcium_nm(model, 2, [1000.0])[0] == pytest.approx(55.76, abs=0.01)
