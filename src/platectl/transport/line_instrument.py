"""What instruments have in common that are asked over one line who they are."""

from __future__ import annotations

from abc import ABC, abstractmethod

from platectl.hal.instrument import Identity
from platectl.transport.line import InstrumentLine


class LineInstrument(ABC):
    """The part of `platectl.hal.instrument.Instrument` of one whose state no conversation changes.

    Over `connect`, `observe`, `take_over` and `aclose` what moves goes on and what is heated stays so. A
    driver opens nothing itself: it makes `_line`, says in `_identity` who answers on it, and in `_introduce`
    what a new line needs before that.
    """

    _line: InstrumentLine

    async def connect(self) -> Identity:
        """Ask who is there on a new line; nothing moves.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        await self.aclose()
        return await self.observe()

    async def observe(self) -> Identity:
        """Ask who is there, on a new line if there is none or the old one is gone.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        return await self._line.look(self._identity, self._introduce)

    async def take_over(self) -> Identity:
        """As `observe`."""
        return await self.observe()

    async def aclose(self) -> None:
        """Close the line; harmless when repeated."""
        await self._line.aclose()

    @abstractmethod
    async def _identity(self) -> Identity: ...

    async def _introduce(self) -> Identity:
        return await self._identity()
