"""What changed from one version of an analysis to another: choices, and values in their intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platectl.app.review.journal import Journal, Version, journal_of, terms_of
from platectl.app.review.versions import RESULTS, version_folder
from platectl.domain.analysis_terms import AnalysisTerms
from platectl.domain.doc import flattened
from platectl.domain.errors import StoreError

_WORDS = ("qualifier", "status", "model")


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice that differs; empty where a version did not have it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Shift:
    """One result in two versions; numbers in `unit`.

    Attributes:
        fold: After over before; None without both.
        of_interval: How far it moved, as a share of the half of its interval before on that side,
            on a log scale; 1 is the end of the interval, None without one.
        words: What else differs, such as "status: pass, now flag".
    """

    plate: str
    compound: str
    quantity: str
    unit: str
    before: float | None
    after: float | None
    fold: float | None
    of_interval: float | None
    words: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is not as it was."""
        return self.before != self.after or bool(self.words)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions: choices that differ, and all results."""

    before: int
    after: int
    choices: tuple[Choice, ...]
    shifts: tuple[Shift, ...]


def difference(folder: Path, before: int | None = None, after: int | None = None) -> Difference:
    """Compare two versions of the analysis of a run; by default the newest with the one before.

    Raises:
        StoreError: There are no such versions, or a file of one is not as it was made.
    """
    journal = journal_of(folder)
    numbers = [v.number for v in journal.versions]
    if after is None:
        after = numbers[-1] if numbers else 1
    if before is None:
        before = max((n for n in numbers if n < after), default=after)
    first, second = (_version(journal, folder, n) for n in (before, after))
    names = dict(journal.revealed.data["names"]) if journal.revealed else {}
    choices = _choices(first, second, terms_of(folder, before), terms_of(folder, after))
    rows = [_rows(folder, n, names) for n in (before, after)]
    known = list(dict.fromkeys((*rows[0], *rows[1])))
    shifts = tuple(_shift(key, rows[0].get(key), rows[1].get(key)) for key in known)
    return Difference(before, after, tuple(choices), shifts)


def _version(journal: Journal, folder: Path, number: int) -> Version:
    for version in journal.versions:
        if version.number == number:
            return version
    known = ", ".join(str(v.number) for v in journal.versions) or "none"
    raise StoreError(f"{folder.name} has no version {number} of the analysis; it has {known}")


def _choices(
    first: Version, second: Version, before: AnalysisTerms, after: AnalysisTerms
) -> Iterator[Choice]:
    pairs = [
        *((f"rules.{k}", a, b) for k, a, b in _differ(before.rules.model_dump(), after.rules.model_dump())),
        *((f"set {k}", a, b) for k, a, b in _differ(before.settings, after.settings)),
        *((f"software {k}", a, b) for k, a, b in _differ(first.software, second.software)),
        *((f"well {k}", a, b) for k, a, b in _differ(_wells(before), _wells(after))),
    ]  # fmt: skip
    for name, a, b in pairs:
        yield Choice(name, a, b)


def _wells(terms: AnalysisTerms) -> dict[str, str]:
    return {f"{e.plate} {e.well}": f"excluded by {e.by}: {e.reason}" for e in terms.exclusions}


def _differ(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    first, second = dict(flattened(before)), dict(flattened(after))
    for name in dict.fromkeys((*first, *second)):
        a, b = first.get(name, ""), second.get(name, "")
        if a != b:
            yield name, str(a), str(b)


def _rows(
    folder: Path, number: int, names: Mapping[str, str]
) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    path = version_folder(folder, number) / RESULTS
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    return {
        (row["plate"], names.get(row["compound"], row["compound"]), row["quantity"]): row
        for row in rows
    }


def _shift(
    key: tuple[str, str, str], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Shift:
    a, b = (row["value"] if row else None for row in (before, after))
    fold = b / a if a and b else None
    said = []
    for name in _WORDS:
        was, now = (str(row[name]) if row else "not there" for row in (before, after))
        if was != now:
            said.append(f"{name}: {was or 'none'}, now {now or 'none'}")
    flags = [set(row["flags"]) if row else set() for row in (before, after)]
    said += [f"flag lost: {name}" for name in sorted(flags[0] - flags[1])]
    said += [f"flag new: {name}" for name in sorted(flags[1] - flags[0])]
    unit = str((after or before or {}).get("unit", ""))
    return Shift(*key, unit, a, b, fold, _of_interval(before, fold), tuple(said))


def _of_interval(before: Mapping[str, Any] | None, fold: float | None) -> float | None:
    """Share of the half interval on the side of the move; 0 when nothing moved."""
    if before is None or fold is None or before["value"] is None:
        return None
    if fold == 1.0:
        return 0.0
    end = before["upper"] if fold > 1.0 else before["lower"]
    if not end or end == before["value"]:
        return None
    return abs(math.log10(fold) / math.log10(end / before["value"]))
