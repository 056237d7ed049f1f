"""Pages for print: text, tables and pictures from top to bottom, as a PDF whose text is text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from platectl.report.picture import GREY, INK, PALE, Picture, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A4, across
WIDTH_IN, HEIGHT_IN = 11.69, 8.27
MARGIN_IN, TOP_IN, BOTTOM_IN = 0.6, 0.75, 0.65
INSIDE_IN = WIDTH_IN - 2 * MARGIN_IN
POINTS = 72.0
SIZES = {1: 16.0, 2: 12.0, 3: 9.5}
TEXT, SMALL, SMALLEST = 8.0, 7.0, 6.0
#: of the size of the print
LINE = 1.35
CELL_GAP_IN = 0.12
ROOM_IN = 0.9
#: above the print of a row of a table, and of a close one
ROW_IN, CLOSE_IN = 0.09, 0.025

Paint = Callable[["Figure"], None]
Cells = Sequence[Sequence[str]]


class Word(NamedTuple):
    """A line of print: where its base line begins, inches from the left and from above."""

    x_in: float
    base_in: float
    text: str
    size: float
    bold: bool = False


class Rule(NamedTuple):
    """A straight line between two places, inches from the left and from above."""

    x0_in: float
    y0_in: float
    x1_in: float
    y1_in: float
    points: float
    colour: str


@dataclass(frozen=True, slots=True)
class _Page:
    """What is on a page."""

    words: list[Word] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    pictures: list[Paint] = field(default_factory=list)


class Pages:
    """A document that grows downwards; nothing is drawn before it is written.

    Args:
        title: Of the document.
        foot: What stands at the foot of every page, beside its number.
    """

    def __init__(self, title: str, foot: str) -> None:
        self._title, self._foot = title, foot
        self._pages: list[_Page] = []
        self.turn()

    def turn(self) -> None:
        """Begin a page."""
        self._pages.append(_Page())
        self._y = TOP_IN

    def heading(self, text: str, level: int = 2, *, room_in: float = ROOM_IN) -> None:
        """A heading that stays with the next `room_in` inches of what follows."""
        size = SIZES[level]
        above = 0.0 if self._y == TOP_IN else 0.12
        self._need(above + size * LINE / POINTS + room_in)
        self._y += 0.0 if self._y == TOP_IN else above
        self._lines(wrapped(text, INSIDE_IN, size, bold=True), size, bold=True)
        self._y += 0.06

    def marks(self, words: Sequence[str]) -> None:
        """Words in frames, in a row."""
        size, x, pad = 10.0, MARGIN_IN, 0.06
        self._need(0.45)
        top, base, end = self._y + 0.04, self._y + 0.2, self._y + 0.27
        for word in words:
            right = x + width_in(word, size, bold=True) + 2 * pad
            self._put(x + pad, base, word, size, bold=True)
            for y in (top, end):
                self._rule(x, y, right, y, 1.6, INK)
            for edge in (x, right):
                self._rule(edge, top, edge, end, 1.6, INK)
            x = right + 0.18
        self._y += 0.5

    def paragraph(self, text: str, *, warn: bool = False) -> None:
        """Wrapped text; a warning has a bar at its side."""
        inset = 0.14 if warn else 0.0
        lines = wrapped(text, INSIDE_IN - inset, TEXT)
        height = len(lines) * TEXT * LINE / POINTS
        if warn:
            self._need(min(height, 1.0))
            if self._y + height <= HEIGHT_IN - BOTTOM_IN:
                x = MARGIN_IN + 0.03
                self._rule(x, self._y, x, self._y + height, 2.5, GREY)
        self._lines(lines, TEXT, inset=inset)
        self._y += 0.06

    def table(
        self,
        rows: Sequence[Sequence[str]],
        *,
        head: bool = True,
        close: bool = False,
        name: str = "",
    ) -> None:
        """A table whose columns share the width of the page; its head is said again on each page.

        Args:
            rows: All of one length, the head first.
            head: Whether the first row is one.
            close: In small print, with a rule under every eighth row only.
            name: What is said over the head on further pages.
        """
        size, above = (SMALLEST, CLOSE_IN) if close else (SMALL, ROW_IN)
        texts = [[str(cell) for cell in row] for row in rows]
        widths = column_widths(texts, size)
        cells = [[wrapped(c, w, size, bold=head and n == 0) for c, w in zip(row, widths, strict=True)]
                 for n, row in enumerate(texts)]  # fmt: skip
        for number, row in enumerate(cells):
            height = above + max(len(lines) for lines in row) * size * LINE / POINTS
            if not self._fits(height) and self._y > TOP_IN:
                self.turn()
                if head and number:
                    self._again(name, cells[0], widths, size, above)
            self._row(row, widths, size, above, bold=head and number == 0)
            if not close or number % 8 == 0 or number == len(cells) - 1:
                self._under(widths, bold=head and number == 0)
        self._y += 0.12

    def picture(self, picture: Picture) -> None:
        """A picture at its own size; one that is larger than a page has its plots made smaller."""
        width = min(picture.width_in, INSIDE_IN)
        height = min(picture.height_in, HEIGHT_IN - TOP_IN - BOTTOM_IN)
        self._need(height)
        top = self._y

        def paint(figure: Figure) -> None:
            from matplotlib.gridspec import GridSpec

            across = (MARGIN_IN, width, WIDTH_IN - MARGIN_IN - width)
            down = (top, height, HEIGHT_IN - top - height)
            grid = GridSpec(3, 3, figure=figure, width_ratios=across, height_ratios=down)
            picture.draw(figure.add_subfigure(grid[1, 1]))

        self._pages[-1].pictures.append(paint)
        self._y += height + 0.1

    def figures(self) -> Iterator[Figure]:
        """The pages, each drawn when it is asked for; within `style()`."""
        from matplotlib.figure import Figure

        from platectl.report.lettering import Lettering, rules

        base = HEIGHT_IN - 0.36
        for number, page in enumerate(self._pages, start=1):
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
            for paint in page.pictures:
                paint(figure)
            figure.add_artist(rules(page.rules, figure))
            count = f"page {number} of {len(self._pages)}"
            right = WIDTH_IN - MARGIN_IN - width_in(count, SMALL)
            foot = (Word(MARGIN_IN, base, self._foot, SMALL), Word(right, base, count, SMALL))
            figure.add_artist(Lettering((*page.words, *foot)))
            yield figure

    def write(self, path: Path) -> None:
        """Write the PDF; the same content gives the same bytes."""
        from matplotlib.backends.backend_pdf import PdfPages

        about = {"Title": self._title, "Creator": "platectl", "CreationDate": None}
        with style(), PdfPages(path, metadata=about) as pdf:
            for figure in self.figures():
                pdf.savefig(figure)

    def _fits(self, height_in: float) -> bool:
        return self._y + height_in <= HEIGHT_IN - BOTTOM_IN

    def _need(self, height_in: float) -> None:
        if not self._fits(height_in) and self._y > TOP_IN:
            self.turn()

    def _lines(
        self, lines: Sequence[str], size: float, *, bold: bool = False, inset: float = 0.0
    ) -> None:
        for line in lines:
            self._need(size * LINE / POINTS)
            self._put(MARGIN_IN + inset, self._y + size / POINTS, line, size, bold=bold)
            self._y += size * LINE / POINTS

    def _again(
        self, name: str, head: Cells, widths: Sequence[float], size: float, above: float
    ) -> None:
        """The head of a table on a further page."""
        if name:
            self._lines(wrapped(name, INSIDE_IN, SIZES[3], bold=True), SIZES[3], bold=True)
            self._y += 0.06
        self._row(head, widths, size, above, bold=True)
        self._under(widths, bold=True)

    def _row(
        self, cells: Cells, widths: Sequence[float], size: float, above: float, *, bold: bool
    ) -> None:
        x = MARGIN_IN
        for lines, width in zip(cells, widths, strict=True):
            for n, line in enumerate(lines):
                base = self._y + 0.45 * above + (size + n * size * LINE) / POINTS
                self._put(x, base, line, size, bold=bold)
            x += width + CELL_GAP_IN
        self._y += above + max(len(lines) for lines in cells) * size * LINE / POINTS

    def _under(self, widths: Sequence[float], *, bold: bool) -> None:
        end = MARGIN_IN + sum(widths) + CELL_GAP_IN * (len(widths) - 1)
        how = (0.9, GREY) if bold else (0.4, PALE)
        self._rule(MARGIN_IN, self._y, end, self._y, *how)

    def _put(
        self, x_in: float, base_in: float, text: str, size: float, *, bold: bool = False
    ) -> None:
        if text:
            self._pages[-1].words.append(Word(x_in, base_in, text, size, bold))

    def _rule(self, x0: float, y0: float, x1: float, y1: float, points: float, colour: str) -> None:
        self._pages[-1].rules.append(Rule(x0, y0, x1, y1, points, colour))


def wrapped(text: str, room_in: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines that fit; a word that is longer than a line (a hash) is broken where it has to be."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_in(longer, size, bold=bold) <= room_in:
            lines[-1] = longer
            continue
        parts = list(_broken(word, room_in, size, bold=bold))
        lines += parts if lines[-1] else []
        lines = lines if lines[-1] else parts
    return lines


def _broken(word: str, room_in: float, size: float, *, bold: bool) -> Iterator[str]:
    part = ""
    for character in word:
        if part and width_in(part + character, size, bold=bold) > room_in:
            yield part
            part = ""
        part += character
    yield part


def column_widths(rows: Sequence[Sequence[str]], size: float = SMALL) -> list[float]:
    """Widths in inches: as wide as the longest cell, the widest columns cut down to what is left."""
    natural = [max(width_in(cell, size, bold=True) for cell in column) + 0.02
               for column in zip(*rows, strict=True)]  # fmt: skip
    room = INSIDE_IN - CELL_GAP_IN * (len(natural) - 1)
    most = room
    for place, width in enumerate(sorted(natural)):
        share = room / (len(natural) - place)
        if width > share:
            most = share
            break
        room -= width
    return [min(width, most) for width in natural]


def width_in(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of print is, in inches, at a size in points."""
    return sum(_advance(character, bold=bold) for character in text) * size / POINTS


@lru_cache(maxsize=4096)
def _advance(character: str, *, bold: bool) -> float:
    """Advance of a character, as a share of the size of the print."""
    font = _font(bold=bold)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 65536.0 / 100.0


@lru_cache(maxsize=2)
def _font(*, bold: bool) -> Any:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    wanted = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    font = FT2Font(findfont(wanted))
    font.set_size(100.0, POINTS)
    return font
