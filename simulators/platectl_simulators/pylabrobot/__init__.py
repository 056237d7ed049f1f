"""Simulated bridges: PyLabRobot itself runs in this process, and what its backends are told happens.

Each conversation is a child of its own with new PyLabRobot objects; the memory of the children and
the device outlive it. In place of the backend that a lab file names stands the one that PyLabRobot
simulates it with, and on each call that acts a tap, which lets the call happen in the world: liquids
are drawn from what stands where the head was sent, nests heat and shake. Backends of arms and sealers
have no simulated one in PyLabRobot 0.2.2; ours only have the methods.
"""

from platectl_simulators.pylabrobot.simulator import (
    ArmBridge,
    HandlerBridge,
    IncubatorBridge,
    ReaderBridge,
    SealerBridge,
    ShakerBridge,
    ThermostatBridge,
)

__all__ = [
    "ArmBridge",
    "HandlerBridge",
    "IncubatorBridge",
    "ReaderBridge",
    "SealerBridge",
    "ShakerBridge",
    "ThermostatBridge",
]
