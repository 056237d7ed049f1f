"""Control charts of the reference compound, from the results in the index of the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platectl.analysis.control_chart import ControlChart, ControlPoint, control_chart
from platectl.analysis.errors import AnalysisError
from platectl.app.blinding import blinding_of
from platectl.app.review.looks import look_at
from platectl.domain.control_rules import ControlRules
from platectl.domain.findings import Finding, InputRefusedError
from platectl.files.control_rules import load_control_rules
from platectl.store.index import RunIndex

CHARTED = ("test", "reference")
#: states of the index in which a run may go on
#: columns that must agree within a chart -> the option that chooses among several
ALIKE = {"site": "--site", "lab": "--lab", "unit": "", "radioligand": "--radioligand"}


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """Which results are charted; None takes all of them, which must then be of one kind."""

    store: Path
    compound: str = "haloperidol"
    quantity: str = "Ki"
    site: str | None = None
    lab: str | None = None
    radioligand: str | None = None
    rules: Path | None = None


@dataclass(frozen=True, slots=True)
class ChartedHistory:
    """A control chart and what it is of.

    Attributes:
        of: Compound, quantity, and the columns in which all results agree.
        chart: Limits and judged points.
        left_out: Results without a usable number, as (run, plate, why).
        rules: What was judged by.
    """

    of: Mapping[str, str]
    chart: ControlChart
    left_out: tuple[tuple[str, str, str], ...]
    rules: ControlRules


def chart_history(options: ChartOptions) -> ChartedHistory:
    """Chart a constant of one compound over the runs of a store, oldest first.

    Raises:
        InputRefusedError: Nothing to chart, too little to learn limits from, or results of several
            sites, labs, units or radioligands; every finding.
        StoreError: The index cannot be read.
    """
    rules = load_control_rules(options.rules)
    runs = RunIndex(options.store).runs()
    rows = history(runs, options.compound, options.quantity)
    for name in ("site", "lab", "radioligand"):
        wanted = getattr(options, name)
        rows = [
            r for r in rows if wanted is None or (r[name] or "").casefold() == wanted.casefold()
        ]
    refuse_mixed(rows, options)
    usable = [r for r in rows if r["qualifier"] == "=" and r["value"] is not None]
    usable = [r for r in usable if r["status"] != "fail"]
    left_out = [(r["run"], r["plate"], _why(r)) for r in rows if r not in usable]
    points = [ControlPoint(r["run"], r["plate"], r["started"], float(r["value"])) for r in usable]
    try:
        chart = control_chart(points, rules)
    except AnalysisError as error:
        fix = f"{len(left_out)} more gave no usable number" if left_out else "run more plates"
        where = f"{options.quantity} of {options.compound}"
        raise InputRefusedError(
            [Finding(str(error).rstrip("."), str(options.store), None, where, fix)]
        ) from error
    record_looks(runs, {row["run"] for row in rows}, "platectl chart")
    of = {"compound": rows[0]["compound"], "quantity": options.quantity}
    of |= {name: str(rows[0][name]) for name in ALIKE if rows[0][name]}
    of["review"] = reviewed(usable)
    return ChartedHistory(of, chart, tuple(left_out), rules)


def history(
    runs: Sequence[Mapping[str, Any]], compound: str, quantity: str
) -> list[dict[str, Any]]:
    """Results of one quantity of a compound, oldest first, each with run, lab and time."""
    found = [
        {"radioligand": None, "site": None, **row, "run": run["run"], "lab": run["lab"],
         "started": run["started"]}
        for run in runs
        for row in run["results"]
        if str(row.get("compound") or "").casefold() == compound.casefold()
        and (row["quantity"] == quantity or (not row["quantity"] and row["role"] in CHARTED))
    ]  # fmt: skip
    return sorted(
        found, key=lambda row: (row["started"], row["run"], len(row["plate"]), row["plate"])
    )


def record_looks(runs: Sequence[Mapping[str, Any]], shown: Collection[str], what: str) -> None:
    """Record a look at each run whose results are shown and withheld.

    Raises:
        StoreError: A look could not be recorded.
    """
    for run in runs:
        folder = Path(run["folder"])
        if run["run"] in shown and (run["status"] != "done" or blinding_of(folder)[0]):
            look_at(folder, what)


def reviewed(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many results nobody vouches for, in words."""
    unsigned = sum(row.get("review") != "signed" for row in rows)
    return f"{unsigned} of {len(rows)} results NOT SIGNED" if unsigned else "all results signed"


def refuse_mixed(rows: Sequence[Mapping[str, Any]], options: ChartOptions) -> None:
    """Refuse results that one chart cannot hold.

    Raises:
        InputRefusedError: There are none, or they differ in site, lab, unit or radioligand.
    """
    store, where = str(options.store), f"{options.quantity} of {options.compound}"
    if not any(row["quantity"] for row in rows):
        fix = "`platectl runs` lists what was run; choose with --compound, --quantity, --site"
        raise InputRefusedError([Finding("no run has such a result", store, None, where, fix)])
    findings = []
    for name, option in ALIKE.items():
        several = list(dict.fromkeys(str(row[name]) for row in rows if row.get(name)))
        if len(several) > 1:
            message = f"results of several {name}s: {', '.join(several)}"
            fix = f"choose one with {option}" if option else "choose another --quantity"
            findings.append(Finding(message, store, None, where, fix))
    if findings:
        raise InputRefusedError(findings)


def _why(row: Mapping[str, Any]) -> str:
    if row["status"] == "fail":
        failed = [f for f in row["flags"] if str(f).startswith("plate:")]
        return f"failed ({', '.join(failed)})" if failed else "failed"
    return f"qualifier {row['qualifier']}"
