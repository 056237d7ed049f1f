"""What rehearsed nights say about the one to come: chances, the end, the weakest link, the answer."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from platectl.app.rehearse import NOT_BEGUN, Rehearsed

Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Chance:
    """A share of nights with its 95 % interval (Wilson's score interval)."""

    share: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class WeakLink:
    """A window, over all plates: how often it was broken, and the least that was left of it."""

    window: str
    broken: int
    least_left_s: float
    median_left_s: float


@dataclass(frozen=True, slots=True)
class Expected:
    """A constant to expect: median value and median width of its interval, as a factor."""

    compound: str
    quantity: str
    value: float | None
    fold: float | None
    nights: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """The nights together. `end_s` are the 5th, 50th and 95th percentile of the end.

    Windows and the end are those of nights that began, None if none did; a night that never began
    has brought no plate to the end.
    """

    nights: int
    status: dict[str, int]
    all_windows_kept: Chance | None
    all_plates_kept: Chance
    end_s: tuple[float, float, float] | None
    links: tuple[WeakLink, ...]
    expected: tuple[Expected, ...]
    z_prime: tuple[float, float] | None


def outlook(found: Sequence[Rehearsed]) -> Outlook:
    """Sum rehearsed nights up.

    Raises:
        ValueError: There are none.
    """
    begun = [n for n in found if n.status != NOT_BEGUN]
    ends = [n.end_s for n in begun if n.status == "done"] or [n.end_s for n in begun]
    z_primes = sorted(z for n in begun for _, z in n.z_prime)
    return Outlook(
        nights=len(found),
        status=dict(Counter(n.status for n in found)),
        all_windows_kept=chance(sum(not n.broken_windows for n in begun), len(begun))
        if begun
        else None,
        all_plates_kept=chance(
            sum(not n.dropped and n.status == "done" for n in found), len(found)
        ),
        end_s=(quantile(ends, 0.05), quantile(ends, 0.5), quantile(ends, 0.95)) if ends else None,
        links=tuple(_links(begun)),
        expected=tuple(_expected(begun)),
        z_prime=(quantile(z_primes, 0.05), quantile(z_primes, 0.5)) if z_primes else None,
    )


def chance(hits: int, of: int) -> Chance:
    """Wilson's interval; it stays inside 0 and 1, and says something when there was no miss."""
    if of == 0:
        raise ValueError("no night was rehearsed")
    share, z2 = hits / of, Z_95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return Chance(share, max(middle - half, 0.0), min(middle + half, 1.0))


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, linear between the values."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _links(found: Sequence[Rehearsed]) -> list[WeakLink]:
    seen = defaultdict[str, list[tuple[float, bool]]](list)
    for night in found:
        for window in night.windows:
            seen[window.window].append((window.left_s, window.broken))
    links = [
        WeakLink(
            name, sum(broken for _, broken in all_seen), min(left for left, _ in all_seen),
            median(left for left, _ in all_seen),
        )
        for name, all_seen in seen.items()
    ]  # fmt: skip
    return sorted(links, key=lambda link: (-link.broken, link.least_left_s))


def _expected(found: Sequence[Rehearsed]) -> list[Expected]:
    seen = defaultdict[tuple[str, str], list[tuple[float | None, float | None]]](list)
    for night in found:
        for result in night.results:
            if result.quantity:
                seen[result.compound, result.quantity].append((result.value, result.fold))
    return [
        Expected(
            compound, quantity, _middle([v for v, _ in pairs]), _middle([f for _, f in pairs]),
            sum(v is not None for v, _ in pairs),
        )
        for (compound, quantity), pairs in seen.items()
    ]  # fmt: skip


def _middle(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None
