"""Dose-response tables of Prism files: potencies where they are known, findings where they are not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.bad_data.bench import arguments, platectl, write

from platectl.app.curves import CurveAnalysis, analyse_prism
from platectl.domain.errors import UserInputError
from platectl.domain.findings import InputRefusedError
from platectl.files.doses import doses_of
from platectl.files.pzfx import PrismColumn, PrismTable
from platectl.report.exports.prism import write_prism

X = tuple(float(v) for v in np.linspace(-10.0, -5.0, 11))
NOISE = np.random.default_rng(3).normal(0.0, 12.0, (2, len(X)))
Response = Callable[[float], float]


def sigmoid(middle: float, hill: float = -1.0) -> Response:
    return lambda x: 100.0 + 900.0 / (1.0 + 10.0 ** ((middle - x) * hill))


def measured(
    response: Response, *, struck: frozenset[tuple[int, int]] = frozenset()
) -> PrismColumn:
    values = tuple(tuple(response(x) + e for x, e in zip(X, row, strict=True)) for row in NOISE)
    return PrismColumn("A", values, struck)


def exactly(*values: float | None) -> PrismColumn:
    return PrismColumn("A", (values,))


def analysed(folder: Path, column: PrismColumn, *, title: str = "log[M]", x: tuple[float, ...] = X) -> CurveAnalysis:  # fmt: skip
    write_prism(folder / "a.pzfx", [PrismTable("T", title, x, (column,))])
    return analyse_prism(folder / "a.pzfx")


@pytest.mark.parametrize(
    ("title", "x"),
    [
        ("log[M]", X),
        ("Log10 (agonist), nM", tuple(v + 9.0 for v in X)),
        ("concentration, M", tuple(10.0**v for v in X)),
        ("Dose [µM]", tuple(10.0 ** (v + 6.0) for v in X)),
        ("Dose (μM)", tuple(10.0 ** (v + 6.0) for v in X)),
    ],
)
def test_doses_are_read_in_the_unit_that_their_title_declares(
    title: str, x: tuple[float, ...], tmp_path: Path
) -> None:
    (found,) = analysed(tmp_path, measured(sigmoid(-7.5)), title=title, x=x).sets

    known = found.potency
    assert (known.quantity, known.qualifier, known.code) == ("IC50", "=", None)
    assert known.value_molar is not None
    assert known.lower_molar is not None
    assert known.upper_molar is not None
    assert known.lower_molar < 10.0**-7.5 < known.upper_molar
    assert math.log10(known.value_molar) == pytest.approx(-7.5, abs=0.1)


NOT_KNOWN: dict[str, tuple[PrismColumn, str, str]] = {
    "constant": (exactly(*[500.0] * 11), "response-constant", "~"),
    "zeros": (exactly(*[0.0] * 11), "response-constant", "~"),
    "noise alone": (measured(lambda _: 500.0), "response-constant", "~"),
    "a step between two doses": (
        exactly(*(1000.0 if x < -7.4 else 100.0 for x in X)),
        "curve-unsettled",
        "~",
    ),
    "one point": (exactly(500.0, *[None] * 10), "points-few", "~"),
    "four concentrations": (exactly(1000.0, 900.0, 500.0, 100.0, *[None] * 7), "points-few", "~"),
    "beyond the doses": (measured(sigmoid(-4.0)), "curve-unsettled", ">"),
    "before the doses": (measured(sigmoid(-11.0)), "curve-unsettled", "<"),
}


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_a_potency_that_cannot_be_known_is_not_reported(name: str, tmp_path: Path) -> None:
    column, code, qualifier = NOT_KNOWN[name]

    found = analysed(tmp_path, column)

    known = found.sets[0].potency
    assert known.qualifier == qualifier
    bound = {">": 1e-5, "<": 1e-10}.get(qualifier)
    assert known.value_molar == (None if bound is None else pytest.approx(bound))
    assert known.lower_molar is known.upper_molar is None
    assert [(str(f.code), f.where, f.severity) for f in found.findings] == [(code, "T: A", "warning")]  # fmt: skip


def test_values_that_were_struck_out_are_said_and_not_fitted(tmp_path: Path) -> None:
    good = measured(sigmoid(-7.5))
    wild = PrismColumn("A", ((9e5, *good.replicates[0][1:]), good.replicates[1]), frozenset({(0, 0)}))  # fmt: skip

    found = analysed(tmp_path, wild)

    assert [str(f.code) for f in found.findings] == ["values-excluded"]
    assert found.sets[0].potency.value_molar == pytest.approx(10.0**-7.5, rel=0.2)


def test_a_dose_of_zero_is_said_and_left_out(tmp_path: Path) -> None:
    x = (0.0, *(10.0**v for v in X[1:]))

    found = analysed(tmp_path, measured(sigmoid(-7.5)), title="M", x=x)

    assert [str(f.code) for f in found.findings] == ["dose-impossible"]
    assert found.sets[0].potency.value_molar == pytest.approx(10.0**-7.5, rel=0.2)


@pytest.mark.parametrize(
    ("title", "x", "code"),
    [
        ("Dose", X, "unit-undeclared"),
        ("time, s", X, "unit-undeclared"),
        ("log[A]", X, "unit-undeclared"),
        ("nM or uM", X, "unit-contradicts"),
        ("ln[M]", X, "unit-unknown"),
        ("concentration, M", X, "dose-impossible"),
        ("M", tuple(10.0 ** (v + 9.0) for v in X), "dose-impossible"),
        ("log[M]", tuple(10.0 ** (v + 9.0) for v in X), "dose-impossible"),
    ],
)
def test_doses_that_say_no_unit_or_cannot_be_are_refused(
    title: str, x: tuple[float, ...], code: str, tmp_path: Path
) -> None:
    with pytest.raises(InputRefusedError) as refused:
        analysed(tmp_path, measured(sigmoid(-7.5)), title=title, x=x)

    assert {str(f.code) for f in refused.value.findings} == {code}


def test_titles_that_hold_units_within_words_say_none() -> None:
    with pytest.raises(UserInputError, match="no unit"):
        doses_of("Molecule MM dose")


def test_a_value_without_a_dose_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pzfx"
    write_prism(path, [PrismTable("T", "log[M]", X, (exactly(*[1.0] * 11),))])
    path.write_text(path.read_text().replace("<d>-9.0</d>", "<d />", 1))

    with pytest.raises(
        InputRefusedError, match=r"T: A: row 3 has a value and no X.*\[number-missing\]"
    ):
        analyse_prism(path)


def test_a_prism_file_is_analysed_and_reported(tmp_path: Path) -> None:
    times = PrismTable("traces", "time, s", (0.0, 1.0), (PrismColumn("A1", ((1.0, 2.0),)),))
    write_prism(tmp_path / "a.pzfx", [PrismTable("T", "log[M]", X, (measured(sigmoid(-7.5)),)), times])  # fmt: skip

    got = platectl("analyse", str(tmp_path / "a.pzfx"), "--json")
    refused = platectl("analyse", str(tmp_path / "a.pzfx"), "--json", "--model", "two-site")

    (row,) = got.told["results"]
    stored = json.loads((tmp_path / "a-analysis" / "results.json").read_text())
    assert got.code == 0, got.err
    assert got.codes == {"unit-undeclared"}
    assert (row["compound"], row["quantity"], row["status"]) == ("A", "IC50", "ok")
    assert stored["results"] == got.told["results"]
    assert "<svg" in (tmp_path / "a-analysis" / "report.html").read_text()
    assert refused.code == 2
    assert refused.codes == {"name-unknown"}


def test_options_for_another_kind_of_file_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, {})
    write_prism(tmp_path / "a.pzfx", [PrismTable("T", "log[M]", X, (measured(sigmoid(-7.5)),))])

    curve = platectl(*arguments(tmp_path, model="4PL"))
    plate = platectl("analyse", str(tmp_path / "a.pzfx"), "--plate", "P1")

    assert (curve.code, plate.code) == (2, 2)
    assert "--model has no effect on a file like counts.csv" in curve.err
    assert "--plate has no effect on a file like a.pzfx" in plate.err
