"""A plate in the terminal while it is read: the latest ratio of every well, as shades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from platectl.domain.layout import PLATE
from platectl.domain.wells import well_name

#: dark to bright; the character tells the level apart without colour
SHADES = ((0.2, "#30123b", "·"), (0.4, "#4662d7", "░"), (0.6, "#36a1d9", "▒"), (0.8, "#72fe5e", "▓"),
          (1.1, "#faba39", "█"))  # fmt: skip
NUMERATOR, DENOMINATOR = 0, 1


class PlateView:
    """Keeps the latest counts of both channels of the plate under the reader."""

    def __init__(self) -> None:
        self.labware = ""
        self._clear()

    def _clear(self) -> None:
        self._latest: dict[int, dict[str, float]] = {NUMERATOR: {}, DENOMINATOR: {}}
        self._resting: dict[str, float] = {}

    def take(self, data: Mapping[str, Any]) -> None:
        """Take in one frame of the ledger; a new plate begins anew."""
        if data["labware"] != self.labware:
            self._clear()
            self.labware = data["labware"]
        values = zip(data["wells"], data["values"], strict=True)
        known = {well: float(value) for well, value in values if value is not None}
        self._latest.setdefault(data["channel"], {}).update(known)
        for well, ratio in self.ratios().items():
            self._resting.setdefault(well, ratio)

    def ratios(self) -> dict[str, float]:
        """Quotient of the latest counts, background included."""
        below = self._latest[DENOMINATOR]
        return {w: v / below[w] for w, v in self._latest[NUMERATOR].items() if below.get(w)}

    def render(self) -> Text | None:
        """Rows of the plate; None before anything was read. The scale ends at the largest rise."""
        ratios = self.ratios()
        if not ratios:
            return None
        rises = {well: ratio - self._resting.get(well, ratio) for well, ratio in ratios.items()}
        top = max(0.1, *rises.values())
        text = Text(f"{self.labware}: rise of the ratio, up to {top:.2f}\n")
        for row in range(PLATE.rows):
            text.append(f"{well_name(row, 0)[0]} ")
            for column in range(PLATE.columns):
                text.append(*_cell(rises.get(well_name(row, column)), top))
            text.append("\n")
        return text


def _cell(rise: float | None, top: float) -> tuple[str, str]:
    if rise is None:
        return "  ", ""
    colour, mark = next((c, m) for end, c, m in SHADES if rise / top <= end or end > 1.0)
    return mark * 2, colour
