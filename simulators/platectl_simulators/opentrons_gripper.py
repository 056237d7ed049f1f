"""The far end of a Flex gripper: there is none, it works in the run of the handler (`opentrons`)."""

from __future__ import annotations

from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup


class OpentronsGripperSimulator:
    """Has no wire and no faults; see the simulator of the handler."""

    def __init__(self, setup: SimulatorSetup) -> None:
        del setup

    async def serve(self, stream: ByteStream) -> None:
        """Close the conversation."""
        await stream.aclose()
