"""What can be refused before anything is sent to a FLIPR."""

from __future__ import annotations

import re
from typing import Final

from platectl.domain.errors import InstrumentFaultError, RefusedError
from platectl.domain.wells import PlateFormat
from platectl.hal.checks import check_wells
from platectl.hal.reading import KineticRead
from platectl_drivers.flipr.wire import LONGEST_BARCODE, Configuration, Status, write_command

PLATE: Final = PlateFormat.of(96)
TIPS: Final = "tips"
_TITLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")


def check_read(read: KineticRead) -> None:
    """Check what no FLIPR can do.

    Raises:
        RefusedError: Title, wells, side or bar-codes.
    """
    if not _TITLE.fullmatch(read.title):
        raise RefusedError(f"{read.title!r} cannot be the name of a data file")
    if not read.bottom:
        raise RefusedError("a FLIPR reads through the bottom")
    check_wells(read.wells)
    if strange := [well for well in read.wells if well not in PLATE.by_row()]:
        raise RefusedError(f"{strange[0]} is no well of a 96-well plate")
    for barcode in (read.plate, read.injection.source if read.injection else TIPS):
        write_command("loadplate", barcode)
        if len(barcode) > LONGEST_BARCODE or " " in barcode:
            raise RefusedError(f"{barcode!r} cannot be a bar-code of this FLIPR")


def check_bands(read: KineticRead, fitted: Configuration) -> None:
    """Check that light sources and filters for all channels are fitted.

    Raises:
        RefusedError: A wavelength lies in none of the bands.
    """
    for channel in read.channels:
        for value, bands in (
            (channel.excitation_nm, fitted.excitation_nm),
            (channel.emission_nm, fitted.emission_nm),
        ):
            if not any(low <= value <= high for low, high in bands):
                listed = ", ".join(f"{low:g}-{high:g}" for low, high in bands) or "nothing"
                raise RefusedError(f"{value:g} nm is not among what is fitted: {listed} nm")


def check_health(status: Status) -> None:
    """Check that it takes commands.

    Raises:
        InstrumentFaultError: `manual`, `offline`, or what the status says is wrong.
    """
    if status.trouble:
        raise InstrumentFaultError(
            f"FLIPR states {status.trouble}; reset it in ScreenWorks", code=status.trouble
        )
    if not status.remote:
        raise InstrumentFaultError("ScreenWorks is not in Remote mode", code="manual")
    if not status.online:
        raise InstrumentFaultError("FLIPR is offline", code="offline")


def loads(read: KineticRead, status: Status, *, flag: str) -> list[str]:
    """Commands that load what the read needs and is not inside yet.

    Raises:
        InstrumentFaultError: `plate`: something else is inside.
    """
    wanted = {"re": read.plate}
    if read.injection is not None:
        wanted |= {"s1": read.injection.source, "ti": TIPS}
    for place, barcode in wanted.items():
        inside = status.plates[place]
        if inside and inside != barcode and place != "ti":
            raise InstrumentFaultError(
                f"{inside} is inside the FLIPR at {place}, not {barcode}", code="plate"
            )
    return [
        write_command("loadplate", place, flag, barcode)
        for place, barcode in wanted.items()
        if status.plates[place] is None
    ]
