"""Wrong files are refused before anything is sent: what is wrong, where, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from platectl.app.prepare import Options, prepare
from platectl.domain.findings import InputRefusedError
from platectl.files.lab import load_lab
from platectl.files.protocol import bundled
from platectl.planning.facilities import build_facilities

SHEET = "compound,stock_concentration,top_concentration,plate,slot,barcode\n"
GOOD = "(+)-igmesine,10 mM,10 uM,,,A1\nSA4503,10 mM,10 uM,,,A2\n"
Edit = tuple[str, str]

SHAKER = 'driver: bioshake\n    address: "sim:"\n    position: shaker1'
#: name -> (what is edited, edits (old, new) or the whole text, words that the message must hold)
CASES: dict[str, tuple[str, tuple[Edit, ...] | str | dict[str, str], tuple[str, ...]]] = {
    # protocol files
    "not YAML": ("protocol", (("platectl: 1", "platectl: [1"),), ("not YAML", ".yaml:")),
    "a key twice": ("protocol", (("extends: binding-common", "extends: binding-common\nname: again"),), ("given twice", "keep one")),
    "an unknown field": ("protocol", (("extends: binding-common", "extends: binding-common\ncolour: red"),), ("colour", "not a known field")),
    "no title": ("protocol", (('title: "Sigma-1 competition binding, [3H](+)-pentazocine"', "title: null"),), ("title", "missing")),
    "an unknown base": ("protocol", (("extends: binding-common", "extends: nowhere"),), ("'nowhere' was not found",)),
    "a file that extends itself": ("protocol", (("extends: binding-common", "extends: case"),), ("extends itself",)),
    "an unknown mode": ("protocol", (("mode: competition", "mode: guessing"),), ("mode", "'guessing'")),
    "another format version": ("protocol", (("platectl: 1", "platectl: 7"),), ("platectl", "7")),
    "an unknown layout": ("protocol", (("extends: binding-common", "extends: binding-common\nlayout: Z9"),), ("'Z9' is no layout", "B10")),
    # parameters
    "an unknown parameter": ("set", {"colour": "red"}, ("colour", "no such parameter", "temperature")),
    "a volume as concentration": ("set", {"radioligand_concentration": "3 uL"}, ("'uL' is not a unit of concentration", "nM")),
    "no unit": ("set", {"temperature": "37"}, ("temperature", "37' has no unit")),
    "too hot": ("set", {"temperature": "60 C"}, ("above the limit", "40 C")),
    "too much ligand": ("set", {"radioligand_concentration": "1 uM"}, ("above the limit", "100 nM")),
    "too few points": ("set", {"points": "2"}, ("below the limit", "at least 6")),
    "half a wash": ("set", {"washes": "1.5"}, ("not a whole number",)),
    "no date": ("set", {"specific_activity_date": "5 January"}, ("not a date", "year-month-day")),
    "more replicates than series": ("set", {"replicates": "4"}, ("test1 has 3 series", "4 replicates")),
    "an unknown reference": ("set", {"reference": "aspirin"}, ("knows no 'aspirin'", "truth")),
    "a cold radioligand": ("set", {"radioligand": "haloperidol"}, ("not radioactive",)),
    # what cannot be done
    "a step of an unknown kind": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B7: {do: juggle}}"),), ("juggle", "not allowed")),
    "a liquid that nobody carries": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B2: {liquid: vehicle}}"),), ("no dispenser", "'vehicle'", "steps.B2")),
    "a liquid that does not exist": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B2: {liquid: beer}}"),), ("'beer' is no liquid",)),
    "a labware that does not exist": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B2: {into: bucket}}"),), ("'bucket' is no labware",)),
    "an unknown labware kind": ("protocol", (("extends: binding-common", "extends: binding-common\nlabware: {assay: {kind: bathtub}}"),), ("'bathtub' is no labware kind",)),
    "a later step as predecessor": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B2: {after: [B9]}}"),), ("'B9' is no earlier step",)),
    "overflow of a well": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B6: {volume: 340 uL}}"),), ("390 uL in a well of 360 uL", "P1.assay A1")),
    "dead volume": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B9: {volume: 250 uL}}"),), ("0.0 uL would be left", "P1.assay")),
    "underflow": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B9: {volume: 300 uL}}"),), ("the well is empty", "50.0 uL too little")),
    "below the pipette's least volume": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B4: {volume: 2 uL}}"),), ("cannot pipette 2 uL", "steps.B4")),
    "above the tip's volume": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B4: {volume: 60 uL}}"),), ("cannot pipette 60 uL", "5 to 50 uL")),
    "an unknown liquid class": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B4: {handling: syrup}}"),), ("no liquid class 'syrup'", "liquid_classes", "steps.B4")),
    "a liquid of an unknown class": ("protocol", (("extends: binding-common", "extends: binding-common\nliquids: {wash_buffer: {handling: syrup}}"),), ("no liquid class 'syrup'", "steps.B3b")),
    "shaking too fast": ("protocol", (("extends: binding-common", "extends: binding-common\nsteps: {B7: {speed: 5000 rpm}}"),), ("cannot shake at 5000 rpm", "3000")),
    "a window that arithmetic breaks": ("protocol", (("extends: binding-common", "extends: binding-common\nwindows: {mixing: {at_most: 10 s}}"),), ("windows.mixing", "cannot be kept")),
    "a window that ends before it begins": ("protocol", (("extends: binding-common", "extends: binding-common\nwindows: {dark: {at_most: 10 min}}"),), ("at_most (10 min) is below at_least (30 min)",)),
    "a window on no step": ("protocol", (("extends: binding-common", "extends: binding-common\nwindows: {dark: {until: B99}}"),), ("'B99' is no step",)),
    "protein in molar": ("protocol", (("extends: binding-common", 'extends: binding-common\nliquids: {membranes: {contents: {"membranes:guinea_pig_brain": {stock: 3 nM}}}}'),), ("membranes", "not a unit of protein")),
    "stock and final": ("protocol", (("extends: binding-common", "extends: binding-common\nliquids: {pei: {contents: {pei: {final: 0.001}}}}"),), ("either 'stock' or 'final'",)),
    # lab files
    "a lab that is not YAML": ("lab", (("platectl: 1", "platectl: {"),), ("not YAML", "lab.yaml:")),
    "an unknown driver": ("lab", (("driver: bioshake", "driver: biochaos"),), ("no driver named 'biochaos'", "bioshake")),
    "an unknown setting": ("lab", (("mount: left", "mount: left, speed: 9"),), ("speed", "not a known field")),
    "an unknown position": ("lab", (("position: shaker2", "position: balcony"),), ("'balcony' is no position",)),
    "no dispenser for membranes": ("lab", (("liquids: [membranes]", "liquids: [tea]"),), ("no dispenser", "'membranes'")),
    "a station that was never taught": ("lab", (("        sealer: 17\n", ""),), ("no taught station for sealer",)),
    "labware without a place": ("lab", (("  lid: lid_park\n", ""),), ("lid", "placement")),
    "two labwares on one slot": ("lab", (("tenx: flex.C2", "tenx: flex.C1"),), ("flex.C1",)),
    "one address twice": ("lab", (('driver: bioshake\n    address: "sim:"', "driver: bioshake\n    address: serial:/dev/ttyUSB0\n    allow_paper: true"),), ("is the address of shaker1 too",)),
    "a paper driver on a real port": ("lab", (('driver: a4s\n    address: "sim:"', "driver: a4s\n    address: serial:/dev/ttyUSB7"),), ("never verified on a real instrument", "allow_paper")),
    "a speed that is no number": ("lab", ((SHAKER, "driver: bioshake\n    address: serial:/dev/ttyUSB0?baud=abc\n    allow_paper: true"),), ("instruments.shaker1.address", "baud must be a whole number, not 'abc'")),
    "no speed behind its name": ("lab", ((SHAKER, "driver: bioshake\n    address: serial:/dev/ttyUSB0?baud=\n    allow_paper: true"),), ("instruments.shaker1.address", "baud must be a whole number")),
    "a URL": ("lab", (('driver: opentrons\n    address: "sim:"', "driver: opentrons\n    address: http://flex.lab:31950\n    allow_paper: true"),), ("instruments.flex.address", "for HTTP write tcp:flex.lab:31950")),
    "a bare path": ("lab", ((SHAKER, "driver: bioshake\n    address: /dev/ttyUSB0\n    allow_paper: true"),), ("instruments.shaker1.address", "write serial:/dev/ttyUSB0?baud=9600")),
    "simulators in a real lab": ("lab", (("simulated: true", "simulated: false"),), ("instruments.flex.address", "instruments.shaker2.address", "the lab is not simulated")),
    # sample sheets
    "no such column": ("samples", "compound,stock\nx,1 mM\n", ("column 'stock_concentration' is missing", "samples.csv:1")),
    "an address of a stranger": ("lab", (('driver: bioshake\n    address: "sim:"', "driver: opentrons_deck_shaker\n    uses: {robot: sealer}\n    address: tcp:flex:31950\n    allow_paper: true"),), ("is the address of shaker1 too",)),
    "an unknown column": ("samples", SHEET.replace("barcode", "price"), ("column 'price' is not known",)),
    "no compound at all": ("samples", SHEET, ("lists no compound",)),
    "a stock without unit": ("samples", SHEET + "SA4503,10,10 uM,,,\n", ("stock_concentration", "samples.csv:2")),
    "a barcode twice": ("samples", SHEET + "SA4503,10 mM,10 uM,,,X\n(+)-igmesine,10 mM,10 uM,,,X\n", ("barcode X is on line 2 too", ":3")),
    "a compound twice": ("samples", SHEET + "SA4503,10 mM,10 uM,,,X\nsa4503,10 mM,10 uM,,,Y\n", ("'sa4503' is on line 2 too",)),
    "a compound that nobody knows": ("samples", SHEET + "unobtainium,10 mM,10 uM,,,X\n", ("knows no effect of 'unobtainium'", ":2")),
    "a stock too weak for its top": ("samples", SHEET + "SA4503,1 mM,10 uM,,,X\n", ("too weak for the top", "SA4503")),
    "a stock too strong to pipette": ("samples", SHEET + "SA4503,10 mM,1 uM,,,X\n", ("cannot be pipetted", "SA4503")),
    "a slot that the layout has not": ("samples", SHEET + "SA4503,10 mM,10 uM,,test9,X\n", ("slot 'test9' is not in the layout",)),
    "a plate that is full": ("samples", SHEET + GOOD.replace(",,,A", ",1,,A") + "haloperidol,10 mM,10 uM,1,,Z\n", ("plate 1 has no place left",)),
    "more cells than columns": ("samples", SHEET + "SA4503,10 mM,10 uM,,,X,Y\n", ("more cells than columns",)),
    # plate maps
    "a well twice in a map": ("layout", "well,role,slot,point,replicate\nA1,total,,,\nA1,nsb,,,\n", ("A1: well A1 is on line 2 too",)),
    "a well outside the plate": ("layout", "well,role,slot,point,replicate\nJ1,total,,,\n", ("J1 is outside a 96-well plate",)),
    "a column before its row": ("layout", "well,role,slot,point,replicate\n1A,total,,,\n", ("'1A' is not a well",)),
    "an unknown role": ("layout", "well,role,slot,point,replicate\nA1,magic,,,\n", ("role 'magic' is not known",)),
    "no controls": ("layout", "well,role,slot,point,replicate\n" + "".join(f"A{i},test,test1,{i},1\n" for i in range(1, 11)), ("has no total wells", "has no nsb wells")),
    "a truth that is not one": ("truth", (("19.1 nM", "19.1 km"),), ("'km' is not a unit of concentration", "truth.yaml:")),
}  # fmt: skip


def options_for(case: str, tmp_path: Path) -> Options:
    """Write the edited files of a case and return the options of the run."""
    target, change, _ = CASES[case]
    sources = {"protocol": "sigma1-binding.yaml", "lab": "simulated-lab.yaml"}
    paths: dict[str, Path] = {}
    if target in sources:
        paths[target] = tmp_path / ("case.yaml" if target == "protocol" else "lab.yaml")
        paths[target].write_text(_edited(bundled(sources[target]).read_text(), change))
    elif target == "truth":
        from platectl.app.truth import default_truth_path

        paths["truth"] = tmp_path / "truth.yaml"
        paths["truth"].write_text(_edited(default_truth_path().read_text(), change))
    elif target in {"samples", "layout"}:
        assert isinstance(change, str)
        paths[target] = tmp_path / ("samples.csv" if target == "samples" else "map.csv")
        paths[target].write_text(change)
    return Options(
        str(paths.get("protocol", "sigma1-binding")),
        lab=paths.get("lab"),
        samples=paths.get("samples"),
        truth=paths.get("truth"),
        layout=str(paths["layout"]) if "layout" in paths else None,
        overrides=change if isinstance(change, dict) else {},
    )


def _edited(text: str, edits: object) -> str:
    assert isinstance(edits, tuple)
    for old, new in edits:
        assert old in text, f"the bundled file no longer holds {old!r}"
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_file_is_refused_with_a_clear_message(case: str, tmp_path: Path) -> None:
    options = options_for(case, tmp_path)

    with pytest.raises(InputRefusedError) as refused:
        prepare(options)

    message = str(refused.value)
    assert "Traceback" not in message
    for words in CASES[case][2]:
        assert words in message, message


def test_there_are_at_least_forty_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("volume: 90.5 uL", "cannot dispense 90.5 uL; use 25 to 3000 uL in steps of 1 uL"),
     ("height_mm: 0.35", "cannot aspirate at 0.35 mm; use 0.1 to 18.4 mm in steps of 0.1 mm")],
)  # fmt: skip
def test_what_a_washer_would_round_is_refused(tmp_path: Path, wrong: str, said: str) -> None:
    path = tmp_path / "case.yaml"
    text = bundled("fura2-calcium.yaml").read_text()
    path.write_text(
        _edited(
            text,
            (("extends: calcium-common", f"extends: calcium-common\nsteps: {{F4: {{{wrong}}}}}"),),
        )
    )

    with pytest.raises(InputRefusedError, match=r"steps\.F4") as refused:
        prepare(Options(str(path)))

    assert said in str(refused.value)


def lab_warnings(tmp_path: Path, *edits: Edit) -> list[str]:
    """What `check` says of the bundled lab, edited."""
    path = tmp_path / "lab.yaml"
    path.write_text(_edited(bundled("simulated-lab.yaml").read_text(), edits))
    lab, document = load_lab(path)
    found = build_facilities(lab, document, {}).warnings
    assert {finding.severity for finding in found} <= {"warning"}
    return [str(finding) for finding in found]


def test_ports_that_a_simulated_lab_ignores_are_warned_of(tmp_path: Path) -> None:
    port = SHAKER.replace('"sim:"', "serial:/dev/ttyUSB0?baud=9600\n    allow_paper: true")

    (said,) = lab_warnings(tmp_path, (SHAKER, port))

    assert "instruments.shaker1.address: the lab is simulated" in said
    assert "simulated: false" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [("?baud=9600&xonxoff=1", []), ("?baud=9600", ["9600 8N1, and multidrop_combi has 9600 8N1 with XON/XOFF"]),
     ("?baud=19200&xonxoff=1", ["write serial:/dev/c?baud=9600&xonxoff=1, unless"])],
)  # fmt: skip
def test_a_line_that_is_not_the_instrument_s_is_warned_of(
    tmp_path: Path, options: str, said: list[str]
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        "platectl: 1\nname: bench\npositions: {}\ninstruments:\n  combi:\n    driver: multidrop_combi\n"
        f"    address: serial:/dev/c{options}\n    allow_paper: true\n"
    )
    lab, document = load_lab(path)

    found = build_facilities(lab, document, {}).warnings

    assert [(f.line, f.where) for f in found] == [(7, "instruments.combi.address")] * len(said)
    assert all(words in str(finding) for words, finding in zip(said, found, strict=True))


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    sheet = tmp_path / "samples.csv"
    sheet.write_text(SHEET + "SA4503,10,10 uM,,,X\n(+)-igmesine,10 mM,ten,,,X\n")

    with pytest.raises(InputRefusedError) as refused:
        prepare(Options("sigma1-binding", samples=sheet))

    assert [(f.line, f.where) for f in refused.value.findings] == [
        (2, "stock_concentration"),
        (3, "top_concentration"),
        (3, "barcode"),
    ]


def test_a_refused_run_leaves_no_folder_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from platectl.cli.main import main

    monkeypatch.setattr(
        "sys.argv",
        [
            "platectl",
            "run",
            "sigma1-binding",
            "--set",
            "temperature=90 C",
            "--store",
            str(tmp_path / "s"),
        ],
    )
    with pytest.raises(SystemExit) as stopped:
        main()

    assert stopped.value.code == 2
    assert "above the limit" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
