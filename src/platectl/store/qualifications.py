"""Records of hardware tests, beside the runs: `qualifications/NAME-DATE/record.json`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from platectl.domain.errors import StoreError
from platectl.domain.qualification import Qualification, Unit

FOLDER: Final = "qualifications"
RECORD: Final = "record.json"


def keep(folder: Path, record: Qualification) -> Path:
    """Write the record of a test into its folder.

    Raises:
        StoreError: The folder cannot be written.
    """
    path = folder / RECORD
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    return path


def read_all(store: Path) -> list[tuple[Path, Qualification]]:
    """All records of a store, oldest first.

    Raises:
        StoreError: One cannot be read.
    """
    found = []
    for path in sorted((store / FOLDER).glob(f"*/{RECORD}")):
        try:
            record = Qualification.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error
        found.append((path, record))
    return sorted(found, key=lambda item: item[1].began)


def standing(store: Path) -> dict[str, dict[Unit, tuple[Path, Qualification]]]:
    """By driver and unit, the last test of a real instrument that came to a verdict."""
    last: dict[str, dict[Unit, tuple[Path, Qualification]]] = defaultdict(dict)
    for path, record in read_all(store):
        if not record.simulated and record.unit is not None and record.verdict != "incomplete":
            last[record.driver][record.unit] = (path, record)
    return dict(last)


def passed_units(store: Path) -> dict[str, tuple[Unit, ...]]:
    """By driver, the units whose last test passed."""
    return {
        driver: tuple(unit for unit, (_, record) in units.items() if record.verdict == "passed")
        for driver, units in standing(store).items()
    }
