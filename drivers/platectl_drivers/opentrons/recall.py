"""What a robot remembers of us: keys of commands, and what they say about its deck.

Rule of the keys: inside an action a command's key is
`<instrument>-<action>-<v>-<command type>[-<labware>]`, v counting the verbs of the action from 1.
It depends on the verb alone, never on whether an earlier command was left out, so that the same
action done again meets its own commands. Outside an action it carries a time and a number. The
server lists keys and does not compare them; that is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platectl.hal.liquids import Channels
from platectl.hal.recovery import ACTION_ID
from platectl_drivers.opentrons import wire

ADAPTER = "adapter."


@dataclass(slots=True)
class Belief:
    """What the robot was told and has: labware by slot (None: off the deck), adapters, tips."""

    full: Channels
    slots: dict[str, str | None] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)
    adapters: set[str] = field(default_factory=set)
    pipette_loaded: bool = False
    configured: Channels | None = None
    tips_fitted: bool = False

    def take(self, item: Mapping[str, Any]) -> None:
        """Take in one command of the robot's list."""
        params, kind = item.get("params", {}), item.get("commandType")
        if item.get("status") != "succeeded":
            self._unfinished(kind, params)
        elif kind == "loadPipette":
            self.pipette_loaded = True
        elif kind == "configureNozzleLayout":
            self.configured = self._channels(params["configurationParams"])
        elif kind == "pickUpTip":
            self.tips_fitted = True
        elif kind in {"dropTip", "dropTipInPlace"}:
            self.tips_fitted = False
        elif kind == "loadLabware":
            self._loaded(params)
        elif kind == "moveLabware":
            self.slots[params["labwareId"]] = _slot(params["newLocation"])

    def _unfinished(self, kind: Any, params: Mapping[str, Any]) -> None:
        """What failed or is under way leaves the belief open; it is done or said again."""
        if kind == "configureNozzleLayout":
            self.configured = None
        elif kind == "moveLabware":
            self.slots[params["labwareId"]] = ""

    def _loaded(self, params: Mapping[str, Any]) -> None:
        name = params["labwareId"]
        if name.startswith(ADAPTER):
            self.adapters.add(name)
            return
        self.slots[name] = _slot(params["location"])
        self.loads[name] = params["loadName"]

    def _channels(self, layout: Mapping[str, Any]) -> Channels:
        return self.full if layout["style"] == "ALL" else wire.channels_of(layout["style"])


def _slot(location: Any) -> str | None:
    """The slot of a location as it was posted; an adapter stands in the slot that names it."""
    if location == "offDeck":
        return None
    if "labwareId" in location:
        return str(location["labwareId"]).removeprefix(ADAPTER)
    return str(location.get("slotName") or location.get("addressableAreaName"))


def believe(items: Sequence[Mapping[str, Any]], full: Channels) -> Belief:
    """Rebuild a belief from the commands of a run, first to last."""
    belief = Belief(full, configured=full)
    for item in items:
        belief.take(item)
    return belief


class Keys:
    """Makes the keys of commands, and knows which of them the robot has already."""

    def __init__(self, name: str, stamp: Callable[[], str]) -> None:
        self.prefix = f"{name}-"
        self._stamp = stamp
        self._action = ""
        self._verb = 0
        self._number = 0
        self._known: dict[str, wire.Command] = {}

    def begin_verb(self) -> None:
        """Count a verb of the action under way."""
        action = ACTION_ID.get()
        self._verb = self._verb + 1 if action == self._action else 1
        self._action = action

    def next(self, command_type: str, labware: str = "") -> str:
        """Key of the next command."""
        if not self._action:
            self._number += 1
            return f"{self.prefix}{self._stamp()}-{self._number}"
        tail = f"-{labware}" if labware else ""
        return f"{self.prefix}{self._action}-{self._verb}-{command_type}{tail}"

    def recall(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Learn the robot's list; the next verb begins its action anew."""
        commands = (wire.decode_command(item) for item in items)
        self._known = {c.key: c for c in commands if c.key.startswith(self.prefix)}
        self._action, self._verb = "", 0

    def known(self, key: str) -> wire.Command | None:
        """What the robot has under a key of the action; a failure is told once, and may be tried anew."""
        command = self._known.get(key) if self._action else None
        if command is not None and command.status == "failed":
            del self._known[key]
        return command

    def has(self, command_type: str) -> bool:
        """Whether the robot has this verb's command of a type already."""
        return bool(self._action) and self.next(command_type) in self._known

    def of(self, action: str) -> dict[str, str]:
        """Keys and states of an action's commands."""
        start = f"{self.prefix}{action}-"
        return {key: c.status for key, c in self._known.items() if key.startswith(start)}
