"""The far end of a harvester that a person works: there is none, the person is the operator."""

from __future__ import annotations

from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup


class OperatorHarvesterSimulator:
    """Has no wire and no faults; see the simulator of the operator."""

    def __init__(self, setup: SimulatorSetup) -> None:
        del setup

    async def serve(self, stream: ByteStream) -> None:
        """Close the conversation."""
        await stream.aclose()
