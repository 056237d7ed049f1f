"""Plates that join a run while it goes on: read, checked and planned here, and put to its engine.

The engine only judges a plan that is a moment old. When the run went on meanwhile, it is planned anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from platectl.app.blinding import BLINDING
from platectl.app.channel import situation_from, tell
from platectl.app.drive import PREFLIGHT
from platectl.app.preflight import (
    Override,
    Surroundings,
    against_stock,
    records,
    refuse_unless_held,
    surroundings_of,
)
from platectl.app.preflight.added import added_checks
from platectl.app.prepare import Options, request_of
from platectl.app.replan import as_it_stands, whole_problem
from platectl.app.truth import unknown_to_truth
from platectl.domain.errors import DisconnectedError, NoPlanError, UserInputError
from platectl.domain.findings import Finding, InputRefusedError, refuse_if_any
from platectl.domain.night import HORIZON, SIMULATED_START, NightDoc, NightEntry
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.units import FROZEN
from platectl.engine.ports import Situation
from platectl.engine.state import RunState
from platectl.files.stock import load_stock
from platectl.files.yaml_lines import Document
from platectl.planning.addition import Newcomers, compile_addition, loosened
from platectl.planning.batch import Request
from platectl.planning.problem import Problem
from platectl.planning.room import Fit, Times, fit, settled, soonest
from platectl.simkit.world import Truth
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger

#: how often an addition is planned anew because the run went on
ATTEMPTS: Final = 3
MINUTE_S: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
Tell = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to join, and who says so. `file` is where files of the entries are looked for.

    `name` is for one plate that is not to be numbered. `store` has the runs that used the stock.
    """

    entries: tuple[NightEntry, ...]
    file: Path
    store: Path
    by: str
    reason: str = ""
    name: str = ""
    stock: Path | None = None
    overrides: Sequence[Override] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """Plates that joined, or would; `run` has them, `before` is the run without, both as they stand.

    `method` says how room was found; it is empty for plates that joined before.
    """

    plates: tuple[str, ...]
    run: CompiledRun
    before: CompiledRun
    method: str = ""
    warnings: tuple[str, ...] = ()


def join(folder: Path, wanted: Wanted, *, dry_run: bool = False, say: Tell = tell) -> Joined:
    """Have plates join a run, or say what that would do; what was asked for before is not added again.

    Raises:
        InputRefusedError, UserInputError: They cannot join, with the reason; nothing was changed.
        StoreError: The folder holds no run.
    """
    moved_on, around = "", None
    for _ in range(ATTEMPTS):
        kept = _kept(folder)
        key, requests = _requests(kept, folder, wanted)
        if key in kept.state.added:
            return Joined(kept.state.added[key], kept.run, kept.run)
        around = around or surroundings_of(wanted.store)
        situation, lost = _standing(folder, kept, say)
        joined, addition, notes = _planned(kept, situation, lost, key, requests, wanted, around)
        if dry_run:
            return joined
        answer = say(
            folder, "add", addition=addition.model_dump(mode="json"), by=wanted.by,
            reason=wanted.reason, preflight=notes,
        )  # fmt: skip
        moved_on = answer.get("moved_on", "")
        if not moved_on:
            return joined
    raise UserInputError(f"{moved_on}; the run went on whenever this was planned; say it again")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the ledger of a run says."""

    run: CompiledRun
    state: RunState
    truth: Truth | None
    blinded: bool
    checked: bool

    @property
    def began(self) -> datetime:
        """When seconds of the run count from; times of its plan are laid from its planned start."""
        began = self.state.began_wall
        return self.run.starts or (datetime.fromisoformat(began) if began else SIMULATED_START)


def _kept(folder: Path) -> _Kept:
    with Ledger.reading(folder / "ledger.db") as ledger:
        truth = json.loads(ledger.frozen("simulation"))["truth"]
        return _Kept(
            run_of(ledger),
            RunState.of(ledger.events()),
            truth and Truth.model_validate(truth, context=FROZEN),
            ledger.has_frozen(BLINDING),
            against_stock(json.loads(ledger.frozen(PREFLIGHT))),
        )


def _requests(kept: _Kept, folder: Path, wanted: Wanted) -> tuple[str, list[Request]]:
    """Read the entries; returns them with what they ask for as a hash."""
    run = kept.run
    bounds = run.bounds
    zone = bounds.zone if bounds else "UTC"
    doc = NightDoc(platectl=1, night="joining", zone=zone, starts="00:00", plates=wanted.entries)
    options = Options(str(wanted.file), run=folder.name, store=wanted.store)
    lab = run.lab, Document(f"lab {run.lab.name}", {})
    requests = [
        replace(request_of(entry, options, doc, kept.began, lab), name=wanted.name)
        for entry in wanted.entries
    ]
    asked = [
        [r.protocol.model_dump(mode="json"), r.layout and r.layout.model_dump(mode="json"),
         [sample.model_dump(mode="json") for sample in r.samples],
         r.randomise and r.randomise.model_dump(mode="json"),
         r.copies, r.priority, r.not_before_s, r.not_after_s, r.name]
        for r in requests
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    ends_s = bounds.ends_s if bounds else None
    return key, [replace(r, not_after_s=ends_s) if r.not_after_s is None else r for r in requests]


def _standing(folder: Path, kept: _Kept, say: Tell) -> tuple[Situation, dict[str, str]]:
    """Where the run stands, and which instruments it gave up.

    Raises:
        UserInputError: No plates can join it.
    """
    try:
        found = say(folder, "outlook")
    except DisconnectedError as error:
        raise UserInputError(_why_nobody(folder.name, kept.state, error)) from error
    if found["closed"]:
        raise UserInputError(f"{folder.name}: {found['closed']}")
    return situation_from(found, kept.run), found["lost"]


def _why_nobody(name: str, state: RunState, error: Exception) -> str:
    resumed = f"`platectl resume {name}` first, then add"
    return {
        "done": f"{name} is over since {state.last_wall[:16]}; run the plates by themselves",
        "new": f"{name} has not begun; write the plates into its night file",
        "held": f"{name} is held for a person; {resumed}",
        "stopped": f"{name} was stopped; {resumed}",
        "aborted": f"{name} was aborted; {resumed}",
        "failed": f"{name} failed; {resumed}",
    }.get(state.status, f"{name} was cut off, no engine drives it ({error}); {resumed}")


def _planned(
    kept: _Kept, situation: Situation, lost: Mapping[str, str], key: str,
    requests: Sequence[Request], wanted: Wanted, around: Surroundings,
) -> tuple[Joined, Addition, list[Any]]:  # fmt: skip
    """Compile, place and check plates in a run as it stands."""
    _refuse_what_cannot(kept, requests, wanted)
    new = compile_addition(kept.run, requests, key=key, lost=lost)
    begun = set(situation.begun)
    loose = loosened(kept.run, begun)
    grown = loose.with_plates(new.draft())
    before = as_it_stands(whole_problem(loose, terms=True), replace(situation, run=loose))
    later, others = settled(before, situation.planned)
    whole = as_it_stands(whole_problem(grown, terms=True), replace(situation, run=grown))
    whole = replace(whole, fixed=later.fixed, running=later.running, now_s=later.now_s)
    found = _fit(kept, whole, others, new)
    past = {**later.fixed, **later.running}
    addition = new.placed(found.times, found.seats, set(past))
    run = kept.run.with_plates(addition)
    stock = load_stock(wanted.stock, now=around.now) if wanted.stock else None
    checks = added_checks(
        run, [p.name for p in addition.plates], situation, kept.began, stock, around
    )  # fmt: skip
    refuse_unless_held(checks, wanted.overrides)
    shown = kept.run.with_plates(
        addition.model_copy(update={"plates": (), "terms": {}, "protocols": (), "samples": (),
                                    "steps": (), "windows": (), "holds": (), "times": others})
    )  # fmt: skip
    names = tuple(plate.name for plate in addition.plates)
    warnings = (*map(str, new.warnings), *checks.warnings)
    notes = [list(note) for note in records(checks, wanted.overrides)]
    return Joined(names, run, shown, found.method, warnings), addition, notes


def _refuse_what_cannot(kept: _Kept, requests: Sequence[Request], wanted: Wanted) -> None:
    if kept.blinded:
        raise UserInputError("the run is blinded, its plates are those of its key; run others by themselves")  # fmt: skip
    if kept.checked and wanted.stock is None:
        raise UserInputError("the run was checked against a stock file; give it with --stock")
    refuse_if_any(_wrong_name(wanted.name, {plate.name for plate in kept.run.plates}))
    if kept.truth is not None:
        for request in requests:
            refuse_if_any(
                unknown_to_truth(
                    request.protocol, request.samples, kept.truth, truth_file="the run's truth",
                    sheet=request.sample_file,
                )
            )  # fmt: skip


def _wrong_name(name: str, taken: Collection[str]) -> Iterator[Finding]:
    """What is wrong with a name that was given."""
    if name and not _NAME.fullmatch(name):
        fix = "use letters, digits, _ and -, a letter first"
        yield Finding(f"{name!r} can be no plate's name", where="--name", fix=fix)
    if name in taken:
        fix = f"use a name that is none of: {', '.join(sorted(taken))}"
        yield Finding(f"{name!r} is a plate of the run already", where="--name", fix=fix)


def _fit(kept: _Kept, problem: Problem, others: Times, new: Newcomers) -> Fit:
    """Find room.

    Raises:
        InputRefusedError: There is none; with the reason, and what would be right.
    """
    names = ", ".join(new.templates)
    try:
        found = fit(problem, others, new.templates, new.pools)
    except NoPlanError as error:
        refusal = Finding(f"there is no room: {error}", where=names, fix="run it by itself")
        raise InputRefusedError([refusal]) from error
    if found.late:
        sooner = soonest(problem, others, new.templates, new.pools)
        refuse_if_any(_too_late(kept, problem, found, sooner, new))
    return found


def _too_late(
    kept: _Kept, problem: Problem, found: Fit, sooner: Times, new: Newcomers
) -> Iterator[Finding]:
    """Which plates end after they may, whether people are why, and what would be right."""
    zone = ZoneInfo(kept.run.bounds.zone if kept.run.bounds else "UTC")
    terms = {plate.name: plate.not_after_s or 0.0 for plate in problem.plates}

    def at(seconds: float) -> str:
        moment = (kept.began + timedelta(seconds=seconds)).astimezone(zone)
        return f"{moment:%Y-%m-%d %H:%M}"

    for plate, end_s in found.late.items():
        sooner_s = max(sooner[name][1] for name in new.templates[plate])
        people = ", ".join(sorted(problem.absences))
        if end_s > HORIZON.total_seconds():
            message = f"would never begin: {people} is not there to load it"
        else:
            message = f"would end at {at(end_s)} and may not after {at(terms[plate])}"
        if sooner_s < end_s - MINUTE_S:
            message += f"; if {people} were there, it would end at {at(sooner_s)}"
        enough_s = (sooner_s if end_s > HORIZON.total_seconds() else end_s) + MINUTE_S
        fix = f"allow it (--not-after {at(enough_s)!r}), or run it by itself"
        yield Finding(message, where=plate, fix=fix)
