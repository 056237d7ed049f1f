"""`platectl plan`: what an operator sees before a night."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.command import platectl

from platectl.cli.main import cli

NIGHT = """platectl: 1
night: mixed
zone: Europe/Berlin
starts: "2026-01-05 18:00"
people: {person: [{from: "07:00", until: "23:30"}]}
plates:
  - {protocol: sigma1-binding, copies: 2}
  - {protocol: fura2-calcium, copies: 2}
"""


@pytest.fixture
def night(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.yaml"
    path.write_text(NIGHT)
    return path


def plan(night: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["plan", str(night), *more], standalone_mode=False)


def test_a_plan_says_when_people_are_needed_and_what_is_tight(night: Path) -> None:
    text = plan(night).output

    assert "When a person is needed" in text
    assert "Mon 18:00" in text
    assert "P1: Load the lab" in text
    assert re.search(r"mixing\s+│ P1\s+│ 1 min 10 s\s+│ 1 min 50 s", text)
    assert "no plan ends before" in text


def test_the_page_opens_offline_and_names_every_bar(night: Path, tmp_path: Path) -> None:
    plan(night, "--html", str(tmp_path / "plan.html"))

    page = (tmp_path / "plan.html").read_text()
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page
    assert "person is not there" in page
    for name in ("P1", "P2", "P3", "P4"):
        assert f"<title>{name}: Load the lab, " in page


def test_json_has_times_windows_and_the_bound(night: Path) -> None:
    found = json.loads(plan(night, "--json").output)

    assert found["ok"]
    assert found["starts"] == "2026-01-05T17:00:00+00:00"
    assert found["bound_s"] <= found["end_s"]
    assert found["gap"] < 0.01
    assert {p["plate"] for p in found["plates"]} == {"P1", "P2", "P3", "P4"}
    assert all(s["end_s"] >= s["start_s"] for s in found["steps"])
    assert all(w["slack_s"] is None or w["slack_s"] >= 0 for w in found["windows"])


def test_a_night_that_does_not_fit_is_refused_with_causes_and_offers(night: Path) -> None:
    night.write_text(NIGHT + 'ends: "2026-01-06 06:00"\n')

    result = plan(night, "--json")

    found = json.loads(result.output)
    assert result.return_value == 2
    assert any("must be over by Tue 06:00" in text for text in found["findings"])
    assert any("what would fit" in text for text in found["findings"])


def test_a_long_plan_has_dates_in_its_heading_and_beside_every_weekday(night: Path) -> None:
    later = "{protocol: sigma1-binding, not_before: '2026-01-12 08:00'}"
    night.write_text(NIGHT[: NIGHT.index("plates:")] + f"plates: [{later}]\n")

    long = plan(night).output

    assert re.search(r"from Mon 2026-01-05 18:00 to Mon 12 Jan \d\d:\d\d", long)
    assert re.search(r"│ Mon 12 Jan 0[78]:\d\d\s+│ Mon 12 Jan", long)
    assert not re.search(r"(Mon|Tue) \d\d:\d\d", long)


@pytest.mark.parametrize("command", ["run", "rehearse"])
def test_a_seed_below_zero_is_refused_before_anything_is_read(command: str, night: Path) -> None:
    result = CliRunner().invoke(cli, [command, str(night), "--seed", "-5"])

    assert result.exit_code == 2
    assert "-5 is not in the range" in result.output


def test_a_run_that_was_due_at_no_moment_is_refused(night: Path) -> None:
    result = CliRunner().invoke(cli, ["run", str(night), "--due", "21:30"])

    assert result.exit_code == 2
    assert "is no moment with a zone" in result.output


def test_a_page_that_cannot_be_written_is_refused_before_the_night_is_planned(night: Path) -> None:
    ended = platectl("plan", str(night), "--html", "/nonexistent/plan.html")

    assert ended.returncode == 2
    assert ended.stderr == (
        "--html /nonexistent/plan.html: there is no folder /nonexistent; make it, or name another\n"
    )
