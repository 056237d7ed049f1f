"""Exports analysed without a run: kinetic fluorescence, luminescence, and what allotropy reads."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.analysis.calcium_plates import FULL, REST, RMAX, RMIN, counts, course

from platectl.app import exported, vendor_files
from platectl.app.analyse import AnalyseOptions, analyse_file
from platectl.app.imports import FileChoice, read_counts
from platectl.app.prepare import own_samples
from platectl.domain.errors import MalformedReplyError
from platectl.domain.findings import InputRefusedError
from platectl.domain.wells import PlateFormat
from platectl.files.protocol import load_protocol
from platectl.files.samples import load_samples
from platectl.planning.plates import plan_plates
from platectl.report.views import view_of
from platectl_simulators.envision_csv.export import Read, envision, kaleido
from platectl_simulators.softmax_file.export import Section, Style, write_export

PLATE = PlateFormat.of(96)
EC50 = {"carbachol": 1.7e-6, "oxotremorine-M": 0.8e-6, "bradykinin": 30e-9}
EVERY_S, POINTS, ADDED_S = 2.0, 61, 30.0
SAVED = datetime(2026, 3, 14, 10, 22, 31, tzinfo=UTC)
#: allotropy takes seconds to be imported
SLOW = pytest.mark.long


@cache
def plans(name: str) -> tuple[Any, ...]:
    protocol, _ = load_protocol(name)
    samples = load_samples(own_samples(protocol, name))
    plates, findings = plan_plates(
        protocol, protocol.layouts[protocol.layout], samples, sheet="s", run="t"
    )
    assert not findings
    return plates[0].wells


@cache
def export(*titles: str, late: bool = False) -> bytes:
    """A kinetic read of an agonist plate of known EC50."""
    return write_export([_section(title, late=late) for title in titles], "t", SAVED, Style())


def _section(title: str, *, late: bool) -> Section:
    rng = np.random.default_rng(3)
    points = 5 if late else POINTS
    section = Section(
        title, ((340.0, 510.0), (380.0, 510.0)), points, EVERY_S, bottom=True,
        columns=tuple(range(1, 13)), temperature_c=37.0,
    )  # fmt: skip
    t = EVERY_S * np.arange(points) - ADDED_S
    for plan in plans("fura2-calcium"):
        load = 0.0 if plan.role == "unloaded" else 1.0 + 0.1 * rng.standard_normal()
        height = FULL if plan.role == "positive" else 0.0
        if plan.concentration_molar and plan.compound in EC50:
            height = FULL / (1 + EC50[plan.compound] / plan.concentration_molar)
        ratio = REST + height * (1 + 0.05 * rng.standard_normal()) * course(t)
        if late and plan.role in {"rmin", "rmax"}:
            ratio = np.full(points, RMIN if plan.role == "rmin" else 0.995 * RMAX)
        for channel, light in enumerate(counts(ratio, load)):
            noisy = light * (1 + 0.005 * rng.standard_normal(points))
            for point, value in enumerate(noisy.tolist()):
                section.values[point, channel, plan.well] = value
    return section


def time_sequence(section: Section, added_s: float) -> str:
    """The same read as an export of a FLIPR, which states when the compound came."""
    wells = PLATE.by_row()
    lines = [
        "FLIPR time sequence\t1", "Data file\tC:\\d\\P1.fmd", "Protocol\tC:\\p\\fura2.fmp",
        "\t".join(["Wells", *wells]), "\t".join(["Addition (s)", *[f"{added_s + 5.0:.3f}"] * len(wells)]),
    ]  # fmt: skip
    for channel, (excitation, emission) in enumerate(section.wavelengths):
        lines.append(f"Excitation (nm)\t{excitation:g}\tEmission (nm)\t{emission:g}")
        for point in range(section.points):
            values = [section.values.get((point, channel, well)) for well in wells]
            told = ["" if value is None else f"{value:.4f}" for value in values]
            lines.append("\t".join([f"{5.0 + point * section.interval_s:.3f}", *told]))
    return "\n".join([*lines, "End", ""])


def analysed(path: Path, protocol: str, **changes: Any) -> Any:
    return analyse_file(AnalyseOptions(path, protocol, **changes))


def light(write: Any, cps: float = 25.0) -> bytes:
    """A file of a luminescence of a minute in every well."""
    values = {well: f"{cps + n:.10g}" for n, well in enumerate(PLATE.by_row())}
    read = Read("P1", "US LUM 96", "luminescence", values, PLATE, 60.0, 22.0, SAVED, SAVED)
    return bytes(write(read))


# Fluorescence over time ---------------------------------------------------------------------
def test_a_softmax_export_of_an_agonist_plate_gives_its_ec50(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(export("P1"))
    (tmp_path / "late.txt").write_bytes(export("P1", late=True))

    report = analysed(
        tmp_path / "p.txt", "fura2-calcium", standards=tmp_path / "late.txt", added_s=ADDED_S
    )

    (plate,) = report.plates
    view = view_of(plate)
    found = {row["compound"]: row["value_molar"] for row in view.rows}
    assert plate.problem == ""
    assert found == {name: pytest.approx(value, rel=0.4) for name, value in EC50.items()}
    assert plate.result.calibration.problem == ""
    assert plate.result.conditions.actual_temperature_c == 37.0
    assert not any("does not say when" in text for text in report.warnings)


def test_a_time_sequence_of_a_flipr_brings_its_additions(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(time_sequence(_section("P1", late=False), ADDED_S))

    report = analysed(tmp_path / "p.txt", "fura2-calcium")

    found = {row["compound"]: row["value_molar"] for row in view_of(report.plates[0]).rows}
    assert found == {name: pytest.approx(value, rel=0.4) for name, value in EC50.items()}
    assert {str(f.code) for f in report.findings} <= {"placed-by-order"}


def test_what_an_export_does_not_state_is_said(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(export("P1"))

    report = analysed(tmp_path / "p.txt", "fura2-calcium")

    assert any("30 s, the end of the protocol's baseline, is assumed" in w for w in report.warnings)
    assert any("calcium is not calculated" in w for w in report.warnings)


def test_of_several_plates_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(export("P1", "P2"))

    with pytest.raises(InputRefusedError) as several:
        exported.traces_of(path, None, None)
    with pytest.raises(InputRefusedError) as other:
        exported.traces_of(path, "P3", None)
    chosen = exported.traces_of(path, "P2", None)

    assert "holds several plates" in str(several.value)
    assert "holds no plate 'P3'" in str(other.value)
    assert {trace.plate for trace in chosen} == {"P2"}
    assert len(chosen) == 2 * len(plans("fura2-calcium"))


def test_a_well_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(export("P1", "P1"))

    with pytest.raises(InputRefusedError, match="more than once"):
        exported.traces_of(tmp_path / "p.txt", None, None)


# Luminescence -------------------------------------------------------------------------------
@pytest.mark.parametrize("write", [envision, kaleido])
def test_counts_per_second_of_a_reader_are_counts(tmp_path: Path, write: Any) -> None:
    (tmp_path / "p.csv").write_bytes(light(write))
    protocol, _ = load_protocol("sigma1-binding")

    readings = read_counts(tmp_path / "p.csv", protocol, FileChoice()).readings

    assert (readings["A2"]["cpm"], readings["A2"]["counts"]) == (60.0 * 26.0, 60 * 26)
    assert readings["A2"]["ended_at"] == "2026-03-14T10:22:31"


DECLARED = """
  topcount:
    driver: delimited_counts
    address: "drop:topcount"
    position: counter
    settings: {separator: ";", columns: [plate, well, cpm], line_end: lf}
"""


def counted(tmp_path: Path, text: str, counter: str = "topcount", plate: str | None = None) -> Any:
    bundled = files("platectl_protocols").joinpath("simulated-lab.yaml").read_text()
    (tmp_path / "lab.yaml").write_text(bundled.replace("\n  person:\n", f"{DECLARED}  person:\n"))
    (tmp_path / "p.txt").write_text(text)
    protocol, _ = load_protocol("sigma1-binding")
    choice = FileChoice(plate, lab=tmp_path / "lab.yaml", counter=counter)
    return read_counts(tmp_path / "p.txt", protocol, choice).readings


def test_a_file_in_a_declared_layout_is_read_by_it(tmp_path: Path) -> None:
    one = counted(tmp_path, "P1;A1;12\nP1;B2;13.5\n")
    chosen = counted(tmp_path, "P1;A1;12\nP2;A1;99\n", plate="P2")

    assert {well: row["cpm"] for well, row in one.items()} == {"A1": 12.0, "B2": 13.5}
    assert chosen["A1"]["cpm"] == 99.0


@pytest.mark.parametrize(
    ("text", "counter", "message"),
    [
        ("P1,A1,12\n", "topcount", "p.txt:1: 1 items between ';'"),
        ("P1;A1;12\nP2;A1;99\n", "topcount", "is of 'P1', 'P2'; name one of them"),
        ("P1;A1;12\nP1;A1;13\n", "topcount", "A1 is there already"),
        ("P1;A1;12\n", "counter", "declares no layout of files for 'counter'"),
        ("P1;A1;12\n", "nobody", "declares no layout of files for 'nobody'"),
    ],
)
def test_a_file_that_is_not_as_declared_is_refused(
    tmp_path: Path, text: str, counter: str, message: str
) -> None:
    with pytest.raises(InputRefusedError, match=message):
        counted(tmp_path, text, counter)


# What allotropy reads -----------------------------------------------------------------------
@SLOW
def test_allotropy_reads_the_same_traces_as_our_own_reader(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(export("P1"))

    ours = exported.traces_of(path, None, None)
    theirs = exported.traces_of(path, None, "MOLDEV_SOFTMAX_PRO")

    def by_well(traces: Any) -> Any:
        return {(t.well, t.channel): (t.times_s, t.values, dict(t.flags)) for t in traces}

    assert by_well(theirs) == by_well(ours)


@SLOW
@pytest.mark.parametrize(
    ("write", "vendor"), [(envision, "PERKIN_ELMER_ENVISION"), (kaleido, "REVVITY_KALEIDO")]
)
def test_luminescence_that_states_no_rate_needs_one(
    tmp_path: Path, write: Any, vendor: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(light(write))

    with pytest.raises(InputRefusedError, match="say with --rate whether it is cps or cpm"):
        analysed(path, "sigma1-binding", vendor=vendor)
    report = analysed(path, "sigma1-binding", vendor=vendor, rate="cps")

    assert report.plates[0].counts["A2"]["cpm"] == 60.0 * 26.0
    assert report.plates[0].counts["A2"]["counts"] is None


@SLOW
@pytest.mark.parametrize(
    ("vendor", "message"),
    [
        ("NOBODY", "allotropy knows no vendor 'NOBODY'"),
        ("AGILENT_GEN5", "is no export that can be read"),
        (None, "is no export that can be read"),
    ],
)
def test_a_file_that_allotropy_does_not_read_is_refused_in_a_line(
    tmp_path: Path, vendor: str | None, message: str
) -> None:
    (tmp_path / "p.txt").write_text("nothing of the kind\n")

    with pytest.raises(InputRefusedError, match=message) as caught:
        analysed(tmp_path / "p.txt", "sigma1-binding", vendor=vendor)

    assert "\n" not in str(caught.value).strip()


def test_without_the_extra_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_text("nothing of the kind\n")
    for name in ("allotropy", "allotropy.parser_factory", "allotropy.to_allotrope"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(InputRefusedError) as caught:
        analysed(tmp_path / "p.txt", "sigma1-binding", vendor="AGILENT_GEN5")

    (finding,) = caught.value.findings
    assert "is not installed" in finding.message
    assert "pip install 'platectl[vendors]'" in finding.fix


MEASURED: dict[str, Any] = {
    "sample document": {"location identifier": "A01", "well plate identifier": "P1"},
    "luminescence": {"value": 12.0, "unit": "Counts/s"},
    "device control aggregate document": {
        "device control document": [{"integration time setting": {"value": 2.0, "unit": "s"}}]
    },
}


class Vendors:
    """allotropy, as far as it hands over a document."""

    def __init__(self, *measured: Any, key: str = "plate reader aggregate document") -> None:
        one = {
            "measurement time": "2026-03-14T10:22:31+00:00",
            "measurement document": list(measured),
        }
        self.document = {key: {"plate reader document": [{"measurement aggregate document": one}]}}

    def __call__(self, path: Path, vendor: str | None) -> Any:
        return self.document


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"luminescence": {"value": 1.0, "unit": "RLU"}}, None, "luminescence in RLU is no rate"),
        ({"luminescence": {"unit": "Counts/s"}}, None, "without a value"),
        ({"luminescence": {"value": math.inf, "unit": "Counts/s"}}, None, "without a value"),
        ({"luminescence": {"value": "12", "unit": "Counts/s"}}, None, "without a value"),
        ({"sample document": {}}, None, "of no well"),
        ({}, "spectrophotometry aggregate document", "is no file of a plate reader"),
    ],
)
def test_a_document_that_says_too_little_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], key: str | None, message: str
) -> None:
    given = Vendors({**MEASURED, **changes}, **({"key": key} if key else {}))
    monkeypatch.setattr(vendor_files, "_as_model", given)

    with pytest.raises(Exception, match=message):
        vendor_files.read_counts(Path("x.csv"), None, None)


CUBE: dict[str, Any] = {
    "cube-structure": {"dimensions": [{"unit": "s"}], "measures": [{"unit": "RFU"}]},
    "data": {"dimensions": [[3.0, 5.0]], "measures": [[10.0, -0.0]]},
}
GLOWS: dict[str, Any] = {
    **MEASURED, vendor_files.CUBE: CUBE, "error aggregate document": {"error document": [{"error": "nan"}]},
    "device control aggregate document": {"device control document": [
        {"excitation wavelength setting": {"value": 340}, "detector wavelength setting": {"value": 510}}
    ]},
}  # fmt: skip


def test_a_trace_that_is_an_error_in_a_point_is_missing_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vendor_files, "_as_model", Vendors(GLOWS))

    (trace,) = vendor_files.read_traces(Path("x.txt"), None)

    assert (trace.well, trace.times_s, trace.flags) == ("A1", (0.0, 2.0), {1: "missing"})
    assert trace.values[0] == 10.0
    assert math.isnan(trace.values[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cube-structure": {}}, "without 'dimensions'"),
        ({"data": {"dimensions": [], "measures": []}}, "without list index"),
        ({"data": {"dimensions": [[1.0]], "measures": [[]]}}, "1 times and 0 values"),
        (
            {"cube-structure": {"dimensions": [{"unit": "min"}], "measures": [{"unit": "RFU"}]}},
            "over min",
        ),
        (
            {"cube-structure": {"dimensions": [{"unit": "s"}], "measures": [{"unit": "mAU"}]}},
            "mAU over s",
        ),
    ],
)
def test_values_over_time_that_are_no_trace_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    given = {**GLOWS, vendor_files.CUBE: {**CUBE, **changes}}
    monkeypatch.setattr(vendor_files, "_as_model", Vendors(given))

    with pytest.raises(MalformedReplyError, match=message):
        vendor_files.read_traces(Path("x.txt"), None)


def test_wells_without_a_value_are_named_in_the_report(tmp_path: Path) -> None:
    whole = light(kaleido)
    (tmp_path / "p.csv").write_bytes(whole.replace(b"\nC,49,", b"\nC,,"))

    report = analysed(tmp_path / "p.csv", "sigma1-binding")

    assert any("has no counts of C1; they are left out" in text for text in report.warnings)


def test_a_value_that_is_an_error_is_missing_and_a_time_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = {
        **MEASURED,
        "luminescence": {"value": -0.0, "unit": "Counts/s"},
        "error aggregate document": {"error document": [{"error": "nan"}]},
    }
    monkeypatch.setattr(vendor_files, "_as_model", Vendors(MEASURED, failed))

    good, bad = vendor_files.read_counts(Path("x.csv"), None, None)

    assert (good.well, good.cpm, good.live_s) == ("A1", 720.0, 2.0)
    assert (bad.cpm, good.ended_at[:10]) == (None, "2026-03-14")
