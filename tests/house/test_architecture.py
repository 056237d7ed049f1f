"""What the house promises about itself, checked on the source."""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from pathlib import Path

import pytest

from platectl import registry
from platectl.domain.transcript import parse_transcript
from platectl.hal.instrument import DriverInfo

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "src", ROOT / "drivers", ROOT / "simulators"]
MODULES = sorted(path for source in SOURCES for path in source.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 70
DRIVERS = registry.names(registry.DRIVERS)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_are_small() -> None:
    long = {str(p.relative_to(ROOT)): lines(p) for p in MODULES if lines(p) > LONGEST_MODULE}
    assert not long
    assert statistics.median(lines(p) for p in MODULES if p.name != "__init__.py") < 150


def test_functions_fit_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno > LONGEST_FUNCTION
    ]
    assert not long


@pytest.mark.parametrize("word", ["simulate", "simulated", "is_simulation", "dry_run"])
def test_neither_engine_nor_drivers_know_about_simulation(word: str) -> None:
    places = [ROOT / "src/platectl/engine", ROOT / "src/platectl/steps", ROOT / "drivers"]
    asked = re.compile(rf"\b(if|elif|while)\b[^\n]*\b{word}\b")
    found = [str(p) for place in places for p in place.rglob("*.py") if asked.search(p.read_text())]
    assert not found


def test_the_wall_clock_is_read_in_one_place() -> None:
    clocks = re.compile(r"\btime\.(sleep|time|monotonic)\(|datetime\.now\(")
    allowed = {"wall_clock.py", "port_thread.py"}
    found = [
        str(p.relative_to(ROOT))
        for p in MODULES
        if p.name not in allowed and "/cli/" not in str(p) and clocks.search(p.read_text())
    ]
    assert not found


def test_nothing_unsafe_is_used() -> None:
    unsafe = re.compile(r"\b(pickle|marshal|eval\(|exec\(|yaml\.load\(|os\.system)")
    assert not [str(p) for p in MODULES if unsafe.search(p.read_text())]


def test_every_driver_has_its_simulator() -> None:
    assert set(DRIVERS) == set(registry.names(registry.SIMULATORS))


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_says_what_it_is_and_where_its_facts_come_from(name: str) -> None:
    info: DriverInfo = registry.load(registry.DRIVERS, name).info
    assert info.interfaces
    assert len(info.source) > 10
    assert info.makes


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_names_transcripts_that_name_their_source(name: str) -> None:
    info: DriverInfo = registry.load(registry.DRIVERS, name).info
    told = [(ROOT / f"tests/transcripts/{one}.txt").read_text("ascii") for one in info.transcripts]

    assert told, f"no transcript of {name}"
    for text in told:
        head = "".join(line for line in text.splitlines() if line.startswith("#"))
        assert "source:" in head
        assert parse_transcript(text)


def test_no_file_names_a_package_host() -> None:
    for name in ("constraints.txt", "pyproject.toml"):
        assert "http://" not in (ROOT / name).read_text()
    assert "--index-url" not in (ROOT / "constraints.txt").read_text()
    assert not (ROOT / "uv.lock").exists()


def test_versions_agree() -> None:
    from platectl import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project.get("version", __version__) == __version__
