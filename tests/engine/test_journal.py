"""What was recorded is durable before anything is waited for, and before anybody is told."""

from __future__ import annotations

import asyncio

import pytest

from platectl.domain.errors import StoreError
from platectl.domain.events import Event
from platectl.engine.journal import Journal
from platectl.engine.state import RunState
from platectl.simkit.virtual_time import VirtualClock


class Paper:
    """A ledger that notes what was asked of it; `full` refuses to settle."""

    def __init__(self, story: list[str], *, full: bool = False) -> None:
        self.story = story
        self.full = full

    def append(self, event: Event, *, sync: bool = True) -> int:
        self.story.append(f"{event.kind} {'synced' if sync else 'unsynced'}")
        return len(self.story)

    def settle(self) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.story.append("settled")


def journal(story: list[str], *, full: bool = False) -> Journal:
    clock = VirtualClock()

    def told(event: Event) -> None:
        story.append(f"{event.kind} told")

    return Journal(Paper(story, full=full), clock=clock, state=RunState(), began_s=0.0, watch=told)


async def test_what_is_recorded_next_shares_its_sync() -> None:
    story: list[str] = []
    subject = journal(story)

    subject.record_soon("step.note", "P1.B1", {})
    subject.record("step.note", "P1.B1", {})
    await asyncio.sleep(0)

    assert story == ["step.note unsynced", "step.note synced", "step.note told", "step.note told"]


async def test_what_nothing_follows_is_durable_before_time_goes_on() -> None:
    story: list[str] = []
    subject = journal(story)

    subject.record_soon("step.note", "P1.B1", {})
    subject.record("step.claimed", "P1.B1", {}, sync=False)
    await asyncio.sleep(0)

    assert story == [
        "step.note unsynced", "step.claimed unsynced", "settled",
        "step.note told", "step.claimed told",
    ]  # fmt: skip


async def test_pieces_that_come_together_are_settled_once() -> None:
    story: list[str] = []
    subject = journal(story)

    for _ in range(3):
        subject.record_soon("step.note", "P1.B1", {})
    await asyncio.sleep(0)

    assert story.count("settled") == 1
    assert story.count("step.note told") == 3


async def test_a_disk_that_refuses_to_settle_stops_what_comes_next() -> None:
    story: list[str] = []
    subject = journal(story, full=True)

    subject.record_soon("step.note", "P1.B1", {})
    await asyncio.sleep(0)

    with pytest.raises(StoreError, match="full"):
        subject.record("step.note", "P1.B1", {})
    assert "step.note told" not in story
