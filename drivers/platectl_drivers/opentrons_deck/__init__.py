"""Modules on the deck of an Opentrons robot, over the robot's HTTP: Heater-Shaker and Temperature Module.

Wire: HTTP/1.1 on port 31950, JSON, header `Opentrons-Version: 4`. `GET /modules` tells what is attached and how it is;
`POST /commands` executes one command by itself, beside the run of a handler, with the module's `id`. Source: the
maker's robot server (robot-server/robot_server/commands and modules, 8.x), its tests, and the command schemas of
`opentrons` 8.8 and 10.1 (handlers 1.5). Maturity: paper.

Responsible for: one module each, found by its model and, where several are attached, by its serial number. Not
responsible for: the handler (`opentrons`), which needs not know the module, nor for where on the deck it is.

A command that fails is told in its body, not by the HTTP status. A run that was played blocks these commands
(`RunActive`); the driver of the handler never plays one. Whether a command happened is read back from the module,
because its own list is lost with the robot's program: what turns is finished by `shake` under the same `ACTION_ID`.
"""

from platectl_drivers.opentrons_deck.block import DeckBlock
from platectl_drivers.opentrons_deck.robot import Module, decode_command, decode_module
from platectl_drivers.opentrons_deck.shaker import DeckShaker

__all__ = ["DeckBlock", "DeckShaker", "Module", "decode_command", "decode_module"]
