"""A blinded night from its key to its signature: codes everywhere, versions, looks, what voids it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.report.paper import Paper

from platectl.app.blinding import make_key, refuse_known
from platectl.app.drive import Finished
from platectl.app.exports import FORMATS, export_run
from platectl.app.prepare import Options, prepare
from platectl.app.processes import RunProcesses
from platectl.app.review.journal import Person, enter, journal_of, terms_of
from platectl.app.review.versions import analysed, version_folder
from platectl.app.run_report import read_run
from platectl.app.runs import announce, keep, reanalyse
from platectl.cli.main import cli
from platectl.domain.errors import UserInputError
from platectl.domain.events import Event, EventKind
from platectl.domain.findings import InputRefusedError
from platectl.domain.run import CompiledRun
from platectl.engine.ending import RunOutcome
from platectl.files.protocol import load_protocol
from platectl.nights.book import Book
from platectl.nights.queue import Queue
from platectl.nights.submission import Subject
from platectl.report.exports.archive import verify_archive
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger
from platectl.transport.wall_clock import WallClock

SHEET = """compound,stock_concentration,top_concentration,plate,slot,barcode
(+)-igmesine,10 mM,10 uM,,,IGM-0001
SA4503,10 mM,10 uM,,,SA4-0001
"""
NAMES = {"(+)-igmesine", "SA4503"}
TELLING = [b"igmesine", b"sa4503", b"igm-0001", b"sa4-0001"]
KEEPER = Person("Keeper", "phase one")


def say(store: Path, *words: str, code: int = 0) -> Result:
    """Say a command to platectl."""
    found = CliRunner().invoke(cli, [*words, "--store", str(store)], catch_exceptions=False,
                               standalone_mode=False)  # fmt: skip
    assert (found.return_value or 0) == code, found.output
    return found


def said(store: Path, *words: str, code: int = 0) -> Any:
    return json.loads(say(store, *words, "--json", code=code).stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def blinded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of one night under codes, not looked at."""
    place = tmp_path_factory.mktemp("blinded")
    sheet, store = place / "samples.csv", place / "store"
    sheet.write_text(SHEET)
    say(store, "blind", str(sheet), "--study", "trial", "--by", "Keeper", "--reason", "phase one")
    run = say(store, "run", "sigma1-binding", "--study", "trial", "--name", "night")
    (store / "said.txt").write_text(run.output)
    return store


def copied(blinded: Path, copy: Path) -> Path:
    """A copy of a store, of which the index knows the new place."""
    shutil.copytree(blinded, copy)
    row = RunIndex(copy).find("night")
    names = ("protocol", "lab", "started", "status", "results")
    RunIndex(copy).put("night", folder=copy / "night", **{name: row[name] for name in names})
    return copy


@pytest.fixture
def store(blinded: Path, tmp_path: Path) -> Path:
    return copied(blinded, tmp_path / "store")


@pytest.fixture(scope="module")
def signed(blinded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same night with two wells excluded, and signed."""
    copy = copied(blinded, tmp_path_factory.mktemp("signed") / "store")
    say(copy, "exclude", "night", "P1:A5,B5", "--by", "Ada", "--reason", "air bubble")
    say(copy, "sign", "night", "--version", "2", "--by", "Bo", "--reason", "curves looked at")
    return copy


def contents(*places: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and every member of every zip, in lower case."""
    for place in places:
        for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
            if path.is_dir():
                continue
            yield str(path), path.read_bytes().lower()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as whole:
                    for name in whole.namelist():
                        yield f"{path}!{name}", whole.read(name).lower()


def leaks(*places: Path) -> list[str]:
    return [name for name, content in contents(*places) if any(t in content for t in TELLING)]


def test_no_name_leaks_from_a_blinded_run(store: Path, tmp_path: Path) -> None:
    folder, out = store / "night", tmp_path / "out"
    files = [export_run(folder, form, out / f"night{end}") for form, end in FORMATS.items()]
    outputs = [
        say(store, *words).output
        for words in (
            ("show", "night"), ("show", "night", "--json"), ("runs", "--json"), ("analyses", "night"),
            ("analyses", "night", "--json"), ("diff", "night"), ("ledger", "verify", "night"),
        )
    ]  # fmt: skip

    assert len(files) == len(FORMATS)
    said_on_paper = []
    for words in (("night", "--csv", str(out / "campaign.csv")), ("night", "night")):
        say(store, "report", *words, "--out", str(out / "paper.pdf"))
        said_on_paper += [text for page in Paper(out / "paper.pdf").texts() for text in page]
    assert any("BLINDED" in text for text in said_on_paper)
    assert not [text for text in said_on_paper if any(t.decode() in text.lower() for t in TELLING)]
    assert leaks(folder, store / "index.db", store / "said.txt", out) == []
    assert not [text for text in outputs if any(t.decode() in text.lower() for t in TELLING)]
    assert "BLINDED" in (folder / "report.html").read_text()
    assert {look.data["what"] for look in journal_of(folder).looks} == {
        "platectl export", "platectl show", "platectl diff", "platectl report",
    }  # fmt: skip
    codes = {row["compound"] for row in RunIndex(store).find("night")["results"]}
    assert {code.split("-")[0] for code in codes - {"haloperidol"}} == {"trial"}


def test_the_key_is_for_its_keeper_and_fits_the_promise_of_the_run(store: Path) -> None:
    path = store / "keys" / "trial.json"

    with Ledger.reading(store / "night" / "ledger.db") as ledger:
        promised = json.loads(ledger.frozen("blinding"))
    assert path.stat().st_mode & 0o077 == 0
    assert set(promised) == {"study", "commitment"}
    assert leaks(path) == [str(path)]


def test_codes_say_nothing_about_the_order_of_the_sheet(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text(SHEET)
    letters = iter("WWWW3333")

    key, _ = make_key(tmp_path / "keys", sheet, "t", KEEPER, choose=lambda _: next(letters))

    assert [s.compound for s in key.coded()] == ["t-3333", "t-WWWW"]
    assert key.names == {"t-WWWW": "(+)-igmesine", "t-3333": "SA4503"}
    assert [s.barcode for s in key.coded()] == ["", ""]


def test_a_sheet_with_a_compound_that_has_no_code_is_refused_by_its_line(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text(SHEET)
    key, _ = make_key(tmp_path / "keys", sheet, "t", KEEPER)
    sheet.write_text(SHEET + "NE-100,10 mM,10 uM,,,\n")

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options("sigma1-binding", samples=sheet, key=key))

    (finding,) = refused.value.findings
    assert (finding.line, "NE-100" in str(finding)) == (4, False)


def test_nobody_is_blind_to_the_reference(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text(SHEET + "Haloperidol,1 mM,1 uM,,,\n")
    key, _ = make_key(tmp_path / "keys", sheet, "t", KEEPER)

    with pytest.raises(InputRefusedError, match="is the reference") as refused:
        refuse_known(key, [load_protocol("sigma1-binding")[0]])

    assert "aloperidol" not in str(refused.value)


def test_a_key_is_written_once(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text(SHEET)
    make_key(tmp_path / "keys", sheet, "t", KEEPER)

    with pytest.raises(UserInputError, match="another name"):
        make_key(tmp_path / "keys", sheet, "t", KEEPER)


def test_an_exclusion_is_a_version_with_name_and_reason_and_nothing_is_lost(signed: Path) -> None:
    folder = signed / "night"
    first, second = (
        json.loads((version_folder(folder, n) / "results.json").read_text()) for n in (1, 2)
    )
    found = said(signed, "diff", "night", "1", "2")

    assert terms_of(folder, 1).exclusions == ()
    assert [(e.well, e.by, e.reason) for e in terms_of(folder, 2).exclusions] == [
        ("A5", "Ada", "air bubble"), ("B5", "Ada", "air bubble"),
    ]  # fmt: skip
    cpm = [[(c["well"], c["cpm"]) for c in made["plates"][0]["counts"]] for made in (first, second)]
    assert cpm[0] == cpm[1]
    assert {"well P1 A5", "well P1 B5"} == {c["name"] for c in found["choices"]}
    moved = [s for s in found["shifts"] if s["fold"] != 1.0]
    assert len(moved) == 1
    assert 0.0 < moved[0]["of_interval"] < 1.0
    assert "flag new: plate:excluded_wells" in moved[0]["words"]


def test_a_signature_opens_the_names_and_marks_everything(signed: Path, tmp_path: Path) -> None:
    folder = signed / "night"
    page = (folder / "report.html").read_text()
    (book,) = export_run(folder, "excel", tmp_path / "n.xlsx")

    results = json.loads((folder / "results.json").read_text())

    assert {row["review"] for row in results["results"]} == {"signed"}
    assert {row["compound"] for row in results["results"]} == {*NAMES, "haloperidol"}
    assert set(results["review"]["names"].values()) == NAMES
    assert ">SIGNED<" in page
    assert "curves looked at" in page
    assert "NOT SIGNED" not in say(signed, "show", "night").output
    assert b"unsigned" not in dict(contents(book))[f"{book}!xl/worksheets/sheet1.xml"]
    assert journal_of(folder).versions[-1].values  # numbers do not depend on names
    assert not any("Calculated again" in w for w in results["warnings"])


def test_provenance_names_data_models_rules_versions_and_exclusions(signed: Path) -> None:
    report = analysed(signed / "night").report

    record = report.plates[0].basis.record
    rows = json.loads((signed / "night" / "results.json").read_text())["results"]
    assert record["ledger_entries"] > 90
    assert list(record["files"]) != []
    assert set(record["versions"]) == {"platectl", "python", "numpy", "scipy"}
    assert record["options"]["weighting"] == "counting"
    assert record["models"]["Ki of SA4503"]
    assert [e["by"] for e in record["exclusions"]] == ["Ada", "Ada"]
    assert {row["provenance"] for row in rows} == {report.plates[0].basis.provenance}


def test_the_archive_of_a_signed_run_is_whole_and_sees_another_result(
    signed: Path, tmp_path: Path
) -> None:
    (path,) = export_run(signed / "night", "archive", tmp_path / "n.zip")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(other, "w") as out:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "analyses/2/results.json":
                content = content.replace(b'"pass"', b'"fail"')
            out.writestr(name, content)

    assert verify_archive(path).findings == ()
    messages = [f"{f.where}: {f.message}" for f in verify_archive(other).findings]
    assert "analyses/2/results.json: is not the file that was made" in messages


@pytest.mark.parametrize("what", ["results", "ledger", "review"])
def test_a_later_change_makes_the_signature_void(signed: Path, tmp_path: Path, what: str) -> None:
    copy = copied(signed, tmp_path / "store")
    folder = copy / "night"
    if what == "results":
        path = version_folder(folder, 2) / "results.json"
        path.write_text(path.read_text().replace('"pass"', '"fail"', 1))
    else:
        _tamper(folder / ("ledger.db" if what == "ledger" else "review.db"))

    report, _ = reanalyse(folder)

    assert report.review.standing == "invalidated"
    assert report.warnings[0].startswith("The signature does not hold any more")
    assert {plate.basis.review for plate in report.plates} == {"invalidated"}


def _tamper(path: Path) -> None:
    import sqlite3

    db = sqlite3.connect(path)
    db.execute("UPDATE events SET wall = '2001-01-01' WHERE number = 3")
    db.commit()
    db.close()


def test_a_new_analysis_stands_beside_the_signed_one_and_is_not_signed(
    signed: Path, tmp_path: Path
) -> None:
    copy = copied(signed, tmp_path / "store")
    before = (version_folder(copy / "night", 2) / "results.json").read_bytes()

    found = said(copy, "analyse", "night", "--set", "kd=4 nM", "--by", "Cy", "--reason", "new Kd")

    assert (version_folder(copy / "night", 2) / "results.json").read_bytes() == before
    assert found["version"] == 3
    assert {row["review"] for row in found["results"]} == {"invalidated"}
    assert "Bo signed version 2" in found["warnings"][0]
    assert "SIGNATURE INVALID" in (copy / "night" / "report.html").read_text()
    listed = said(copy, "analyses", "night")
    assert [len(v["signed"]) for v in listed["versions"]] == [0, 1, 0]
    assert listed["versions"][2]["settings"] == {"kd": "4 nM"}
    (choice,) = said(copy, "diff", "night")["choices"]
    assert (choice["name"], choice["after"]) == ("set kd", "4 nM")


def test_a_readmitted_well_is_excluded_no_more_and_both_decisions_stay(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "run"
    folder.mkdir(parents=True)
    for kind, wells in (("wells.excluded", ["A1", "A2"]), ("wells.readmitted", ["A1"])):
        enter(folder, kind, {"by": "Ada", "reason": "x", "plate": "P1", "wells": wells})

    found = journal_of(folder)

    assert [(e.plate, e.well, e.entry) for e in found.exclusions] == [("P1", "A2", 1)]
    assert len(found.entries) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sign", "night", "--version", "7", "--reason", "x"), "the newest is 1"),
        (("sign", "night", "--version", "1", "--reason", " "), "--reason is empty"),
        (("sign", "night", "--version", "1", "--by", "", "--reason", "x"), "--by is empty"),
        (("exclude", "night", "P9:A1", "--reason", "x"), "is no plate of the run"),
        (("exclude", "night", "P1:A99", "--reason", "x"), "A99"),
        (("exclude", "night", "P1:A5", "--readmit", "--reason", "x"), "is not excluded"),
        (("analyse", "night", "--set", "kdd=1 nM", "--reason", "x"), "cannot be set"),
        (("analyse", "night", "--set", "kd=4", "--reason", "x"), "has no unit"),
        (("unblind", "night", "--reason", "x", "--keys", "elsewhere"), "there is no key 'trial'"),
    ],
)  # fmt: skip
def test_a_decision_that_cannot_be_is_refused_and_not_recorded(
    blinded: Path, words: tuple[str, ...], message: str
) -> None:
    before = journal_of(blinded / "night").entries

    with pytest.raises(UserInputError, match=message):
        say(blinded, *words)

    assert journal_of(blinded / "night").entries == before


def cut(
    whole: Path, folder: Path, end: EventKind, data: dict[str, Any]
) -> tuple[CompiledRun, list[Event]]:
    """The ledger of a night that ended otherwise, and was not blinded."""
    folder.mkdir()
    with Ledger.reading(whole / "ledger.db") as book:
        events = [
            replace(e, kind=end, data=data) if e.kind == "run.finished" else e
            for e in book.events()
        ]
        other = Ledger(folder / "ledger.db")
        for name in set(book.frozen_names()) - {"blinding"}:
            other.freeze(name, book.frozen(name))
        for event in events:
            other.append(event, sync=False)
        other.close()
    return read_run(folder)


@pytest.mark.parametrize(
    ("end", "status"),
    [("run.held", "held"), pytest.param("run.continued", "running", marks=pytest.mark.long)],
)
def test_a_look_at_a_run_that_did_not_finish_is_recorded_and_has_a_page_of_its_own(
    blinded: Path, tmp_path: Path, end: EventKind, status: str
) -> None:
    folder = tmp_path / "half"
    run, events = cut(blinded / "night", folder, end, {"reasons": ["the counter is silent"]})
    finished = Finished(RunOutcome(status), [], events, events[0].wall, events[-1].wall)
    announce(tmp_path, "half", run, events[0].wall)

    kept = keep(tmp_path, "half", run, finished)

    page = (folder / "report.html").read_text()
    assert kept["results"] == RunIndex(tmp_path).find("half")["results"] == []
    assert f"No results are shown here: the run is {status}" in page
    assert "platectl report half --reason WHY" in page
    assert not [path for path in folder.rglob("*.*") if path.suffix in {".csv", ".json", ".pdf"}]
    assert "<h2>Plate" not in page
    assert journal_of(folder).entries == ()

    say(tmp_path, "report", "half", "--by", "Eve", "--reason", "does it go on?")

    (look,) = journal_of(folder).looks
    shown = (folder / "looks" / f"{look.number}.html").read_text()
    assert (look.by, look.data["what"], look.data["reason"]) == (
        "Eve", "platectl report", "does it go on?",
    )  # fmt: skip
    assert look.data["readings"] > 90
    assert "<h2>Plate P1" in shown
    assert "Eve looked at unfinished data (platectl report" in shown
    assert (folder / "report.html").read_text() == page


def test_a_failed_run_is_for_everybody_when_its_analysis_is_signed(
    blinded: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "half"
    cut(blinded / "night", folder, "run.failed", {"error": "x", "in_doubt": []})
    run, events = read_run(folder)
    announce(tmp_path, "half", run, events[0].wall)

    say(tmp_path, "analyse", "half", "--by", "Ada", "--reason", "what there is")
    before = (folder / "report.html").read_text()
    say(tmp_path, "sign", "half", "--version", "1", "--by", "Bo", "--reason", "P1 is whole")

    assert "No results are shown here: the run is failed" in before
    assert [(e.by, e.data["reason"]) for e in journal_of(folder).looks] == [
        ("Ada", "what there is")
    ]
    assert "<h2>Plate P1" in (folder / "report.html").read_text()
    assert (folder / "results.json").exists()
    assert (version_folder(folder, 1) / "report.html").exists()


def test_results_under_codes_are_shown_to_who_is_recorded_alone(blinded: Path, store: Path) -> None:
    folder = store / "night"
    page = (folder / "report.html").read_text()
    codes = {row["compound"] for row in RunIndex(store).find("night")["results"]} - {"haloperidol"}

    shown = say(store, "show", "night", "--by", "Eve", "--reason", "gradient on P1?").output
    say(store, "diff", "night", "1", "1", "--reason", "none to be seen")

    assert "the codes of the study trial" in page
    assert not [code for code in codes if code in page]
    assert not [code for code in codes if code in (store / "said.txt").read_text()]
    assert [path.name for path in folder.glob("*.csv")] == []
    assert {path.name for path in version_folder(folder, 1).iterdir()} == {"results.json"}
    assert all(code in shown for code in codes)
    assert [(e.data["what"], e.data["reason"]) for e in journal_of(folder).looks] == [
        ("platectl show", "gradient on P1?"), ("platectl diff", "none to be seen"),
    ]  # fmt: skip
    deeds = [deed.what for deed in analysed(folder).report.review.deeds]
    assert any(what.startswith("looked at data under codes (platectl show") for what in deeds)
    assert journal_of(blinded / "night").looks == ()


def test_the_morning_knows_how_many_results_pass_and_no_code(store: Path) -> None:
    with Book(store) as book:
        number = Queue(book).submit(Subject(("sigma1-binding",)), WallClock().now())
        mine = replace(Queue(book).get(number), run="night")

    outcome = RunProcesses(store, ()).look(mine).outcome

    assert (outcome["results"], outcome["passed"], outcome["failed"]) == (3, 3, [])
    assert outcome["report"] == str(store / "night" / "report.html")
    assert "trial-" not in json.dumps(outcome)


@pytest.mark.long
def test_opening_a_key_early_stands_in_the_report(store: Path) -> None:
    names = said(store, "unblind", "night", "--by", "Eve", "--reason", "adverse event")["names"]

    report, _ = reanalyse(store / "night")
    assert set(names.values()) == NAMES
    (deed,) = [d for d in report.review.deeds if "opened the key" in d.what]
    assert (deed.by, deed.reason, deed.what) == (
        "Eve", "adverse event", "opened the key trial: before the sign-off of all runs of the study",
    )  # fmt: skip
    with pytest.raises(UserInputError, match="opened by Eve"):
        say(store, "run", "sigma1-binding", "--study", "trial")


@pytest.mark.long
def test_a_study_opens_with_the_signature_of_its_last_run(store: Path) -> None:
    shutil.copytree(store / "night", store / "second")

    first = said(store, "sign", "night", "--version", "1", "--by", "Bo", "--reason", "x")
    closed = journal_of(store / "night").revealed
    hidden = said(
        store, "sign", "second", "--version", "1", "--by", "Bo", "--reason", "x", "--keys", "none"
    )
    names = said(store, "unblind", "second", "--by", "Keeper", "--reason", "all signed")["names"]

    assert (first["opened"], first["waits_for"]) == ([], ["second"])
    assert closed is None
    assert "there is no key 'trial'" in hidden["key_missing"]
    assert set(names.values()) == NAMES
    opened = journal_of(store / "second").revealed
    assert opened is not None
    assert opened.data["through"].startswith("after the sign-off")
