"""Archives of runs: one zip with everything, in which every file is named with its hash."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812  # a class with a small name

from platectl.domain.codes import Code
from platectl.domain.errors import StoreError
from platectl.domain.findings import Finding
from platectl.domain.run import CompiledRun
from platectl.domain.units import FROZEN
from platectl.report.exports.archive_review import REVIEW_SEAL, verify_review
from platectl.report.exports.crate import (
    MANIFEST,
    METADATA,
    Packed,
    described,
    manifest_of,
    metadata_of,
    read_manifest,
)
from platectl.report.model import RunReport
from platectl.store.kept_run import with_added
from platectl.store.ledger import Ledger, Seal
from platectl.store.review import REVIEW

EXPORTS = "exports"
LEDGER, SEAL, RUN = "ledger.db", "seal.json", "frozen/run.json"
#: what belongs to the process that drives a run, and what can be made again
_LEFT_OUT = {"owner.lock", "epoch", "heartbeat.json"}
_PIECE = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Verified:
    """What an archive holds, and what is wrong with it."""

    run_hash: str
    files: int
    entries: int
    findings: tuple[Finding, ...]


def write_archive(
    path: Path, folder: Path, report: RunReport, inputs: Sequence[Path], seal: Seal | None
) -> list[Packed]:
    """Pack a run folder: ledger, frozen documents, results, report, wire, files, input files.

    The same run gives the same bytes. The ledger is copied whole, also while it is being written.

    Args:
        path: The zip; it is replaced when all of it is written.
        folder: The run folder.
        report: Its report.
        inputs: Input files that are still what the run was compiled from.
        seal: Of its ledger, as kept elsewhere; None takes the ledger's end as it is now.

    Raises:
        StoreError: The ledger cannot be read.
        OSError: A file cannot be read or the zip not written.
    """
    partial = path.with_name(f"{path.name}.part")
    with tempfile.TemporaryDirectory() as place:
        found = {**_of_folder(folder), **_of_ledger(folder, Path(place), seal)}
        found |= _of_review(folder, Path(place))
        for file in inputs:
            found[f"files/{_digest_of(file)[:12]}-{file.name}"] = file
        try:
            with ZipFile(partial, "w", ZIP_DEFLATED) as archive:
                packed = [_pack(archive, name, found[name]) for name in sorted(found)]
                text = metadata_of(report, packed)
                described_by = _pack_text(archive, METADATA, text)
                _pack_text(archive, MANIFEST, manifest_of([*packed, described_by]))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return packed


def verify_archive(path: Path) -> Verified:
    """Say everything that is wrong with an archive: files, hashes, metadata, ledger.

    Raises:
        OSError: It cannot be read.
    """
    findings: list[Finding] = []
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        return Verified(
            "", 0, 0, (Finding(f"is no archive: {error}", str(path), code=Code.EXPORT_DAMAGED),)
        )
    with archive, tempfile.TemporaryDirectory() as place:
        say = _Sayer(str(path), findings)
        digests = _digests(archive, say)
        _against_manifest(archive, digests, say)
        run_hash = _against_metadata(archive, digests, say)
        entries = _ledger(archive, digests, Path(place), run_hash, say)
        verify_review(archive, digests, Path(place), say)
    return Verified(run_hash, len(digests), entries, tuple(findings))


@dataclass(frozen=True, slots=True)
class _Sayer:
    """Adds findings of one archive."""

    file: str
    findings: list[Finding]

    def __call__(self, message: str, where: str = "") -> None:
        """Add one."""
        self.findings.append(Finding(message, self.file, None, where, code=Code.EXPORT_DAMAGED))


def _of_folder(folder: Path) -> dict[str, Path]:
    found = {}
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        plain = file.is_file() and not file.is_symlink()
        if plain and name not in _LEFT_OUT and not name.startswith((f"{EXPORTS}/", LEDGER, REVIEW)):
            found[name] = file
    return found


def _of_ledger(folder: Path, place: Path, seal: Seal | None) -> dict[str, Path]:
    """A copy of the ledger, its seal and its frozen documents."""
    found = {LEDGER: place / LEDGER, SEAL: place / SEAL}
    with Ledger.reading(folder / LEDGER) as ledger:
        ledger.copy_to(place / LEDGER)
        for name in ledger.frozen_names():
            found[f"frozen/{name}.json"] = place / f"{name}.json"
            found[f"frozen/{name}.json"].write_text(ledger.frozen(name), encoding="utf-8")
        end = seal or ledger.seal()
    found[SEAL].write_text(json.dumps({"entries": end.entries, "head": end.head}), encoding="utf-8")
    return found


def _of_review(folder: Path, place: Path) -> dict[str, Path]:
    """A copy of the review book and its seal; nothing where nobody reviewed."""
    if not (folder / REVIEW).exists():
        return {}
    with Ledger.reading(folder / REVIEW) as book:
        book.copy_to(place / REVIEW)
        end = book.seal()
    text = json.dumps({"entries": end.entries, "head": end.head})
    (place / REVIEW_SEAL).write_text(text, encoding="utf-8")
    return {name: place / name for name in (REVIEW, REVIEW_SEAL)}


def _pack(archive: ZipFile, name: str, file: Path) -> Packed:
    info = ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as content, archive.open(info, "w", force_zip64=True) as packed:
        while piece := content.read(_PIECE):
            digest.update(piece)
            size += packed.write(piece)
    return Packed(name, size, digest.hexdigest())


def _pack_text(archive: ZipFile, name: str, text: str) -> Packed:
    info, content = ZipInfo(name, _EPOCH), text.encode()
    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
    archive.writestr(info, content)
    return Packed(name, len(content), hashlib.sha256(content).hexdigest())


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return _digest(content)


def _digests(archive: ZipFile, say: _Sayer) -> dict[str, str]:
    """Hash of every file; empty for one that cannot be read."""
    found: dict[str, str] = {}
    for info in archive.infolist():
        name = info.filename
        if name in found:
            say("is there twice", name)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            say("lies outside the archive", name)
        try:
            with archive.open(info) as content:
                found[name] = _digest(content)
        except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError) as error:
            say(f"cannot be read: {error}", name)
            found[name] = ""
    return found


def _text(archive: ZipFile, digests: dict[str, str], name: str, say: _Sayer) -> str | None:
    if name not in digests:
        say("is missing", name)
    if not digests.get(name):
        return None
    return archive.read(name).decode("utf-8", "replace")


def _against_manifest(archive: ZipFile, digests: dict[str, str], say: _Sayer) -> None:
    text = _text(archive, digests, MANIFEST, say)
    if text is None:
        return
    try:
        listed = read_manifest(text)
    except ValueError as error:
        say(str(error), MANIFEST)
        return
    for name, digest in listed.items():
        if name not in digests:
            say("is missing", name)
        elif digests[name] and digests[name] != digest:
            say("was changed: its SHA-256 is not that of the manifest", name)
    for name in digests.keys() - listed.keys() - {MANIFEST}:
        say("is not in the manifest", name)


def _against_metadata(archive: ZipFile, digests: dict[str, str], say: _Sayer) -> str:
    """Hash of the run, as the metadata state it."""
    text = _text(archive, digests, METADATA, say)
    if text is None:
        return ""
    try:
        run_hash, files = described(text)
    except ValueError as error:
        say(f"are no RO-Crate metadata: they {error}", METADATA)
        return ""
    for name in sorted(digests.keys() - {METADATA, MANIFEST}):
        stated = files.get(quote(name))
        if stated is None:
            say("is not described", name)
        elif digests[name] and stated.get("sha256") != digests[name]:
            say("is described with another SHA-256", name)
    return run_hash


def _ledger(
    archive: ZipFile, digests: dict[str, str], place: Path, run_hash: str, say: _Sayer
) -> int:
    """Check the chain of the ledger and what it was frozen with; returns its number of entries."""
    seal_text, run_text = (_text(archive, digests, name, say) for name in (SEAL, RUN))
    if LEDGER not in digests:
        say("is missing", LEDGER)
    if not digests.get(LEDGER) or seal_text is None or run_text is None:
        return 0
    with archive.open(LEDGER) as content, (place / LEDGER).open("wb") as file:
        shutil.copyfileobj(content, file)
    try:
        seal = Seal(**json.loads(seal_text))
        with Ledger.reading(place / LEDGER) as ledger:
            broken, entries = ledger.verify(seal), ledger.seal().entries
            same = ledger.frozen("run") == run_text
            joined = list(ledger.of_kind("plate.added"))
        run = with_added(CompiledRun.model_validate_json(run_text, context=FROZEN), joined)
    except (StoreError, ValueError, TypeError) as error:
        say(f"cannot be read: {error}", LEDGER)
        return 0
    if broken is not None:
        say(f"the chain breaks at entry {broken}", LEDGER)
    if not same:
        say("is not the run that the ledger was begun with", RUN)
    if run_hash and run.hash() != run_hash:
        say("is not the run that the metadata name", RUN)
    return entries


def kept_inputs(report: RunReport) -> Iterator[Path]:
    """Input files that still are what the run was compiled from."""
    for name, digest in report.files.items():
        file = Path(name)
        if file.is_file() and _digest_of(file) == digest:
            yield file
