"""What the title of a column of doses says: a unit, and whether they are logarithms."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError
from platectl.domain.units import DIMENSIONS, unit_named

_UNIT = re.compile(r"(?<![^\W_])(pM|nM|uM|µM|μM|mM|mol/L|M)(?![^\W_])")  # both are meant
_LOG = re.compile(r"\blog(?:10|₁₀)?(?![a-z])", re.IGNORECASE)
_LN = re.compile(r"\bln\b", re.IGNORECASE)
_FIX = "write log[M], or a unit like nM, into the title of X, or give --dose"
LEAST_LOG_MOLAR, MOST_LOG_MOLAR = -18.0, 2.0


@dataclass(frozen=True, slots=True)
class Doses:
    """How doses are written: their unit in M, and whether they are log10 of it."""

    unit_molar: float
    log: bool

    def log_molar(self, value: float) -> float | None:
        """log10 of a dose in M; None for a dose of zero, which has none.

        Raises:
            UserInputError: Negative, or no concentration that exists.
        """
        if not self.log and value == 0.0:
            return None
        if not self.log and value < 0.0:
            message = (
                f"{value:g} is negative; give concentrations, or logarithms under a title with log"
            )
            raise UserInputError(message, code=Code.DOSE_IMPOSSIBLE)
        found = (value if self.log else math.log10(value)) + math.log10(self.unit_molar)
        if not LEAST_LOG_MOLAR <= found <= MOST_LOG_MOLAR:
            message = (
                f"{value:g} would be 1e{found:.0f} M; check whether the title means logarithms"
            )
            raise UserInputError(message, code=Code.DOSE_IMPOSSIBLE)
        return found


def doses_of(title: str) -> Doses:
    """Read a title such as `log[M]`, `concentration, M` or `Dose (nM)`.

    Raises:
        UserInputError: No unit, several, or natural logarithms.
    """
    units = {"M" if u == "mol/L" else unit_named(u, "concentration") for u in _UNIT.findall(title)}
    if _LN.search(title):
        message = f"{title!r} are natural logarithms; give log10 or concentrations"
        raise UserInputError(message, code=Code.UNIT_UNKNOWN)
    if not units:
        message = f"{title!r} names no unit of concentration; {_FIX}"
        raise UserInputError(message, code=Code.UNIT_UNDECLARED)
    if len(units) > 1:
        message = f"{title!r} names {' and '.join(sorted(units))}; write one unit"
        raise UserInputError(message, code=Code.UNIT_CONTRADICTS)
    return Doses(DIMENSIONS["concentration"][1][units.pop()], _LOG.search(title) is not None)
