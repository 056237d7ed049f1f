"""Interface of laboratory balances."""

from __future__ import annotations

from typing import Protocol

from platectl.hal.instrument import Instrument


class Balance(Instrument, Protocol):
    """A balance; masses are net masses in grams, after zero and tare."""

    async def read_mass_g(self, *, stable: bool = True) -> float:
        """Return the mass on the pan: when it has settled, or at once if it need not be stable.

        Raises:
            InstrumentFaultError: `code` "not_stable", "overload", "underload" or "busy"; a reading
                changes nothing.
            LinkError: No usable answer; a reading changes nothing.
        """
        ...

    async def tare(self) -> float:
        """Take what stands on the pan as the container and return its mass in grams.

        Raises:
            InstrumentFaultError: As `read_mass_g`; the tare is as it was.
            LinkError: The tare may have been taken.
        """
        ...

    async def zero(self) -> None:
        """Set the zero point, with the pan empty.

        Raises:
            InstrumentFaultError: As `read_mass_g`, also outside the zero range; nothing was set.
            LinkError: The zero may have been set.
        """
        ...
