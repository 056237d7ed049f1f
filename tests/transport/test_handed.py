"""What a driver remembers of the commands that it handed to the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from platectl.hal.recovery import ACTION_ID, Action
from platectl.transport.handed import Handed


def action(name: str) -> Action:
    return Action(name, "combi", "prime", {}, datetime(2026, 1, 1, tzinfo=UTC))


def test_only_an_action_that_began_here_can_be_proved_unsent() -> None:
    subject = Handed()
    token = ACTION_ID.set("a1")

    assert not subject.never(action("a1"))
    subject.begin()
    assert subject.never(action("a1"))
    assert not subject.never(action("a2"))
    assert not subject.did(action("a1"))
    ACTION_ID.reset(token)


def test_what_was_handed_over_once_stays_in_doubt_when_it_is_begun_again() -> None:
    subject = Handed()
    token = ACTION_ID.set("a1")
    subject.begin()
    subject.hand()
    subject.begin()

    assert subject.did(action("a1"))
    assert not subject.never(action("a1"))
    ACTION_ID.reset(token)


def test_a_verb_outside_any_action_proves_nothing() -> None:
    subject = Handed()
    subject.begin()

    assert not subject.never(action(""))
    subject.hand()
    assert not subject.did(action(""))
