"""Faults on demand: what goes wrong in a simulated lab, when, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `kind` is a word that the simulator or the world documents (`blocked_tip`, `not_primed`,
    `reply_lost`, …). It strikes from the `after`-th occasion on (0 = the first), `times` times
    (None = always). `data` carries what the kind needs (a channel, a code, a delay).
    """

    kind: str
    after: int = 0
    times: int | None = 1
    data: Mapping[str, Any] = field(default_factory=dict)


class FaultPlan:
    """The faults of one instrument; counts occasions by kind."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._seen: dict[str, int] = {}

    def strike(self, kind: str) -> Fault | None:
        """Count one occasion for `kind` and return the fault that strikes now, if any."""
        if not self._faults or not any(fault.kind == kind for fault in self._faults):
            return None
        occasion = self._seen.get(kind, 0)
        self._seen[kind] = occasion + 1
        for fault in self._faults:
            if fault.kind != kind or occasion < fault.after:
                continue
            if fault.times is None or occasion < fault.after + fault.times:
                return fault
        return None

    def data(self, kind: str) -> Mapping[str, Any] | None:
        """As `strike`, and return the data of the fault."""
        fault = self.strike(kind)
        return None if fault is None else fault.data

    def standing(self, kind: str) -> Fault | None:
        """Return a fault of this kind without counting an occasion."""
        return next((fault for fault in self._faults if fault.kind == kind), None)
