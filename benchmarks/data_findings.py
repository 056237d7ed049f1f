"""Writes docs/reference/data-findings.md from `platectl.domain.codes`.

python -m benchmarks.data_findings [--write]

Without `--write` it prints the text. A test fails when the file is not what this writes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from platectl.domain.codes import Code

PAGE: Final = Path(__file__).parents[1] / "docs/reference/data-findings.md"
HEAD: Final = """# Findings of data

Written by `python -m benchmarks.data_findings --write`; do not edit.

What is wrong with a file, an option or an array has a name. On a terminal it stands in brackets behind the
sentence, after the file, the line and the field or well:

    plate7.csv:14: B1: cpm '1,662.5' may mean decimals or thousands; write it like 1234.5 [number-comma]

With `--json`, `platectl analyse` gives `findings`, each with `code`, `severity`, `file`, `line`, `where`, `message` and
`fix`; so do `results.json` and, in Python, `error.code` of an `AnalysisError` and of each finding of an
`InputRefusedError`. An `error` means exit code 2 and no result, or exit code 4 and a result without a value. A
`warning` is said beside a result and stands above the numbers of its report.

| name | what was found | what would be right |
|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    rows = [f"| `{code}` | {code.meaning} | {code.remedy} |" for code in Code]
    return HEAD + "\n".join(rows) + "\n"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
