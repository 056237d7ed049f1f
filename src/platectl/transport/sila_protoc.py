"""The compiler of SiLA features, kept out of this process.

`grpc_tools` and OR-Tools each bring their own copy of protobuf's C++ library; in one process the later of
them ends it. The package sila2 needs `grpc_tools` only to compile features, so that it gets a stand-in
that runs the compiler as a program.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

NAME: Final = "grpc_tools.protoc"


def keep_compiler_apart() -> None:
    """Put the stand-in in place; to be called before anything of sila2 is imported."""
    if NAME not in sys.modules:
        stand_in = ModuleType(NAME)
        stand_in.main = _compile  # type: ignore[attr-defined]  # all that sila2 asks of it
        sys.modules[NAME] = stand_in


def _compile(arguments: Sequence[str]) -> int:
    """Compile as `grpc_tools.protoc.main` does; the first argument is the name of the program."""
    program = [sys.executable, "-m", NAME, *arguments[1:]]
    return subprocess.run(program, check=False).returncode  # noqa: S603  # our own interpreter
