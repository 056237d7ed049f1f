"""Versions of the analysis of a run: each beside the one before, in files that stay as they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from platectl.app.blinding import blinding_of, revealed
from platectl.app.evaluation import EvaluatedPlate, Terms, evaluate_run
from platectl.app.evaluation.terms import rules_of
from platectl.app.review.journal import (
    Journal,
    Person,
    Version,
    enter,
    journal_of,
    terms_name,
    terms_of,
)
from platectl.app.review.looks import look, withheld
from platectl.app.review.provenance import bases_of, digest_of, exclusions_of
from platectl.app.review.settings import with_settings
from platectl.app.review.signing import deeds_of, standing_of
from platectl.app.run_report import (
    build_report,
    read_run,
    reviewed,
    software,
    write_notice,
    write_results,
)
from platectl.domain.analysis_terms import AnalysisTerms
from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.files.protocol import file_hash
from platectl.report.export import results_json
from platectl.report.model import Review, RunReport
from platectl.report.rows import result_rows
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger

ANALYSES: Final = "analyses"
RESULTS: Final = "results.json"
_COPIED: Final = ("results.csv", "counts.csv", "report.html")
#: columns that say who signed, or say a flag in words
_NOT_VALUES: Final = {"review", "version", "provenance", "remarks"}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A run as compiled, its ledger and its plates, evaluated by the rules alone."""

    run: CompiledRun
    events: Sequence[Event]
    plates: Sequence[EvaluatedPlate]


@dataclass(frozen=True, slots=True)
class Analysed:
    """A run as it was analysed; `run` has the constants and names that were used."""

    report: RunReport
    run: CompiledRun
    events: Sequence[Event]
    terms: AnalysisTerms


def analysed(folder: Path, *, version: int | None = None) -> Analysed:
    """Analyse a run as its newest version says, or another one; before the first, as the rules say.

    Numbers that do not come out as they were entered are warned of.

    Raises:
        StoreError: No ledger, no such version, or not a run of this format.
    """
    journal = journal_of(folder)
    made = _version(journal, version)
    terms = terms_of(folder, made.number) if made else first_terms(folder, journal)
    review = _review(folder, journal, made)
    found = _analyse(folder, terms, review)
    said = []
    if made and values_of(found.report) != made.values:
        said.append(
            f"Calculated again, the results are not those of version {made.number}, which platectl "
            f"{made.software.get('platectl', '')} made; those are in {ANALYSES}/{made.number}."
        )
    if version is None and set(terms.exclusions) != set(journal.exclusions):
        said.append(
            "Wells were excluded or readmitted, and no version of the analysis knows it: "
            f"`platectl analyse {folder.name} --reason ...` makes one."
        )
    warnings = (*said, *found.report.warnings)
    return replace(found, report=replace(found.report, warnings=warnings))


def first_terms(folder: Path, journal: Journal) -> AnalysisTerms:
    """Terms without any version: the rules that the run began with, and exclusions so far."""
    with Ledger.reading(folder / "ledger.db") as ledger:
        return AnalysisTerms(rules=rules_of(ledger), exclusions=journal.exclusions)


def make_version(
    folder: Path, terms: AnalysisTerms, person: Person,
    *, evaluated: Evaluated | None = None, seen: bool = True,
) -> Analysed:  # fmt: skip
    """Analyse a run by some terms and keep that as a version of its own beside all others.

    The files of the run folder become those of the new version, or say why they show no results.

    Args:
        folder: The run folder.
        terms: By what it is analysed.
        person: Who wants it, and why.
        evaluated: The run, when it was evaluated by these terms already.
        seen: The person is shown the results, which is recorded where they are withheld.

    Raises:
        InputRefusedError: Settings that no assay of the run has.
        StoreError: No ledger, or the disk refused.
    """
    journal = journal_of(folder)
    number, place = _new_place(folder, journal)
    sentence = f"Version {number} of the analysis is not signed."
    review = replace(_review(folder, journal, None), standing="unsigned", version=number, sentence=sentence)  # fmt: skip
    review = replace(review, deeds=())
    try:
        found = _analyse(folder, terms, review, evaluated)
        (place / RESULTS).write_text(results_json(found.report), encoding="utf-8")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    if seen:
        look(folder, found.events, f"version {number} of the analysis", person.by, person.reason)
    with Ledger.reading(folder / "ledger.db") as ledger:
        end = ledger.seal()
    enter(folder, "analysis.made", {
        "version": number, "by": person.by, "reason": person.reason,
        "results": file_hash(place / RESULTS), "values": values_of(found.report),
        "ledger": [end.entries, end.head], "software": software(),
    }, frozen={terms_name(number): terms.model_dump_json()})  # fmt: skip
    journal = journal_of(folder)
    review = _review(folder, journal, _version(journal, number))
    report = reviewed(found.report, replace(review, exclusions=found.report.review.exclusions))
    found = replace(found, report=report)
    _write(folder, found)
    return found


def publish(folder: Path) -> Analysed:
    """Write the files of the run folder anew, as its newest version and its signatures say.

    Raises:
        StoreError: No ledger, or not a run of this format.
    """
    found = analysed(folder)
    _write(folder, found)
    return found


def _write(folder: Path, found: Analysed) -> None:
    """Write the files of a run folder, and those of the version that has none yet; index the results."""
    report = found.report
    RunIndex(folder.parent).put_results(folder.name, result_rows(report.plates))
    if why := withheld(folder, found.events):
        write_notice(folder, found.run, found.events, report.review, why)
        return
    write_results(folder, report)
    if report.review.version is not None:
        place = version_folder(folder, report.review.version)
        for name in _COPIED:
            if not (place / name).exists():
                shutil.copyfile(folder / name, place / name)


def values_of(report: RunReport) -> str:
    """SHA-256 of all numbers to nine digits, qualifiers, states and flags; not of who signed them."""
    codes = {name: code for code, name in report.review.names.items()}
    rows = [
        {k: _stable(v, codes) for k, v in row.items() if k not in _NOT_VALUES}
        for row in result_rows(report.plates)
    ]
    return digest_of(rows)


def version_folder(folder: Path, number: int) -> Path:
    """Folder with the files of a version."""
    return folder / ANALYSES / str(number)


def review_of(folder: Path) -> Review:
    """What was done with the data of a run, without any version of its analysis."""
    return _review(folder, journal_of(folder), None)


def _version(journal: Journal, number: int | None) -> Version | None:
    made = journal.versions
    if number is None:
        return made[-1] if made else None
    for version in made:
        if version.number == number:
            return version
    known = ", ".join(str(v.number) for v in made) or "none"
    raise StoreError(f"there is no version {number} of the analysis; there is {known}")


def _new_place(folder: Path, journal: Journal) -> tuple[int, Path]:
    """A number that no version has, and its folder, which is made."""
    number = max((v.number for v in journal.versions), default=0)
    while True:
        number += 1
        place = version_folder(folder, number)
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue  # another process makes it, or died while it did
        return number, place


def _review(folder: Path, journal: Journal, made: Version | None) -> Review:
    standing, sentence = standing_of(folder, journal, made)
    opened = journal.revealed
    study, _ = blinding_of(folder)
    return Review(
        standing, made.number if made else None, sentence, deeds_of(journal),
        names=dict(opened.data["names"]) if opened else {}, study=study,
    )  # fmt: skip


def _analyse(
    folder: Path, terms: AnalysisTerms, review: Review, evaluated: Evaluated | None = None
) -> Analysed:
    if evaluated is None:
        original, events = read_run(folder)
        run = with_settings(revealed(original, review.names), terms.settings)
        plates = evaluate_run(run, events, Terms(terms.rules, terms.excluded()))
    else:
        original = run = evaluated.run
        events, plates = list(evaluated.events), list(evaluated.plates)
    excluded = exclusions_of(plates, events, terms)
    review = replace(review, exclusions=excluded)
    digest = original.hash()
    bases = bases_of(
        folder, run, digest, plates, terms, excluded, review.version, review.standing
    )  # fmt: skip
    report = build_report(folder.name, run, events, plates, review, bases)
    return Analysed(replace(report, run_hash=digest), run, events, terms)


def _stable(value: Any, codes: Mapping[str, str]) -> Any:
    """A value to nine digits, and under codes whether or not the key of a run was opened."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, str):
        for name in sorted(codes, key=len, reverse=True):
            value = value.replace(name, codes[name])
    return [_stable(v, codes) for v in value] if isinstance(value, (list, tuple)) else value
