"""What a robot remembers of us: keys of commands, and what they say about its deck.

Rule of the keys: inside an action a command's key is
`<instrument>-<action>-<v>-<command type>[-<labware>]`, v counting the verbs of the action from 1.
It depends on the verb alone, never on whether an earlier command was left out, so that the same
action done again meets its own commands. Outside an action it carries a time and a number; in
a run that follows a stopped one, the stopped run's identity and a number. The server lists keys and
does not compare them (`opentrons.protocol_engine`: identities are its own, `key` is handed through);
that is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from platectl.hal.liquids import Channels
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl_drivers.opentrons import wire

ADAPTER: Final = "adapter."
#: stamp of the keys in a run that follows a stopped one
AFTER: Final = "after."
#: verbs that only describe the deck; all others need a pipette that was declared before
DECLARING: Final = ("load_deck", "note_move")
#: what is left of a queued and of a running command in a run that is over
NEVER: Final = "never executed"
STOPPING: Final = "being stopped"
#: wall times of the ledger are rounded
ROUNDING: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the robot keeps of our last run; without `run_id` it keeps none.

    `items` are its commands, first to last; `earlier` those of the runs it followed. `whole` says
    that none of these is missing. A run that is not `alive` takes no more commands.
    """

    run_id: str = ""
    alive: bool = False
    items: Sequence[Mapping[str, Any]] = ()
    earlier: Sequence[Mapping[str, Any]] = ()
    whole: bool = True


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


def judge(
    action: Action, known: Recalled, states: Mapping[str, str], *, began: datetime | None
) -> Verdict:
    """What became of an action whose commands have these states.

    `not_done` is said only of a run in which the action would be found: one that has what a verb
    needs (an empty one may be a stranger's), that is whole, and that was not made after the action
    was sent; `began` is when this driver made it.
    """
    evidence = {"commands": dict(states), "run": known.run_id, "run_takes_commands": known.alive}
    present = set(states.values())
    if STOPPING in present:
        return Verdict("running", evidence)
    if present & {"queued", "running"}:
        return Verdict("running", evidence, remembered=True)
    if present - {NEVER}:
        return Verdict("partial", evidence, remembered=True)
    if present:
        return Verdict("not_done", evidence, remembered=True)
    loaded = any(
        item.get("commandType") == "loadPipette" and item.get("status") == "succeeded"
        for item in known.items
    )
    why = ""
    if not known.run_id:
        why = "the robot keeps no run of ours"
    elif not loaded and action.verb not in DECLARING:
        why = "the run has no pipette, so the action was not sent to it"
    elif not known.whole:
        why = "the robot forgot a run before this one"
    elif began is not None and action.sent_at < began - ROUNDING:
        why = "the run was made after the action was sent"
    if why:
        return Verdict("unknown", {**evidence, "why": why})
    return Verdict("not_done", evidence, remembered=True)


class Keys:
    """Makes the keys of commands, and knows which of them the robot has already."""

    def __init__(self, name: str, stamp: Callable[[], str]) -> None:
        self.prefix = f"{name}-"
        self._stamp = stamp
        self._action = ""
        self._verb = 0
        self._number = 0
        self._known: dict[str, wire.Command] = {}
        self._states: dict[str, str] = {}

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

    def owns(self, item: Mapping[str, Any]) -> bool:
        """Whether a listed command is one of ours."""
        return str(item.get("key", "")).startswith(self.prefix)

    def run_before(self, items: Sequence[Mapping[str, Any]]) -> str:
        """Identity of the run that the run of these commands follows, or nothing."""
        start = f"{self.prefix}{AFTER}"
        keys = (str(item.get("key", "")) for item in items)
        named = (key.removeprefix(start) for key in keys if key.startswith(start))
        return next(named, "").rpartition("-")[0]

    def recall(self, known: Recalled) -> None:
        """Learn the robot's list; the next verb begins its action anew."""
        self._known, self._states = {}, {}
        for items, alive in ((known.earlier, False), (known.items, known.alive)):
            for item in items:
                self._learn(wire.decode_command(item), alive=alive)
        self._action, self._verb = "", 0

    def _learn(self, command: wire.Command, *, alive: bool) -> None:
        """Take in one command; one that a run left in its queue is as if it had not been sent."""
        if not command.key.startswith(self.prefix):
            return
        dead = {} if alive else {"queued": NEVER, "running": STOPPING}
        self._states[command.key] = dead.get(command.status, command.status)
        if self._states[command.key] == NEVER:
            self._known.pop(command.key, None)
        else:
            self._known[command.key] = command

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
        return {key: state for key, state in self._states.items() if key.startswith(start)}
