"""The mechanistic alternative: populations of cells whose calcium follows the Li-Rinzel equations.

Two variables for each cell, calcium in the cytosol and the IP3 receptors that are not inactivated,
driven by IP3 = base + sum of amplitude x exp(-t/25 s) (Li and Rinzel 1994; published constants).
A single cell answers like a switch; a well averages cells of log-normal sensitivity, of which the
dye shows the mean bound fraction. Units: uM and s.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from platectl.simkit.world.matter import Array, Indices
from platectl.simkit.world.truth_cells import CellLine, Fura2

TOTAL, ER_SHARE = 2.0, 0.185
CHANNEL_PER_S, LEAK_PER_S = 6.0, 0.11
PUMP_PER_S, PUMP_HALF = 0.9, 0.1
D1, D2, D3, D5 = 0.13, 1.049, 0.9434, 0.08234
A2_PER_S = 0.2

IP3_REST = 0.02
IP3_FADE_S = 25.0
STEP_S = 0.1
OVER_S = 250.0  # after ten time constants of IP3 a cell is at rest
NM_PER_UM = 1e3
WHOLE = 1e-6  # a step of which less than this is missing is done


def slopes(calcium: Array, ready: Array, ip3: Array) -> tuple[Array, Array]:
    """Time derivatives of calcium and of the share of receptors that are not inactivated."""
    store = (TOTAL - calcium) / ER_SHARE
    opened = ip3 / (ip3 + D1) * calcium / (calcium + D5) * ready
    flow = ER_SHARE * (CHANNEL_PER_S * opened * opened * opened + LEAK_PER_S) * (store - calcium)
    square = calcium * calcium
    pump = PUMP_PER_S * square / (square + PUMP_HALF**2)
    inactivation = D2 * (ip3 + D1) / (ip3 + D3)
    return flow - pump, A2_PER_S * (inactivation - (inactivation + calcium) * ready)


def rest() -> tuple[float, float]:
    """Calcium and ready receptors of a cell at rest."""
    calcium, ready = np.array(0.05), np.array(0.9)
    ip3 = np.array(IP3_REST)
    for _ in range(6000):
        calcium, ready = step(calcium, ready, ip3, ip3, ip3)
    return float(calcium), float(ready)


def step(
    calcium: Array, ready: Array, ip3: Array, ip3_half: Array, ip3_end: Array
) -> tuple[Array, Array]:
    """One Runge-Kutta step of `STEP_S`."""
    half = 0.5 * STEP_S
    c1, h1 = slopes(calcium, ready, ip3)
    c2, h2 = slopes(calcium + half * c1, ready + half * h1, ip3_half)
    c3, h3 = slopes(calcium + half * c2, ready + half * h2, ip3_half)
    c4, h4 = slopes(calcium + STEP_S * c3, ready + STEP_S * h3, ip3_end)
    sixth = STEP_S / 6.0
    return (
        calcium + sixth * (c1 + 2.0 * (c2 + c3) + c4),
        ready + sixth * (h1 + 2.0 * (h2 + h3) + h4),
    )


class Population:
    """Cells of all wells of a plate; integrated only while an IP3 signal lasts.

    States have shape (wells, cells); the trace of mean bound fractions, on a grid of `STEP_S`, is
    kept from the first stimulus after a rest on.
    """

    def __init__(self, wells: int, line: CellLine, fura2: Fura2) -> None:
        self._kd_nm = fura2.kd * 1e9
        self._ip3_per_ratio = line.ip3_per_ratio
        self._sensitivity = _sensitivities(line.population, line.sensitivity_cv)
        self._rest = rest()
        self._rest_bound = float(self._bound(np.array(self._rest[0])))
        self._ip3 = np.zeros(wells)
        self._since_s = np.full(wells, -np.inf)
        self._begin(0.0)

    def stimulate(self, wells: Indices, at_s: float, height: Array) -> None:
        """Raise IP3 in some wells, in proportion to a height in units of the ratio."""
        wells, height = wells[height > 0], height[height > 0]
        if at_s > self._over_s:
            self._begin(at_s)
        self._advance(at_s)
        faded = self._ip3[wells] * np.exp((self._since_s[wells] - at_s) / IP3_FADE_S)
        self._ip3[wells] = faded + self._ip3_per_ratio * height
        self._since_s[wells] = at_s

    def bound(self, wells: Indices, at_s: Array) -> Array:
        """Mean share of the dye that holds calcium, each well at its own time."""
        self._advance(min(float(at_s.max(initial=-np.inf)), self._over_s))
        place = np.clip((at_s - self._start_s) / STEP_S, 0.0, self._steps)
        before = np.minimum(place.astype(np.intp), max(self._steps - 1, 0))
        after = np.minimum(before + 1, self._steps)
        share = place - before
        trace = self._trace[before, wells] * (1.0 - share) + self._trace[after, wells] * share
        return np.where(at_s > self._over_s, self._rest_bound, trace)

    @property
    def _over_s(self) -> float:
        return float(self._since_s.max()) + OVER_S

    def _begin(self, at_s: float) -> None:
        shape = self._ip3.size, self._sensitivity.size
        self._calcium, self._ready = np.full(shape, self._rest[0]), np.full(shape, self._rest[1])
        self._start_s, self._steps = at_s, 0
        self._trace = np.full((1, self._ip3.size), self._rest_bound)

    def _advance(self, to_s: float) -> None:
        ahead = (to_s - self._start_s) / STEP_S - self._steps
        if ahead <= WHOLE:
            return
        steps = math.ceil(ahead - WHOLE)
        now_s = self._start_s + STEP_S * self._steps
        wells = np.flatnonzero(self._since_s + OVER_S > now_s)
        trace = np.full((steps, self._ip3.size), self._rest_bound)
        calcium, ready = self._calcium[wells], self._ready[wells]
        for done in range(steps):
            ip3 = (
                self._drive(wells, now_s + part * STEP_S) for part in (done, done + 0.5, done + 1)
            )
            calcium, ready = step(calcium, ready, *ip3)
            trace[done, wells] = self._bound(calcium).mean(axis=1)
        self._calcium[wells], self._ready[wells] = calcium, ready
        self._trace = np.concatenate((self._trace, trace))
        self._steps += steps

    def _drive(self, wells: Indices, at_s: float) -> Array:
        level = self._ip3[wells] * np.exp((self._since_s[wells] - at_s) / IP3_FADE_S)
        return IP3_REST + level[:, None] * self._sensitivity

    def _bound(self, calcium: Array) -> Array:
        nanomolar = calcium * NM_PER_UM
        return np.asarray(nanomolar / (nanomolar + self._kd_nm))


def _sensitivities(cells: int, cv: float) -> Array:
    """Evenly spaced quantiles of a log-normal distribution with median 1."""
    sigma, normal = float(np.sqrt(np.log1p(cv**2))), NormalDist()
    return np.exp([sigma * normal.inv_cdf((cell + 0.5) / cells) for cell in range(cells)])
