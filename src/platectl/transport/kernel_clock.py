"""Whether the computer's clock follows a time server, as far as that can be known without privileges."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

#: systemd-timesyncd touches it when it has set the clock
MARKER = Path("/run/systemd/timesync/synchronized")
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """The head of the kernel's `struct timex`; `modes` 0 only reads, the tail is larger than it is."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 508))


def synchronised() -> bool | None:
    """Whether the clock is synchronised; None when nobody can say."""
    if MARKER.exists():
        return True
    if not sys.platform.startswith("linux"):
        return None
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex()))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)
