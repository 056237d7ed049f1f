"""Exports of readers that platectl does not read itself, by way of allotropy and its simple models.

allotropy is an extra (`pip install 'platectl[vendors]'`). What it gives is checked here, since its
schemas enforce neither units nor that a value is there: a missing value comes as -0.0 with an error beside it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final, Literal

from platectl.domain.errors import MalformedReplyError, UserInputError
from platectl.domain.extras import broken
from platectl.hal.reading import Channel, ExportedTrace, ReadFlag

INSTALL: Final = "pip install 'platectl[vendors]'"
PER_MINUTE: Final[Mapping[str, float]] = {"cps": 60.0, "cpm": 1.0}
CPS_UNITS: Final = ("Counts/s", "counts/s", "CPS")
CUBE: Final = "fluorescence emission profile data cube"
FLUORESCENCE: Final = ("RFU", "Counts", "counts", "(unitless)")

Rate = Literal["cps", "cpm"]


class VendorsMissingError(UserInputError):
    """allotropy is not installed."""


@dataclass(frozen=True, slots=True)
class VendorCount:
    """Counts per minute of a well; `live_s` is None where the file states no integration time."""

    plate: str
    well: str
    cpm: float | None
    live_s: float | None
    ended_at: str
    source: str


def read_counts(path: Path, vendor: str | None, rate: Rate | None) -> tuple[VendorCount, ...]:
    """Luminescence of every well of a file; `rate` says what values without such a unit are.

    Raises:
        VendorsMissingError: allotropy is not installed.
        MalformedReplyError: allotropy does not read the file, or it holds no luminescence, or its unit is no rate.
    """
    found = []
    for measured, ended_at in _measurements(path, vendor):
        if "luminescence" not in measured:
            continue
        value, unit = _quantity(measured, "luminescence", path)
        kind: Rate | None = "cps" if unit in CPS_UNITS else rate
        if kind is None:
            raise MalformedReplyError(
                f"{path.name}: luminescence in {unit} is no rate; say with --rate whether it is cps or cpm"
            )
        plate, well = _place(measured, path)
        found.append(
            VendorCount(
                plate, well, None if math.isnan(value) else value * PER_MINUTE[kind],
                _integration_s(measured), ended_at, f"{path.name}: {well}",
            )
        )  # fmt: skip
    if not found:
        raise MalformedReplyError(f"{path.name} holds no luminescence")
    return tuple(found)


def read_traces(path: Path, vendor: str | None) -> tuple[ExportedTrace, ...]:
    """Fluorescence over time of every well and channel of a file.

    Raises:
        VendorsMissingError: allotropy is not installed.
        MalformedReplyError: allotropy does not read the file, or it holds no fluorescence over time.
    """
    found = []
    for measured, _ in _measurements(path, vendor):
        if CUBE not in measured:
            continue
        plate, well = _place(measured, path)
        times, values = _cube(measured[CUBE], f"{path.name}: {well}")
        failed = "error aggregate document" in measured
        flags: dict[int, ReadFlag] = {
            index: "missing"
            for index, value in enumerate(values)
            if value is None or (failed and value == 0.0 and math.copysign(1.0, value) < 0)
        }
        numbers = tuple(
            math.nan if index in flags or value is None else float(value)
            for index, value in enumerate(values)
        )
        found.append(
            ExportedTrace(
                plate, well, _channel(measured, path), times, numbers, flags,
                _value(measured.get("compartment temperature")), f"{path.name}: plate {plate}",
            )
        )  # fmt: skip
    if not found:
        raise MalformedReplyError(f"{path.name} holds no fluorescence over time")
    return tuple(found)


def _measurements(path: Path, vendor: str | None) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each measurement of a plate reader's file, and when it was made."""
    document = _as_model(path, vendor)
    aggregate = document.get("plate reader aggregate document")
    if not isinstance(aggregate, Mapping):
        raise MalformedReplyError(f"{path.name} is no file of a plate reader")
    for well in aggregate.get("plate reader document", ()):
        measured = well.get("measurement aggregate document", {})
        when = str(measured.get("measurement time", ""))
        for one in measured.get("measurement document", ()):
            yield one, when


def _as_model(path: Path, vendor: str | None) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries speak of their own future
        return _converted(path, vendor)


def _converted(path: Path, vendor: str | None) -> Mapping[str, Any]:
    try:
        from allotropy.parser_factory import Vendor  # an extra, and heavy
        from allotropy.to_allotrope import allotrope_from_file
    except ImportError:
        raise VendorsMissingError(
            f"allotropy, which reads further vendors' files, is not installed; {INSTALL}"
        ) from None
    except Exception as error:
        raise VendorsMissingError(
            f"allotropy reads further vendors' files, and {broken('vendors', error)}"
        ) from error
    if vendor is not None and vendor not in Vendor.__members__:
        known = ", ".join(sorted(Vendor.__members__))
        raise UserInputError(f"allotropy knows no vendor {vendor!r}; use one of {known}")
    chosen = None if vendor is None else Vendor[vendor]
    try:
        return allotrope_from_file(str(path), chosen, default_timezone=UTC)
    except Exception as error:  # parsers raise whatever a strange file makes them
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise MalformedReplyError(f"allotropy: {reason}") from error


def _place(measured: Mapping[str, Any], path: Path) -> tuple[str, str]:
    sample = measured.get("sample document", {})
    well = str(sample.get("location identifier", ""))
    if not well:
        raise MalformedReplyError(f"{path.name}: a value of no well")
    letters, digits = well.rstrip("0123456789"), well.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    plain = f"{letters}{int(digits)}" if digits.isdecimal() else well
    return str(sample.get("well plate identifier", "")), plain


def _channel(measured: Mapping[str, Any], path: Path) -> Channel:
    device = _device(measured)
    excitation = _value(device.get("excitation wavelength setting"))
    emission = _value(device.get("detector wavelength setting"))
    if excitation is None or emission is None:
        raise MalformedReplyError(f"{path.name} states no wavelengths of excitation and emission")
    return Channel(excitation, emission)


def _integration_s(measured: Mapping[str, Any]) -> float | None:
    return _value(_device(measured).get("integration time setting"))


def _device(measured: Mapping[str, Any]) -> Mapping[str, Any]:
    devices = measured.get("device control aggregate document", {}).get(
        "device control document", ()
    )
    return devices[0] if devices else {}


def _quantity(measured: Mapping[str, Any], key: str, path: Path) -> tuple[float, str]:
    """A value and its unit; NaN where an error stands beside it."""
    quantity = measured[key]
    value = _value(quantity)
    if value is None:
        raise MalformedReplyError(f"{path.name}: a {key} without a value")
    if value == 0.0 and math.copysign(1.0, value) < 0 and "error aggregate document" in measured:
        return math.nan, str(quantity.get("unit", ""))
    return value, str(quantity.get("unit", ""))


def _value(quantity: Any) -> float | None:
    value = quantity.get("value") if isinstance(quantity, Mapping) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def _cube(cube: Mapping[str, Any], source: str) -> tuple[tuple[float, ...], Sequence[Any]]:
    """Times in seconds since the first point, and values."""
    try:
        structure, data = cube["cube-structure"], cube["data"]
        time_unit = structure["dimensions"][0]["unit"]
        unit = structure["measures"][0]["unit"]
        times, values = data["dimensions"][0], data["measures"][0]
    except (KeyError, IndexError, TypeError) as error:
        raise MalformedReplyError(f"{source}: values over time without {error}") from error
    if time_unit != "s" or unit not in FLUORESCENCE:
        raise MalformedReplyError(
            f"{source}: {unit} over {time_unit} is no fluorescence over seconds"
        )
    if len(times) != len(values) or not times:
        raise MalformedReplyError(f"{source}: {len(times)} times and {len(values)} values")
    return tuple(float(at) - float(times[0]) for at in times), values
