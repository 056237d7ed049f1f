"""A package outside the repository adds an instrument, and the suite tells good from bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.house import third_party

from platectl.app.new_instrument import write_instrument
from platectl.domain.errors import UserInputError


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as the package of somebody else."""
    return third_party.installed("press_9", tmp_path_factory.mktemp("theirs"))


def test_a_package_from_elsewhere_adds_an_instrument(package: Path) -> None:
    listed = third_party.run(package, "platectl", "instruments", "--json")

    rows = {row["name"]: row for row in json.loads(listed.stdout)["instruments"]}
    assert rows["press_9"]["interfaces"] == ["Sealer"]
    assert rows["press_9"]["maturity"] == "paper"
    assert rows["press_9"]["simulator"]
    assert rows["press_9"]["conformance"]
    assert "bioshake" in rows


def test_a_package_from_elsewhere_passes_conformance(package: Path) -> None:
    ran = third_party.conformance(package, "press_9")

    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout


DEFECTS = {
    "terminator": (r'tx_end=b"\r"', r'tx_end=b"\r\n"', "byte_by_byte"),
    "blind": ("seals > before", "seals >= before", "test_no_fault_of_the_line"),
    "harmless": ("POLL_S: Final = 1.0", "POLL_S: Final = 1.5", ""),
    "inverted": ("if now != seals + 1", "if now == seals + 1", "test_any_pieces"),
    "lenient": ("return integer(seals)", "return int(float(seals))", "no_number"),
    "deaf": ("self._line.shout(", "self._line.link.send_line(", "abort_returns_on_a_dead_line"),
}  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the suite says of drivers with one defect each, and of one that is not enrolled."""
    folder = tmp_path_factory.mktemp("defects")
    for name, (right, wrong, _) in DEFECTS.items():
        driver = third_party.installed(name, folder) / f"platectl_{name}" / "driver.py"
        assert right in driver.read_text()
        driver.write_text(driver.read_text().replace(right, wrong))
    target = third_party.installed("kx3", folder)
    about = next(target.glob("platectl_kx3*.dist-info")) / "entry_points.txt"
    about.write_text(about.read_text().split("[platectl.scenes]")[0])
    return third_party.conformance(target, *DEFECTS, "kx3").stdout.splitlines()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_of_it_is_found(judged: list[str], name: str) -> None:
    broken = DEFECTS[name][2]

    failed = [line for line in judged if line.startswith("FAILED") and f"[{name}" in line]

    assert any(broken in line for line in failed) == bool(failed) == bool(broken)


def test_a_driver_that_is_not_enrolled_is_told_how(judged: list[str]) -> None:
    assert any("no entry point 'kx3' in 'platectl.scenes'" in line for line in judged)


def test_an_unknown_driver_is_refused(tmp_path: Path) -> None:
    target = third_party.installed("kx4", tmp_path)

    assert "no driver named nobody" in third_party.conformance(target, "nobody").stderr


@pytest.mark.parametrize("name", ["Kx1", "kx-1", "1kx", "kx1_", ""])
def test_a_name_that_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserInputError, match="no name of an instrument"):
        write_instrument(name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_instrument("kx1", tmp_path)

    with pytest.raises(UserInputError, match="exists already"):
        write_instrument("kx1", tmp_path)
