"""Conditions of a lab that hold whatever uses something up, until they are better again."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platectl.domain.units import DurationS

#: free megabytes; 1 or 0 from a file; a temperature in degrees Celsius of an idle instrument
SIGNAL: Final = r"disk|ups:.+|door:.+|temperature:\w+"
#: signals are read every ten seconds; a shorter life would hold between two readings
LEAST_STALE_S: Final = 30.0
_WELL: Final = {"OL", "ONLINE", "CLOSED", "1"}
_BAD: Final = {"OB", "ONBATT", "OPEN", "0"}


class Suspender(BaseModel):
    """One condition with hysteresis: it holds beyond `hold_*` and releases beyond `release_*`.

    `signal` is `disk` (free megabytes of the run folder), `ups:FILE` (1 on line, 0 on battery),
    `door:FILE` (1 closed, 0 open) or `temperature:INSTRUMENT`, which is not asked while it works.
    A value older than `stale` holds too, and has to be seen again for `settle`.
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
        if self.stale < LEAST_STALE_S:
            raise ValueError(f"stale must not be below {LEAST_STALE_S:.0f} s")
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

    Of several words (`ALARM OB DISCHRG`) a bad one counts more than a good one.

    Raises:
        ValueError: Neither.
    """
    found = re.search(r"^STATUS[ \t]*:(.*)$", text, re.MULTILINE)
    said = found[1] if found else text.strip().partition("\n")[0]
    words = set(re.findall(r"\w+", said.upper()))
    if words & _BAD:
        return 0.0
    if words & _WELL:
        return 1.0
    raise ValueError(f"{said.strip()[:20]!r} says neither well nor bad")
