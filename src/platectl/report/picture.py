"""A figure of a report before it is drawn: the same one goes into an HTML page and onto a PDF page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

#: Okabe-Ito: apart for all common kinds of colour vision; markers and hatches tell them in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn, and how large.

    Attributes:
        width_in: Width in inches at which its print can be read.
        height_in: Height in inches.
        label: What it shows, for those who cannot see it.
        draw: Draws it on a whole figure or on a part of a page, within `style()`.
    """

    width_in: float
    height_in: float
    label: str
    draw: Callable[[FigureBase], None]


def style() -> AbstractContextManager[None]:
    """The settings of a report while something is drawn or written."""
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "axes.edgecolor": GREY,
            "axes.labelsize": 8,
            "axes.linewidth": 0.7,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 9,
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "hatch.linewidth": 0.5,
            "pdf.fonttype": 42,
            "svg.fonttype": "path",
            "svg.hashsalt": "platectl",
            "text.parse_math": False,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
        }
    )
