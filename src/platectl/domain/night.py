"""A night as an operator writes it: which plates, when, and who is there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from platectl.domain.layout import Randomise
from platectl.domain.local_time import YEARS, elapsed_s, instant

Interval = tuple[float, float]
#: a simulated night starts here unless told otherwise, so that it is the same every time
SIMULATED_START = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
#: calendars are laid out this far; no night is longer
HORIZON = timedelta(days=30)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _moment(text: object) -> str:
    """Check a local time: `18:00`, or `2026-01-05 18:00`."""
    if not isinstance(text, str):
        raise ValueError(f'{text!r} is no time; write "18:00" or "2026-01-05 18:00", in quotes')  # noqa: TRY004  # pydantic turns a ValueError into a finding
    if _CLOCK.fullmatch(text):
        return text
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'{text!r} is no time; write "18:00" or "2026-01-05 18:00"') from None
    if parsed.tzinfo is not None:
        raise ValueError(f"{text!r} names a zone; times of a night are local, see `zone`")
    if ":" not in text:
        raise ValueError(f'{text!r} names no time of the day; write "{text} 18:00"')
    if parsed.year not in YEARS:
        raise ValueError(f"{text!r} is not of this time; write a year from {YEARS[0]} to {YEARS[-1]}")  # fmt: skip
    return text


def _clock(moment: str) -> time | None:
    """The time of day of a moment that names no day."""
    found = _CLOCK.fullmatch(moment)
    return found and time(int(found[1]), int(found[2]))


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write one like Europe/Berlin") from None
    return name


def _local(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


Moment = Annotated[str, BeforeValidator(_moment)]


class Presence(BaseModel):
    """When a person is there: every day, or between two moments."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    since: Moment = Field(alias="from")
    until: Moment

    @model_validator(mode="after")
    def _alike(self) -> Presence:
        if bool(_CLOCK.fullmatch(self.since)) != bool(_CLOCK.fullmatch(self.until)):
            raise ValueError("one end names a day, the other does not; give both or none a day")
        if _clock(self.since) is None and _local(self.until) <= _local(self.since):
            raise ValueError(f"until {self.until} is not after from {self.since}; swap or correct them")  # fmt: skip
        return self


class NightEntry(BaseModel):
    """Plates of one assay: as many as its sample sheet fills."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = Field(description="bundled name, or a file beside the night")
    samples: str | None = None
    layout: str | None = None
    set: dict[str, Any] = Field(default_factory=dict, description="parameters of the protocol")
    copies: int = Field(default=1, ge=1, le=96, description="the same plates so many times")
    randomise: Randomise | None = Field(
        default=None, description="draw a layout of its own for each plate"
    )
    priority: int = Field(default=1, ge=1, le=9, description="1 goes first")
    not_before: Moment | None = None
    not_after: Moment | None = None


class PlatesDoc(BaseModel):
    """A file with plates that are to join a running night: entries as a night file has them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platectl: Literal[1]
    plates: tuple[NightEntry, ...] = Field(min_length=1)


class NightDoc(BaseModel):
    """A night file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platectl: Literal[1]
    night: str = Field(pattern=r"^[\w.-]+$", description="name, used for the run's folder")
    title: str = ""
    lab: str | None = Field(default=None, description="lab file; none is the bundled simulated lab")
    truth: str | None = None
    policy: str | None = None
    stock: str | None = Field(
        default=None, description="stock file; the night does not start until it suffices"
    )
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    starts: Moment = Field(description="not before, local time; a clock time is the next one")
    ends: Moment | None = Field(default=None, description="not after, local time")
    people: dict[str, tuple[Presence, ...]] = Field(
        default_factory=dict, description="instrument name of a person -> when there; else always"
    )
    plates: tuple[NightEntry, ...] = Field(min_length=1)

    def begins(self, now: datetime) -> datetime:
        """When the night begins, with its zone; a bare clock time is the first one from `now` on."""
        return self._instant(self.starts, now).astimezone(ZoneInfo(self.zone))

    def offset_s(self, moment: str, start: datetime) -> float:
        """Seconds from a start to a local time; a bare clock time is the first one from then on."""
        return elapsed_s(start, self._instant(moment, start))

    def _instant(self, moment: str, since: datetime) -> datetime:
        zone = ZoneInfo(self.zone)
        at = _clock(moment)
        if at is None:
            return instant(_local(moment), zone)
        day = since.astimezone(zone).date()
        found = instant(datetime.combine(day, at), zone)
        if found >= since.astimezone(UTC):
            return found
        return instant(datetime.combine(day + timedelta(days=1), at), zone)

    def absences(self, start: datetime) -> dict[str, tuple[Interval, ...]]:
        """When each person is not there, in seconds from a start, up to the horizon."""
        return {name: self._away(name, start) for name in self.people}

    def _away(self, name: str, start: datetime) -> tuple[Interval, ...]:
        there = sorted(span for p in self.people[name] for span in self._there(p, start))
        end = HORIZON.total_seconds()
        away: list[Interval] = []
        reached = 0.0
        for begin, until in there:
            if begin > reached:
                away.append((reached, min(begin, end)))
            reached = max(reached, until)
        if reached < end:
            away.append((reached, end))
        return tuple(away)

    def _there(self, presence: Presence, start: datetime) -> list[Interval]:
        since, until = _clock(presence.since), _clock(presence.until)
        if since is None or until is None:
            return [(self.offset_s(presence.since, start), self.offset_s(presence.until, start))]
        zone = ZoneInfo(self.zone)
        first = start.astimezone(zone).date()
        spans = []
        for days in range(-1, HORIZON.days + 1):
            day = first + timedelta(days=days)
            over = day + timedelta(days=until <= since)  # the next morning
            ends = (datetime.combine(day, since), datetime.combine(over, until))
            begin, end = (elapsed_s(start, instant(local, zone)) for local in ends)
            spans.append((begin, end))
        return spans
