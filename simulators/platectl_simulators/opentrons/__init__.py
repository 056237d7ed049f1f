"""The robot server of an Opentrons Flex or OT-2, as its vendor's simulation was observed.

Source: robot server 8.1.0 (OT-2 and Flex) and the command schemas of `opentrons` 8.8 and 10.1.
What the robot believes about its deck (`belief`) is apart from what its hands meet (`hands`):
it never senses plates, and an OT-2 does not sense tips either.
"""

from platectl_simulators.opentrons.server import OpentronsSimulator

__all__ = ["OpentronsSimulator"]
