"""What the results of a plate rest on: data with hashes, models, options, rules, exclusions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from platectl.analysis.calcium import CalciumPlateResult
from platectl.analysis.results import PlateResult
from platectl.app.evaluation import EvaluatedPlate
from platectl.app.review.settings import settings_of
from platectl.app.run_report import software
from platectl.domain.analysis_terms import AnalysisTerms
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.files.protocol import file_hash
from platectl.report.export import plain
from platectl.report.model import AnyResult, Basis, ExcludedWell, Standing
from platectl.report.rows import result_rows
from platectl.store.ledger import Ledger

DATA: Final = ("reading.taken", "frame.taken", "addition.seen")
#: folders of a run with the files that instruments dropped
_DROPPED: Final = ("counts", "reads")
_NO_PART: Final = "role "  # wells that the fit of a layout does not ask for
_RULES: Final = "the rules"


def digest_of(content: Any) -> str:
    """SHA-256 of JSON content, hexadecimal; the order of keys does not count."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def bases_of(
    folder: Path, run: CompiledRun, run_hash: str, plates: Sequence[EvaluatedPlate],
    terms: AnalysisTerms, excluded: Sequence[ExcludedWell], version: int | None, review: Standing,
) -> dict[str, Basis]:  # fmt: skip
    """What the results of every plate rest on.

    Raises:
        StoreError: The ledger cannot be read.
    """
    files = {p.name: p for name in _DROPPED for p in (folder / name).glob("*") if p.is_file()}
    data = _data(folder)
    common = {
        "run_sha256": run_hash,
        "rules": terms.rules.title,
        "rules_sha256": terms.rules.digest(),
        "settings_that_differ": dict(terms.settings),
        "versions": software(),
    }
    bases = {}
    for plate in plates:
        name = plate.plan.name
        record = {
            **data.get(name, {}),
            "files": {f: file_hash(files[f]) for f in _sources(plate) if f in files},
            "models": _models(plate),
            "options": plain(settings_of(run.seen_by(plate.plan).protocol)),
            **({"layout": plate.plan.randomised} if plate.plan.randomised else {}),
            "exclusions": [plain(e) for e in excluded if e.plate == name],
            **common,
        }
        bases[name] = Basis(review, version, digest_of(record), record)
    return bases


def exclusions_of(
    plates: Sequence[EvaluatedPlate], events: Sequence[Event], terms: AnalysisTerms
) -> tuple[ExcludedWell, ...]:
    """Wells and points that are shown and not fitted, each with who decided it and why."""
    found = [ExcludedWell(e.plate, e.well, e.by, e.reason, e.at) for e in terms.exclusions]
    people = {(e.plate, e.well) for e in found}
    for event in events:
        if event.kind != "wells.dropped":
            continue
        by = str(event.data.get("by") or "the run")
        found += [
            ExcludedWell(event.data["plate"], well, by, str(event.data["reason"]), event.wall)
            for well in event.data["wells"]
        ]
    people |= {(e.plate, e.well) for e in found}
    for plate in plates:
        name = plate.plan.name
        found += [
            ExcludedWell(name, well, _RULES, reason)
            for well, reason in dict.fromkeys(_masked(plate.result))
            if (name, well) not in people
        ]
    return tuple(found)


def _masked(result: AnyResult | None) -> Iterator[tuple[str, str]]:
    """Points that a result leaves out, with the reason."""
    if result is None:
        return
    if isinstance(result, (PlateResult, CalciumPlateResult)):
        for compound in result.compounds:
            for point in compound.points:
                if point.excluded:
                    yield point.well, f"{compound.compound}: {point.excluded}"
        return
    for own in result.points:
        if own.excluded and not own.excluded.startswith(_NO_PART):
            yield own.well, own.excluded


def _data(folder: Path) -> dict[str, dict[str, Any]]:
    """By plate: the entries of the ledger with its readings, and a hash over their hashes."""
    path = folder / "ledger.db"
    found: dict[str, list[tuple[int, str]]] = {}
    if path.exists():
        with Ledger.reading(path) as ledger:
            for number, step, digest in ledger.chain(DATA):
                found.setdefault(step.partition(".")[0], []).append((number, digest))
    return {
        plate: {
            "ledger_entries": len(entries),
            "ledger_from": entries[0][0],
            "ledger_to": entries[-1][0],
            "ledger_sha256": hashlib.sha256("\n".join(h for _, h in entries).encode()).hexdigest(),
        }
        for plate, entries in found.items()
    }


def _sources(plate: EvaluatedPlate) -> list[str]:
    """Names of the files that the readings of a plate came from."""
    named = (str(r.get("source", "")).partition(":")[0] for r in plate.counts.values())
    return list(dict.fromkeys(name for name in named if name))


def _models(plate: EvaluatedPlate) -> dict[str, str]:
    rows: Sequence[Mapping[str, Any]] = result_rows([plate.report()])
    return {f"{r['quantity']} of {r['compound']}": r["model"] for r in rows if r["quantity"]}
