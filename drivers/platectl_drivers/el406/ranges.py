"""What the washer can be told, by the layouts of its steps; all of it is refused before anything is sent."""

from __future__ import annotations

from typing import Final

from platectl.domain.errors import RefusedError
from platectl.hal.checks import whole

BUFFERS: Final = ("A", "B", "C", "D")
VOLUME_UL: Final = (25.0, 3000.0)
FILTER_S: Final = (5, 999)
PRIME_ML: Final = (5, 999)
RATE: Final = (1, 5)
#: 1 and 2 need a vacuum delay volume, which is not offered
FLOW: Final = (3, 11)
CYCLES: Final = (1, 250)


def rate_of(rate: float) -> int:
    """The byte of a rate of aspirating.

    Raises:
        RefusedError: There is no such rate.
    """
    return whole(rate, RATE, "aspirate at", "of the rates")


def flow_of(flow: float) -> int:
    """The byte of a flow of dispensing.

    Raises:
        RefusedError: There is no such flow.
    """
    return whole(flow, FLOW, "dispense at", "of the flows")


def check_buffer(buffer: str) -> None:
    """Refuse a buffer line that does not exist.

    Raises:
        RefusedError: A to D.
    """
    if buffer not in BUFFERS:
        raise RefusedError(f"there is no buffer line {buffer!r}; A to D")


def volume_of(buffer: str, volume_ul: float) -> int:
    """Microlitres of a buffer line.

    Raises:
        RefusedError: Outside the range, a fraction, or no such line.
    """
    check_buffer(buffer)
    return whole(volume_ul, VOLUME_UL, "dispense", "uL")
