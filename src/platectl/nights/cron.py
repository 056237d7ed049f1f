"""Cron expressions of five fields: minute, hour, day of month, month, day of week."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from typing import Final

from platectl.domain.errors import UserInputError

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun",
                  "jul", "aug", "sep", "oct", "nov", "dec")  # fmt: skip
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: field -> (first, last, names in the order of their numbers)
_FIELDS: Final[dict[str, tuple[int, int, tuple[str, ...]]]] = {
    "minute": (0, 59, ()), "hour": (0, 23, ()), "day of month": (1, 31, ()),
    "month": (1, 12, ("", *_MONTHS)), "day of week": (0, 7, _DAYS),
}  # fmt: skip
_PART: Final = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class CronFields:
    """What an expression says.

    When both days are restricted, one of them is enough, as in every cron.
    """

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def fires_on(self, day: date) -> bool:
        """Whether it fires on a local date."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week


@lru_cache(maxsize=256)
def parse_cron(expression: str) -> CronFields:
    """Read an expression like `30 21 * * mon-fri`.

    Raises:
        UserInputError: Not five fields, or one that says nothing; names it.
    """
    words = expression.lower().split()
    if len(words) != len(_FIELDS):
        raise UserInputError(
            f"{expression!r} has {len(words)} fields; a cron expression has five: "
            "minute, hour, day of month, month, day of week"
        )
    minutes, hours, days, months, weekdays = (
        _field(word, name) for word, name in zip(words, _FIELDS, strict=True)
    )
    return CronFields(
        tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either_day=not words[2].startswith("*") and not words[4].startswith("*"),
    )


def parse_weekdays(text: str) -> frozenset[int]:
    """Read weekdays like `mon-fri` or `mon,wed` as ISO numbers, Monday 1 to Sunday 7.

    Raises:
        UserInputError: They are none.
    """
    return frozenset(day % 7 or 7 for day in _field(text.lower(), "day of week"))


def _field(word: str, name: str) -> frozenset[int]:
    return frozenset(n for part in word.split(",") for n in _part(part, name))


def _part(part: str, name: str) -> range:
    first, last, names = _FIELDS[name]
    match = _PART.fullmatch(part)
    if match is None:
        raise UserInputError(f"{part!r} is no {name}; write *, 5, 1-5, */10 or 1-30/2")
    low_text, high_text, step = match[2], match[3], int(match[4] or 1)
    if low_text is None:
        low, high = first, min(last, 6) if name == "day of week" else last
    else:
        low = _number(low_text, name)
        high = low if high_text is None else _number(high_text, name)
        if high == 0 and name == "day of week" and low:
            high = 7  # a week may end on its Sunday
    if step < 1 or low > high or low < first or high > last:
        raise UserInputError(f"{part!r} is no {name}: {names[1] if names else first} to "
                             f"{names[-1] if names else last}, forwards")  # fmt: skip
    if match[4] and low_text is not None and high_text is None:
        raise UserInputError(
            f"{part!r} is no {name}; write a range before the step, like {low}-{last}/{step}"
        )
    return range(low, high + 1, step)


def _number(text: str, name: str) -> int:
    names = _FIELDS[name][2]
    if text in names and text:
        return names.index(text)
    if text.isdecimal():
        return int(text)
    raise UserInputError(f"{text!r} is no {name}")
