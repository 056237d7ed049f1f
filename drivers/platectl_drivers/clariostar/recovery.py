"""What a CLARIOstar can say about an action whose end nobody saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from platectl.hal.recovery import Action, Fate, Verdict
from platectl_drivers.clariostar.data import Record
from platectl_drivers.clariostar.status import Status

#: whether the drawer is out after a verb
DRAWER: Final = {"open_drawer": True, "close_drawer": False}


@dataclass(slots=True)
class Order:
    """The read that this driver was asked for last: when RUN was sent, and whether it was accepted."""

    title: str
    sent_s: float | None = None
    accepted: bool = False


def verdict_of(
    action: Action, status: Status, order: Order | None, record: Record | None
) -> Verdict:
    """Judge by the status; `order` is None, or what the same driver remembers of this read.

    The reader keeps no titles, and unread data outlive the run that made them. Whether they are
    those of the read in question, only the driver that saw RUN accepted can say; for another one
    a run that is over is `unknown`. One that goes on is told by its number of wells.
    """
    evidence = {
        "running": status.running, "busy": status.busy, "family": status.family,
        "unread_data": status.unread, "drawer_open": status.drawer_open,
        "record": record.number if record else None,
        "RUN": {"sent": order.sent_s is not None, "accepted": order.accepted} if order else None,
    }  # fmt: skip
    if action.verb in DRAWER:
        done = status.idle and status.drawer_open == DRAWER[action.verb]
        return Verdict("done" if done else "not_done", evidence, remembered=True)
    if action.verb == "set_temperature":  # a setpoint cannot be read back
        return Verdict("not_done", evidence, remembered=True)
    if action.verb != "read_kinetic":
        return Verdict("unknown", evidence)
    wells = len(action.arguments.get("wells", ()))
    if record is not None and len(record.values[0]) != wells:
        return Verdict("unknown", evidence)
    return Verdict(_fate_of_read(status, order), evidence)


def _fate_of_read(status: Status, order: Order | None) -> Fate:
    if order is not None and order.sent_s is None:
        return "not_done"
    if status.reads:
        return "running"
    if order is not None and status.idle:
        if order.accepted and status.unread:
            return "done"
        if not order.accepted and not status.unread:  # a run that is over leaves data
            return "not_done"
    return "unknown"
