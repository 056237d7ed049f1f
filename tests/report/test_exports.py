"""Exports of simulated nights read back to equal values; bad files give named findings."""

from __future__ import annotations

import builtins
import copy
import json
import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.nights import run_night

from platectl.app.exports import FORMATS, export_run, exported_run
from platectl.domain.errors import UserInputError
from platectl.domain.findings import InputRefusedError
from platectl.files.pzfx import load_pzfx
from platectl.report.export import count_rows, plain
from platectl.report.exports.asm import CUBE, asm_documents
from platectl.report.exports.asm_reading import check_asm, read_asm
from platectl.report.exports.excel import read_excel, write_excel
from platectl.report.exports.model import Exported
from platectl.report.exports.parquet import read_parquet, write_parquet
from platectl.report.exports.prism import prism_tables
from platectl.report.exports.tables import rows_of, table_of, tables_of
from platectl.report.rows import result_rows

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "export-results.md"
AGGREGATE = "plate reader aggregate document"


@pytest.fixture(scope="module")
def binding_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_night(tmp_path_factory.mktemp("store"), "sigma1-binding", "night")


@pytest.fixture(scope="module")
def calcium_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_night(tmp_path_factory.mktemp("store"), "fura2-calcium", "night")


@pytest.fixture(scope="module")
def binding(binding_folder: Path) -> Exported:
    return exported_run(binding_folder)


@pytest.fixture(scope="module")
def calcium(calcium_folder: Path) -> Exported:
    return exported_run(calcium_folder)


@pytest.fixture(scope="module", params=["binding", "calcium"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"{request.param}_folder")
    return found


@pytest.fixture(scope="module", params=["binding", "calcium"])
def exported(request: pytest.FixtureRequest) -> Exported:
    found: Exported = request.getfixturevalue(request.param)
    return found


def groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [g["measurement aggregate document"] for g in document[AGGREGATE]["plate reader document"]]  # fmt: skip


def in_order(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda r: json.dumps([r["step"], r["labware"], r["well"], r.get("channel"), r.get("index")]))  # fmt: skip


def test_tables_hold_what_the_results_file_holds(folder: Path) -> None:
    stored = json.loads((folder / "results.json").read_text())

    tables = tables_of(exported_run(folder))

    assert list(rows_of(tables, "results")) == stored["results"]
    assert list(rows_of(tables, "windows")) == stored["windows"]
    assert list(rows_of(tables, "steps")) == stored["steps"]
    assert list(rows_of(tables, "wells")) == [w for p in stored["plates"] for w in p["counts"]]
    assert [[r["what"], r["stated"]] for r in rows_of(tables, "conditions")] == stored["conditions"]


def test_every_curve_brings_the_diagnostics_of_its_fits(folder: Path) -> None:
    stored = json.loads((folder / "results.json").read_text())

    fits = {of: own for plate in stored["plates"] for of, own in plate["fits"].items() if own}

    assert set(fits) >= {r["compound"] for r in stored["results"] if r["qualifier"] == "="}
    page = (folder / "report.html").read_text()
    folded = page[page.index("<summary>Diagnostics of the fits") :].partition("</details>")[0]
    for of, own in fits.items():
        assert f"<td>{of}</td>" in folded
        for found in own.values():
            free = [p for p in found["parameters"] if not p["fixed"]]
            assert (
                found["df"]
                == found["points"] - len(free)
                == found["points"] - len(found["covariance"])
            )
            assert found["sy_x"] == pytest.approx(math.sqrt(found["ss"] / found["df"]))
            assert found["r2"] > 0.5
            assert math.isfinite(found["aicc"])
            assert 0.0 <= found["runs"]["p"] <= 1.0
            assert 0.0 <= found["lack_of_fit"]["p"] <= 1.0
            assert 0.0 <= found["normality_p"] <= 1.0
            assert f"<td>{found['aicc']:.4g}</td>" in folded


def test_a_workbook_reads_back_to_equal_tables(exported: Exported, tmp_path: Path) -> None:
    tables = tables_of(exported)

    write_excel(tmp_path / "night.xlsx", tables)

    assert read_excel(tmp_path / "night.xlsx") == tables


def test_another_reader_sees_the_same_typed_cells(binding: Exported, tmp_path: Path) -> None:
    from python_calamine import CalamineWorkbook  # comes with allotropy

    tables = tables_of(binding)
    write_excel(tmp_path / "night.xlsx", tables)
    book = CalamineWorkbook.from_path(str(tmp_path / "night.xlsx"))

    assert book.sheet_names == [*(table.name for table in tables), "dictionary"]
    for table in tables[:5]:
        head, *rows = book.get_sheet_by_name(table.name).to_python()
        assert head == [column.head for column in table.columns]
        for row, cells in zip(table.rows, rows, strict=True):
            plain_cells = [row[c.name] for c in table.columns if c.kind != "texts"]
            shown = [v for c, v in zip(table.columns, cells, strict=True) if c.kind != "texts"]
            assert shown == ["" if value is None else value for value in plain_cells]


def test_parquet_reads_back_to_equal_tables(exported: Exported, tmp_path: Path) -> None:
    tables = tables_of(exported)

    write_parquet(tmp_path / "night", tables)

    found = {table.name: table for table in read_parquet(tmp_path / "night")}
    assert found == {table.name: table for table in tables}


def test_json_is_the_results_file(folder: Path, tmp_path: Path) -> None:
    (path,) = export_run(folder, "json", tmp_path / "night.json")

    assert json.loads(path.read_text()) == json.loads((folder / "results.json").read_text())


def test_allotrope_documents_validate_and_read_back(exported: Exported) -> None:
    from allotropy.allotrope.schemas import validate_asm_schema

    counts: list[dict[str, Any]] = []
    readings: list[dict[str, Any]] = []
    for name, document in asm_documents(exported).items():
        text = json.dumps(document, allow_nan=False)
        validate_asm_schema(json.loads(text))
        found = read_asm(json.loads(text), name=name)
        counts, readings = counts + found[0], readings + found[1]

    assert counts or readings
    assert in_order(counts) == in_order(exported.counts)
    assert in_order(readings) == in_order(exported.readings)


def test_allotrope_constants_are_those_of_the_results(exported: Exported) -> None:
    (document,) = asm_documents(exported).values()

    found = document[AGGREGATE]["calculated data aggregate document"]["calculated data document"]

    assert {d["calculated data name"]: d["calculated result"] for d in found} == {
        f"{r['quantity']} of {r['compound']}": {"value": r["value_molar"], "unit": "M"}
        for r in result_rows(exported.report.plates)
    }


def test_a_kinetic_read_has_a_profile_for_each_well_and_channel(calcium: Exported) -> None:
    (document,) = asm_documents(calcium).values()

    first = [g for g in groups(document) if "/P1.F7/" in g["measurement document"][0]["measurement identifier"]]  # fmt: skip

    assert len(first) == 96
    for group in first:
        assert [m[CUBE]["label"] for m in group["measurement document"]] == ["340/510 nm", "380/510 nm"]  # fmt: skip
        starts = [m[CUBE]["data"]["dimensions"][0][0] for m in group["measurement document"]]
        assert starts == [0.0, 0.4]


def test_moments_of_measurements_lie_within_their_steps(calcium: Exported) -> None:
    for document in asm_documents(calcium).values():
        for group in groups(document):
            at = datetime.fromisoformat(group["measurement time"])
            step = group["measurement document"][0]["measurement identifier"].split("/")[1]
            row = next(r for r in calcium.report.steps if r.id == step)
            assert calcium.zero is not None
            since_s = (at - calcium.zero).total_seconds()
            assert row.start_s is not None
            assert row.end_s is not None
            assert row.start_s <= since_s <= row.end_s


def test_counts_stand_as_luminescence_in_counts_per_second(binding: Exported) -> None:
    (document,) = asm_documents(binding).values()

    assert len(groups(document)) == len(binding.counts) == 112
    for group, row in zip(groups(document), binding.counts, strict=True):
        (measurement,) = group["measurement document"]
        assert measurement["luminescence"] == {"value": row["counts"] / row["live_s"], "unit": "Counts/s"}  # fmt: skip


def test_flags_and_missing_values_survive_in_allotrope_documents(calcium: Exported) -> None:
    from allotropy.allotrope.schemas import validate_asm_schema

    rows = [dict(row) for row in calcium.readings if row["well"] == "B2"]
    rows[3] |= {"value": None, "flag": "saturated", "temperature_c": 37.1, "source": "read.txt:9"}
    odd = Exported(calcium.report, (), rows, calcium.drivers, calcium.zero)

    (document,) = asm_documents(odd).values()

    validate_asm_schema(json.loads(json.dumps(document, allow_nan=False)))
    assert in_order(read_asm(document, name="odd")[1]) == in_order(rows)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m, g: m[CUBE]["cube-structure"]["measures"][0].update(unit="RLU"), "fluorescence is in RLU, not in RFU"),
        (lambda m, g: m[CUBE]["data"]["measures"][0].pop(), "76 times, 75 values, 76 scans"),
        (lambda m, g: m[CUBE]["data"]["dimensions"][0].reverse(), "times run backwards"),
        (lambda m, g: g["measurement document"].append(m), "measurement identifier is there twice"),
        (lambda m, g: g.update({"measurement time": "2026-01-05T20:29:07"}), "measurement time has no time zone"),
        (lambda m, g: g.update({"measurement time": "yesterday"}), "measurement time 'yesterday' is no moment"),
        (lambda m, g: g["plate well count"].update(unit="M"), "plate well count is in M, not in #"),
        (lambda m, g: m["sample document"].update({"location identifier": "J1"}), "well J1 is outside a 96-well plate"),
        (lambda m, g: m.pop("measurement identifier"), "is no document of platectl"),
    ],
)  # fmt: skip
def test_an_allotrope_document_that_is_not_sound_is_refused(
    calcium: Exported, spoil: Any, said: str
) -> None:
    (document,) = asm_documents(calcium).values()
    document = copy.deepcopy(document)
    group = groups(document)[40]

    spoil(group["measurement document"][0], group)

    with pytest.raises(InputRefusedError, match=said):
        read_asm(document, name="night.asm.json")


def test_a_well_that_lacks_a_channel_is_a_warning(calcium: Exported) -> None:
    (document,) = asm_documents(calcium).values()
    document = copy.deepcopy(document)
    groups(document)[5]["measurement document"].pop()

    (finding,) = check_asm(document, name="night.asm.json")

    assert finding.severity == "warning"
    assert finding.message == "1 measurements, other wells of the read have 2"


def test_counts_that_do_not_fit_their_rate_are_refused(binding: Exported) -> None:
    (document,) = asm_documents(binding).values()
    document = copy.deepcopy(document)
    groups(document)[0]["measurement document"][0]["luminescence"]["value"] *= 1.001

    with pytest.raises(InputRefusedError, match=r"is not \d+ counts in"):
        read_asm(document, name="night.asm.json")


def test_prism_tables_read_back_to_equal_values(folder: Path, tmp_path: Path) -> None:
    (path,) = export_run(folder, "prism", tmp_path / "night.pzfx")

    found = load_pzfx(path).tables

    for mine, back in zip(prism_tables(exported_run(folder).report), found, strict=True):
        assert (back.title, back.x_title, back.x) == (mine.title, mine.x_title, mine.x)
        for column, read in zip(mine.columns, back.columns, strict=True):
            assert read.title == column.title
            assert read.replicates[: len(column.replicates)] == column.replicates
            assert read.excluded == column.excluded


def test_the_example_of_the_guide_fits_a_table_of_prism(
    binding_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    (path,) = export_run(binding_folder, "prism", tmp_path / "night.pzfx")

    exec(compile(example, str(GUIDE), "exec"), {"path": path})  # noqa: S102  # our own guide

    assert re.fullmatch(r".+: log IC50 -\d\.\d\d, converged\n", capsys.readouterr().out)


def test_prism_has_every_counted_well_once(binding: Exported) -> None:
    tables = prism_tables(binding.report)

    values = [v for t in tables for c in t.columns for r in c.replicates for v in r if v is not None]  # fmt: skip

    plates = binding.report.plates
    assert sorted(values) == sorted(r["cpm"] for r in count_rows(plates) if r["cpm"] is not None and r["role"] != "empty")  # fmt: skip


@pytest.mark.parametrize("protocol", ["sigma1-saturation", "sigma1-kinetics", "fura2-antagonist"])
def test_every_column_has_a_meaning_and_every_assay_a_workbook(protocol: str, tmp_path: Path) -> None:  # fmt: skip
    exported = exported_run(run_night(tmp_path, protocol, "night"))
    tables = tables_of(exported)

    assert [c.name for t in tables for c in t.columns if not c.meaning] == []
    write_excel(tmp_path / "night.xlsx", tables[:2])
    assert read_excel(tmp_path / "night.xlsx") == tables[:2]
    assert prism_tables(exported.report)


AWKWARD = st.text(max_size=8) | st.sampled_from(["", "=1+1", '"', "[", "#N/A", "a\r\nb", " x ", "_x0041_", "'", "\ud800", "1"])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.none() | AWKWARD, min_size=1, max_size=4),
    numbers=st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4),
    lists=st.lists(AWKWARD, max_size=3),
)  # fmt: skip
def test_any_text_and_number_survives_a_workbook(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], numbers: list[float | None], lists: list[str],
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "any.xlsx"
    rows = [{"compound": t, "value": n, "flags": lists, "series": 3, "hard": True}
            for t, n in zip(texts, numbers, strict=False)]  # fmt: skip
    table = table_of("results", rows)

    write_excel(path, [table])

    assert read_excel(path) == [table]


def test_a_text_that_is_too_long_for_a_cell_is_refused_not_cut(tmp_path: Path) -> None:
    table = table_of("results", [{"compound": "x" * 40000}])

    with pytest.raises(InputRefusedError, match=r"results:2: compound: 40000 characters do not go"):
        write_excel(tmp_path / "night.xlsx", [table])


def test_a_workbook_that_was_changed_gives_named_findings(binding: Exported, tmp_path: Path) -> None:  # fmt: skip
    from openpyxl import load_workbook

    path = tmp_path / "night.xlsx"
    write_excel(path, tables_of(binding)[:3])
    book = load_workbook(path)
    book["windows"]["C3"] = "a while"
    book["wells"]["C1"] = "hole"
    book.save(path)

    with pytest.raises(InputRefusedError) as refused:
        read_excel(path)

    assert [str(f) for f in refused.value.findings] == [
        f"{path}:1: wells: columns well are not where the dictionary says; leave the heads as they were written",
        f"{path}:3: windows: elapsed_s [s]: 'a while' is no number",
    ]


def test_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "odd.xlsx").write_text("compound,ki")
    (tmp_path / "odd.parquet").write_text("compound,ki")

    with pytest.raises(InputRefusedError, match=r"odd\.xlsx: is no workbook"):
        read_excel(tmp_path / "odd.xlsx")
    with pytest.raises(InputRefusedError, match=r"odd\.parquet: is no Parquet file"):
        read_parquet(tmp_path)
    with pytest.raises(InputRefusedError, match="holds no Parquet files"):
        read_parquet(tmp_path / "nowhere")


def test_without_pyarrow_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = builtins.__import__

    def lacking(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return known(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)

    with pytest.raises(UserInputError, match=r"^Parquet needs pyarrow; install it: .*platectl\[parquet\]'$"):  # fmt: skip
        write_parquet(tmp_path / "night", [])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_its_place_by_default(folder: Path, form: str) -> None:
    paths = export_run(folder, form)

    assert all(path.is_file() and path.stat().st_size for path in paths)
    home = folder.parent if form == "archive" else folder / "exports"
    assert all(home in path.parents for path in paths)


def test_numbers_that_are_none_are_missing_everywhere() -> None:
    table = table_of("results", [{"value": math.nan}, {"value": 1.5}])

    assert [row["value"] for row in table.rows] == [None, 1.5]
    assert plain(math.inf) is None
