"""Radioactivity in numbers: activity of an amount of substance, and its decay."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time

#: 12.32 years; every radioligand of the assays is tritiated
TRITIUM_HALF_LIFE_D = 4500.0
MBQ_PER_CI = 3.7e4


def decayed(activity: float, *, days: float, half_life_d: float = TRITIUM_HALF_LIFE_D) -> float:
    """What is left of an activity after `days`, in its own unit; more than it was when negative."""
    return activity * math.exp2(-days / half_life_d)


def days_since(stated: date, at: datetime) -> float:
    """Days from midnight UTC of the day on which an activity was stated to an aware moment."""
    midnight = datetime.combine(stated, time(), UTC)
    return (at - midnight).total_seconds() / 86400.0


def molar_activity_mbq(specific_ci_per_mmol: float) -> float:
    """Activity of one mole, MBq: 1 Ci is 37 GBq."""
    return specific_ci_per_mmol * 1e3 * MBQ_PER_CI


def format_activity(mbq: float) -> str:
    """Write an activity with the unit that people use: `1.85 MBq`, `74.6 kBq`, `0 Bq`."""
    for factor, unit in ((1e3, "GBq"), (1.0, "MBq"), (1e-3, "kBq")):
        if mbq >= 0.9995 * factor:
            return f"{mbq / factor:.3g} {unit}"
    return f"{mbq * 1e6:.3g} Bq"
