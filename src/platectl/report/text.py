"""Numbers and rows as people read them; nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platectl.domain.units import format_duration, format_molar
from platectl.report.model import RunReport, WindowRow
from platectl.report.values import MOLAR, Row

NOTHING = "–"
KI_HEAD = (
    "compound", "site", "Ki", "95 % interval", "status", "radioligand", "L", "Kd", "tissue",
    "temperature", "plate", "review", "flags",
)  # fmt: skip
RESPONSE_HEAD = ("compound", "constant", "value", "95 % interval", "status", "effect", "shape", "cells", "temperature", "plate", "review", "flags")  # fmt: skip
CONSTANT_HEAD = ("constant", "of", "site", "value", "95 % interval", "status", "tissue", "temperature", "plate", "review", "flags")  # fmt: skip
IC50_HEAD = ("compound", "site", "IC50", "95 % interval", "Hill slope", "status", "plate", "review")

INTERVALS = (
    "Intervals are 95 %, from the profile of the fit widened by the measured radioligand and by the preparation of "
    "the dilutions; the uncertainty of Kd is not in them."
)


def molar(value: float | None) -> str:
    """A concentration with its unit, or a dash."""
    return NOTHING if value is None else format_molar(value)


def qualified(qualifier: str, value: float | None) -> str:
    """A value with its qualifier in front; "=" goes without saying."""
    if value is None:
        return NOTHING
    return molar(value) if qualifier == "=" else f"{qualifier} {molar(value)}"


def interval(lower: float | None, upper: float | None) -> str:
    """An interval; open sides are said in words."""
    if lower is None and upper is None:
        return NOTHING
    if lower is None:
        return f"up to {molar(upper)}"
    if upper is None:
        return f"from {molar(lower)}"
    return f"{molar(lower)} to {molar(upper)}"


def hill(row: Row) -> str:
    """Hill slope with its interval."""
    if row["hill"] is None:
        return NOTHING
    ends = [
        "open" if row[name] is None else f"{row[name]:.2f}" for name in ("hill_lower", "hill_upper")
    ]
    return f"{row['hill']:.2f} ({ends[0]} to {ends[1]})"


def celsius(value: float | None) -> str:
    """A temperature with its unit, or a dash."""
    return NOTHING if value is None else f"{value:g} °C"


def number(value: float | None, digits: int = 3) -> str:
    """A number without unit, or a dash."""
    return NOTHING if value is None else f"{value:.{digits}g}"


def ki_table(rows: Iterable[Row]) -> list[list[str]]:
    """Head and rows of the Ki of a run, conditions beside every value; no IC50 is among them."""
    table = [list(KI_HEAD)]
    table += [
        [
            row["compound"],
            row["site"] or NOTHING,
            qualified(row["qualifier"], row["value_molar"]),
            interval(row["lower_molar"], row["upper_molar"]),
            row["status"],
            row["radioligand"] or NOTHING,
            molar(row["radioligand_molar"]),
            molar(row["kd_molar"]),
            row["tissue"] or NOTHING,
            celsius(row["temperature_c"]),
            row["plate"],
            reviewed(row),
            flags(row["flags"]),
        ]
        for row in rows
        if row["quantity"] == "Ki"
    ]
    return table


def ic50_table(rows: Iterable[Row]) -> list[list[str]]:
    """Head and rows of IC50 and Hill slopes, which hold for this radioligand alone."""
    table = [list(IC50_HEAD)]
    table += [
        [
            row["compound"],
            row["site"] or NOTHING,
            *_ic50(row),
            hill(row),
            row["status"],
            row["plate"],
            reviewed(row),
        ]
        for row in rows
        if "effect_percent" not in row
        and (row["quantity"] == "IC50" or row.get("ic50_molar") is not None)
    ]
    return table


def constants_table(rows: Iterable[Row]) -> list[list[str]]:
    """Head and rows of all other constants: Kd, Bmax, rate constants."""
    table = [list(CONSTANT_HEAD)]
    table += [
        [
            row["quantity"],
            row["compound"],
            row["site"] or NOTHING,
            in_unit(row["value"], row["unit"]),
            f"{in_unit(row['lower'], row['unit'])} to {in_unit(row['upper'], row['unit'])}",
            row["status"],
            row.get("tissue") or NOTHING,
            celsius(row.get("temperature_c")),
            row["plate"],
            reviewed(row),
            flags(row["flags"]),
        ]
        for row in rows
        if row["quantity"] not in {"Ki", "IC50", "EC50", ""}
    ]
    return table


def response_table(rows: Iterable[Row]) -> list[list[str]]:
    """Head and rows of calcium responses."""
    table = [list(RESPONSE_HEAD)]
    table += [
        [
            row["compound"],
            row["quantity"],
            "no response" if row["qualifier"] == "none" else qualified(row["qualifier"], row["value_molar"]),
            interval(row["lower_molar"], row["upper_molar"]),
            row["status"],
            NOTHING if row["effect_percent"] is None else f"{row['effect_percent']:.0f} %",
            "bell" if row["falling_molar"] else "",
            row["site"] or NOTHING,
            celsius(row["temperature_c"]),
            row["plate"],
            reviewed(row),
            flags(row["flags"]),
        ]
        for row in rows
        if "effect_percent" in row
    ]  # fmt: skip
    return table


def in_unit(value: float | None, unit: str) -> str:
    """A value with its unit, concentrations in their usual prefix, or a dash."""
    if value is None or unit == MOLAR:
        return molar(value)
    return f"{value:.3g} {unit}"


def tables(rows: Sequence[Row]) -> list[tuple[str, list[list[str]]]]:
    """Every table of a run that has rows, with its title; no table mixes Ki with IC50."""
    found = (
        ("Ki", ki_table(rows)),
        ("IC50 and Hill slope", ic50_table(rows)),
        ("Calcium response", response_table(rows)),
        ("Constants", constants_table(rows)),
    )
    return [(title, table) for title, table in found if len(table) > 1]


def _ic50(row: Row) -> tuple[str, str]:
    if row["quantity"] == "IC50":
        value = qualified(row["qualifier"], row["value_molar"])
        return value, interval(row["lower_molar"], row["upper_molar"])
    between = interval(row["ic50_lower_molar"], row["ic50_upper_molar"])
    return molar(row["ic50_molar"]), between if row["ic50_molar"] is not None else NOTHING


def reviewed(row: Row) -> str:
    """Whether a person vouches for a value; what is not signed is marked."""
    review = str(row.get("review", "unsigned"))
    return review if review == "signed" else review.upper()


def marks(reports: Sequence[RunReport]) -> list[str]:
    """What stands in capitals over results and on each page of them, the gravest word of several runs."""
    standings = {report.review.standing for report in reports}
    said = ["SIMULATED"] if any(report.simulated for report in reports) else []
    if standings == {"signed"}:
        said.append("SIGNED")
    else:
        said.append("SIGNATURE INVALID" if "invalidated" in standings else "NOT SIGNED")
    if any(report.review.study and not report.review.names for report in reports):
        said.append("BLINDED")
    return said


def windows_table(windows: Iterable[WindowRow]) -> list[list[str]]:
    """Head and rows of the windows of a run, and whether they were kept."""
    table = [["plate", "window", "elapsed", "verdict"]]
    for w in windows:
        elapsed = "" if w.elapsed_s is None else format_duration(w.elapsed_s)
        table.append([w.plate, w.name, elapsed, w.standing])
    return table


def unsigned(rows: Iterable[Row]) -> str:
    """What the head of a table says when not all of its values are signed."""
    found = {reviewed(row) for row in rows} - {"signed"}
    return "SIGNATURE INVALID" if "INVALIDATED" in found else "NOT SIGNED" if found else ""


def flags(names: Sequence[str]) -> str:
    """Names of flags in one cell."""
    return ", ".join(names)
