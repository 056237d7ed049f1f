"""Rules of results as data: bundled, edited, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from platectl.cli.main import cli
from platectl.domain.findings import InputRefusedError
from platectl.domain.result_rules import ResultRules
from platectl.files.protocol import load_protocol
from platectl.files.result_rules import load_result_rules


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(f"platectl: 1\nname: our lab\n{text}")
    return path


def test_the_bundled_file_says_what_holds_without_a_file() -> None:
    assert load_result_rules(None) == ResultRules(platectl=1)


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    found = load_result_rules(written(tmp_path, "qualifiers:\n  hook: {apply: false}\n"))

    assert not found.qualifiers.hook.apply
    assert found.qualifiers.hook.points == 20.0
    assert found.binding == ResultRules(platectl=1).binding


def test_the_digest_is_of_the_values_and_not_of_the_words(tmp_path: Path) -> None:
    first = load_result_rules(written(tmp_path, "# ours\nbinding: {ssmd: 3.0}\n"))
    same = load_result_rules(written(tmp_path, "binding:\n  ssmd: 3\n"))
    other = load_result_rules(written(tmp_path, "binding: {ssmd: 2}\n"))

    assert first.digest() == same.digest() != other.digest()


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("binding:\n  zprime: 1\n", 4, "binding.zprime", "is not a known field"),
        ("binding:\n  cv_total: high\n", 4, "binding.cv_total", "valid number"),
        ("binding:\n  cv_total: -1\n", 4, "binding.cv_total", "at least 0"),
        ("binding:\n  z_prime_pass: 0.3\n", 3, "binding", "cannot be above"),
        ("qualifiers:\n  hook: {points: 200}\n", 4, "qualifiers.hook.points", "at most 100"),
        ("qualifiers:\n  imprecise: {log_units: 3}\n", 3, "qualifiers", "cannot be wider"),
        ("binding:\n  verdicts: {zprime: fail}\n", 4, "binding.verdicts.zprime", "not allowed"),
        ("binding:\n  verdicts: {ssmd: ignore}\n", 4, "binding.verdicts.ssmd", "not allowed"),
        ("version: a b\n", 3, "version", "text like"),
        ("binding:\n  ssmd: 1\n  ssmd: 2\n", 5, "binding", "given twice"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_with_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, words: str
) -> None:
    path = written(tmp_path, text)

    with pytest.raises(InputRefusedError) as refused:
        load_result_rules(path)

    (finding,) = refused.value.findings
    assert (finding.line, finding.where.removesuffix(".[key]")) == (line, field)
    assert words in str(finding)


def test_a_protocol_with_an_unknown_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("platectl: 1\nname: mine\nextends: sigma1-binding\nqc: {zprime: 0.5}\n")

    with pytest.raises(InputRefusedError, match="zprime"):
        load_protocol(str(path))


def test_the_rules_of_the_store_are_in_force_and_shown(tmp_path: Path) -> None:
    written(tmp_path, "binding: {ssmd: 2}\n")

    shown = CliRunner().invoke(cli, ["rules", "--store", str(tmp_path)], catch_exceptions=False)

    line = next(row for row in shown.output.splitlines() if "binding.ssmd" in row)
    assert "our lab 1" in shown.output
    assert [cell.strip() for cell in line.split("│")][2:4] == ["2", "3"]
