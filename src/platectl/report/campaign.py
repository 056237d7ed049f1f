"""Compounds over many runs: each value as it was found, and means that say what went into them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from platectl.analysis.censored import CensoredMean, Side, censored_mean
from platectl.report.model import RunReport
from platectl.report.rows import result_rows
from platectl.report.values import Row

QUANTITIES = ("Ki", "EC50", "IC50")
#: beyond these a concentration says no more than that an interval is open
LEAST_MOLAR, MOST_MOLAR = 1e-18, 10.0
_SIDES: dict[str, Side] = {"=": "=", "<": "<", ">": ">"}


@dataclass(frozen=True, slots=True)
class Value:
    """One result of one plate; `left_out` says why no mean has it, empty where one has."""

    run: str
    row: Row
    left_out: str

    @property
    def log10(self) -> float:
        """The value or bound, log10 molar."""
        return math.log10(self.row["value_molar"])

    @property
    def signed(self) -> bool:
        """Whether a person vouches for it."""
        return bool(self.row["review"] == "signed")


@dataclass(frozen=True, slots=True)
class Line:
    """One constant of one compound over all runs.

    Attributes:
        compound: Name, or code of a blinded run.
        quantity: Such as "Ki".
        site: Site, or cells.
        against: Radioligand, or agonist; "" where there is none.
        values: Of all plates, in the order of the runs.
        mean: Over runs, log10 molar; plates of a run are averaged first. None without a usable value.
        effect: Mean largest effect over runs, percent; plates of a run are averaged first. None where
            there is none.
    """

    compound: str
    quantity: str
    site: str
    against: str
    values: tuple[Value, ...]
    mean: CensoredMean | None
    effect: CensoredMean | None

    @property
    def title(self) -> str:
        """What the values are."""
        return f"{self.quantity}, {self.site or 'site not known'}" + (
            f", {self.against}" if self.against else ""
        )

    @property
    def used(self) -> tuple[Value, ...]:
        """Values that the mean has."""
        return tuple(v for v in self.values if not v.left_out)

    @property
    def unsigned(self) -> int:
        """How many values of the mean nobody vouches for."""
        return sum(not v.signed for v in self.used)

    @property
    def state(self) -> str:
        """Worst quality of what the mean has: "pass" or "flag"; "fail" when it has nothing."""
        states = {v.row["status"] for v in self.used}
        return "fail" if not states else "flag" if "flag" in states else "pass"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of two mean Ki, second over first site; ends are None without intervals of both."""

    compound: str
    sites: str
    qualifier: Side
    ratio: float | None
    lower: float | None
    upper: float | None


def lines_of(reports: Sequence[RunReport]) -> list[Line]:
    """Every constant of every compound, compounds in the order in which they are met."""
    found: dict[tuple[str, str, str, str], list[Value]] = {}
    for report in reports:
        for row in result_rows(report.plates):
            quantity = row["quantity"] or _expected(report, row)
            if quantity in QUANTITIES:
                against = row.get("radioligand") or row.get("agonist") or ""
                key = (row["compound"], quantity, row["site"] or "", against)
                found.setdefault(key, []).append(Value(report.run, row, _left_out(row)))
    for key in [key for key in found if not key[2]]:  # a plate without an analysis knows no site
        alike = [other for other in found if other[:2] == key[:2] and other[2]]
        if len(alike) == 1:
            found[alike[0]] += found.pop(key)
    order = list(dict.fromkeys(key[0] for key in found))
    keys = sorted(found, key=lambda k: (order.index(k[0]), QUANTITIES.index(k[1]), k[2:]))
    return [_line(*key, found[key]) for key in keys]


def _expected(report: RunReport, row: Row) -> str:
    """What a plate without an analysis was to find for a compound, as far as its run has one."""
    if row["role"] not in {"test", "reference"}:
        return ""
    usual = "EC50" if any(what == "Dye" for what, _ in report.conditions) else "Ki"
    return next((str(r["quantity"]) for r in result_rows(report.plates) if r["quantity"]), usual)


def _left_out(row: Row) -> str:
    if "plate:not_analysed" in row["flags"]:
        return "plate was not analysed"
    if row["status"] == "fail":
        return "; ".join(row["remarks"][:2]) or "failed"
    if row["qualifier"] not in _SIDES:
        return "no response" if row["qualifier"] == "none" else "not for use"
    return "" if row["value_molar"] is not None else "no value"


def _line(compound: str, quantity: str, site: str, against: str, values: Sequence[Value]) -> Line:
    usable = [v for v in values if not v.left_out]
    runs = list(_by_run(usable))
    mean = censored_mean(*zip(*runs, strict=True)) if runs else None
    effects = list(effects_by_run(usable))
    effect = censored_mean(effects, ["="] * len(effects)) if effects else None
    return Line(compound, quantity, site, against, tuple(values), mean, effect)


def effects_by_run(values: Sequence[Value]) -> Iterator[float]:
    """The mean largest effect of each run, over its plates."""
    for run in dict.fromkeys(v.run for v in values):
        found = [v.row["effect_percent"] for v in values
                 if v.run == run and v.row.get("effect_percent") is not None]  # fmt: skip
        if found:
            yield fmean(found)


def _by_run(values: Iterable[Value]) -> Iterator[tuple[float, Side]]:
    """One value or bound of each run, over its plates; runs that contradict themselves have none."""
    runs: dict[str, list[Value]] = {}
    for value in values:
        runs.setdefault(value.run, []).append(value)
    for plates in runs.values():
        found = censored_mean(
            [v.log10 for v in plates], [_SIDES[v.row["qualifier"]] for v in plates]
        )
        if found.mean is not None:
            yield found.mean, found.qualifier


def ratios(lines: Sequence[Line]) -> list[Ratio]:
    """Selectivity of means between sites; half-widths add in quadrature, each side its own.

    The site that comes first in the alphabet is below, as in `platectl report` of two runs.
    Source of the interval: Zou and Donner, Statistics in Medicine 27, 1693 (2008).
    """
    found = []
    for first, second in combinations([line for line in lines if line.quantity == "Ki"], 2):
        if first.compound != second.compound or first.site == second.site:
            continue
        low, high = sorted((first, second), key=lambda line: line.site)
        if low.mean is not None and high.mean is not None:
            found.append(_ratio(low.compound, f"{high.site}/{low.site}", low.mean, high.mean))
    return found


def _ratio(compound: str, sites: str, a: CensoredMean, b: CensoredMean) -> Ratio:
    turned: dict[Side, Side] = {"=": "=", "<": ">", ">": "<"}
    sides = {turned[a.qualifier], b.qualifier} - {"="}
    if a.mean is None or b.mean is None or len(sides) > 1:
        return Ratio(compound, sites, "=", None, None, None)
    log = b.mean - a.mean
    if sides:
        return Ratio(compound, sites, sides.pop(), 10.0**log, None, None)
    if a.lower is None or a.upper is None or b.lower is None or b.upper is None:
        return Ratio(compound, sites, "=", 10.0**log, None, None)
    lower = log - math.hypot(b.mean - b.lower, a.upper - a.mean)
    upper = log + math.hypot(b.upper - b.mean, a.mean - a.lower)
    return Ratio(compound, sites, "=", 10.0**log, _power(lower), _power(upper))


def _power(log10: float | None) -> float | None:
    """10 to it; None where it is open or would leave what a number can hold."""
    return 10.0**log10 if log10 is not None and abs(log10) < 300 else None  # noqa: PLR2004


def mean_molar(mean: CensoredMean | None) -> tuple[float | None, float | None, float | None]:
    """Geometric mean and the ends of its interval, in molar; None where open."""
    return (
        (None, None, None)
        if mean is None
        else (_power(mean.mean), _power(mean.lower), _power(mean.upper))
    )


def shown_ends(mean: CensoredMean | None) -> tuple[float | None, float | None]:
    """Ends of an interval in molar for people: one that no solution can have is open."""
    _, lower, upper = mean_molar(mean)
    return (
        lower if lower is not None and lower > LEAST_MOLAR else None,
        upper if upper is not None and upper < MOST_MOLAR else None,
    )


def csv_rows(lines: Sequence[Line]) -> list[Row]:
    """One row for each result, each mean and each selectivity of means."""
    rows: list[Row] = []
    for line in lines:
        key = {
            "compound": line.compound,
            "quantity": line.quantity,
            "site": line.site,
            "against": line.against,
        }
        for v in line.values:
            ends = {name: v.row[f"{name}_molar"] for name in ("value", "lower", "upper")}
            rows.append({**key, "kind": "result", "run": v.run, "plate": v.row["plate"], "qualifier": v.row["qualifier"],
                         **ends, "unit": "M", "runs": 1, "censored": int(v.row["qualifier"] in {"<", ">"}),
                         "effect_percent": v.row.get("effect_percent"), "status": v.row["status"],
                         "review": v.row["review"], "left_out": v.left_out})  # fmt: skip
        if line.mean is not None:
            ends = dict(zip(("value", "lower", "upper"), mean_molar(line.mean), strict=True))
            rows.append({**key, "kind": "mean", "run": "", "plate": "", "qualifier": line.mean.qualifier, **ends,
                         "unit": "M", "runs": line.mean.count, "censored": line.mean.censored,
                         "effect_percent": line.effect.mean if line.effect else None, "status": line.state,
                         "review": f"{line.unsigned} of {len(line.used)} not signed" if line.unsigned else "signed",
                         "left_out": f"{len(line.values) - len(line.used)} of {len(line.values)}"})  # fmt: skip
    rows += [
        {"compound": r.compound, "quantity": "selectivity", "site": r.sites, "against": "", "kind": "ratio of means",
         "run": "", "plate": "", "qualifier": r.qualifier, "value": r.ratio, "lower": r.lower, "upper": r.upper,
         "unit": "1", "runs": None, "censored": None, "effect_percent": None, "status": "", "review": "", "left_out": ""}
        for r in ratios(lines)
    ]  # fmt: skip
    return rows
