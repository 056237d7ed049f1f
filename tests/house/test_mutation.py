"""Seeded bugs: every driver has each kind or a reason, and one that is seeded is seen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from benchmarks import mutation
from benchmarks.mutants import KINDS, Mutant, absent, equal, mutants_of

from platectl import registry

DRIVERS = mutation.ROOT / "drivers"


@pytest.mark.parametrize("driver", registry.names())
def test_each_kind_of_bug_exists_or_has_a_reason(driver: str) -> None:
    found = {mutant.kind for mutant in mutants_of(driver, DRIVERS)}

    assert found | set(absent(driver)) == set(KINDS)
    assert not found & set(absent(driver))


@pytest.mark.parametrize("driver", registry.names())
def test_each_bug_changes_one_place_and_is_python(driver: str) -> None:
    for mutant in mutants_of(driver, DRIVERS):
        source = (DRIVERS / mutant.file).read_text()
        applied = mutant.applied(source)

        ast.parse(applied)
        assert not applied.startswith(source), mutant


def test_bugs_that_change_nothing_have_a_reason() -> None:
    same = [m for d in registry.names() for m in mutants_of(d, DRIVERS) if equal(m, DRIVERS)]

    assert 0 < len(same) < 20


def test_a_bug_is_seen_and_a_harmless_edit_survives(tmp_path: Path) -> None:
    copies = mutation.Copies(tmp_path, 1)
    bug = next(m for m in mutants_of("cytomat", DRIVERS) if m.kind == "wrong terminator")
    harmless = Mutant(bug.driver, bug.kind, bug.file, 0, 0, "# nothing\n", 1)

    judged = [copies.judge(bug), copies.judge(harmless)]

    assert [outcome.fate for outcome in judged] == ["killed", "survived"]
    assert mutation.table(["cytomat"], judged)["cytomat"]["wrong terminator"] == "1/2"
