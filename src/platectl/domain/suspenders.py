"""Conditions of a lab that hold whatever uses something up, until they are better again."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.units import DurationS

#: free megabytes; 1 or 0 from a file; a temperature in degrees Celsius of an idle instrument
SIGNAL: Final = r"disk|ups:.+|door:.+|temperature:\w+"


class Suspender(BaseModel):
    """One condition with hysteresis: it holds beyond `hold_*` and releases beyond `release_*`.

    `signal` is `disk` (free megabytes of the run folder), `ups:FILE` (1 on line, 0 on battery),
    `door:FILE` (1 closed, 0 open) or `temperature:INSTRUMENT`. A value older than `stale` holds too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    signal: str = Field(pattern=f"^({SIGNAL})$")
    hold_below: float | None = None
    release_above: float | None = None
    hold_above: float | None = None
    release_below: float | None = None
    settle: DurationS = Field(
        default=0.0, description="how long it must be well before it releases"
    )
    stale: DurationS = Field(default=120.0, description="age from which a value counts as missing")
    reason: str = ""

    @model_validator(mode="after")
    def _hysteresis(self) -> Suspender:
        low = (self.hold_below, self.release_above)
        high = (self.hold_above, self.release_below)
        if (low[0] is None) != (low[1] is None) or (high[0] is None) != (high[1] is None):
            raise ValueError("hold_below needs release_above, and hold_above release_below")
        if low[0] is None and high[0] is None:
            raise ValueError("give hold_below with release_above, or hold_above with release_below")
        if low[0] is not None and low[1] is not None and low[1] < low[0]:
            raise ValueError("release_above must not be below hold_below")
        if high[0] is not None and high[1] is not None and high[1] > high[0]:
            raise ValueError("release_below must not be above hold_above")
        return self

    def bad(self, value: float) -> bool:
        """Whether a value begins to hold."""
        below = self.hold_below is not None and value < self.hold_below
        return below or (self.hold_above is not None and value > self.hold_above)

    def good(self, value: float) -> bool:
        """Whether a value may end it."""
        above = self.release_above is None or value >= self.release_above
        return above and (self.release_below is None or value <= self.release_below)

    @property
    def parts(self) -> tuple[str, str]:
        """Kind of the signal, and the file or instrument it comes from."""
        kind, _, where = self.signal.partition(":")
        return kind, where


def parse_line_state(text: str) -> float:
    """What a file says: OL, ONLINE, closed, 1 are well; OB, ONBATT, open, 0 are not.

    Raises:
        ValueError: Neither.
    """
    found = re.search(r"^STATUS\s*:\s*(\S+)", text, re.MULTILINE)
    word = (found[1] if found else text.strip().split(" ")[0]).upper()
    if word in {"OL", "ONLINE", "CLOSED", "1"}:
        return 1.0
    if word in {"OB", "ONBATT", "OPEN", "0"}:
        return 0.0
    raise ValueError(f"{word[:20]!r} says neither well nor bad")
