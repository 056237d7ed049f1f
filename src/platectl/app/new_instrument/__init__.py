"""Writes a package of a new instrument to start from; it passes the conformance suite as it is."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from platectl.domain.errors import UserInputError

TEMPLATE: Final = "kx1"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def write_instrument(name: str, into: Path) -> list[Path]:
    """Write `into/platectl-NAME` with driver, simulator, scene and transcript; returns its files.

    Raises:
        UserInputError: No name of a module, or the directory is there already.
    """
    if not _NAME.fullmatch(name):
        raise UserInputError(f"{name!r} is no name of an instrument; write it like kx1 or kx1_plus")
    root = into / f"platectl-{name}"
    if root.exists():
        raise UserInputError(f"{root} exists already; choose another name or directory")
    source = files("platectl.app.new_instrument")
    written = [_write(source / "pyproject.toml.txt", root / "pyproject.toml", name)]
    for file in sorted((source / TEMPLATE).iterdir(), key=lambda file: file.name):
        target = file.name.removesuffix(".txt") if ".py" in file.name else file.name
        written.append(_write(file, root / f"platectl_{name}" / target, name))
    return written


def _write(source: Traversable, target: Path, name: str) -> Path:
    text = source.read_text(encoding="utf-8")
    text = text.replace("Kx1", "".join(part.capitalize() for part in name.split("_")))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace(TEMPLATE, name), encoding="utf-8")
    return target
