"""`platectl exclude`, `analyses`, `diff`, `sign`, `unblind`: what people decide about results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platectl.cli.options import (
    emit_json,
    json_option,
    keys_option,
    look_options,
    store_option,
)
from platectl.cli.render import print_table, results_tables, say
from platectl.store.index import RunIndex

if TYPE_CHECKING:
    from platectl.app.review.changes import Shift
    from platectl.report.model import RunReport

by_option = click.option("--by", help="Who decides (default: the user of this computer).")
reason_option = click.option("--reason", required=True, help="Why; it stands in every report.")


@click.command()
@click.argument("run")
@click.argument("wells", metavar="PLATE:WELLS...", nargs=-1, required=True)
@click.option("--readmit", is_flag=True, help="Take excluded wells in again.")
@by_option
@reason_option
@store_option
@json_option
def exclude(
    run: str, wells: tuple[str, ...], readmit: bool, by: str | None, reason: str, store: Path,
    as_json: bool,
) -> int:  # fmt: skip
    """Leave wells of a RUN out of the analysis, as in `P1:A5,B5`, and analyse anew.

    The wells stay in the data and in every plot, with the name and the reason.
    """
    from platectl.app.review.decisions import exclude as leave_out  # heavy
    from platectl.app.review.decisions import whoever

    folder = RunIndex(store).folder_of(run)
    report = leave_out(folder, wells, whoever(by, reason), readmit=readmit).report
    return told(report, folder, as_json=as_json)


@click.command()
@click.argument("run")
@store_option
@json_option
def analyses(run: str, store: Path, as_json: bool) -> int:
    """List the versions of the analysis of a RUN, who made them and who signed them."""
    from platectl.app.review.journal import journal_of, terms_of  # heavy
    from platectl.app.review.signing import standing_of

    folder = RunIndex(store).folder_of(run)
    journal = journal_of(folder)
    rows: list[dict[str, Any]] = []
    for version in journal.versions:
        terms = terms_of(folder, version.number)
        signed = [s for s in journal.signatures if s.version == version.number]
        rows.append({
            "version": version.number, "at": version.at[:19], "by": version.by, "reason": version.reason,
            "rules": terms.rules.title, "settings": dict(terms.settings),
            "exclusions": len(terms.exclusions), "sha256": version.results,
            "signed": [{"by": s.by, "at": s.at[:19], "reason": s.reason} for s in signed],
        })  # fmt: skip
    newest = journal.versions[-1] if journal.versions else None
    standing, sentence = standing_of(folder, journal, newest)
    if as_json:
        emit_json(
            {"run": folder.name, "standing": standing, "sentence": sentence, "versions": rows}
        )
        return 0
    print_table(
        ("version", "made (UTC)", "by", "why", "rules", "set", "wells out", "signed by", "SHA-256"),
        [
            (str(r["version"]), r["at"], r["by"], r["reason"], r["rules"],
             ", ".join(f"{k}={v}" for k, v in r["settings"].items()), str(r["exclusions"]),
             ", ".join(s["by"] for s in r["signed"]) or "nobody", r["sha256"][:12])
            for r in rows
        ],
        title=f"Analyses of {folder.name}",
    )  # fmt: skip
    say(sentence)
    return 0


@click.command()
@click.argument("run")
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@store_option
@look_options
@json_option
def diff(
    run: str, before: int | None, after: int | None, store: Path, by: str | None, reason: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Say what differs between two versions of the analysis of a RUN (default: the newest two).

    Moves are shares of the half of the interval before: 1 is the end of the interval.
    """
    from dataclasses import asdict

    from platectl.app.review.changes import difference  # heavy
    from platectl.app.review.looks import look_at

    folder = RunIndex(store).folder_of(run)
    look_at(folder, "platectl diff", by, reason)
    found = difference(folder, before, after)
    if as_json:
        emit_json({"run": folder.name, **asdict(found)})
        return 0
    print_table(
        ("what", f"version {found.before}", f"version {found.after}"),
        [(c.name, c.before or "none", c.after or "none") for c in found.choices],
        title="Choices that differ",
    )
    print_table(
        ("plate", "compound", "quantity", f"version {found.before}", f"version {found.after}",
         "fold", "of its interval", "what else"),
        [_shown(shift) for shift in found.shifts if shift.differs],
        title="Results that differ",
    )  # fmt: skip
    same = sum(not shift.differs for shift in found.shifts)
    say(f"{same} of {len(found.shifts)} results are the same")
    return 0


@click.command()
@click.argument("run")
@click.option("--version", "number", type=int, required=True, help="Version that is signed.")
@by_option
@reason_option
@store_option
@keys_option
@json_option
def sign(
    run: str, number: int, by: str | None, reason: str, store: Path, keys: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Sign a version of the analysis of a RUN: vouch for it by the hash of its results.

    What changes later makes the signature void, visibly. Of a blinded study, names come out with
    the signature of its last run.
    """
    from platectl.app.review.decisions import sign as put_name  # heavy
    from platectl.app.review.decisions import whoever

    folder = RunIndex(store).folder_of(run)
    person = whoever(by, reason)
    found = put_name(folder, number, person, keys or store / "keys")
    if as_json:
        emit_json({
            "run": folder.name, "version": number, "by": person.by, "sha256": found.results,
            "opened": list(found.opened), "waits_for": list(found.waits_for),
            "key_missing": found.key_missing,
        })  # fmt: skip
        return 0
    say(f"{person.by} signed version {number} of {folder.name}; SHA-256 {found.results}")
    if found.opened:
        say(f"the key was opened for {', '.join(found.opened)}")
    if found.waits_for:
        say(f"compounds stay under codes until these are signed: {', '.join(found.waits_for)}")
    if found.key_missing:
        say(
            f"compounds stay under codes: {found.key_missing}; its keeper opens it with platectl unblind"
        )
    return 0


@click.command()
@click.argument("run")
@by_option
@reason_option
@store_option
@keys_option
@json_option
def unblind(
    run: str, by: str | None, reason: str, store: Path, keys: Path | None, as_json: bool
) -> int:
    """Open the key of a blinded RUN before it is signed; who and why stand in every report."""
    from platectl.app.review.decisions import unblind as open_it  # heavy
    from platectl.app.review.decisions import whoever

    folder = RunIndex(store).folder_of(run)
    names = open_it(folder, whoever(by, reason), keys or store / "keys")
    if as_json:
        emit_json({"run": folder.name, "names": names})
    else:
        print_table(("code", "compound"), list(names.items()), title=folder.name)
    return 0


def told(report: RunReport, folder: Path, *, as_json: bool) -> int:
    """Say what a new version of an analysis gave; 4 when a plate failed."""
    from platectl.cli.render import console
    from platectl.report.rows import result_rows

    rows = result_rows(report.plates)
    if as_json:
        emit_json({
            "run": folder.name, "version": report.review.version, "report": str(folder / "report.html"),
            "results": rows, "warnings": list(report.warnings),
        })  # fmt: skip
    else:
        for table in results_tables(rows, simulated=report.simulated):
            console().print(table)
        for text in report.warnings:
            say(f"warning: {text}")
        say(f"version {report.review.version}; `platectl diff {folder.name}` says what changed; "
            f"report: {folder / 'report.html'}")  # fmt: skip
    return 4 if any(row["status"] == "fail" for row in rows) else 0


def _shown(shift: Shift) -> tuple[str, ...]:
    from platectl.report.text import in_unit

    moved = "" if shift.of_interval is None else f"{shift.of_interval:.2f}"
    return (
        shift.plate, shift.compound, shift.quantity, in_unit(shift.before, shift.unit),
        in_unit(shift.after, shift.unit), "" if shift.fold is None else f"{shift.fold:.4g}", moved,
        "; ".join(shift.words),
    )  # fmt: skip
