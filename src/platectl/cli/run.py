"""`platectl run`: a whole night, from files to a table of constants."""

from __future__ import annotations

import contextlib
import getpass
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
import structlog
from rich.console import Console
from rich.markup import escape

from platectl.app.blinding import refuse_opened
from platectl.app.drive import Finished
from platectl.app.needs import needs_of
from platectl.app.night import execute
from platectl.app.preflight import (
    Override,
    perform,
    records,
    refuse_unless_held,
    surroundings_of,
)
from platectl.app.prepare import Night, Options, prepare
from platectl.app.review.looks import enter_look
from platectl.app.runs import announce, keep, new_run_name, refuse_begun
from platectl.cli.options import (
    emit_json,
    file_options,
    json_option,
    keys_option,
    parse_overrides,
    parse_randomise,
    policy_option,
    randomise_option,
    rules_option,
    stock_option,
    store_option,
    study_option,
)
from platectl.cli.render import LiveView, console, results_tables
from platectl.cli.zones import moment
from platectl.domain.events import EventKind
from platectl.domain.findings import InputRefusedError
from platectl.domain.run import CompiledRun
from platectl.files.result_rules import rules_file
from platectl.store.keys import read_key
from platectl.transport.wall_clock import WallClock

NO_STOCK = (
    "reagents, labware, activity and waste were not checked, because there is no stock file; "
    "give one with --stock FILE, or as `stock: FILE` in the night file"
)


@click.command()
@click.argument("protocols", nargs=-1, required=True)
@file_options
@store_option
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Seed of the simulated lab.",
)
@policy_option
@stock_option
@rules_option
@study_option
@keys_option
@randomise_option
@click.option(
    "--override",
    "waived",
    multiple=True,
    metavar='"NAME: REASON"',
    help="Start although a check of the preflight fails; NAME is the check, or all.",
)
@click.option("--by", help="Who overrides (default: the user of this computer).")
@click.option("--name", help="Name of the run folder; one that was begun is not run anew.")
@click.option(
    "--due",
    callback=lambda _, __, text: text and moment(text),
    metavar="MOMENT",
    help="When it was due (default: now): a clock time of a night file is the first one from then on.",
)
@click.option(
    "--needs", is_flag=True, help="Only say, as JSON, which instruments it needs, and how long."
)
@click.option("--quiet", is_flag=True, help="No live view.")
@json_option
def run(
    protocols: tuple[str, ...], lab: Path | None, samples: Path | None, truth: Path | None, layout: str | None,
    overrides: tuple[str, ...], store: Path, seed: int, policy: Path | None, stock: Path | None, rules: Path | None, study: str | None, keys: Path | None,
    randomise: tuple[str, ...],     waived: tuple[str, ...], by: str | None, name: str | None, due: datetime | None, needs: bool, quiet: bool, as_json: bool,
) -> int:  # fmt: skip
    """Run one or more PROTOCOLS (bundled names, .yaml files, or night files), one after another.

    Everything is checked first; findings stop the run before anything is sent. Nothing starts
    until all of the preflight holds or is overridden; supplies are checked with a stock file only. Ctrl-C stops safely:
    instruments are halted, the ledger says what was under way.
    """
    if len(protocols) > 1 and (name or needs):
        raise click.UsageError("--name and --needs belong to one protocol")
    if stock is not None and len(protocols) > 1:
        message = "--stock is for one night; put the protocols into one night file"
        raise click.UsageError(message)
    if study is not None:
        refuse_opened(store, study)
    key = read_key(keys or store / "keys", study) if study else None
    words = [Override.parse(text, by=by or getpass.getuser()) for text in waived]
    code, summaries = 0, []
    for protocol in protocols:
        folder = name or new_run_name(store, Path(protocol).stem, WallClock().now().astimezone(UTC))
        options = Options(
            protocol, lab, samples, truth, layout, parse_overrides(overrides), seed, folder, policy,
            stock, rules_file(rules, store), key, parse_randomise(randomise), store,
        )  # fmt: skip
        if needs:
            emit_json(needs_of(prepare(options, now=WallClock().now(), due=due)).plain())
            return 0
        refuse_begun(store, folder)
        try:
            summary = _one(options, store, words, due=due, quiet=quiet or as_json)
        except InputRefusedError as error:
            if as_json:
                emit_json(
                    {
                        "run": None,
                        "status": "refused",
                        "findings": [str(f) for f in error.findings],
                        "results": [],
                    }
                )
            raise
        summaries.append(summary)
        code = max(code, exit_code(summary))
        if summary["status"] != "done":
            break
    if as_json:
        emit_json(summaries[0] if len(summaries) == 1 else {"runs": summaries})
    return code


def _one(
    options: Options, store: Path, waived: Sequence[Override], *, due: datetime | None, quiet: bool
) -> dict[str, Any]:
    began = time.perf_counter()
    night = prepare(options, now=WallClock().now(), due=due)
    flown = _preflight(night, store, waived, quiet=quiet)
    folder = store / options.run
    folder.mkdir(parents=True, exist_ok=True)
    announce(store, options.run, night.compiled, WallClock().now().isoformat(timespec="seconds"))
    out = console(quiet=quiet)
    for warning in night.warnings:
        out.print(f"[yellow]warning:[/] {warning}")
    if night.stock is None:
        out.print(NO_STOCK, soft_wrap=True)
    if night.zone is not None:
        _show_plan(night, folder / "plan.html", out)
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        log_to(log)
        with LiveView(night.compiled, out, watcher_of(folder)) as view:
            finished = execute(night, folder, watch=view, preflight=flown)
    return conclude(store, options.run, night.compiled, finished, began=began, quiet=quiet)


def _show_plan(night: Night, page: Path, out: Console) -> None:
    """Write the plan of a night beside its ledger."""
    from platectl.planning.overview import overview
    from platectl.report.plan import write_plan

    write_plan(page, night.compiled, overview(night.compiled), zone=night.zone)
    out.print(f"plan: {page}", soft_wrap=True)


def _preflight(
    night: Night, store: Path, waived: Sequence[Override], *, quiet: bool
) -> list[tuple[EventKind, dict[str, Any]]]:
    """Check a night, its supplies only if it has a stock file; returns what the ledger keeps of it."""
    found = perform(night, surroundings_of(store), instruments=True)
    for warning in found.warnings:
        console(quiet=quiet).print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    refuse_unless_held(found, waived)
    return records(found, waived)


def conclude(
    store: Path, name: str, run: CompiledRun, finished: Finished, *, began: float, quiet: bool
) -> dict[str, Any]:
    """Keep what came of a run and print it; returns the JSON summary."""
    out = console(quiet=quiet)
    summary = keep(store, name, run, finished)
    if not quiet:
        for table in results_tables(summary["results"], simulated=summary["simulated"]):
            out.print(table)
        for text in summary["warnings"]:
            out.print(f"[yellow]warning:[/] {text}")
        if summary["error"]:
            out.print(f"[red]{summary['status']}:[/] {summary['error']}")
        if summary["withheld"]:
            out.print(f"no results are shown: {summary['withheld']}; `platectl report {name} --reason WHY` shows what "
                      "there is and records who looked", soft_wrap=True)  # fmt: skip
        out.print(
            f"report: {summary['report']}   ({time.perf_counter() - began:.1f} s)", soft_wrap=True
        )
    return summary


def exit_code(summary: dict[str, Any]) -> int:
    """Exit code of a finished run."""
    if summary["status"] in {"held", "stopped"}:
        return 5
    if summary["status"] != "done":
        return 3
    return 4 if summary["failed"] else 0


def watcher_of(folder: Path) -> Callable[[str, int, int], None]:
    """Records that somebody saw a plate while it was read."""

    def looked(labware: str, entries: int, readings: int) -> None:
        enter_look(folder, f"plate view of {labware}", entries=entries, readings=readings)

    return looked


def log_to(file: Any) -> None:
    """Send the log of this process to a file, as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=_Careless(file)),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )


class _Careless:
    """A log file that may be full, or closed; the log is not the ledger, and no reason to stop a run."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()
