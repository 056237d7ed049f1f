"""What the robot knows about labware and nozzles: wells, places, and what each nozzle meets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from platectl.domain.wells import parse_well, well_name

#: wells -> (rows, columns), as the vendor's definitions have them; reservoirs have one row
_SHAPES = {1: (1, 1), 6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24)}
_VOLUME = re.compile(r"(\d+(?:\.\d+)?)(ul|ml)")
_FIRST_WELL_MM = (14.28, 74.18)
_BOTTOM_MM, _TOP_MM = 3.5, 14.2
_MODULUS_MM = {"ot2": (132.5, 90.5), "flex": (164.0, 107.0)}


@dataclass(frozen=True, slots=True)
class LabwareDefinition:
    """A definition, read from its load name: `<brand>_<wells>_<category>_<volume>…`."""

    load_name: str
    rows: int
    columns: int
    is_rack: bool
    is_adapter: bool
    is_trough: bool
    volume_ul: float

    def has(self, well: str) -> bool:
        """Whether the grid has such a well."""
        row, column = parse_well(well)
        return row < self.rows and column < self.columns


@lru_cache(maxsize=256)
def definition(load_name: str) -> LabwareDefinition | None:
    """Read a load name; None when no definition can have that name."""
    parts = load_name.split("_")
    wells = next((int(p) for p in parts[1:] if p.isdigit() and int(p) in _SHAPES), None)
    if wells is None:
        return None
    trough = "reservoir" in parts
    rows, columns = (1, wells) if trough else _SHAPES[wells]
    match = next((m for m in map(_VOLUME.fullmatch, parts) if m), None)
    volume = float(match[1]) * (1000.0 if match[2] == "ml" else 1.0) if match else 0.0
    is_adapter = parts[-1] == "adapter"
    is_rack = not is_adapter and any(part.endswith("tiprack") for part in parts)
    return LabwareDefinition(load_name, rows, columns, is_rack, is_adapter, trough, volume)


@lru_cache(maxsize=1024)
def nozzle_wells(
    labware: LabwareDefinition, well: str, rows: int, columns: int
) -> tuple[str, ...] | None:
    """Well that each nozzle of a rows x columns layout meets, by row; None when one misses.

    Nozzles are 9 mm apart: every second well of a 384-well plate. In a trough all nozzles of a
    column share its well.
    """
    row, column = parse_well(well)
    if labware.is_trough:
        wide = 12 // labware.columns
        meets = [(0, (column * wide + c) // wide) for _ in range(rows) for c in range(columns)]
    else:
        step = 2 if labware.columns == 24 else 1  # noqa: PLR2004  # 384 wells, 4.5 mm apart
        meets = [(row + step * r, column + step * c) for r in range(rows) for c in range(columns)]
    if any(r >= labware.rows or c >= labware.columns for r, c in meets):
        return None
    return tuple(well_name(r, c) for r, c in meets)


def slot_text(slot: str) -> str:
    """Write a slot as the server does in its texts."""
    return f"slotName=<DeckSlotName.SLOT_{slot}: '{slot}'>"


@lru_cache(maxsize=1024)
def position(robot_type: str, slot: str, well: str, origin: str, z: float) -> dict[str, float]:
    """Deck coordinates in millimetres of a well of a 96-well plate on a slot."""
    wide, deep = _MODULUS_MM[robot_type]
    if robot_type == "ot2":
        deck_row, deck_column = divmod(int(slot) - 1, 3)
    else:
        deck_row, deck_column = ord("D") - ord(slot[0]), int(slot[1]) - 1
    row, column = parse_well(well)
    level = {"bottom": _BOTTOM_MM, "top": _TOP_MM}.get(origin, (_BOTTOM_MM + _TOP_MM) / 2)
    return {
        "x": round(deck_column * wide + _FIRST_WELL_MM[0] + 9.0 * column, 2),
        "y": round(deck_row * deep + _FIRST_WELL_MM[1] - 9.0 * row, 2),
        "z": round(level + z, 2),
    }
