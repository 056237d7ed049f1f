"""Keys of blinded studies, apart from the run folders; each is written once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from platectl.domain.blinding import Key
from platectl.domain.errors import StoreError, UserInputError
from platectl.domain.units import FROZEN

FOLDER: Final = "keys"


def key_path(keys: Path, study: str) -> Path:
    """File of the key of a study."""
    return keys / f"{study}.json"


def write_key(keys: Path, key: Key) -> Path:
    """Keep a new key, for the eyes of its writer alone.

    Raises:
        UserInputError: There is a key of that name.
        StoreError: The disk refused.
    """
    path = key_path(keys, key.study)
    try:
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(key.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise UserInputError(f"there is a key {key.study!r}; give the study another name") from None
    except OSError as error:
        raise StoreError(f"key {path} cannot be written: {error.strerror}") from error
    return path


def read_key(keys: Path, study: str) -> Key:
    """Read the key of a study.

    Raises:
        UserInputError: There is none that can be read.
    """
    path = key_path(keys, study)
    try:
        return Key.model_validate_json(path.read_text(encoding="utf-8"), context=FROZEN)
    except (OSError, UnicodeDecodeError) as error:
        message = f"there is no key {study!r} in {keys}; `platectl blind` makes one"
        raise UserInputError(message) from error
    except ValidationError as error:
        raise UserInputError(f"{path} is no key any more") from error
