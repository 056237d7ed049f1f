"""The print of a page: lines set one by one, without the layout that a text artist makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties

from platectl.report.picture import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from platectl.report.pages import Rule, Word

#: in front of rules and pictures
_FRONT = 3.0


class Lettering(Artist):
    """The words of a page in the order in which they were put there."""

    def __init__(self, words: Sequence[Word]) -> None:
        super().__init__()
        self.set_zorder(_FRONT)
        self._words = tuple(words)

    def draw(self, renderer: Any) -> None:
        """Set every word where it belongs."""
        figure: Any = self.get_figure(root=True)
        height = renderer.get_canvas_width_height()[1]
        gc = renderer.new_gc()
        gc.set_foreground(INK)
        for word in self._words:
            below = word.base_in * figure.dpi
            y = below if renderer.flipy() else height - below
            font = _font(word.size, bold=word.bold)
            renderer.draw_text(gc, word.x_in * figure.dpi, y, word.text, font, 0.0)
        gc.restore()
        self.stale = False


@lru_cache(maxsize=32)
def _font(size: float, *, bold: bool) -> FontProperties:
    weight = "bold" if bold else "normal"
    return FontProperties(family="DejaVu Sans", size=size, weight=weight)


def rules(lines: Sequence[Rule], figure: Figure) -> LineCollection:
    """Straight lines of a page; places are in inches from the left and from above."""
    width, height = figure.get_size_inches()
    places = [[(r.x0_in / width, 1.0 - r.y0_in / height), (r.x1_in / width, 1.0 - r.y1_in / height)] for r in lines]  # fmt: skip
    return LineCollection(
        places, colors=[r.colour for r in lines], linewidths=[r.points for r in lines],
        transform=figure.transFigure,
    )  # fmt: skip
