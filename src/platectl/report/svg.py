"""Figures as SVG text that stands inside an HTML page: no ids in common, nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe-Ito: apart for all common kinds of colour vision; markers and hatches tell them in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"

_OUTSIDE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)
_OWN_IDS = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')


@contextmanager
def drawing(width_in: float, height_in: float) -> Iterator[Figure]:
    """An empty figure, drawn on and turned into SVG with the settings of a report."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
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
            "svg.fonttype": "path",
            "svg.hashsalt": "platectl",
            "text.parse_math": False,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
        }
    ):
        yield Figure(figsize=(width_in, height_in))


def to_svg(figure: Figure, *, salt: str, label: str) -> str:
    """Return the `<svg>` element alone.

    Args:
        figure: What to draw, inside `drawing`.
        salt: Unique within the page; it keeps the ids of several figures apart.
        label: What the figure shows, for those who cannot see it.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = _OUTSIDE.sub("", text[text.index("<svg") :])
    safe = re.sub(r"[^A-Za-z0-9]+", "-", salt)
    text = _OWN_IDS.sub(lambda match: f"{match.group(1)}{safe}-", text)
    head, rest = text.split(">", 1)
    width = figure.get_size_inches()[0]
    head = _SIZE.sub("", head)
    shown = f' role="img" aria-label="{escape(label)}" style="width:{width:.2f}in"'
    return f"{head}{shown}>{rest}".strip()
