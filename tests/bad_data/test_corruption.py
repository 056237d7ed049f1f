"""Whatever happens to a file of data: the result of the clean file, or a named finding; never a silent change."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bad_data.bench import CLEAN, write
from tests.drivers.test_hidex300 import BLANK, SAMPLE, block, export

from platectl.app.analyse import AnalyseOptions, read_plate
from platectl.app.imports import FileChoice, read_counts
from platectl.domain.findings import InputRefusedError
from platectl.files.protocol import load_protocol

Damage = Callable[[bytes], bytes]
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)
UNLIMITED = {"deadline": None, "suppress_health_check": list(HealthCheck)}

junk = st.one_of(
    st.sampled_from([
        "", "-", "x", "?", "n/a", "NaN", "inf", "-inf", "1e999", "-5", "1,5", "1.234,5", "1'000", "1 000", "\u22125", "#N/A",
        "=A1", '"', "12abc", "\ufffd", "\u0661\u0662", "1_0", "0x1F", "TRUE", "None", "A1", "A13", "I1", "test9", "10 uM ", "10", "5 ml",
    ]),
    st.text(max_size=8).filter(lambda text: not NUMBER.fullmatch(text.strip())),
)  # fmt: skip


def cells_of(data: bytes) -> list[list[str]]:
    return [row.split(",") for row in data.decode("utf-8", "replace").splitlines()]


def bytes_of(cells: list[list[str]]) -> bytes:
    return ("\n".join(",".join(row) for row in cells) + "\n").encode("utf-8", "surrogatepass")


@st.composite
def cell_replaced(draw: st.DrawFn) -> Damage:
    """A cell that is not the name of a compound becomes junk."""
    at, column, text = draw(st.integers(0, 200)), draw(st.integers(0, 9)), draw(junk)

    def damage(data: bytes) -> bytes:
        cells = cells_of(data)
        if not cells:
            return data
        row = cells[at % len(cells)]
        place = column % len(row)
        if NUMBER.fullmatch(text.strip()) and NUMBER.fullmatch(row[place]):
            return data  # another number in place of a number is what nobody can see
        row[place] = text
        return bytes_of(cells)

    return damage


@st.composite
def rows_moved(draw: st.DrawFn) -> Damage:
    """Lines are dropped, doubled, swapped or sorted, the head perhaps among them."""
    kind = draw(st.sampled_from(["drop", "double", "swap", "reverse", "blank"]))
    first, second = draw(st.integers(0, 200)), draw(st.integers(0, 200))

    def damage(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        if len(lines) < 2:
            return data
        i, j = first % len(lines), second % len(lines)
        if kind == "drop":
            del lines[i : i + 1 + second % 3]
        elif kind == "double":
            lines.insert(j, lines[i])
        elif kind == "swap":
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == "reverse":
            lines[1:] = lines[:0:-1]
        else:
            lines.insert(i, b"\n")
        return b"".join(lines)

    return damage


@st.composite
def columns_moved(draw: st.DrawFn) -> Damage:
    """Columns change places, heads and all, or one is lost or doubled."""
    kind = draw(st.sampled_from(["swap", "lose", "double"]))
    first, second = draw(st.integers(0, 9)), draw(st.integers(0, 9))

    def damage(data: bytes) -> bytes:
        cells = cells_of(data)
        for row in cells:
            i, j = first % len(row), second % len(row)
            if kind == "swap":
                row[i], row[j] = row[j], row[i]
            elif kind == "lose":
                del row[i]
            else:
                row.append(row[i])
        return bytes_of(cells)

    return damage


@st.composite
def bytes_changed(draw: st.DrawFn) -> Damage:
    """Bytes that are no digits come in or take the place of others; or the file is cut short."""
    kind = draw(st.sampled_from(["insert", "replace", "cut", "append"]))
    at = draw(st.integers(0, 10_000))
    what = bytes(draw(st.lists(st.integers(0, 255).filter(lambda b: not 48 <= b <= 57), min_size=1, max_size=3)))  # fmt: skip

    def damage(data: bytes) -> bytes:
        i = at % (len(data) + 1)
        if kind == "insert":
            return data[:i] + what + data[i:]
        if kind == "cut":
            return data[:i]
        if kind == "append":
            return data + what
        spot = data[i : i + 1]
        return data if spot.isdigit() else data[:i] + what + data[i + 1 :]

    return damage


def quoted(data: bytes) -> bytes:
    place = io.StringIO()
    csv.writer(place, quoting=csv.QUOTE_ALL).writerows(cells_of(data))
    return place.getvalue().encode()


def thousands(data: bytes) -> bytes:
    return re.sub(rb"\b(\d)(\d{3}\.\d)", rb'"\1,\2"', data)


WHOLE: dict[str, Damage] = {
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "line ends of Windows": lambda data: data.replace(b"\n", b"\r\n"),
    "line ends of old": lambda data: data.replace(b"\n", b"\r"),
    "semicolons": lambda data: data.replace(b",", b";"),
    "tabs": lambda data: data.replace(b",", b"\t"),
    "semicolons and decimal commas": lambda data: data.replace(b",", b";").replace(b".", b","),
    "decimal commas": lambda data: data.replace(b".", b","),
    "thousands separators": thousands,
    "quotes around all": quoted,
    "UTF-16": lambda data: data.decode("latin-1").encode("utf-16"),
    "UTF-16 without a mark": lambda data: data.decode("latin-1").encode("utf-16-le"),
    "capitals": bytes.upper,
    "small letters": bytes.lower,
    "blanks around": lambda data: data.replace(b",", b" , "),
    "trailing commas": lambda data: data.replace(b"\n", b",,\n"),
    "a title above": lambda data: b"exported on Monday\n" + data,
    "a sum below": lambda data: data + b"sum,95000,,\n",
    "a mean below": lambda data: data + b",812.5,,\n",
    "zero-padded wells": lambda data: re.sub(rb"^([A-H])(\d),", rb"\g<1>0\2,", data, flags=re.MULTILINE),
    "no last line end": lambda data: data[:-1],
    "twice": lambda data: data + data,
    "nothing": lambda _: b"",
}  # fmt: skip


def names(refusal: InputRefusedError) -> set[str]:
    """Names of the findings of a refusal; each has one, a file and a message."""
    unnamed = [f for f in refusal.findings if not (f.code and f.file and f.message)]
    if unnamed:
        raise AssertionError(unnamed)
    return {str(f.code) for f in refusal.findings}


def look(folder: Path) -> tuple[Any, set[str]]:
    """What an analysis would be given, and the names of what is said; None is a refusal."""
    options = AnalyseOptions(
        folder / "counts.csv", layout=str(folder / "map.csv"), samples=folder / "samples.csv", counted_on=date(2026, 1, 6)
    )  # fmt: skip
    try:
        found = read_plate(options)
    except InputRefusedError as error:
        return None, names(error)
    wells = sorted(
        (w.well, w.role, w.concentration_molar, w.dilution_step,
         found.readings[w.well]["cpm"], found.readings[w.well]["live_s"])
        for w in found.plate.wells if w.well in found.readings and w.role != "empty"
    )  # fmt: skip
    return wells, {str(f.code) for f in found.findings}


@cache
def clean_look(folder: Path) -> Any:
    write(folder, {})
    return look(folder)[0]


def check(folder: Path, name: str, data: bytes) -> None:
    """Hold a damaged file against the clean one."""
    clean = clean_look(folder)
    write(folder, {name: data})
    wells, codes = look(folder)
    assert wells == clean or codes, "a result that differs, and nothing is said"
    assert wells is not None or codes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("name", sorted(CLEAN))
@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_another_program_wrote_is_read_alike_or_refused(
    name: str, kind: str, folder: Path
) -> None:
    check(folder, name, WHOLE[kind](CLEAN[name]().encode()))


damages = st.lists(
    st.one_of(cell_replaced(), rows_moved(), columns_moved(), bytes_changed(), st.sampled_from(list(WHOLE.values()))),
    min_size=1, max_size=3,
)  # fmt: skip


def damaged(folder: Path, name: str, each: list[Damage]) -> None:
    data = CLEAN[name]().encode()
    for damage in each:
        data = damage(data)
    check(folder, name, data)


@given(name=st.sampled_from(sorted(CLEAN)), each=damages)
@settings(max_examples=25, **UNLIMITED)
def test_damage_never_changes_a_number_silently(
    folder: Path, name: str, each: list[Damage]
) -> None:
    damaged(folder, name, each)


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(name=st.sampled_from(sorted(CLEAN)), each=damages)
@settings(max_examples=2000, **UNLIMITED)
def test_much_damage_never_changes_a_number_silently(
    folder: Path, name: str, each: list[Damage]
) -> None:
    damaged(folder, name, each)


def export_damaged(folder: Path, damage: Damage) -> None:
    protocol, _ = load_protocol("sigma1-binding")
    clean, path = export(block(BLANK), block(SAMPLE)), folder / "export.csv"
    path.write_bytes(damage(clean))

    try:
        found = read_counts(path, protocol, FileChoice())
    except InputRefusedError as error:
        names(error)
        return
    read = {w: (r["cpm"], r["counts"], r["live_s"]) for w, r in found.readings.items()}
    assert read == {"A7": (85.76, 143, 100.0), "A8": (163810.34, 252679, 100 / 1.08)} or found.cautions or len(read) == 1  # fmt: skip


@given(damage=bytes_changed())
@settings(max_examples=10, **UNLIMITED)
def test_a_damaged_export_is_refused_or_read_alike(folder: Path, damage: Damage) -> None:
    export_damaged(folder, damage)


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(damage=bytes_changed())
@settings(max_examples=1000, **UNLIMITED)
def test_a_much_damaged_export_is_refused_or_read_alike(folder: Path, damage: Damage) -> None:
    export_damaged(folder, damage)
