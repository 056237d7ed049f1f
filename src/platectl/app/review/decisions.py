"""What a person can decide about results: leave wells out, analyse anew, sign, open a key."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platectl.app.blinding import blinding_of, open_key, runs_of
from platectl.app.review.journal import Person, enter, journal_of, terms_of
from platectl.app.review.signing import standing_of, what_changed
from platectl.app.review.versions import Analysed, first_terms, make_version, publish
from platectl.app.run_report import read_run
from platectl.domain.analysis_terms import AnalysisTerms
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.layout import PLATE
from platectl.domain.result_rules import ResultRules
from platectl.domain.run import CompiledRun
from platectl.domain.wells import expand_wells
from platectl.engine.state import RunState
from platectl.store.ledger import Ledger
from platectl.store.lock import owner_of

SIGNABLE: Final = {"done", "failed", "aborted", "stopped"}


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature: of which version, by the hash of its results file; `opened` names unblinded runs.

    `waits_for` are runs of the same blinded study that are not signed yet; `key_missing` says why a
    key that is due could not be opened.
    """

    version: int
    results: str
    opened: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    key_missing: str = ""


def whoever(by: str | None, reason: str) -> Person:
    """The person of `--by`, or the user of this computer.

    Raises:
        UserInputError: Name or reason is empty.
    """
    return Person(by if by is not None else getpass.getuser(), reason)


def exclude(folder: Path, places: Sequence[str], person: Person, *, readmit: bool = False) -> Analysed:  # fmt: skip
    """Leave wells out of the analysis, or take them in again, and analyse anew.

    Args:
        folder: The run folder.
        places: Such as `P1:A5,B5` or `P2:A1:A4`.
        person: Who decides, and why.
        readmit: Take excluded wells in again.

    Raises:
        InputRefusedError: Plates or wells that are not there, or are (not) excluded already.
        UserInputError: The run is under way.
        StoreError: The review book cannot be written.
    """
    refuse_driven(folder)
    run, _ = read_run(folder)
    before = {(e.plate, e.well) for e in journal_of(folder).exclusions}
    wells, findings = _wells(run, places)
    for plate, names in wells.items():
        for well in names:
            if ((plate, well) in before) is not readmit:
                said = "is not excluded" if readmit else "is excluded already"
                findings.append(Finding(said, folder.name, None, f"{plate}:{well}"))
    refuse_if_any(findings)
    terms = current_terms(folder)
    for plate, names in wells.items():
        data = {"by": person.by, "reason": person.reason, "plate": plate, "wells": names}
        enter(folder, "wells.readmitted" if readmit else "wells.excluded", data)
    verb = "readmitted" if readmit else "excluded"
    told = "; ".join(f"{verb} {', '.join(names)} of {plate}" for plate, names in wells.items())
    terms = terms.model_copy(update={"exclusions": journal_of(folder).exclusions})
    return make_version(folder, terms, Person(person.by, f"{told}: {person.reason}"))


def analyse_anew(
    folder: Path, person: Person, *, rules: ResultRules | None = None,
    settings: Mapping[str, str] | None = None, base: int | None = None,
) -> Analysed:  # fmt: skip
    """Analyse a run with other rules or constants, as a version beside those before.

    Args:
        folder: The run folder.
        person: Who wants it, and why.
        rules: In place of those of the base; None keeps them.
        settings: Constants to set, beside those that the base sets; an empty text sets one back.
        base: Version to start from; None is the newest.

    Raises:
        InputRefusedError: A constant that no assay of the run has.
        StoreError: There is no such version.
        UserInputError: The run is under way.
    """
    refuse_driven(folder)
    terms = current_terms(folder, base)
    merged = {**terms.settings, **(settings or {})}
    update = {
        "rules": rules or terms.rules,
        "settings": {name: text for name, text in merged.items() if text},
        "exclusions": journal_of(folder).exclusions,
    }
    return make_version(folder, terms.model_copy(update=update), person)


def sign(folder: Path, version: int, person: Person, keys: Path) -> Signed:
    """Sign a version of the analysis; the key of a blinded study opens with its last signature.

    Raises:
        UserInputError: It is not the newest, not whole, signed by the same person, or the run is
            under way.
        StoreError: The review book cannot be written.
    """
    refuse_driven(folder)
    journal = journal_of(folder)
    made = journal.versions
    if not made or made[-1].number != version:
        newest = f"the newest is {made[-1].number}" if made else "there is none; platectl analyse"
        raise UserInputError(f"version {version} of {folder.name} cannot be signed: {newest}")
    if any(s.version == version and s.by == person.by for s in journal.signatures):
        raise UserInputError(f"{person.by} signed version {version} of {folder.name} already")
    with Ledger.reading(folder / "ledger.db") as ledger:
        end, status = ledger.seal(), RunState.of(ledger.events()).status
    if status not in SIGNABLE:
        raise UserInputError(f"{folder.name} is {status}, not over; `platectl resume` goes on")
    data = {
        "version": version, "by": person.by, "reason": person.reason,
        "results": made[-1].results, "ledger": [end.entries, end.head],
    }  # fmt: skip
    refuse_changed(folder, version)
    enter(folder, "analysis.signed", data)
    opened: tuple[str, ...] = ()
    missing = ""
    waits = _waits_for(folder)
    if not waits:
        try:
            opened = _open_study(folder, person, keys)
        except UserInputError as error:
            missing = str(error)
    for name in opened or (folder.name,):
        publish(folder.with_name(name))
    return Signed(version, made[-1].results, opened, waits, missing)


def unblind(folder: Path, person: Person, keys: Path) -> dict[str, str]:
    """Open the key of a blinded run, before its sign-off or by the keeper after it.

    Returns:
        Code -> compound.

    Raises:
        UserInputError: The run is not blinded, is open already, or its key is not there.
    """
    when = "before the sign-off" if _waits_for(folder) else "after the sign-off"
    key = open_key(folder, keys, person, f"{when} of all runs of the study")
    if journal_of(folder).versions:
        publish(folder)
    return key.names


def current_terms(folder: Path, version: int | None = None) -> AnalysisTerms:
    """Terms of a version, by default the newest; of none, those that the run began with.

    Raises:
        StoreError: There is no such version.
    """
    journal = journal_of(folder)
    if version is None and not journal.versions:
        return first_terms(folder, journal)
    return terms_of(folder, version or journal.versions[-1].number)


def refuse_driven(folder: Path) -> None:
    """Refuse a decision about a run whose data still grow.

    Raises:
        UserInputError: A living process drives it.
    """
    owner = owner_of(folder)
    if owner is not None:
        raise UserInputError(f"{folder.name} is under way ({owner}); decide when it is over")


def refuse_changed(folder: Path, version: int) -> None:
    """Refuse to sign what is not as it was made.

    Raises:
        UserInputError: Results, ledger or review book were changed.
    """
    journal = journal_of(folder)
    made = journal.versions[-1]
    if broken := what_changed(folder, made, made):
        raise UserInputError(f"version {version} of {folder.name} cannot be signed: {broken}")


def _closed(folder: Path) -> list[Path]:
    """Runs of the blinded study of a run whose key is closed; none where nothing is blinded."""
    study, _ = blinding_of(folder)
    runs = runs_of(folder.parent, study) if study else []
    return [each for each in runs if journal_of(each).revealed is None]


def _waits_for(folder: Path) -> tuple[str, ...]:
    """Runs of the same study that must be signed before its key opens."""
    return tuple(each.name for each in _closed(folder) if not _is_signed(each))


def _open_study(folder: Path, person: Person, keys: Path) -> tuple[str, ...]:
    """Open the key for all runs of a study."""
    closed = _closed(folder)
    for each in closed:
        open_key(each, keys, person, "the sign-off of all runs of the study")
    return tuple(each.name for each in closed)


def _is_signed(folder: Path) -> bool:
    journal = journal_of(folder)
    made = journal.versions
    return bool(made) and standing_of(folder, journal, made[-1])[0] == "signed"


def _wells(run: CompiledRun, places: Sequence[str]) -> tuple[dict[str, list[str]], list[Finding]]:
    """Wells by plate."""
    found: dict[str, list[str]] = {}
    findings: list[Finding] = []
    plates = {p.name: {w.well for w in p.wells if w.role != "empty"} for p in run.plates}
    for place in places:
        plate, _, text = place.partition(":")
        if plate not in plates:
            fix = f"use one of: {', '.join(plates)}, like {next(iter(plates))}:A5,B5"
            findings.append(Finding("is no plate of the run", "", None, place, fix))
            continue
        try:
            names = expand_wells(text, PLATE)
        except UserInputError as error:
            findings.append(Finding(str(error), "", None, place))
            continue
        strange = [well for well in names if well not in plates[plate]]
        findings += [
            Finding("is not used on that plate", "", None, f"{plate}:{w}") for w in strange
        ]
        known = found.setdefault(plate, [])
        known += [well for well in names if well not in known and well not in strange]
    return found, findings
