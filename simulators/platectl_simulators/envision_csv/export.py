"""Writes exports as EnVision Workstation and Kaleido do (shared/instruments-readers.md 5.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from platectl.domain.wells import PlateFormat

PLATE_HEADS: Final = (
    "Plate", "Repeat", "Barcode", "Measured height", "Chamber temperature at start",
    "Chamber temperature at end", "Humidity at start", "Humidity at end", "Ambient temperature at start",
    "Ambient temperature at end",
)  # fmt: skip
KALEIDO_NAMES: Final = {
    "luminescence": "Luminescence", "absorbance": "Absorbance", "fluorescence": "Fluorescence intensity",
}  # fmt: skip
KALEIDO_HEADS: Final = (
    "Barcode,Repeat,Loop no,Well scan x,Well scan y,Exc wl / filter,Ems wl,TRF Window,Analysis Parameter,"
    "Label-free Parameter,"
)
ENVISION_UNITS: Final = {"luminescence": "CPS", "absorbance": "A", "fluorescence": "Counts"}


@dataclass(frozen=True, slots=True)
class Read:
    """One read of one plate, with values as they are printed."""

    barcode: str
    label: str
    mode: str
    values: Mapping[str, str]
    plate: PlateFormat
    integration_s: float
    temperature_c: float
    begun: datetime
    ended: datetime
    crosstalk: bool = False


def envision(read: Read) -> bytes:
    """A file of EnVision Workstation 1.14; with `crosstalk` a calculated table stands before the raw one."""
    date = _twelve(read.ended)
    label, info = f"{read.label}(1)", "De=USLum Ex=N/A Em=N/A Wdw=N/A (12)"
    channel = "channel 0" if read.mode == "luminescence" else "channel 1"
    code = f'"=""{read.barcode}"""'
    background = [
        "Background information", "Plate,Label,Result,Signal,Flashes/Time,Meastime,MeasInfo,",
        f"1,{read.label},0,4,{read.integration_s:g},00:00:00.000,{info},", "",
    ]  # fmt: skip
    lines: list[str] = []
    if read.crosstalk:
        formula = f"Calc 1: Crosstalk = Crosstalk correction where Label : {label} channel 1"
        nothing = ",".join(["N/A"] * 7)
        lines += [
            "Plate information ", ",".join((*PLATE_HEADS, "Formula", "Measurement date,")),
            f"1,1,{code},{nothing},{formula},{date},", "", *background,
            f"Calculated results: {formula}",
            *_matrix(read, pad=2), "",
        ]  # fmt: skip
    climate = f"14.67,{read.temperature_c:.2f},{read.temperature_c:.2f},46.9,47.5,23.87,23.97"
    heads = (
        *PLATE_HEADS,
        "Group",
        "Label",
        "ScanX",
        "ScanY",
        "Measinfo",
        "Kinetics",
        "Measurement date,",
    )
    lines += [
        "Plate information ", ",".join(heads), f"1,1,{code},{climate},1,{label},0,0,{info},0,{date},", "",
        *background, f"Results for {label} - {channel} ({ENVISION_UNITS[read.mode]})",
        *_matrix(read, pad=2), "", "", "Basic assay information ", "Assay ID: ,,,,2900",
        f"Assay Started: ,,,,{_twelve(read.begun)}", f"Assay Finished: ,,,,{date}",
        f"Assay Exported: ,,,,{date}", "Protocol ID: ,,,,100176", f"Protocol Name: ,,,,{read.label}",
        'Serial#: ,,,,="1051017"', "", "", "", "Protocol information", "Protocol:", f"Protocol name,,,,{read.label}",
        "", "Plate type:", f"Name of the plate type,,,,{read.plate.size} OptiPlate",
        f"Number of rows,,,,{read.plate.rows}", f"Number of columns,,,,{read.plate.columns}",
        f"Number of the wells in the plate,,,,{read.plate.size}", "Height of the plate,,,,14.35 mm", "",
        "Platemap:", "Plate,,,,1", "Group,,,,1", "",
        *_matrix(replace(read, values=dict.fromkeys(read.plate.by_row(), "- ")), pad=2), "", " - - Undefined", "", "Calculations:", "No calculations.", "", "Auto export parameters:",
        "Export format,,,,Plate2", "", "Operations:", "Plate 1", "  Group 1", "    Measurement", f"      Label,,,,{label}", "",
        "Labels:", f"{read.label},,,,7000007",
        f"Measurement time,,,,{read.integration_s:g} s", "", "Instrument:", "Serial number,,,,1051017",
        "", "Exported with EnVision Workstation version 1.14.3049.1193",
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def kaleido(read: Read) -> bytes:
    """A file of Kaleido 3.0, which exchanges the numbers of rows and columns."""
    operation = f"{KALEIDO_NAMES[read.mode]} 1"
    lines = [
        "EnSight Results from", f"Protocol Name,{read.label}", f"Measurement Date,{read.begun:%Y-%m-%d %H:%M:%S}",
        "", "", f"Result for {operation}",
        KALEIDO_HEADS,
        f"{read.barcode},1,,,,,,,,,", "", *_matrix(read, pad=1), "", "", "Measurement Information",
        f"Measurement Started,,{read.begun:%Y-%m-%d %H:%M:%S}",
        f"Measurement Finished,,{read.ended:%Y-%m-%d %H:%M:%S}",
        "Measurement Signature,,2f305f44-3d4d-42b4-bbbf-f0de3de98057", f"Barcode,,{read.barcode}", "",
        "Instrument Information", "Instrument Serial Number,,1234567", "Software Version,,Kaleido 3.0.3067.117",
        "", "Protocol Information", f"Protocol Name,,{read.label}",
        "Protocol Signature,,ee5bd9fd-5d6f-491d-8791-d01ba03222bc", "Protocol Owner,,lab", "Sequence Executed By,,Plate",
        "", "Plate Type Information", f"Number of Rows,,{read.plate.columns}",
        f"Number of Columns,,{read.plate.rows}", "Well Volume [µl],,300", "", "Platemap",
        *_matrix(replace(read, values=dict.fromkeys(read.plate.by_row(), "-")), pad=1), "", "",
        "Measurement Sequence", operation, "", "Details of Measurement Sequence", "",
        f"Operation,,,{operation}", "Measurement Mode,,,Single",
        "Distance between Plate and Detector [mm],,,0.1", f"Measurement Time [s],,,{read.integration_s:g}", "",
        "Post Processing Sequence", "", "EXPORT", "Export Format,,,CSV_PLATE", "", "Exported with Kaleido 3.0.3067.117", "",
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def _matrix(read: Read, *, pad: int) -> list[str]:
    numbers = ",".join(f"{column:0{pad}}" for column in range(1, read.plate.columns + 1))
    letters: Sequence[str] = [chr(ord("A") + row) for row in range(read.plate.rows)]
    rows = [
        ",".join(read.values.get(well, "") for well in read.plate.row(letter)) for letter in letters
    ]
    return [
        f",{numbers},",
        *(f"{letter},{row}," for letter, row in zip(letters, rows, strict=True)),
    ]


def _twelve(at: datetime) -> str:
    half = "AM" if at.hour < 12 else "PM"  # noqa: PLR2004  # noon
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S} {half}"
