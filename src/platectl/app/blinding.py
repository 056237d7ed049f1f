"""Blinded studies: compounds stand under codes from the compiled run on, until the key is opened."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from platectl.app.review.journal import Person, enter, journal_of
from platectl.domain.assay import AssayProtocol
from platectl.domain.blinding import ALPHABET, BlindedSample, Key
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.domain.run import CompiledRun
from platectl.domain.samples import Sample
from platectl.domain.stock import Stock
from platectl.domain.units import FROZEN
from platectl.files.protocol import file_hash
from platectl.files.samples import load_samples
from platectl.simkit.world import Truth
from platectl.store.keys import read_key, write_key
from platectl.store.ledger import Ledger
from platectl.transport.wall_clock import WallClock

#: name of the frozen document with the study and the commitment to its key
BLINDING: Final = "blinding"
KEY: Final = "key"
_LETTERS: Final = 4


def make_key(
    keys: Path, sheet: Path, study: str, person: Person,
    *, choose: Callable[[str], str] = secrets.choice,
) -> tuple[Key, Path]:  # fmt: skip
    """Draw codes for the compounds of a sheet and keep the key.

    Args:
        keys: Folder of the keys.
        sheet: Sample sheet.
        study: Name of the study, which begins every code.
        person: Who knows the compounds and labels the tubes.
        choose: Draws one of some letters.

    Raises:
        InputRefusedError: The sheet cannot be read, or holds what tells a compound apart.
        UserInputError: A study of that name exists, or the name cannot be one.
    """
    samples = load_samples(sheet)
    codes: dict[str, None] = {}
    while len(codes) < len(samples):
        codes[f"{study}-{''.join(choose(ALPHABET) for _ in range(_LETTERS))}"] = None
    entries = tuple(
        BlindedSample(code=c, sample=s) for c, s in zip(codes, samples, strict=True)
    )  # fmt: skip
    try:
        key = Key(
            study=study, by=person.by, reason=person.reason,
            at=WallClock().now().isoformat(timespec="seconds"), salt=secrets.token_hex(16),
            sheet=file_hash(sheet), entries=entries,
        )  # fmt: skip
    except ValueError as error:
        raise UserInputError(
            f"{study!r} is no name of a study: letters, digits, - and _"
        ) from error
    return key, write_key(keys, key)


def telling(samples: Sequence[Sample]) -> list[str]:
    """What tells compounds apart whatever they are called, in sentences."""
    said = []
    for what, values in (
        ("stock concentration", {s.stock_molar for s in samples}),
        ("top concentration", {s.top_molar for s in samples}),
    ):
        if len(values) > 1:
            said.append(f"the {what} is not that of all compounds, and may tell one apart")
    if any(s.plate or s.slot for s in samples):
        said.append("places of compounds are given in the sheet, and may tell one apart")
    return said


def under_codes(key: Key, samples: Sequence[Sample], sheet: str) -> tuple[Sample, ...]:
    """Samples of a run under the codes of a study.

    Raises:
        InputRefusedError: A compound that the key does not have; the lines are named, not the names.
    """
    hidden, strange = key.under_codes(samples)
    if strange:
        fix = "blind a sheet that has it, under another name of study"
        raise InputRefusedError([
            Finding(f"has a compound without a code in {key.study}", sheet, s.line, "compound", fix)
            for s in strange
        ])  # fmt: skip
    return hidden


def refuse_known(key: Key, protocols: Sequence[AssayProtocol]) -> None:
    """Refuse a study whose compounds a protocol names; nobody can be blind to its reference.

    Raises:
        InputRefusedError: One is the reference, a control or a ligand; it is not said which.
    """
    known = {name.casefold() for name in _known(protocols)}
    if any(entry.sample.compound.casefold() in known for entry in key.entries):
        message = "a compound of the study is the reference, a control or a ligand of the protocol"
        fix = "blind a sheet without it"
        raise InputRefusedError([Finding(message, f"study {key.study}", fix=fix)])


def coded_truth(key: Key, truth: Truth) -> Truth:
    """The truth of a simulated lab, with the compounds of a study under their codes."""
    data = key.translated(truth.model_dump(mode="json"))
    return Truth.model_validate(data, context=FROZEN)


def coded_stock(key: Key, stock: Stock) -> Stock:
    """A stock file with the compounds of a study under their codes."""
    data = key.translated(stock.model_dump(mode="json"))
    return Stock.model_validate_json(json.dumps(data), context=FROZEN)


def coded_files(key: Key, files: Mapping[str, str]) -> dict[str, str]:
    """Input files with their hashes; those that name a compound stand without their path."""
    found: dict[str, str] = {}
    for name, digest in files.items():
        telling_name = _names_one(key, name) or _names_one(key, _text(Path(name)))
        found[f"withheld {len(found) + 1}" if telling_name else name] = digest
    return found


def blinding_of(folder: Path) -> tuple[str, str]:
    """Study and commitment of a blinded run; both empty where nothing was blinded."""
    path = folder / "ledger.db"
    if not path.exists():
        return "", ""
    with Ledger.reading(path) as ledger:
        if not ledger.has_frozen(BLINDING):
            return "", ""
        data = json.loads(ledger.frozen(BLINDING))
    return str(data["study"]), str(data["commitment"])


def revealed(run: CompiledRun, names: Mapping[str, str]) -> CompiledRun:
    """The run with compounds in place of codes."""
    if not names:
        return run
    plates = tuple(
        plate.model_copy(update={"wells": tuple(
            well.model_copy(update={"compound": names.get(well.compound or "", well.compound)})
            for well in plate.wells
        )})
        for plate in run.plates
    )  # fmt: skip
    samples = tuple(
        s.model_copy(update={"compound": names.get(s.compound, s.compound)}) for s in run.samples
    )
    return run.model_copy(update={"plates": plates, "samples": samples})


def open_key(folder: Path, keys: Path, person: Person, through: str) -> Key:
    """Open the key of a blinded run and enter it, with who and why, into the run's review book.

    Raises:
        UserInputError: The run is not blinded, is open already, or its key is not there.
    """
    study, commitment = blinding_of(folder)
    if not study:
        raise UserInputError(f"{folder.name} is not blinded")
    if journal_of(folder).revealed is not None:
        raise UserInputError(f"{folder.name} shows compounds already")
    key = read_key(keys, study)
    if key.commitment != commitment:
        raise UserInputError(f"the key {study!r} is not the one that {folder.name} was run under")
    enter(folder, "names.revealed", {
        "by": person.by, "reason": person.reason, "study": study, "through": through,
        "commitment": commitment, "names": key.names,
    }, frozen={KEY: key.model_dump_json()})  # fmt: skip
    return key


def runs_of(store: Path, study: str) -> list[Path]:
    """Folders of the runs of a study in a store."""
    folders = sorted(path.parent for path in store.glob("*/ledger.db"))
    return [folder for folder in folders if blinding_of(folder)[0] == study]


def refuse_opened(store: Path, study: str) -> None:
    """Refuse a study whose codes somebody knows.

    Raises:
        UserInputError: Its key was opened.
    """
    for folder in runs_of(store, study):
        opened = journal_of(folder).revealed
        if opened is not None:
            message = f"the key {study!r} was opened by {opened.by} ({opened.data['reason']})"
            raise UserInputError(f"{message}; blind the sheet anew under another name")


def _known(protocols: Sequence[AssayProtocol]) -> Collection[str]:
    """Compounds that a protocol names, and that nobody can be blind to."""
    found: set[str] = set()
    for protocol in protocols:
        found |= {protocol.compounds.reference}
        found |= {c.compound for c in protocol.compounds.controls.values()}
        if protocol.binding:
            found |= {protocol.binding.radioligand, protocol.binding.masking or ""}
        if protocol.calcium:
            found.add(protocol.calcium.agonist)
    return found


def _names_one(key: Key, text: str) -> bool:
    said = text.casefold()
    return any(entry.sample.compound.casefold() in said for entry in key.entries)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
