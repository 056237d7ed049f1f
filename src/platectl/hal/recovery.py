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
