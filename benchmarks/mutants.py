"""Seeded bugs of drivers: those that are found by looking at the source, and those that are declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.mutant_table import BRIDGED, DECLARED, EQUAL, SILA

KINDS: Final = (
    "wrong terminator", "swapped fields", "off by one in an error code", "wrong prefix",
    "lenient number", "missing length check",
)  # fmt: skip
TERMINATOR, SWAPPED, CODE, PREFIX, LENIENT, LENGTH = KINDS
#: a wrong end for each end of a line; a firmware that is tolerant takes some of them for the right one
WRONG_END: Final = {
    b"\r": b"\r\n", b"\r\n": b"\r", b"\n": b"\r\n", b" \n": b"\n", b"!": b"\r", b"": b"\r",
}  # fmt: skip
#: drivers whose module has another name
STEMS: Final = {
    "operator_harvester": "harvester",
    "opentrons_deck_block": "opentrons_deck",
    "opentrons_deck_shaker": "opentrons_deck",
}
#: what a bug calls; it raises what the right function raises for what no reader could take
HELPERS: Final = """

def _lenient_number(field):
    from platectl.domain.errors import MalformedReplyError
    try:
        return float(field)
    except ValueError:
        raise MalformedReplyError(f"{field!r} is not a number") from None


def _lenient_integer(field):
    from platectl.domain.errors import MalformedReplyError
    try:
        return int(field)
    except ValueError:
        raise MalformedReplyError(f"{field!r} is not a whole number") from None


def _off_by_one(code):
    return f"{code[:-1]}{chr(ord(code[-1]) ^ 1)}" if code else "1"
"""


@dataclass(frozen=True)
class Mutant:
    """One bug: in a file of the drivers, a piece of text that becomes another."""

    driver: str
    kind: str
    file: str
    start: int
    end: int
    text: str
    line: int

    def applied(self, source: str) -> str:
        """The source with the bug."""
        return source[: self.start] + self.text + source[self.end :] + HELPERS


def files_of(driver: str, drivers: Path) -> list[Path]:
    """The source files of a driver, by its entry point's module."""
    for shared, files in (("pylabrobot", BRIDGED), ("sila2", SILA)):
        if driver in files:
            return [drivers / "platectl_drivers" / shared / file for file in files[driver]]
    stem = STEMS.get(driver, driver)
    package = drivers / "platectl_drivers" / stem
    return sorted(package.glob("*.py")) if package.is_dir() else [package.with_suffix(".py")]


def mutants_of(driver: str, drivers: Path) -> list[Mutant]:
    """All bugs that can be seeded into one driver."""
    found = []
    for path in files_of(driver, drivers):
        source = path.read_text()
        file = str(path.relative_to(drivers))
        found += [
            Mutant(driver, kind, file, start, end, text, source.count("\n", 0, start) + 1)
            for kind, start, end, text in sorted(
                {*_sites(source), *_declared(driver, path.name, source)}
            )
        ]
    return found


def absent(driver: str) -> dict[str, str]:
    """By kind of bug that a driver cannot have, why."""
    return {kind: why for kind, why in DECLARED.get(driver, {}).items() if isinstance(why, str)}


def equal(mutant: Mutant, drivers: Path) -> str:
    """Why a bug changes nothing; empty for one that does."""
    line = (drivers / mutant.file).read_text().splitlines()[mutant.line - 1]
    for file, kind, text, why in EQUAL.get(mutant.driver, ()):
        if mutant.file.endswith(f"/{file}") and kind == mutant.kind and text in line:
            return why
    return ""


Site = tuple[str, int, int, str]


def _declared(driver: str, name: str, source: str) -> Iterator[Site]:
    for kind, edits in DECLARED.get(driver, {}).items():
        if isinstance(edits, str):
            continue
        for file, old, new in edits:
            if file != name:
                continue
            if source.count(old) != 1:
                raise ValueError(
                    f"{driver}, {file}: {old!r} stands there {source.count(old)} times"
                )
            start = source.index(old)
            yield kind, start, start + len(old), new


def _sites(source: str) -> Iterator[Site]:
    text = _Text(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for kind, part, bug in _in_call(node, source):
                yield kind, *text.span(part), bug
        elif isinstance(node, ast.If) and _condemns(node):
            for part, bug in _lengths(node.test):
                yield LENGTH, *text.span(part), bug
        elif isinstance(node, ast.Tuple):
            for left, right in zip(node.elts, node.elts[1:], strict=False):
                if _is_codec(left) and _is_codec(right):
                    (a, b), (c, d) = text.span(left), text.span(right)
                    yield SWAPPED, a, d, source[c:d] + source[b:c] + source[a:b]


class _Text:
    """Where a node stands in a source; `ast` counts bytes of lines."""

    def __init__(self, source: str) -> None:
        self._raw = source.encode()
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line.encode()))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """First character and the one after the last."""
        ends = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
        first, last = (len(self._raw[: self._lines[n - 1] + at].decode()) for n, at in ends)
        return first, last


def _in_call(node: ast.Call, source: str) -> Iterator[tuple[str, ast.expr, str]]:
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg in {"tx_end", "rx_end"} and isinstance(value, ast.Constant):
            yield TERMINATOR, value, repr(WRONG_END[value.value])
        elif (name, keyword.arg) == ("zip", "strict"):
            yield LENGTH, value, "False"
        elif (name, keyword.arg) == ("InstrumentFaultError", "code") and not isinstance(
            value, ast.Constant
        ):
            yield CODE, value, f"_off_by_one({ast.get_source_segment(source, value)})"
    if name in {"number", "integer"} and isinstance(node.func, ast.Name):
        yield LENIENT, node.func, f"_lenient_{name}"
    if name == "startswith" and node.args and isinstance(node.args[0], ast.Constant):
        yield PREFIX, node.args[0], repr(_other(node.args[0].value))


def _other(prefix: str | bytes) -> str | bytes:
    """A prefix whose first character is the next one."""
    if isinstance(prefix, bytes):
        return bytes((prefix[0] ^ 1,)) + prefix[1:]
    return chr(ord(prefix[0]) ^ 1) + prefix[1:]


def _is_codec(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"number", "integer"}


def _condemns(node: ast.If) -> bool:
    """Whether the branch refuses an answer."""
    first = node.body[0]
    if not isinstance(first, ast.Raise) or not isinstance(first.exc, ast.Call):
        return False
    name = getattr(first.exc.func, "id", getattr(first.exc.func, "attr", ""))
    return name in {"MalformedReplyError", "error"}


def _lengths(test: ast.expr, neutral: str = "False") -> Iterator[tuple[ast.expr, str]]:
    """Comparisons of a length in a condition, each with what makes it never count."""
    if isinstance(test, ast.BoolOp):
        for part in test.values:
            yield from _lengths(part, "False" if isinstance(test.op, ast.Or) else "True")
    elif isinstance(test, ast.Compare) and "id='len'" in ast.dump(test):
        yield test, neutral
