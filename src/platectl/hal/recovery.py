"""What an instrument can say about an action that was sent and whose end nobody saw."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

#: done: all of it happened; not_done: none of it, and nothing of it will; partial: `wells` were
#: served and nothing more will happen; running: it goes on by itself; unknown: nobody can say
Fate = Literal["done", "not_done", "partial", "running", "unknown"]

#: Identity of the action under way; an instrument that remembers commands files them under it.
ACTION_ID: ContextVar[str] = ContextVar("ACTION_ID", default="")


@dataclass(frozen=True, slots=True)
class Action:
    """One action as the ledger has it.

    `verb` is the method of the HAL interface (`dispense_columns`, `move_plate`, `read_kinetic`,
    …), or a word of the step for several strokes of a handler in a row (`transfer`, `stir`);
    `arguments` are the method's, by name, as JSON. `sent_at` is aware UTC.
    """

    id: str
    instrument: str
    verb: str
    arguments: Mapping[str, Any]
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an action, on what evidence (JSON, kept in the ledger).

    `remembered` says that the instrument filed the action's commands under `ACTION_ID`: doing the
    action again sends only what is missing. `wells` belongs to `partial`.
    """

    fate: Fate
    evidence: Mapping[str, Any] = field(default_factory=dict)
    wells: tuple[str, ...] = ()
    remembered: bool = False


def settable(evidence: Mapping[str, Any], *, as_set: bool) -> Verdict:
    """What became of an action that sets something which can be read back, and set again."""
    return Verdict("done" if as_set else "not_done", evidence, remembered=not as_set)


def setpoint_verdict(
    action: Action, target_c: float | None, evidence: Mapping[str, Any], *, within_c: float
) -> Verdict:
    """What became of `set_temperature` or `stop_heating`, by the setpoint now; None is off."""
    if action.verb == "stop_heating":
        return settable(evidence, as_set=target_c is None)
    if action.verb != "set_temperature":
        return Verdict("unknown", {**evidence, "verb": action.verb})
    asked_c = action.arguments.get("temperature_c")
    if target_c is None or asked_c is None:
        return settable(evidence, as_set=False)
    return settable(evidence, as_set=abs(target_c - float(asked_c)) < within_c)
