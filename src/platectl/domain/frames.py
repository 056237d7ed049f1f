"""Lines of bridges: JSON behind a checksum, so that no part of one is taken for a whole."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from platectl.domain.errors import MalformedReplyError

END: Final = b"\n"
_LINE: Final = re.compile(rb"([0-9a-f]{8}) (\{[ -~]*\})")


def encode(message: Mapping[str, Any]) -> bytes:
    """One line, with its end.

    Raises:
        ValueError: A number that JSON does not have.
    """
    text = json.dumps(message, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
    return b"%08x %s%s" % (zlib.crc32(text), text, END)


def decode(line: bytes) -> dict[str, Any]:
    """The message in a line, which comes without its end.

    Raises:
        MalformedReplyError: Not such a line, or the checksum is another one.
    """
    match = _LINE.fullmatch(line)
    if match is None or int(match[1], 16) != zlib.crc32(match[2]):
        raise MalformedReplyError(f"not a line of the bridge: {line[:80]!r}")
    try:
        found: dict[str, Any] = json.loads(match[2])
    except ValueError as error:
        raise MalformedReplyError(f"not JSON: {line[:80]!r}") from error
    return found
