"""What a PDF says: its words by page, read from the file, and where each is printed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg

from platectl.report.pages import HEIGHT_IN, WIDTH_IN, Pages
from platectl.report.picture import style

#: of a press whose hints do not widen words
DPI = 200.0
SLACK = 3.0
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


class Paper:
    """The objects of a PDF file."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        found = re.findall(rb"(?:^|\n)(\d+) 0 obj\s(.*?)\sendobj", data, re.DOTALL)
        self._objects: dict[int, bytes] = {int(number): body for number, body in found}
        kids = next(b for b in self._objects.values() if b"/Type /Pages" in b)
        inside = kids[kids.index(b"/Kids") : kids.index(b"]")]
        self.pages = [int(n) for n in re.findall(rb"(\d+) 0 R", inside)]
        self._fonts = {name: self._letters(int(number)) for name, number in self._named_fonts()}

    def texts(self) -> list[list[str]]:
        """Every printed string of every page."""
        return [
            list(self._strings(self._stream(self._reference(page, b"Contents"))))
            for page in self.pages
        ]

    def _reference(self, number: int, name: bytes) -> int:
        found = re.search(rb"/" + name + rb" (\d+) 0 R", self._objects[number])
        assert found
        return int(found[1])

    def _stream(self, number: int) -> bytes:
        body = self._objects[number].split(b"stream\n", 1)[1]
        return zlib.decompress(body.rsplit(b"\nendstream", 1)[0])

    def _named_fonts(self) -> list[tuple[bytes, bytes]]:
        fonts = self._reference(self._reference(self.pages[0], b"Resources"), b"Font")
        return re.findall(rb"/(F\d+) (\d+) 0 R", self._objects[fonts])

    def _letters(self, font: int) -> dict[int, str]:
        """Code -> letters, by the font's own table; without one a font is a drawing."""
        table = self._stream(self._reference(font, b"ToUnicode"))
        letters = {}
        for first, last, codes in re.findall(rb"<(\w+)> <(\w+)> \[(.*?)\]", table):
            known = re.findall(rb"<(\w+)>", codes)
            for code, text in zip(range(int(first, 16), int(last, 16) + 1), known, strict=True):
                letters[code] = bytes.fromhex(text.decode()).decode("utf-16-be")
        return letters

    def _strings(self, page: bytes) -> Iterator[str]:
        for block in re.findall(rb"\nBT\n(.*?)\nET\n", page, re.DOTALL):
            said, letters = "", {}
            for font, string in re.findall(
                rb"/(F\d+) [\d.]+ Tf|\(((?:\\.|[^\\()])*)\)", block, re.DOTALL
            ):
                if font:
                    letters = self._fonts[font]
                    continue
                raw = re.sub(rb"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), string, flags=re.DOTALL)
                codes = (int.from_bytes(raw[n : n + 2]) for n in range(0, len(raw), 2))
                said += "".join(letters[code] for code in codes)
            yield said


@dataclass(frozen=True)
class Printed:
    """A string with its box in dots, from the left and from below."""

    text: str
    box: tuple[float, float, float, float]


class _Press(RendererAgg):
    """A renderer that notes what is printed where."""

    def __init__(self) -> None:
        super().__init__(WIDTH_IN * DPI, HEIGHT_IN * DPI, DPI)
        self.printed: list[Printed] = []

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        if not s.strip():
            return
        if mtext is not None:
            self.printed.append(Printed(s, mtext.get_window_extent(self).extents))
            return
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        below = self.height - y - descent
        self.printed.append(Printed(s, (x, below, x + width, below + height)))


def printed(pages: Pages) -> list[list[Printed]]:
    """What is printed where, page by page."""
    found = []
    with style():
        for figure in pages.figures():
            figure.dpi = DPI
            press = _Press()
            figure.draw(press)
            found.append(press.printed)
    return found


def cut_off(page: list[Printed]) -> list[str]:
    """Words that leave the sheet."""
    return [
        p.text for p in page
        if p.box[0] < SLACK or p.box[1] < SLACK
        or p.box[2] > WIDTH_IN * DPI - SLACK or p.box[3] > HEIGHT_IN * DPI - SLACK
    ]  # fmt: skip


def overlapping(page: list[Printed]) -> list[str]:
    """Words that stand on one another."""
    return [
        f"{a.text!r} and {b.text!r}"
        for n, a in enumerate(page)
        for b in page[n + 1 :]
        if min(a.box[2], b.box[2]) - max(a.box[0], b.box[0]) > SLACK
        and min(a.box[3], b.box[3]) - max(a.box[1], b.box[1]) > 1.5 * SLACK
    ]
