"""Writes docs/reference/instruments.md from the drivers and their tests.

python -m benchmarks.instrument_table [--write | --json]

Without `--write` it prints the text. A test fails when the file is not what this writes.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from platectl import registry
from platectl.app.instrument_table import MATURITY, as_markdown, told_rows

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/reference/instruments.md"
#: whose tests are also, or only, under another name
ALSO: Final = {
    "operator_harvester": ("operator",),
    "softmax_file": ("softmax",),
    "hidex300": ("hidex",),
    "hidex_sense": ("hidex",),
    **{name: ("pylabrobot",) for name in registry.names() if name.startswith("pylabrobot_")},
    **{name: ("sila2",) for name in registry.names() if name.startswith("sila2_")},
}
HEAD: Final = """# Instruments

Written by `python -m benchmarks.instrument_table --write`; do not edit.

`wire` is what the driver speaks over; `source` is where the facts of its wire come from, and
`unattested` the parts that nobody attests. Transcripts are in `tests/transcripts`; a driver and its
simulator are both tested against them; those of a driver by files hold one file as it grows. Tests are
counted by function, in `tests/drivers` and `tests/simulators`; `conformance` says that `python -m pytest --pyargs platectl.conformance --driver NAME` tries every
promise of the interfaces and every fault of the line on it as well.

Maturity: {maturity}.

"""


def files_of(name: str) -> list[Path]:
    """The test files of a driver and of its simulator."""
    longer = [other for other in registry.names() if other.startswith(f"{name}_")]
    found: list[Path] = []
    for stem in (name, *ALSO.get(name, ())):
        for folder in ("drivers", "simulators"):
            for path in sorted((ROOT / "tests" / folder).glob(f"test_{stem}*.py")):
                rest = path.stem.removeprefix(f"test_{stem}")
                kin = any(
                    path.stem.startswith(f"test_{other}") for other in (*longer, *_strangers(name))
                )
                if rest[:1] in {"", "_"} and not kin and path not in found:
                    found.append(path)
    return found


def _strangers(name: str) -> Iterable[str]:
    """Drivers whose own files are not this one's."""
    return (
        other for other in registry.names() if other != name and not name.startswith(f"{other}_")
    )


def tests_in(paths: Iterable[Path]) -> int:
    """How many test functions stand there."""
    return sum(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
    )


def tests_of(row: dict[str, Any]) -> str:
    """What tests a driver has, in words."""
    number = tests_in(files_of(row["name"]))
    return f"{number}, conformance" if row["conformance"] else str(number)


def page() -> str:
    """The text of the page."""
    rows = told_rows()
    maturity = "; ".join(f"`{word}`: {text}" for word, text in MATURITY.items())
    tests = {row["name"]: tests_of(row) for row in rows}
    return HEAD.format(maturity=maturity) + as_markdown(rows, tests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.json:
        rows = [{**row, "tests": tests_in(files_of(row["name"]))} for row in told_rows()]
        print(json.dumps({"instruments": rows}))
    elif given.write:
        PAGE.write_text(page())
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
