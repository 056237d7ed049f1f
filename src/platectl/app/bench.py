"""A lab of one simulated instrument, for who knows nothing but the name of its driver."""

from __future__ import annotations

from typing import Final

from platectl import registry
from platectl.domain.errors import UserInputError
from platectl.domain.lab import InstrumentEntry, Lab, PositionEntry

NEST: Final = "nest"


def bench_lab(driver: str) -> Lab:
    """One instrument of a driver, under its name, with an empty nest and no settings.

    Raises:
        UserInputError: No such driver, or its settings must say something.
    """
    if driver not in registry.names():
        raise UserInputError(
            f"there is no instrument {driver!r} in the bundled lab, and no such driver; "
            f"drivers are {', '.join(registry.names())}"
        )
    kind = registry.load(registry.DRIVERS, driver)
    try:
        kind.Settings()
    except ValueError as error:
        raise UserInputError(
            f"{driver} needs settings; write a lab file and serve it with --lab"
        ) from error
    files = kind.info.wire == "files"
    entry = InstrumentEntry(
        driver=driver, address="drop:files" if files else "sim:", position=NEST,
        drops=None if files else "files",
    )  # fmt: skip
    return Lab(
        platectl=1, name="bench", simulated=True, people=("operator",), instruments={driver: entry},
        positions={NEST: PositionEntry()},
    )  # fmt: skip
