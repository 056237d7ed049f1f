"""The command line as an operator or a script sees it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.bridge_nights import bridged_lab
from tests.cli.command import platectl

from platectl.bridge import library

Run = dict[str, Any]


def ran(store: Path, *words: str) -> Run:
    """A run into a store, and what it said at its end."""
    ended = platectl("run", *words, "--store", str(store), "--json")
    assert ended.returncode == 0, ended.stderr
    told: Run = json.loads(ended.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def runs(store: Path) -> list[Run]:
    """Three binding nights that differ in their seeds."""
    return [ran(store, "sigma1-binding", "--seed", seed) for seed in ("1", "2", "3")]


def test_a_run_ends_with_one_json_line_and_leaves_its_folder(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "platectl",
        "run",
        "sigma1-binding",
        "--store",
        str(tmp_path),
        "--json",
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert summary["status"] == "done"
    assert {row["compound"] for row in summary["results"]} == {
        "(+)-igmesine",
        "SA4503",
        "haloperidol",
    }
    for row in summary["results"]:
        assert {
            "compound",
            "site",
            "quantity",
            "value_molar",
            "lower_molar",
            "upper_molar",
            "qualifier",
            "status",
        } <= set(row)
    folder = Path(summary["folder"])
    page = (folder / "report.html").read_text()
    assert "SIMULATED" in page
    assert "src=" not in page
    assert (folder / "results.csv").exists()
    assert (folder / "counts.csv").exists()

    listed = json.loads(platectl("runs", "--store", str(tmp_path), "--json").stdout)
    assert [r["run"] for r in listed["runs"]] == [summary["run"]]
    verified = json.loads(
        platectl("ledger", "verify", "latest", "--store", str(tmp_path), "--json").stdout
    )
    assert verified["first_broken"] is None
    assert verified["sealed"]
    shown = platectl("show", "latest", "--store", str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert "incubation" in shown.stdout


def test_two_sites_side_by_side_give_selectivity(tmp_path: Path) -> None:
    runs = ran(tmp_path, "sigma1-binding", "sigma2-binding")["runs"]
    backwards = [r["run"] for r in reversed(runs)]

    compared = platectl("report", *backwards, "--store", str(tmp_path), "--json")

    assert compared.returncode == 0, compared.stderr
    rows = {row["compound"]: row for row in json.loads(compared.stdout)["selectivity"]}
    assert rows["SA4503"]["quantity"] == "Ki ratio"
    assert 1 < rows["SA4503"]["lower"] < 63.1 / 4.6 < rows["SA4503"]["upper"]


def test_importing_platectl_pulls_in_no_heavy_library() -> None:
    code = "import platectl, sys; print([m for m in ('scipy', 'matplotlib', 'numpy', 'pydantic') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_help_imports_no_heavy_library() -> None:
    code = "import sys; sys.argv=['platectl','--help']\nfrom platectl.cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint([m for m in ('scipy','matplotlib','numpy','pydantic','rich') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "[]"


def test_init_writes_a_set_that_passes_its_check(tmp_path: Path) -> None:
    assert platectl("init", str(tmp_path / "lab")).returncode == 0
    files = tmp_path / "lab"

    checked = platectl(
        "check",
        str(files / "sigma1-binding.yaml"),
        "--lab",
        str(files / "lab.yaml"),
        "--samples",
        str(files / "samples.csv"),
        "--truth",
        str(files / "truth.yaml"),
        "--json",
    )

    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["ok"] is True
    assert (files / "stock.yaml").exists()


def test_counts_of_a_file_are_analysed_without_a_run(runs: list[Run], tmp_path: Path) -> None:
    summary = runs[0]
    exports = sorted((Path(summary["folder"]) / "counts").iterdir())
    counts, standards = exports[0], exports[1]
    assert "standards" in standards.name

    again = platectl(
        "analyse",
        str(counts),
        "--standards",
        str(standards),
        "--out",
        str(tmp_path / "a"),
        "--json",
    )

    assert again.returncode == 0, again.stderr
    rows = json.loads(again.stdout.splitlines()[-1])["results"]
    by_name = {row["compound"]: row["value_molar"] for row in summary["results"]}
    assert {row["compound"]: row["value_molar"] for row in rows} == pytest.approx(by_name, rel=1e-3)
    assert "<svg" in (tmp_path / "a" / "report.html").read_text()


def test_plain_counts_say_what_they_do_not_know(runs: list[Run], tmp_path: Path) -> None:
    with (Path(runs[0]["folder"]) / "counts.csv").open() as handle:
        lines = [f"{r['well']},{r['cpm']}" for r in csv.DictReader(handle)]
    plain = tmp_path / "plain.csv"
    plain.write_text("well,cpm\n" + "\n".join(lines) + "\n")

    again = platectl("analyse", str(plain))

    assert again.returncode == 0, again.stderr
    assert "nominal" in again.stdout
    assert "SA4503" in again.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("well,cpm\nA1,-3\n", "bad.csv:2: A1: cpm '-3' cannot be"),
        ("well,cpm\nA1,many\n", "is not a number"),
        ("well,cpm\nA13,5\n", "outside a 96-well plate"),
        ("well,cpm\nA1,5\nA1,6\n", "well A1 is on line 2 too"),
        ("well,cpm\nA1,inf\n", "cannot be"),
        ("well,cpm,colour\nA1,5,red\n", "column 'colour' is not known"),
        ("well,cpm,counts,count_s\nA1,100,100,120\n", "are 50.0 cpm, not 100"),
        ("well,cpm\n", "holds no counts"),
        ("well,cpm\nA1,5,6\n", "more cells than columns"),
        ("nothing of the kind", "is no export that can be read"),
    ],
)
def test_counts_that_cannot_be_used_are_refused(tmp_path: Path, content: str, message: str) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(content)

    ran = platectl("analyse", str(bad))

    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_power_goes_by_the_rules_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "platectl: 1\nname: strict\nversion: '7'\nbinding: {z_prime_pass: 0.999, z_prime_fail: 0.998}\n"
    )

    ran = platectl(
        "power", "sigma1-binding", "--experiments", "20", "--store", str(tmp_path), "--json"
    )

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["rules"]["name"], told["rules"]["version"]) == ("strict", "7")
    assert told["passes"]["share"] == 0.0


def test_power_predicts_a_layout_as_one_json_line() -> None:
    ran = platectl("power", "sigma1-binding", "--experiments", "20", "--until", "1.5", "--json")

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    folds = {c["compound"]: c["fold"]["median"] for c in told["compounds"]}
    assert folds.keys() == {"(+)-igmesine", "SA4503", "haloperidol"}
    assert all(1.1 < fold < 1.5 for fold in folds.values())
    assert {n["plates"] for n in told["needs"]["SA4503"]} == {1}
    assert told["passes"]["share"] == 1.0


@pytest.mark.usefixtures("runs")
def test_runs_are_charted_and_a_strict_rule_ends_with_4(store: Path, tmp_path: Path) -> None:
    within = ("--store", str(store))
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "platectl: 1\nlearn: {points: 3, least: 3}\n"
        "rules:\n  - {name: any, count: 1, of: 1, beyond: 0}\n"
    )

    few = platectl("chart", *within)
    charted = platectl("chart", *within, "--rules", str(rules), "--json")

    assert few.returncode == 2
    assert "3 results; limits are learned from at least 8" in few.stderr
    assert charted.returncode == 4, charted.stderr
    told = json.loads(charted.stdout)
    assert len(told["points"]) == 3
    assert told["centre"] == pytest.approx(1.5e-9, rel=0.2)
    assert Path(told["page"]).exists()


def test_words_to_a_run_that_is_over_say_so_and_touch_nothing(runs: list[Run], store: Path) -> None:
    name = runs[0]["run"]

    said = platectl("status", name, "--store", str(store))
    told = json.loads(platectl("status", name, "--store", str(store), "--json").stdout)
    refused = [platectl(word, name, "--store", str(store)) for word in ("pause", "stop", "abort")]

    assert (said.returncode, said.stdout.strip()) == (
        0,
        f"{name} is done; `platectl show {name}` has what it brought",
    )
    assert told["status"] == "done"
    assert {r.returncode for r in refused} == {2}
    assert all(f"{name} is done" in r.stderr for r in refused)
    assert "`--hard` stops them all the same" in refused[-1].stderr


def test_two_runs_are_studied_as_replicates(runs: list[Run], store: Path) -> None:
    names = [run["run"] for run in runs[:2]]

    replicate = platectl("study", "replicate", *names, "--store", str(store), "--json")
    uniform = platectl("study", "uniformity", *names, "--store", str(store))

    assert replicate.returncode == 0, replicate.stderr
    told = json.loads(replicate.stdout)
    assert len(told["pairs"]) == 3
    assert 1.0 < told["least_significant"] < 2.0
    assert uniform.returncode == 0, uniform.stderr
    assert "z_prime[" in uniform.stdout


@pytest.mark.parametrize(
    ("protocol", "version", "said"),
    [
        ("sigma1-binding", "9.9", ("PyLabRobot 0.2.2 is installed, the bridge needs 9.9; "
         "install it: python -m pip install 'platectl[pylabrobot]'\n")),
        ("sigma1-kinetics", "0.2.2", "flex cannot take a row of wells at once"),
    ],
)  # fmt: skip
def test_what_a_bridge_lacks_is_said_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, version: str, said: str
) -> None:  # fmt: skip
    bridged_lab(tmp_path / "lab.yaml")
    monkeypatch.setattr(library, "VERSION", version)

    ended = platectl("plan", protocol, "--lab", str(tmp_path / "lab.yaml"))

    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr == said or not said.endswith("\n")
