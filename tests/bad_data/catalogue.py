"""What goes wrong with data in a lab, as data: what was done, the files, and what has to be said of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from openpyxl import Workbook
from tests.bad_data.bench import KI, SAMPLES, clean_cpm, counts_csv, map_csv
from tests.drivers.test_hidex300 import BLANK, SAMPLE, block, export

from platectl_simulators.softmax_file.export import Section, Style, write_export

Content = str | bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One mishap: files beside the clean ones, options, and the finding with its place.

    `says` are words that the message or what would be right must have.
    """

    did: str
    code: str
    says: str
    files: Mapping[str, Content] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    file: str = "counts.csv"
    line: int | None = None
    where: str = ""


def edited(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each first place of the old words replaced."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def line_of(text: str, number: int, new: str | None) -> str:
    """The text with a line (from 1) replaced, or left out."""
    lines = text.splitlines()
    lines[number - 1 : number] = [] if new is None else [new]
    return "\n".join([*lines, ""])


def book(rows: Sequence[Sequence[Any]]) -> bytes:
    """A workbook with one sheet."""
    found, place = Workbook(), io.BytesIO()
    for row in rows:
        found.active.append(list(row))
    found.save(place)
    return place.getvalue()


def rows(text: str) -> list[list[Any]]:
    """Lines of a CSV as cells, numbers as numbers."""

    def cell(word: str) -> Any:
        try:
            return float(word)
        except ValueError:
            return word or None

    return [[cell(word) for word in line.split(",")] for line in text.splitlines()]


def plate_grid(corner: str, cells: Callable[[str], Any]) -> list[list[Any]]:
    """A plate as it lies."""
    return [[corner, *range(1, 13)], *([r, *(cells(f"{r}{c}") for c in range(1, 13))] for r in "ABCDEFGH")]  # fmt: skip


def text_of(grid: Sequence[Sequence[Any]], separator: str = ",") -> str:
    return "\n".join([*(separator.join("" if c is None else str(c) for c in row) for row in grid), ""])  # fmt: skip


COUNTS, MAP = counts_csv(), map_csv()
CPM = clean_cpm()
HEAD = COUNTS.splitlines()[0]
A1 = COUNTS.splitlines()[1]
SHEET_HEAD = SAMPLES.splitlines()[0]
PLAIN = "\n".join(["well,cpm", *(f"{w},{c:.1f}" for w, c in CPM.items()), ""])
GRID = plate_grid("cpm", CPM.__getitem__)
ALIQUOTS = "\n".join(["well,cpm", *(f"{r}{c},{45000 + 90 * i if c == 1 else 18}.5" for i, r in enumerate("ABCDEFGH") for c in (1, 2)), ""])  # fmt: skip


def a1(cpm: str) -> dict[str, Content]:
    return {"counts.csv": line_of(PLAIN, 2, f"A1,{cpm}")}


def sheet(line: str) -> dict[str, Content]:
    return {"samples.csv": "\n".join([SHEET_HEAD, *SAMPLES.splitlines()[1:2], line, ""])}


#: counts that are refused
COUNTS_REFUSED: dict[str, Case] = {
    "text in a number": Case("typed a remark over a count", "not-a-number", "write it like 1234.5", a1("spilled"), line=2, where="A1"),
    "letter O for zero": Case("typed 1O2", "not-a-number", "1234.5", a1("1O2"), line=2, where="A1"),
    "unit in a cell": Case("wrote the unit behind the number", "not-a-number", "'1662 cpm'", a1("1662 cpm"), line=2, where="A1"),
    "underscore": Case("pasted from source code", "not-a-number", "'1_662'", a1("1_662"), line=2, where="A1"),
    "other digits": Case("an input method typed full-width digits", "not-a-number", "1234.5", a1("１６６２"), line=2, where="A1"),
    "hexadecimal": Case("dumped bytes", "not-a-number", "1234.5", a1("0x67E"), line=2, where="A1"),
    "empty cell": Case("deleted a count", "number-missing", "write a number", a1(""), line=2, where="A1"),
    "dash for nothing": Case("wrote a dash for a lost well", "not-a-number", "1234.5", a1("-"), line=2, where="A1"),
    "decimal comma in quotes": Case("a German spreadsheet wrote decimals", "number-comma", "decimals or thousands", a1('"1662,5"'), line=2, where="A1"),
    "decimal comma in semicolons": Case("a German spreadsheet wrote the file", "number-comma", "decimals or thousands", {"counts.csv": PLAIN.replace(",", ";").replace(".", ",")}, line=2, where="A1"),
    "decimal comma in commas": Case("decimals turned into columns", "row-length", "quote commas", {"counts.csv": PLAIN.replace(".", ",")}, line=2, where="A1"),
    "thousands separator": Case("a spreadsheet formatted the numbers", "number-comma", "thousands", a1('"1,662.5"'), line=2, where="A1"),
    "thousands apostrophe": Case("a Swiss spreadsheet formatted the numbers", "number-comma", "thousands", a1("1'662.5"), line=2, where="A1"),
    "blank within a number": Case("a French spreadsheet formatted the numbers", "number-comma", "thousands", a1("1 662.5"), line=2, where="A1"),
    "negative count": Case("subtracted the background", "count-negative", "zero or more", a1("-3.5"), line=2, where="A1"),
    "infinity": Case("divided by zero", "not-finite", "finite", a1("inf"), line=2, where="A1"),
    "not a number": Case("exported a failed calculation", "not-finite", "finite", a1("NaN"), line=2, where="A1"),
    "overflow of the counter": Case("the counter wrote OVERFLOW", "not-finite", "finite", a1("OVERFLOW"), line=2, where="A1"),
    "number too large": Case("a counter wrote 1e999", "not-finite", "finite", a1("1e999"), line=2, where="A1"),
    "well twice": Case("pasted a line twice", "well-twice", "line 2 too", {"counts.csv": PLAIN + "A1,5\n"}, line=98, where="A1"),
    "well twice in two spellings": Case("joined two exports", "well-twice", "A1 is on line 2", {"counts.csv": PLAIN + "a01,5\n"}, line=98, where="A1"),
    "well outside": Case("counted a 384-well plate", "well-outside", "A1 to H12", {"counts.csv": PLAIN + "I13,5\n"}, line=98, where="I13"),
    "no well": Case("left the sum below", "not-a-well", "a row letter", {"counts.csv": PLAIN + "sum,95000\n"}, line=98, where="sum"),
    "empty well": Case("lost the well of a line", "not-a-well", "like A1", {"counts.csv": line_of(PLAIN, 3, ",5")}, line=3),
    "wells that the map does not know": Case("gave the map of another plate", "well-unknown", "--layout", {"map.csv": "\n".join(line for line in MAP.splitlines() if not line.startswith("A12,")) + "\n"}, where="A12"),
    "another plate altogether": Case("gave the counts of the standards", "well-unknown", "--layout", {"counts.csv": "well,cpm\nA1,5\n", "map.csv": "\n".join(line for line in MAP.splitlines() if not line.startswith("A1,")) + "\n"}),
    "head only": Case("the export had not finished", "no-rows", "write one line", {"counts.csv": "well,cpm\n"}, line=1),
    "empty file": Case("the disk was full", "not-an-export", "well and cpm", {"counts.csv": ""}),
    "column missing": Case("exported cps", "column-missing", "well, cpm", {"counts.csv": PLAIN.replace("cpm", "rate", 1)}, line=1, where="cpm"),
    "column unknown": Case("kept a column of remarks", "column-unknown", "use the columns", {"counts.csv": "well,cpm,remark\nA1,5,x\n"}, line=1, where="remark"),
    "column twice": Case("counted twice", "column-twice", "keep one", {"counts.csv": "well,cpm,cpm\nA1,5,6\n"}, line=1, where="cpm"),
    "line cut short": Case("the copy stopped in a line", "row-length", "the head has 4", {"counts.csv": COUNTS.rpartition(",")[0]}, line=97, where="H12"),
    "quote that does not close": Case("edited by hand", "not-csv", "export it again", {"counts.csv": line_of(PLAIN, 2, 'A1,"5')}, line=97),
    "time in minutes": Case("wrote minutes into count_s", "counts-contradict", "unit of time", {"counts.csv": line_of(COUNTS, 2, A1.replace(",120", ",2"))}, line=2, where="A1"),
    "cpm of another well": Case("sorted one column alone", "counts-contradict", "correct the line", {"counts.csv": edited(COUNTS, (A1, A1.replace(",", ",9", 1)))}, line=2, where="A1"),
    "time of zero": Case("did not count", "count-time", "seconds", {"counts.csv": line_of(COUNTS, 2, "A1,5,10,0")}, line=2, where="A1"),
    "counts with decimals": Case("averaged raw counts", "count-not-whole", "raw counts", {"counts.csv": line_of(COUNTS, 2, "A1,5,10.5,120")}, line=2, where="A1"),
    "Latin-1": Case("saved by an old program", "not-text", "UTF-8", {"counts.csv": ("well,cpm\nA1,5\n# 25 °C\n").encode("latin-1")}, line=3),
    "damaged bytes": Case("a memory stick failed", "not-text", "UTF-8", {"counts.csv": PLAIN.encode()[:60] + b"\x00\x00\x00" + PLAIN.encode()[63:]}, line=7),
    "replaced characters": Case("was converted twice", "not-text", "UTF-8", {"counts.csv": line_of(PLAIN, 2, "A1,166\ufffd2")}, line=2),
    "no file": Case("mistyped the name", "file-unreadable", "No such file", options={"counts": "none.csv"}, file="none.csv"),
    "a picture": Case("gave a screenshot", "not-text", "UTF-8", {"counts.csv": b"\x89PNG\r\n\x1a\n\x00\x00"}, line=1),
    "error in a cell": Case("a formula of the workbook failed", "cell-error", "formula", {"counts.xlsx": book([["well", "cpm"], ["A1", "#DIV/0!"]])}, {"counts": "counts.xlsx"}, "counts.xlsx", 2),
    "damaged workbook": Case("the copy of a workbook stopped", "not-workbook", "save it as .xlsx", {"counts.xlsx": book([["well", "cpm"]])[:900]}, {"counts": "counts.xlsx"}, "counts.xlsx"),
    "grid without a unit": Case("pasted a plate without saying what it is", "unit-undeclared", "cpm", {"counts.csv": text_of(plate_grid("", CPM.__getitem__))}, line=1),
    "grid with lost rows": Case("pasted half a plate", "grid-rows", "A to H", {"counts.csv": text_of(GRID[:5])}, line=2),
    "two grids": Case("pasted the recount below", "column-twice", "keep one", {"counts.csv": text_of([*GRID, *GRID])}, line=10),
    "text in a grid": Case("wrote a remark into the plate", "not-a-number", "1234.5", {"counts.xlsx": book(plate_grid("cpm", lambda w: "lost" if w == "C3" else CPM[w]))}, {"counts": "counts.xlsx"}, "counts.xlsx", 4, "C3"),
    "damaged Hidex export": Case("the counter was stopped", "export-damaged", "export it again", {"counts.csv": export(block(SAMPLE))[:9000]}, line=750),
    "Hidex export with a wrong sum": Case("edited an export", "export-damaged", "broken relation", {"counts.csv": export(block(SAMPLE | {"Counts": "152679"}))}, line=5),
    "Hidex export with two repetitions": Case("exported all repetitions", "well-twice", "export it once", {"counts.csv": export(block(SAMPLE), block(SAMPLE, repetition=2, beta=252679))}, where="A8"),
    "Hidex export of other wells": Case("counted another plate", "well-unknown", "--layout", {"counts.csv": export(block(BLANK), block(SAMPLE | {"WName": "I13"}))}, where="I13"),
    "aliquots that were not counted": Case("counted the blanks alone", "aliquots-few", "leave --standards out", {"aliquots.csv": "well,cpm\nA2,18\nB2,19\n"}, {"standards": "aliquots.csv"}, "aliquots.csv", None, "A1"),
    "aliquots below the blanks": Case("swapped aliquots and blanks", "aliquots-few", "above the blanks", {"aliquots.csv": ALIQUOTS.replace("1,", "x,").replace("2,", "1,").replace("x,", "2,")}, {"standards": "aliquots.csv"}, "aliquots.csv", None, "A1"),
    "negative aliquot": Case("subtracted the background", "count-negative", "zero or more", {"aliquots.csv": edited(ALIQUOTS, ("A2,18.5", "A2,-1"))}, {"standards": "aliquots.csv"}, "aliquots.csv", 3, "A2"),
}  # fmt: skip

CALCIUM = {"protocol": "fura2-calcium", "layout": "", "samples": ""}


def softmax(*titles: str, wavelengths: tuple[float, ...] = (340.0, 380.0)) -> bytes:
    """A SoftMax Pro export of three points of the first column."""
    sections = []
    for title in titles:
        section = Section(
            title,
            tuple((nm, 510.0) for nm in wavelengths),
            3,
            2.0,
            bottom=True,
            columns=(1,),
            temperature_c=37.0,
        )
        section.values |= {
            (p, c, f"{r}1"): 900.0 + p
            for p in range(3)
            for c in range(len(wavelengths))
            for r in "ABCDEFGH"
        }
        sections.append(section)
    return write_export(sections, "t", datetime(2026, 1, 6, tzinfo=UTC), Style(encoding="utf-8"))


def flipr(end: str = "End") -> str:
    """A FLIPR time sequence of two points."""
    wells = [f"{r}{c}" for r in "ABCDEFGH" for c in range(1, 13)]
    lines = [
        "FLIPR time sequence\t1",
        "Data file\tC:\\d\\P1.fmd",
        "Protocol\tC:\\p\\fura2.fmp",
        "\t".join(["Wells", *wells]),
    ]
    for nm in ("340", "380"):
        lines += [
            f"Excitation (nm)\t{nm}\tEmission (nm)\t510",
            *("\t".join([f"{t}.0", *["900.5"] * 96]) for t in (0, 2)),
        ]
    return "\n".join([*lines, end, ""])


#: plate maps, sample sheets and parameters that are refused
REST_REFUSED: dict[str, Case] = {
    "unknown role": Case("misspelt a control", "role-unknown", "total", {"map.csv": edited(MAP, ("A1,total", "A1,totl"))}, file="map.csv", line=82, where="A1"),
    "well with two meanings": Case("pasted a line twice", "well-twice", "one meaning", {"map.csv": MAP + "A1,nsb,,,\n"}, file="map.csv", line=98, where="A1"),
    "gap in a series": Case("left a lost well out of the map", "point-missing", "leave a lost well out of the counts", {"map.csv": edited(MAP, ("A4,test,test1,3,1\n", ""))}, file="map.csv", where="test1.1"),
    "point twice": Case("copied a line and changed the well alone", "point-twice", "number replicates", {"map.csv": edited(MAP, ("A3,test,test1,2,1", "A3,test,test1,1,1"))}, file="map.csv", line=3, where="A3"),
    "point with decimals": Case("typed 1.5", "not-a-number", "whole number", {"map.csv": edited(MAP, ("A3,test,test1,2,1", "A3,test,test1,1.5,1"))}, file="map.csv", line=3, where="A3"),
    "slot missing": Case("forgot the slot", "slot-missing", "test1", {"map.csv": edited(MAP, ("A3,test,test1,2,1", "A3,test,,2,1"))}, file="map.csv", line=3, where="A3"),
    "slot of another kind": Case("wrote the compound into the slot", "slot-unknown", "test1", {"map.csv": edited(MAP, ("A3,test,test1,2,1", "A3,test,SA4503,2,1"))}, file="map.csv", line=3, where="A3"),
    "no controls": Case("gave the map without controls", "map-impossible", "at least two", {"map.csv": "\n".join(line for line in MAP.splitlines() if ",nsb," not in line) + "\n", "counts.csv": PLAIN}, file="sigma1-binding.yaml", where="layouts.B10"),
    "map without wells": Case("saved the wrong sheet", "not-a-table", "a grid of columns", {"map.csv": "name,colour\nx,red\n"}, file="map.csv", line=1),
    "map column misspelt": Case("wrote dose for point", "column-unknown", "well, role, slot, point", {"map.csv": edited(MAP, ("point", "dose"))}, file="map.csv", line=1, where="dose"),
    "grid with an unknown cell": Case("wrote a compound into the grid", "cell-unknown", "test1.2/5", {"map.csv": text_of(plate_grid("", lambda w: "SA4503" if w == "B2" else "total"))}, {}, "map.csv", 3, "B2"),
    "map that is no workbook": Case("renamed a CSV", "not-workbook", "save it as .xlsx", {"map.xlsx": MAP}, {"layout": "map.xlsx"}, "map.xlsx"),
    "layout that is none": Case("mistyped the layout", "name-unknown", "use one of", options={"layout": "B11"}, file="binding-common.yaml", line=132, where="layout"),
    "no unit": Case("wrote bare numbers", "unit-missing", "nM or uM", sheet("SA4503,10,10 uM,,test2,"), file="samples.csv", line=3, where="stock_concentration"),
    "unknown unit": Case("wrote milligrams", "unit-unknown", "nM or uM", sheet("SA4503,10 mg/mL,10 uM,,test2,"), file="samples.csv", line=3, where="stock_concentration"),
    "case of the unit": Case("wrote mm for mM", "unit-unknown", "mM or M", sheet("SA4503,10 mm,10 uM,,test2,"), file="samples.csv", line=3, where="stock_concentration"),
    "two units in a column": Case("mixed nM and uM under a head that says uM", "unit-contradicts", "write one unit", {"samples.csv": "compound,stock_concentration (mM),top_concentration [uM],slot\n(+)-igmesine,10,10,test1\nSA4503,10,10000 nM,test2\n"}, file="samples.csv", line=3, where="top_concentration"),
    "unknown unit in the head": Case("wrote ppm above a column", "unit-unknown", "nM or uM", {"samples.csv": "compound,stock_concentration (mM),top_concentration (ppm),slot\nSA4503,10,10,test1\n"}, file="samples.csv", line=1, where="top_concentration"),
    "decimal comma in a concentration": Case("wrote 2,5 mM", "number-comma", "a number and a unit", sheet('SA4503,"2,5 mM",10 uM,,test2,'), file="samples.csv", line=3, where="stock_concentration"),
    "zero concentration": Case("wrote 0 uM for vehicle", "concentration-impossible", "number and unit", sheet("SA4503,10 mM,0 uM,,test2,"), file="samples.csv", line=3, where="top_concentration"),
    "negative concentration": Case("wrote a logarithm", "concentration-impossible", "number and unit", sheet("SA4503,10 mM,-5 M,,test2,"), file="samples.csv", line=3, where="top_concentration"),
    "concentration too large": Case("wrote M for mM", "concentration-impossible", "number and unit", sheet("SA4503,10 M,10 uM,,test2,"), file="samples.csv", line=3, where="stock_concentration"),
    "infinite concentration": Case("a formula overflowed", "not-finite", "a number and a unit", sheet("SA4503,1e999 nM,10 uM,,test2,"), file="samples.csv", line=3, where="stock_concentration"),
    "top above the stock": Case("swapped two columns", "concentration-impossible", "above the stock", sheet("SA4503,10 uM,10 mM,,test2,"), file="samples.csv", line=3, where="top_concentration"),
    "compound twice": Case("pasted a line twice", "compound-twice", "once", sheet("(+)-IGMESINE,10 mM,10 uM,,test2,"), file="samples.csv", line=3, where="compound"),
    "barcode twice": Case("scanned a tube twice", "barcode-twice", "every tube", sheet("SA4503,10 mM,10 uM,,test2,IGM-1"), file="samples.csv", line=3, where="barcode"),
    "slot that is taken": Case("gave two compounds one slot", "no-place", "this plate", sheet("SA4503,10 mM,10 uM,,test1,"), file="samples.csv"),
    "slot that is not there": Case("used the sheet of a larger layout", "slot-unknown", "test1, test2", sheet("SA4503,10 mM,10 uM,,test7,"), file="samples.csv", line=3, where="slot"),
    "no compound": Case("gave an empty sheet", "no-rows", "one line", {"samples.csv": SHEET_HEAD + "\n"}, file="samples.csv", line=1),
    "sample sheet in Latin-1": Case("saved µM by an old program", "not-text", "UTF-8", {"samples.csv": (SHEET_HEAD + "\nSA4503,10 mM,10 µM,,,\n").encode("latin-1")}, file="samples.csv", line=2),
    "parameter without unit": Case("set a temperature of 37", "unit-missing", "37 C", options={"set": "temperature=37"}, file="binding-common.yaml", line=18, where="parameters.temperature.value"),
    "parameter in another unit": Case("set kd in nM per litre", "unit-unknown", "nM or uM", options={"set": "kd=5 nmol"}, file="binding-common.yaml", line=14, where="parameters.kd.value"),
    "time in a unit of volume": Case("set incubation in mL", "unit-unknown", "min", options={"set": "incubation=120 mL"}, file="binding-common.yaml", line=19, where="parameters.incubation.value"),
    "parameter out of range": Case("set uM for nM", "value-out-of-range", "at most 100 nM", options={"set": "radioligand_concentration=3 uM"}, file="binding-common.yaml", line=13, where="parameters.radioligand_concentration.value"),
    "unknown parameter": Case("misspelt a parameter", "parameter-unknown", "use one of", options={"set": "temprature=37 C"}, file="--set", where="temprature"),
    "quantity for a name": Case("meant radioligand_concentration", "value-out-of-range", "use radioligand_concentration", options={"set": "radioligand=0.03 nM"}, file="binding-common.yaml", line=12, where="parameters.radioligand.value"),
    "plate of a plain table": Case("chose a plate of a table of one", "option-idle", "leave it out", {"counts.csv": PLAIN}, {"plate": "P1"}, where="--plate"),
    "rate of a plain table": Case("took the head cpm for a choice", "option-idle", "leave it out", {"counts.csv": PLAIN}, {"rate": "cps"}, where="--rate"),
    "rate of fluorescence": Case("gave a rate for a calcium read", "option-idle", "leave it out", {"counts.csv": softmax("P1")}, CALCIUM | {"rate": "cps"}, where="--rate"),
    "day in the future": Case("mistyped the year", "day-impossible", "in the future", options={"counted_on": "9026-01-06"}, where="--counted-on"),
    "day before the activity was stated": Case("mistyped the year", "day-impossible", "specific_activity_date", options={"counted_on": "2016-01-06"}, where="--counted-on"),
    "another assay": Case("gave counts to a calcium assay", "not-an-export", "kinetic read", options=CALCIUM),
    "SoftMax export cut off": Case("copied while it was being written", "export-damaged", "export it again", {"counts.csv": softmax("P1")[:-120]}, CALCIUM, line=1),
    "SoftMax export edited": Case("wrote a remark over a value", "export-damaged", "'lost.000'", {"counts.csv": softmax("P1").replace(b"901", b"lost", 1)}, CALCIUM, line=16),
    "two plates in a file": Case("exported the whole experiment", "plate-unknown", "--plate", {"counts.csv": softmax("P1", "P2")}, CALCIUM),
    "a plate that is not there": Case("named another plate", "plate-unknown", "'P1'", {"counts.csv": softmax("P1")}, CALCIUM | {"plate": "P7"}),
    "a plate twice": Case("exported a section twice", "well-twice", "more than once", {"counts.csv": softmax("P1", "P1")}, CALCIUM, where="A1 at 340/510 nm"),
    "one wavelength": Case("exported 340 nm alone", "channel-missing", "380 nm", {"counts.csv": softmax("P1", wavelengths=(340.0,))}, CALCIUM),
    "FLIPR run that was stopped": Case("stopped the run", "export-damaged", "stopped before its end", {"counts.csv": flipr("Stopped")}, CALCIUM),
    "FLIPR export cut off": Case("copied while it was being written", "export-damaged", "export it again", {"counts.csv": flipr()[:-30]}, CALCIUM),
    "FLIPR export with text": Case("edited an export", "export-damaged", "export it again", {"counts.csv": flipr().replace("900.5", "many", 1)}, CALCIUM, line=6),
}  # fmt: skip

#: data that can be analysed, with something said beside the result
CAUTIONED: dict[str, Case] = {
    "missing wells": Case("lost two wells", "well-missing", "left out", {"counts.csv": "\n".join(line for line in PLAIN.splitlines() if not line.startswith(("C5,", "D7,"))) + "\n"}, where="C5"),
    "missing control": Case("lost a total", "well-missing", "left out", {"counts.csv": line_of(PLAIN, 2, None)}, where="A1"),
    "missing well of a grid": Case("left a cell empty", "well-missing", "left out", {"counts.csv": text_of(plate_grid("cpm", lambda w: None if w == "B2" else CPM[w]))}, where="B2"),
    "file cut off within a number": Case("the copy stopped", "cut-off", "the source", {"counts.csv": PLAIN[:-4]}, line=97),
    "counting time of another protocol": Case("counted for a minute", "count-time", "120 s", {"counts.csv": "\n".join([HEAD, *(f"{w},{round(c)},{round(c)},60" for w, c in CPM.items()), ""])}, line=2, where="A1"),
    "more counts than were added": Case("wrote one count in another unit", "count-above-added", "their unit", a1("3e6"), where="A1"),
    "compound not on the sheet": Case("listed one compound of two", "well-unassigned", "sample sheet", {"samples.csv": "\n".join([*SAMPLES.splitlines()[:2], ""])}, where="F2"),
    "order instead of slots": Case("listed compounds without slots", "placed-by-order", "column slot", {"samples.csv": "compound,stock_concentration,top_concentration\nSA4503,10 mM,10 uM\n(+)-igmesine,10 mM,10 uM\n"}, file="samples.csv", where="slot"),
    "no sample sheet": Case("gave no sheet", "placed-by-order", "give --samples", options={"samples": ""}),
    "no day": Case("did not say when it was counted", "day-assumed", "--counted-on", options={"counted_on": ""}),
    "day some weeks before the activity was stated": Case("kept the date of a later lot", "day-impossible", "46 days before", options={"counted_on": "2025-11-20"}),
    "missing aliquots": Case("lost two aliquots", "well-missing", "no counts of A1, B1", {"aliquots.csv": "\n".join(line for line in ALIQUOTS.splitlines() if not line.startswith(("A1,", "B1,"))) + "\n"}, {"standards": "aliquots.csv"}, "aliquots.csv", None, "A1"),
}  # fmt: skip


def plate(of: Callable[[str, float], float]) -> dict[str, Content]:
    """Counts changed well by well."""
    return {"counts.csv": counts_csv({w: of(w, c) for w, c in CPM.items()})}


def rows_of(letters: str, of: Callable[[str, float], float]) -> dict[str, Content]:
    """Counts of some rows of compounds changed."""
    return plate(lambda w, c: of(w, c) if w[0] in letters and w[1:] not in {"1", "12"} else c)


def table_of(of: Callable[[float], float]) -> str:
    """A table of wells and cpm with every number changed."""
    return "\n".join(["well,cpm", *(f"{w},{of(c):.4f}" for w, c in CPM.items()), ""])


#: data that can be read and cannot be answered: a finding, and no value
UNANSWERED: dict[str, Case] = {
    "one point": Case("gave one line", "controls-few", "at least 2", {"counts.csv": "well,cpm\nA2,500\n"}),
    "plate upside down": Case("turned the plate", "no-window", "orientation", plate(lambda w, _: CPM[f"{'HGFEDCBA'['ABCDEFGH'.index(w[0])]}{w[1:]}"])),
    "constant plate": Case("counted background light", "no-window", "reagents", plate(lambda _w, _c: 500.0)),
    "no counts at all": Case("forgot the cocktail", "no-window", "reagents", plate(lambda _w, _c: 0.0)),
    "dpm for cpm": Case("exported dpm of a hot stock", "count-above-added", "efficiency", plate(lambda _w, c: 60 * c)),
    "controls lost": Case("lost all but one nonspecific well", "controls-few", "at least 2", {"counts.csv": "\n".join(line for line in PLAIN.splitlines() if not line.startswith(("E1,", "F1,", "G1,", "A12,", "B12,", "C12,", "D12,"))) + "\n"}),
}  # fmt: skip

#: numbers of a good plate that no counter gives as cpm: the metrics that fail the plate, and the cause they name
WRONG_UNITS: dict[str, tuple[Mapping[str, Content], frozenset[str], str]] = {
    "cps under the head cpm": ({"counts.csv": table_of(lambda c: c / 60)}, frozenset({"specific_binding", "net_nonspecific", "scatter_of_counting"}), "cps"),
    "half a minute's rate in seconds": ({"counts.csv": table_of(lambda c: c / 30)}, frozenset({"specific_binding", "net_nonspecific", "scatter_of_counting"}), "cps"),
    "a hundredth": ({"counts.csv": table_of(lambda c: c / 100)}, frozenset({"specific_binding", "net_total", "net_nonspecific", "scatter_of_counting"}), "cps"),
    "background subtracted twice": ({"counts.csv": table_of(lambda c: max(c - 115.0, 0.0))}, frozenset({"specific_binding", "net_nonspecific"}), "already subtracted"),
    "scaled by five": ({"counts.csv": table_of(lambda c: c / 5)}, frozenset({"scatter_of_counting"}), "longer than stated"),
}  # fmt: skip

#: compounds of a good plate of which nothing, or only a bound, can be known: what must not be reported
WITHOUT_VALUE: dict[str, tuple[Mapping[str, Content], str]] = {
    "constant response at the top": (rows_of("FGH", lambda _w, _c: 1640.0), ">"),
    "constant response half way": (rows_of("FGH", lambda _w, _c: 880.0), "~"),
    "constant response at the bottom": (rows_of("FGH", lambda _w, _c: 140.0), "<~"),
    "no counts": (rows_of("FGH", lambda _w, _c: 0.0), "<~"),
    "one well with impossible counts": (plate(lambda w, c: 4e6 if w == "F5" else c), "~"),
    "three concentrations left": ({"counts.csv": "\n".join(x for x in PLAIN.splitlines() if x[0] not in "FGH" or x[1:].partition(",")[0] in {"1", "12", "4", "5", "6"}) + "\n"}, "~"),
}  # fmt: skip

REFUSED = COUNTS_REFUSED | REST_REFUSED
EVERY = REFUSED | CAUTIONED | UNANSWERED
assert set(KI) == {"(+)-igmesine", "SA4503", "haloperidol"}
