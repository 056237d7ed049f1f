"""What an archive says about itself: RO-Crate metadata and a manifest of hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from platectl.report.model import RunReport

METADATA = "ro-crate-metadata.json"
MANIFEST = "manifest-sha256.txt"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_TYPES = {
    ".json": "application/json", ".jsonl": "application/x-ndjson", ".csv": "text/csv",
    ".txt": "text/plain", ".html": "text/html", ".db": "application/vnd.sqlite3",
    ".yaml": "application/yaml", ".yml": "application/yaml",
}  # fmt: skip
_SAID = {
    "ledger.db": "Ledger of the run: hash-chained events, each written before it was sent.",
    "seal.json": "Number of entries and hash of the last entry of the ledger.",
    "results.json": "Results with conditions, acceptance and provenance.",
    "results.csv": "Results, one row for each constant.",
    "counts.csv": "Counts of every well.",
    "report.html": "Report of the run.",
    "review.db": "Review book: looks, exclusions, versions and signatures, hash-chained.",
    "review-seal.json": "Number of entries and hash of the last entry of the review book.",
    "lab.json": "Lab file as it was used.",
    "log.jsonl": "Log of the engine.",
    "frozen/run.json": "The compiled run: every option resolved before it began.",
}
_FOLDERS = {
    "wire/": "Recorded bytes of a conversation with an instrument.",
    "analyses/": "File of one version of the analysis, as it was made.",
    "counts/": "File that a counter dropped.",
    "reads/": "File that a reader dropped.",
    "frozen/": "Document that was frozen before the run began.",
    "files/": "Input file of the operator.",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of an archive: its path there, its size in bytes and its SHA-256."""

    path: str
    size: int
    digest: str


def metadata_of(report: RunReport, files: Sequence[Packed]) -> str:
    """RO-Crate metadata of a run with its files."""
    software = report.versions.get("platectl", "")
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": SPECIFICATION},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": report.run,
            "description": f"{report.title}; run {report.status} in {report.lab}"
            + (", a simulated lab" if report.simulated else "")
            + f"; {report.review.sentence}",
            "datePublished": report.finished or report.started,
            "identifier": report.run_hash,
            "license": "None is stated; ask the lab that made it.",
            "hasPart": [{"@id": quote(file.path)} for file in files],
            "mentions": {"@id": "#run"},
        },
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": report.title,
            "startTime": report.started,
            "endTime": report.finished,
            "instrument": {"@id": "#platectl"},
            "result": {"@id": "./"},
        },
        {
            "@id": "#platectl",
            "@type": "SoftwareApplication",
            "name": "platectl",
            "softwareVersion": software,
        },
        *(_file(file) for file in files),
    ]
    context = [f"{SPECIFICATION}/context", {"sha256": "https://schema.org/sha256"}]
    return json.dumps({"@context": context, "@graph": graph}, ensure_ascii=False, indent=1)


def manifest_of(files: Sequence[Packed]) -> str:
    """One line for each file, as in BagIt: SHA-256, two spaces, path."""
    return "".join(f"{file.digest}  {_escaped(file.path)}\n" for file in files)


def read_manifest(text: str) -> dict[str, str]:
    """Path -> SHA-256.

    Raises:
        ValueError: A line that is no hash with a path, or a path that is there twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        digest, gap, path = line.partition("  ")
        if not gap or len(digest) != 64 or not path:  # noqa: PLR2004  # hexadecimal SHA-256
            raise ValueError(f"line {number} is no hash with a path")
        path = path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        if path in found:
            raise ValueError(f"line {number}: {path} is there twice")
        found[path] = digest
    return found


def described(text: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """Hash of the run that RO-Crate metadata state, and their files by their identifiers.

    Raises:
        ValueError: No RO-Crate metadata.
    """
    try:
        graph = {entity["@id"]: entity for entity in json.loads(text)["@graph"]}
        stated = graph[METADATA]["conformsTo"]["@id"]
        parts = [part["@id"] for part in graph["./"]["hasPart"]]
        if stated != SPECIFICATION:
            raise ValueError(f"conform to {stated}")
        return str(graph["./"]["identifier"]), {part: graph[part] for part in parts}
    except (KeyError, TypeError) as error:
        raise ValueError(f"lack {error}") from error


def _file(file: Packed) -> dict[str, Any]:
    suffix = file.path[file.path.rfind(".") :]
    said = _SAID.get(file.path) or next(
        (text for folder, text in _FOLDERS.items() if file.path.startswith(folder)), ""
    )
    return {
        "@id": quote(file.path),
        "@type": "File",
        "name": file.path,
        **({"description": said} if said else {}),
        "encodingFormat": _TYPES.get(suffix, "application/octet-stream"),
        "contentSize": str(file.size),
        "sha256": file.digest,
    }


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
