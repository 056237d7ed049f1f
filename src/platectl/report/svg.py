"""Figures as SVG text that stands inside an HTML page: no ids in common, nothing from outside."""

from __future__ import annotations

import re
from html import escape
from io import StringIO

from platectl.report.picture import Picture, style

_OUTSIDE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)
_OWN_IDS = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')


def to_svg(picture: Picture, *, salt: str) -> str:
    """Return the `<svg>` element alone; `salt`, unique within the page, keeps ids apart."""
    from matplotlib.figure import Figure

    buffer = StringIO()
    with style():
        figure = Figure(figsize=(picture.width_in, picture.height_in))
        picture.draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = _OUTSIDE.sub("", text[text.index("<svg") :])
    safe = re.sub(r"[^A-Za-z0-9]+", "-", salt)
    text = _OWN_IDS.sub(lambda match: f"{match.group(1)}{safe}-", text)
    head, rest = text.split(">", 1)
    head = _SIZE.sub("", head)
    shown = (
        f' role="img" aria-label="{escape(picture.label)}" style="width:{picture.width_in:.2f}in"'
    )
    return f"{head}{shown}>{rest}".strip()
