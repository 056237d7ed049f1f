"""Quantities in operators' files: `"50 uL"` becomes a float in the unit that the name carries.

Inside platectl a quantity is a plain float and its name ends in the unit: `volume_ul`,
`duration_s`, `concentration_molar`. The table below is the whole vocabulary of the files.

Validation with the context `FROZEN` accepts plain floats: that is how a frozen run, which was
written from validated values, is read back.
"""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError

#: dimension -> (unit of the float in code, unit in a file -> factor)
DIMENSIONS: dict[str, tuple[str, dict[str, float]]] = {
    "volume": ("uL", {"nL": 1e-3, "uL": 1.0, "µL": 1.0, "mL": 1e3, "L": 1e6}),
    "duration": ("s", {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}),
    "concentration": ("M", {"pM": 1e-12, "nM": 1e-9, "uM": 1e-6, "µM": 1e-6, "mM": 1e-3, "M": 1.0}),
    "temperature": ("C", {"C": 1.0, "°C": 1.0}),
    "protein": ("mg/mL", {"ug/mL": 1e-3, "mg/mL": 1.0, "g/L": 1.0}),
    "activity": ("Ci/mmol", {"Ci/mmol": 1.0, "mCi/mmol": 1e-3, "TBq/mmol": 27.027027}),
    "radioactivity": ("MBq", {"kBq": 1e-3, "MBq": 1.0, "GBq": 1e3, "uCi": 0.037, "mCi": 37.0, "Ci": 3.7e4}),
    "fraction": ("1", {"%": 0.01}),
    "speed": ("rpm", {"rpm": 1.0}),
    "pressure": ("mbar", {"mbar": 1.0, "kPa": 10.0, "bar": 1000.0}),
    "density": ("fmol/mg", {"fmol/mg": 1.0, "pmol/mg": 1e3}),
    "association": ("1/M/min", {"/M/min": 1.0, "/M/s": 60.0}),
    "rate": ("1/min", {"/min": 1.0, "/s": 60.0}),
}  # fmt: skip

FROZEN = {"frozen": True}

_COMMA = re.compile(r"[+-]?\d[\d.]*,\d", re.ASCII)
_BARE = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([^\d\s.+-]\S*)", re.ASCII)


def parse_quantity(value: object, dimension: str) -> float:
    """Return `value` as a float in the unit of `dimension`.

    Text must carry a unit; a bare number is refused, except for fractions, because it hides
    the unit that the writer had in mind.

    Raises:
        UserInputError: No unit, a unit of another dimension, or not a number.
    """
    base, units = DIMENSIONS[dimension]
    wanted = _wanted(dimension)
    fix = f"write a number and a unit ({wanted})"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserInputError(f"{value!r} is not a {dimension}; {fix}", code=Code.NOT_A_NUMBER)
    if not isinstance(value, str) or _BARE.fullmatch(value.strip()):
        if dimension == "fraction" and not isinstance(value, str) and math.isfinite(value):
            return float(value)
        message = f'{value!r} has no unit; write for example "{value} {base}" ({wanted})'
        raise UserInputError(message, code=Code.UNIT_MISSING)
    match = _QUANTITY.fullmatch(value.strip())
    if not match:
        code = Code.NUMBER_COMMA if _COMMA.match(value.strip()) else Code.NOT_A_NUMBER
        raise UserInputError(f"{value!r} is not a {dimension}; {fix}", code=code)
    number, unit = match.groups()
    try:
        factor = units[unit_named(unit, dimension)]
    except UserInputError as error:
        raise UserInputError(f"{value!r}: {error}", code=error.code) from None
    if not math.isfinite(found := float(number) * factor):
        raise UserInputError(f"{value!r} is not finite; {fix}", code=Code.NOT_FINITE)
    return found


def unit_named(text: str, dimension: str) -> str:
    """The unit that a text names; the Greek letter mu and the micro sign are one.

    Raises:
        UserInputError: No unit of the dimension.
    """
    unit = text.replace("\u03bc", "\u00b5")
    if unit not in DIMENSIONS[dimension][1]:
        message = f"{text!r} is not a unit of {dimension}; use {_wanted(dimension)}"
        raise UserInputError(message, code=Code.UNIT_UNKNOWN)
    return unit.replace("\u00b5", "u")


def _wanted(dimension: str) -> str:
    return " or ".join(u for u in DIMENSIONS[dimension][1] if u.isascii())


def format_molar(molar: float) -> str:
    """Write a concentration with the prefix that people use: `4.6 nM`, `31.6 pM`."""
    if not math.isfinite(molar):
        return str(molar)
    for factor, unit in ((1e-3, "mM"), (1e-6, "uM"), (1e-9, "nM")):
        if molar >= 0.9995 * factor:
            return f"{molar / factor:.3g} {unit}"
    return f"{molar / 1e-12:.3g} pM"


def format_volume(volume_ul: float) -> str:
    """Write a volume for people: `61.8 uL`, `8.96 mL`, `1.02 L`."""
    for factor, unit in ((1e6, "L"), (1e3, "mL")):
        if volume_ul >= 0.9995 * factor:
            return f"{volume_ul / factor:.4g} {unit}"
    return f"{volume_ul:.4g} uL"


def format_duration(seconds: float) -> str:
    """Write a duration for people: `45 s`, `2 min 30 s`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


class CodedValueError(ValueError):
    """What a validator says about a value, with the name of the finding."""

    def __init__(self, error: UserInputError) -> None:
        super().__init__(str(error))
        self.code = error.code


def _field(dimension: str) -> tuple[BeforeValidator, WithJsonSchema]:
    base, units = DIMENSIONS[dimension]

    def convert(value: object, info: ValidationInfo) -> float:
        frozen = info.context is not None and info.context.get("frozen", False)
        if frozen and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)  # a frozen run holds plain floats in the base unit
        try:
            return parse_quantity(value, dimension)
        except UserInputError as error:
            raise CodedValueError(error) from None

    pattern = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*(" + "|".join(map(re.escape, units)) + ")$"
    schema = {"type": "string", "pattern": pattern, "description": f"a {dimension}; {base} in code"}
    return BeforeValidator(convert), WithJsonSchema(schema)


VolumeUl = Annotated[float, *_field("volume")]
DurationS = Annotated[float, *_field("duration")]
ConcentrationMolar = Annotated[float, *_field("concentration")]
TemperatureC = Annotated[float, *_field("temperature")]
ProteinMgPerMl = Annotated[float, *_field("protein")]
ActivityCiPerMmol = Annotated[float, *_field("activity")]
RadioactivityMbq = Annotated[float, *_field("radioactivity")]
SpeedRpm = Annotated[float, *_field("speed")]
PressureMbar = Annotated[float, *_field("pressure")]
Fraction = Annotated[float, *_field("fraction")]
DensityFmolPerMg = Annotated[float, *_field("density")]
AssociationPerMolarMin = Annotated[float, *_field("association")]
RatePerMin = Annotated[float, *_field("rate")]
