"""Pages in a headless browser: measured, photographed, and judged."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import numpy.typing as npt

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH = 1200
MEASURE = Path(__file__).with_name("measure.js")
OUTSIDE = re.compile(
    r"""(?:src|href|action|data)\s*=\s*["'](?!#|data:)|@import|url\((?!["']?#)|<link\b|<iframe\b"""
)
LEAST_CONTRAST = 4.5
LEAST_SHAPES = 5
#: of CIE lightness, 0 to 100
LEAST_GREY_STEP = 5.0
Page = Mapping[str, Any]
Box = Sequence[float]


def browser() -> str | None:
    """The headless browser of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _run(folder: Path, *options: str) -> str:
    program = browser()
    assert program is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-dev-shm-usage", "--virtual-time-budget=20000",
             f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
    done = subprocess.run(
        [program, *flags, *options], capture_output=True, text=True, timeout=110, check=True
    )
    return done.stdout


def measured(pages: Mapping[str, str], folder: Path) -> dict[str, Page]:
    """Lay pages out, all in one start of the browser, and measure them."""
    frames = "".join(
        f'<iframe title="{html.escape(name)}" width="{WIDTH}" height="900" srcdoc="{html.escape(page)}"></iframe>'
        for name, page in pages.items()
    )
    whole = f"<!doctype html><meta charset=utf-8><style>iframe{{border:0}}</style><body>{frames}<script>{MEASURE.read_text()}</script></body>"
    sheet = folder / "sheet.html"
    sheet.write_text(whole, encoding="utf-8")
    shown = _run(folder, "--dump-dom", sheet.as_uri())
    found = re.search(r'<pre id="measured">(.*?)</pre>', shown, re.DOTALL)
    assert found, shown[:500]
    told: dict[str, Page] = json.loads(html.unescape(found[1]))
    return told


def photographed(page: str, height: int, folder: Path) -> npt.NDArray[np.float64]:
    """The page as grey values from 0 to 1, shape (height, width)."""
    source, image = folder / "page.html", folder / "page.png"
    source.write_text(page, encoding="utf-8")
    _run(folder, f"--window-size={WIDTH},{height}", f"--screenshot={image}", source.as_uri())
    rgb = np.asarray(matplotlib.image.imread(image), dtype=np.float64)[..., :3]
    return np.asarray(rgb @ np.array([0.2126, 0.7152, 0.0722]))


def _overlap(a: Box, b: Box) -> bool:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide > 1.0 and high > 1.5


def _inside(inner: Box, outer: Box) -> bool:
    return (
        inner[0] >= outer[0] - 1 and inner[1] >= outer[1] - 1
        and inner[2] <= outer[2] + 1 and inner[3] <= outer[3] + 1
    )  # fmt: skip


def _overlapping(words: Sequence[Mapping[str, Any]]) -> list[str]:
    ordered = sorted(words, key=lambda w: w["box"][1])
    found = []
    for i, one in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if other["box"][1] >= one["box"][3]:
                break
            if _overlap(one["box"], other["box"]):
                found.append(f"{one['text']!r} and {other['text']!r} overlap")
    return found


def faults(page: Page) -> list[str]:
    """What is wrong with the layout of a measured page."""
    found = [] if page["scroll"] <= page["width"] + 1 else [f"is {page['scroll']} px wide"]
    found += _overlapping(page["words"])
    found += [
        f"{w['text']!r} has a contrast of {w['contrast']:.1f}"
        for w in page["words"]
        if w["contrast"] < LEAST_CONTRAST
    ]
    for figure in page["figures"]:
        found += [f"{figure['name']}: {text}" for text in figure_faults(figure)]
    return found


def figure_faults(figure: Page) -> list[str]:
    """What is wrong with one figure."""
    found = _overlapping(figure["labels"])
    found += [
        f"{label['text']!r} is cut off"
        for label in figure["labels"]
        if not _inside(label["box"], figure["box"])
    ]
    if figure["shapes"] < LEAST_SHAPES:
        found.append("the figure is empty")
    for number, axes in enumerate(figure["axes"], start=1):
        if not axes["marks"] and axes["patches"] < 2:  # the frame is one of them
            found.append(f"plot {number} is empty")
        found += [f"plot {number}: {text}" for text in _alike_in_grey(axes["looks"])]
    return found


def _alike_in_grey(looks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Series that only their colour tells apart."""
    return [
        f"{a['colour']} and {b['colour']} look alike in grey"
        for a, b in combinations(looks, 2)
        if a["colour"] != b["colour"] and a["form"] == b["form"] and a["marker"] and b["marker"]
        and abs(_lightness(a["grey"]) - _lightness(b["grey"])) < LEAST_GREY_STEP
    ]  # fmt: skip


def _lightness(luminance: float) -> float:
    """CIE 1976 lightness of a luminance from 0 to 1."""
    bright = luminance > (6 / 29) ** 3
    return 116 * luminance ** (1 / 3) - 16 if bright else luminance * (29 / 3) ** 3


def blank_plots(page: Page, grey: npt.NDArray[np.float64]) -> list[str]:
    """Plots whose inside shows nothing but paper on the photograph."""
    found = []
    for figure in page["figures"]:
        for number, axes in enumerate(figure["axes"], start=1):
            left, top, right, bottom = (round(v) for v in axes["box"])
            wide, high = (right - left) // 20 + 2, (bottom - top) // 20 + 2
            inside = grey[top + high : bottom - high, left + wide : right - wide]
            if inside.size and np.ptp(inside) < 0.15:
                found.append(f"{figure['name']}: plot {number} shows nothing")
    return found


def from_outside(page: str) -> list[str]:
    """References that leave the file."""
    return [page[m.start() : m.end() + 40] for m in OUTSIDE.finditer(page)]
