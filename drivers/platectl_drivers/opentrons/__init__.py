"""Opentrons Flex and OT-2 over HTTP: a protocol-less run, one setup command after another.

Wire: HTTP/1.1 on port 31950, JSON, header `Opentrons-Version: 4`. Source: the vendor's robot
server 8.1.0 run in simulation, its OpenAPI document, and the command schemas of `opentrons` 8.8
and 10.1. Maturity: paper; no robot has answered this driver.

Responsible for: telling the robot what stands where, tips, nozzle layouts, aspirating and
dispensing, carrying labware for the gripper (`opentrons_gripper`), reporting faults with the maker's
codes, and saying afterwards what became of a command whose answer was lost (`find_command`). Not
responsible for: modules on the deck (`opentrons_deck`), or whether a plate is really
where the robot believes it is; the robot does not sense plates.

A command that fails may leave the run waiting for recovery, in which it takes no commands. Whoever sent the
command learns what failed, and the run is told to go on, so that a retry or the next plate is not refused.

Unattested: `awaiting-recovery` and the open door as seen by setup commands, the fields of
`/instruments` on a Flex, the body of a 503 during start-up, and the error that a missing tip
gives (`tipPhysicallyMissing`, 3003, from the vendor's source).
"""

from platectl_drivers.opentrons.driver import Opentrons
from platectl_drivers.opentrons.settings import Definition, Settings

__all__ = ["Definition", "Opentrons", "Settings"]
