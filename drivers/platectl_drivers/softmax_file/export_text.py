"""The text around the plates of a SoftMax Pro export: encoding, blocks, and how far it has grown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from platectl.domain.errors import ForeignExportError, MalformedReplyError

Encoding = Literal["utf-16-le", "utf-8", "mac-roman"]

UTF16_BOM: Final = b"\xff\xfe"
UTF8_BOM: Final = b"\xef\xbb\xbf"

_BLOCKS: Final = re.compile(r"##BLOCKS= *(\d+)")
_END: Final = "~End"
_LAST_LINE: Final = re.compile(r"Original Filename: (.*?)(?:; Date Last Saved: (.*))?")
_SAVED: Final = "%m/%d/%Y %I:%M:%S %p"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file with its fields; `number` is 1-based."""

    name: str
    number: int
    fields: tuple[str, ...]

    def field(self, index: int) -> str:
        """A field without blanks around it, empty when the line is shorter."""
        return self.fields[index].strip() if index < len(self.fields) else ""

    @property
    def blank(self) -> bool:
        """Whether there is nothing on it."""
        return not any(field.strip() for field in self.fields)

    def error(self, what: str) -> MalformedReplyError:
        """An error that names the file and this line."""
        return MalformedReplyError(f"{self.name}:{self.number}: {what}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Blocks of a whole file, each without its `~End`, and what its last line says.

    `saved_at` is local to the instrument's computer, ISO without a zone; None without such a line.
    """

    encoding: Encoding
    blocks: tuple[tuple[Line, ...], ...]
    original_filename: str | None
    saved_at: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has grown: names of plate sections so far, blocks that end, blocks announced."""

    plates: tuple[str, ...]
    ended: int
    announced: int | None

    @property
    def whole(self) -> bool:
        """Whether all announced blocks have ended."""
        return self.announced is not None and self.announced == self.ended


def progress(data: bytes) -> Progress:
    """Say how far a file has grown without reading its numbers; any prefix of a file has an answer."""
    if data.startswith(UTF16_BOM):
        text = data[2 : len(data) // 2 * 2].decode("utf-16-le", "replace")
    else:
        text = data.removeprefix(UTF8_BOM).decode("latin-1")
    lines = text.replace("\r\n", "\n").split("\n")[:-1]
    announced = _BLOCKS.fullmatch(lines[0].rstrip("\t ")) if lines else None
    plates = [line.split("\t")[1] for line in lines if line.startswith("Plate:\t")]
    return Progress(
        tuple(plates),
        sum(line.rstrip("\t ") == _END for line in lines),
        int(announced[1]) if announced else None,
    )


def decode(data: bytes, name: str) -> tuple[str, Encoding]:
    """Decode by what the bytes say: a byte order mark, valid UTF-8, or else MacRoman.

    Raises:
        MalformedReplyError: Half a character of UTF-16.
    """
    if data.startswith(UTF16_BOM):
        try:
            return data[2:].decode("utf-16-le"), "utf-16-le"
        except UnicodeDecodeError as error:
            raise MalformedReplyError(
                f"{name}: damaged UTF-16 at byte {error.start + 2}"
            ) from error
    try:
        return data.removeprefix(UTF8_BOM).decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("mac-roman"), "mac-roman"


def read_envelope(data: bytes, name: str) -> Envelope:
    """Cut a whole file into blocks.

    Raises:
        ForeignExportError: Not such a file.
        MalformedReplyError: Not whole, or something stands between the blocks.
    """
    text, encoding = decode(data, name)
    rows = text.replace("\r\n", "\n").split("\n")
    lines = iter(Line(name, n, tuple(row.split("\t"))) for n, row in enumerate(rows, start=1))
    first = next(lines)
    announced = _BLOCKS.fullmatch("\t".join(first.fields).rstrip("\t "))
    if not announced:
        told = first.error(f"expected '##BLOCKS= ' and a number, not {first.fields[0][:40]!r}")
        raise ForeignExportError(str(told))
    blocks = tuple(_block(lines, number, first) for number in range(1, int(announced[1]) + 1))
    filename, saved_at = _last_line(lines)
    return Envelope(encoding, blocks, filename, saved_at)


def _block(lines: Iterator[Line], number: int, first: Line) -> tuple[Line, ...]:
    block: list[Line] = []
    for line in lines:
        if line.field(0) == _END:
            if not block:
                raise line.error("a block without content")
            return tuple(block)
        if block or not line.blank:
            block.append(line)
    raise first.error(f"not whole: block {number} of those announced has no end")


def _last_line(lines: Iterator[Line]) -> tuple[str | None, str | None]:
    left = [line for line in lines if not line.blank]
    if not left:
        return None, None
    match = _LAST_LINE.fullmatch("\t".join(left[0].fields).strip())
    if not match or len(left) > 1:
        raise left[-1].error("something stands after the blocks that were announced")
    if match[2] is None:
        return match[1], None
    try:
        saved = datetime.strptime(match[2].strip(), _SAVED)  # noqa: DTZ007  # the file states no zone
    except ValueError:
        raise left[0].error(f"{match[2][:40]!r} is no date and time") from None
    return match[1], saved.isoformat()
