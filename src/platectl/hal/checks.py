"""What a driver refuses before anything is sent, in the same words for all instruments."""

from __future__ import annotations

import math
from collections.abc import Sequence

from platectl.domain.errors import RefusedError


def check_within(value: float, limits: tuple[float, float], do: str, unit: str) -> None:
    """Refuse what is outside the limits, and what is no number; `do` is what cannot be done with it.

    Raises:
        RefusedError: `cannot hold 105 C; 4 to 99 C`.
    """
    low, high = limits
    if not low <= value <= high:
        raise RefusedError(f"cannot {do} {value:g} {unit}; {low:g} to {high:g} {unit}")


def whole(value: float, limits: tuple[float, float], do: str, unit: str) -> int:
    """A value that the wire says as a whole number.

    Raises:
        RefusedError: Outside the limits, no number, or not whole.
    """
    check_within(value, limits, do, unit)
    if abs(value - round(value)) > 1e-6:  # noqa: PLR2004  # rounding of floats only
        raise RefusedError(f"cannot {do} {value!r} {unit}; whole numbers only")
    return round(value)


def check_temperature(temperature_c: float, limits: tuple[float, float], *, places: int) -> None:
    """Refuse a setpoint outside the limits, or with more decimal places than the wire can say.

    Raises:
        RefusedError: Either.
    """
    low, high = limits
    if not low <= temperature_c <= high or round(temperature_c, places) != temperature_c:
        raise RefusedError(
            f"cannot hold {temperature_c!r} C; {low:g} to {high:g} C in steps of {10.0**-places:g}"
        )


def tenths_of(temperature_c: float, limits: tuple[float, float]) -> int:
    """A setpoint in tenths of a degree.

    Raises:
        RefusedError: Outside the limits, or finer than a tenth.
    """
    check_within(temperature_c, limits, "hold", "C")
    tenths = round(temperature_c * 10)
    if abs(tenths - temperature_c * 10) > 1e-6:  # noqa: PLR2004  # rounding of floats only
        raise RefusedError(f"{temperature_c} C is finer than 0.1 C")
    return tenths


def check_shaking(speed_rpm: float, duration_s: float, limits: tuple[float, float]) -> None:
    """Refuse a speed that is outside the limits or no whole number, and what has no end.

    Raises:
        RefusedError: Either.
    """
    low, high = limits
    if not low <= speed_rpm <= high or speed_rpm != int(speed_rpm):
        raise RefusedError(
            f"cannot shake at {speed_rpm:g} rpm; whole numbers from {low:g} to {high:g}"
        )
    check_duration(duration_s)


def check_duration(duration_s: float) -> None:
    """Refuse to shake for no time, or without end.

    Raises:
        RefusedError: Either.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise RefusedError(f"cannot shake for {duration_s:g} s")


def check_slot(slot: int, slots: int) -> None:
    """Refuse a slot that an incubator does not have; they are counted from 1.

    Raises:
        RefusedError: There is none.
    """
    if not 1 <= slot <= slots:
        raise RefusedError(f"slot {slot} is not between 1 and {slots}")


def check_wells(wells: Sequence[str]) -> None:
    """Refuse no wells, and wells that are named twice.

    Raises:
        RefusedError: Either.
    """
    if not wells or len(set(wells)) != len(wells):
        raise RefusedError("give each well once")


def check_counting(wells: Sequence[str], count_s: float) -> None:
    """Refuse what `check_wells` does, and no time to count.

    Raises:
        RefusedError: Either.
    """
    check_wells(wells)
    if not count_s > 0:
        raise RefusedError("give a counting time above zero")


def check_title(title: str) -> None:
    """Refuse a title that a person could not type, or that a file could not state as it is.

    Raises:
        RefusedError: It is empty, or not plain printable ASCII without blanks around it.
    """
    if not title or title != title.strip() or not (title.isascii() and title.isprintable()):
        raise RefusedError(f"{title!r} cannot be a title; use plain printable ASCII")
