"""The relay that opens the valve between pump and manifold; it says nothing back."""

from __future__ import annotations

from typing import Literal

import structlog

from platectl.domain.errors import LinkError
from platectl.hal.stream import ByteStream, Connector
from platectl_drivers.cvc3000.wire import relay_frame

log = structlog.get_logger()


class Valve:
    """A valve behind a relay, or none; known as commanded only.

    Lifetime: obeys between `open` and `aclose` and ignores commands outside. A line that broke is
    opened anew by the next command.
    """

    def __init__(self, connector: Connector | None, channel: int) -> None:
        self._connector = connector
        self._channel = channel
        self._obeys = False
        self._stream: ByteStream | None = None
        self.commanded: Literal["open", "closed", "unknown"] = "unknown"

    @property
    def fitted(self) -> bool:
        """Whether there is a valve at all."""
        return self._connector is not None

    async def open(self) -> None:
        """Open the line, unless it is open; the valve is told nothing.

        Raises:
            DisconnectedError: The port cannot be opened.
        """
        if self._connector is not None and self._stream is None:
            self._stream = await self._connector()
        self._obeys = True

    async def command(self, *, opened: bool) -> None:
        """Open or close the valve.

        Raises:
            LinkError: Nobody knows whether it was told.
        """
        if not self._obeys or not self.fitted:
            return
        self.commanded = "unknown"
        await self.open()
        if self._stream is not None:
            try:
                await self._stream.send(relay_frame(self._channel, on=opened))
            except LinkError:
                stream, self._stream = self._stream, None
                await stream.aclose()
                raise
        self.commanded = "open" if opened else "closed"

    async def close_quietly(self) -> None:
        """Close the valve; a broken line is logged."""
        try:
            await self.command(opened=False)
        except LinkError as error:
            log.warning("valve.close.failed", error=str(error))

    async def aclose(self) -> None:
        """Close the line; the valve is told nothing."""
        stream, self._stream = self._stream, None
        self._obeys, self.commanded = False, "unknown"
        if stream is not None:
            await stream.aclose()
