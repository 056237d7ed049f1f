"""`platectl` as a shell would run it, without the price of another process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from unittest.mock import patch

from click.testing import CliRunner

from platectl.cli.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def platectl(*words: str, said: str = "") -> Ended:
    """Run a command by its entry point, with `said` on its standard input."""
    with CliRunner().isolation(said) as (out, err, _), patch.object(sys, "argv", ["platectl", *words]):  # fmt: skip
        code: object = None
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return Ended(code if isinstance(code, int) else 0, out.getvalue().decode(), err.getvalue().decode())  # fmt: skip
