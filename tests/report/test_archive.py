"""Archives are whole, can be analysed again, and say what was changed in them."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.report.nights import run_night

from platectl.app.exports import export_run
from platectl.app.runs import reanalyse
from platectl.cli.main import cli
from platectl.report.export import results_json
from platectl.report.exports.archive import verify_archive

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_night(tmp_path_factory.mktemp("store"), "sigma1-binding", "night")


@pytest.fixture(scope="module")
def archive(folder: Path) -> Path:
    return export_run(folder, "archive")[0]


def said(path: Path) -> list[str]:
    return [f"{f.where}: {f.message}" for f in verify_archive(path).findings]


def changed(archive: Path, target: Path, change: Change) -> Path:
    with zipfile.ZipFile(archive) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as out:
        for name, content in members.items():
            out.writestr(name, content)
    return target


def test_an_archive_is_whole_and_holds_the_run(folder: Path, archive: Path) -> None:
    found = verify_archive(archive)

    report, run = reanalyse(folder)
    with zipfile.ZipFile(archive) as whole:
        names = set(whole.namelist())
    assert found.findings == ()
    assert found.run_hash == run.hash()
    assert found.entries == len(list(_events(folder / "ledger.db")))
    assert {"ledger.db", "seal.json", "frozen/run.json", "results.json", "report.html"} <= names
    assert {f"wire/{p.name}" for p in (folder / "wire").iterdir()} <= names
    assert {f"counts/{p.name}" for p in (folder / "counts").iterdir()} <= names
    assert sum(name.startswith("files/") for name in names) == len(report.files)
    assert not {"owner.lock", "heartbeat.json"} & names


def _events(path: Path) -> list[tuple[int]]:
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT number FROM events").fetchall()
    finally:
        db.close()


def test_an_archive_unpacks_to_a_run_of_equal_results(folder: Path, archive: Path, tmp_path: Path) -> None:  # fmt: skip
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(tmp_path / "night")  # our own

    again, run = reanalyse(tmp_path / "night")

    first, same = reanalyse(folder)
    assert run == same
    assert json.loads(results_json(again)) == json.loads(results_json(first))
    assert (tmp_path / "night/results.json").read_bytes() == (folder / "results.json").read_bytes()


def test_the_same_run_gives_the_same_bytes(folder: Path, archive: Path, tmp_path: Path) -> None:
    (again,) = export_run(folder, "archive", tmp_path / "again.zip")

    assert again.read_bytes() == archive.read_bytes()


def test_the_metadata_are_an_ro_crate_of_every_file(archive: Path) -> None:
    with zipfile.ZipFile(archive) as whole:
        crate = json.loads(whole.read("ro-crate-metadata.json"))
        sizes = {i.filename: i.file_size for i in whole.infolist()}

    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    root = entities["./"]
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    files = [entities[part["@id"]] for part in root["hasPart"]]
    assert {f["name"]: int(f["contentSize"]) for f in files} == {
        name: size for name, size in sizes.items()
        if name not in {"ro-crate-metadata.json", "manifest-sha256.txt"}
    }  # fmt: skip


def _drop_event(members: dict[str, bytes], place: Path) -> None:
    place.write_bytes(members["ledger.db"])
    db = sqlite3.connect(place)
    db.execute("DELETE FROM events WHERE number = (SELECT max(number) FROM events)")
    db.commit()
    db.close()
    members["ledger.db"] = place.read_bytes()


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda m: m.update({"results.json": m["results.json"].replace(b"1", b"2", 1)}),
         "results.json: was changed: its SHA-256 is not that of the manifest"),
        (lambda m: m.pop("results.csv"), "results.csv: is missing"),
        (lambda m: m.update({"notes.txt": b"x"}), "notes.txt: is not in the manifest"),
        (lambda m: m.pop("manifest-sha256.txt"), "manifest-sha256.txt: is missing"),
        (lambda m: m.update({"manifest-sha256.txt": b"nonsense"}),
         "manifest-sha256.txt: line 1 is no hash with a path"),
        (lambda m: m.pop("ledger.db"), "ledger.db: is missing"),
        (lambda m: m.update({"ledger.db": b"no database"}),
         "ledger.db: was changed: its SHA-256 is not that of the manifest"),
        (lambda m: m.update({"ro-crate-metadata.json": b"{}"}),
         "ro-crate-metadata.json: are no RO-Crate metadata: they lack '@graph'"),
        (lambda m: m.update({"ro-crate-metadata.json": b"[]"}), "are no RO-Crate metadata"),
        (lambda m: m.update({"seal.json": b"[]"}), "ledger.db: cannot be read"),
        (lambda m: m.update({"../out.txt": b"x"}), "../out.txt: lies outside the archive"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(
    archive: Path, tmp_path: Path, change: Change, finding: str
) -> None:
    found = said(changed(archive, tmp_path / "changed.zip", change))

    assert any(finding in text for text in found), found


def test_a_ledger_without_its_end_is_found_by_its_seal(archive: Path, tmp_path: Path) -> None:
    entries = verify_archive(archive).entries
    path = changed(archive, tmp_path / "changed.zip", lambda m: _drop_event(m, tmp_path / "l.db"))

    assert f"ledger.db: the chain breaks at entry {entries}" in said(path)


def test_a_damaged_zip_is_named(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(content)
    (tmp_path / "short.zip").write_bytes(content[:5000])

    assert said(tmp_path / "flipped.zip")
    assert said(tmp_path / "short.zip") == [": is no archive: File is not a zip file"]


def test_the_command_writes_verifies_and_tells(folder: Path, archive: Path, tmp_path: Path) -> None:
    ask = CliRunner().invoke
    store = ["--store", str(folder.parent)]
    bad = changed(archive, tmp_path / "changed.zip", lambda m: m.update({"more.txt": b""}))

    written = ask(cli, ["export", "night", "--format", "archive", *store, "--json"], standalone_mode=False)  # fmt: skip
    whole = ask(cli, ["export", "--verify", str(archive)], standalone_mode=False)
    broken = ask(cli, ["export", "--verify", str(bad), "--json"], standalone_mode=False)
    table = ask(cli, ["export", "night", "--format", "prism", "--out", str(tmp_path / "n.pzfx"), *store, "--json"], standalone_mode=False)  # fmt: skip
    unasked = ask(cli, ["export"])

    assert (written.return_value, whole.return_value, broken.return_value) == (0, 0, 3)
    assert json.loads(written.stdout)["findings"] == []
    assert json.loads(broken.stdout)["findings"][0].endswith("more.txt: is not in the manifest")
    assert json.loads(table.stdout)["files"] == [str(tmp_path / "n.pzfx")]
    assert unasked.exit_code == 2
