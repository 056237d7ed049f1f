"""Instruments that PyLabRobot 0.2.2 drives, each in a child process of its own.

Responsible for saying what HAL verbs mean to the child, and for what is known about the world when
the child says no or says nothing. The child (`platectl.bridge`, where the lines are described) owns
PyLabRobot and the device. Maturity: paper. The lines are our own and fully known; what a backend does
with its device is PyLabRobot's word, which is why `info.unattested` names it.

`connect` starts the child and takes the device, but sets nothing up: the set-up of many backends
moves (a STAR drops its tips and homes). It is done at the first verb, or in `connect` if the lab file
says `set_up_at_connect: true`. `observe` never does it, so it says that the bridge is well, not that
the device is on.

Verbs have keys (`<action>#<n>`), which the child keeps in a file with how they ended. A verb that was
done is not done again, whoever asks; one whose end nobody saw is `unknown`. A child that lost its
engine ends its verb, and the next one says `running` until then. Not expressible through PyLabRobot
0.2.2, and therefore not bridged: peelers (no pressing time), washers and dispensers (their front end
has no verbs), readers with an injection.
"""

from platectl_drivers.pylabrobot.handler import PyLabRobotHandler
from platectl_drivers.pylabrobot.nests import (
    PyLabRobotArm,
    PyLabRobotIncubator,
    PyLabRobotSealer,
    PyLabRobotShaker,
    PyLabRobotThermostat,
)
from platectl_drivers.pylabrobot.reader import PyLabRobotReader

__all__ = [
    "PyLabRobotArm",
    "PyLabRobotHandler",
    "PyLabRobotIncubator",
    "PyLabRobotReader",
    "PyLabRobotSealer",
    "PyLabRobotShaker",
    "PyLabRobotThermostat",
]
