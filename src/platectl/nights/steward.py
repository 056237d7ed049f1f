"""Looks after the runs of the queue: begins them, sees how they end, takes up what was cut off."""

from __future__ import annotations

from typing import Final

from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.domain.notices import NoticeKind
from platectl.nights.book import Book, stamp
from platectl.nights.outbox import Outbox
from platectl.nights.ports import Children, Standing, Watch
from platectl.nights.queue import Queue, changed, too_late
from platectl.nights.submission import Submission, outcome_in_words

#: processes that are begun for one run without a person's word
MOST_TRIES: Final = 5
#: `entries` of a submission that a person has just released
_RELEASED: Final = -1
_REFUSED: Final = 2  # exit code of what nothing was sent for
_OVER: Final = {"done", "failed", "aborted"}
_WAITS: Final = {"held", "stopped", "unreadable"}


class Steward:
    """Carries submissions from one durable state to the next.

    A claim is durable before its process is begun, and a run that has a ledger is only ever
    resumed. So whatever dies, and whenever, each run is begun once.
    """

    def __init__(
        self, book: Book, queue: Queue, outbox: Outbox, children: Children, watch: Watch,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._book = book
        self._queue = queue
        self._outbox = outbox
        self._children = children
        self._watch = watch
        self._clock = clock

    def look_after(self) -> None:
        """Look at every run that was begun and is not over."""
        for submission in self._queue.all("claimed", "running", "held"):
            if submission.run is None:
                continue
            standing = self._children.look(submission)
            if standing.alive:
                self._goes(submission)
            elif submission.state == "held":
                if standing.status in _OVER:  # a person resumed it by hand
                    self._over(submission, standing)
            elif submission.state == "claimed" and _untouched(submission, standing):
                self._spawn(submission, standing)
            else:
                self._over(submission, standing)

    def start(self) -> None:
        """Begin every queued run that may start now."""
        now = self._clock.now()
        for submission in self._queue.startable():
            reasons = changed(submission) + too_late(submission, now)
            if reasons:
                self._hold(submission, "; ".join(reasons), "person_needed")
            elif (claimed := self._queue.claim(submission.id, now)) is not None:
                self._spawn(claimed, Standing(alive=False))

    async def examine(self) -> bool:
        """Find out what the next queued submission needs; whether there was one."""
        unknown = [s for s in self._queue.all("queued") if s.needs is None]
        for submission in unknown[:1]:
            try:
                needs = await self._children.examine(submission.subject, submission.due)
            except UserInputError as error:
                self._hold(submission, f"refused: {error}", "failure")
            else:
                self._queue.examined(submission.id, needs)
        return bool(unknown)

    def _goes(self, submission: Submission) -> None:
        now = self._clock.now()
        if submission.state != "running":
            self._queue.started(submission.id, now)
        for alarm in self._watch.look(submission):
            mark = f"{alarm.kind}:{submission.id}:{alarm.about}:{stamp(now)}"
            self._outbox.put(mark, alarm.kind, submission.name, alarm.text, now)

    def _spawn(self, submission: Submission, standing: Standing) -> None:
        if submission.entries == _RELEASED:
            submission = self._queue.claim_again(submission.id, standing.entries, tries=1)
        try:
            if standing.entries:
                self._children.go_on(submission)
            else:
                self._children.begin(submission)
        except OSError as error:
            self._hold(submission, f"no process can be made: {error}", "failure")
        else:
            self._queue.started(submission.id, self._clock.now())

    def _over(self, submission: Submission, standing: Standing) -> None:
        """Its process is gone: it is done, or waits for a person, or is taken up."""
        if standing.status == "done":
            self._end(submission, standing)
        elif standing.status in _OVER:
            self._fail(submission, standing, f"{standing.status}: {standing.said}".strip(": "))
        elif standing.status in _WAITS:
            why = f": {standing.why}" if standing.why else ""
            text = f"{standing.status}{why}; {_goes_on(submission)}"
            self._hold(submission, text, "hold", standing)
        elif not standing.entries and standing.code == _REFUSED:
            self._refuse(submission, standing)
        elif submission.tries >= MOST_TRIES:
            text = f"its process ended {submission.tries} times before its run: {standing.said}"
            self._hold(submission, text, "failure", standing)
        elif standing.entries and submission.restart == "hold":
            self._hold(submission, f"cut off; {_goes_on(submission)}", "hold", standing)
        else:
            self._take_up(submission, standing)

    def _refuse(self, submission: Submission, standing: Standing) -> None:
        """Nothing was sent: it waits for a person without its instruments, and others may have them."""
        with self._book.change():
            self._queue.begun_anew(submission.id)
            self._hold(submission, f"refused: {standing.said}", "failure", standing)

    def _take_up(self, submission: Submission, standing: Standing) -> None:
        """Begin another process for a run that was cut off, or never came to its first entry."""
        with self._book.change():
            again = self._queue.claim_again(
                submission.id, standing.entries, tries=submission.tries + 1
            )
            if standing.entries:
                text = f"{submission.name} was cut off and is resumed"
                mark = f"cut:{submission.id}:{again.tries}:{standing.entries}"
                self._outbox.put(mark, "failure", submission.name, text, self._clock.now())
        self._spawn(again, standing)

    def _end(self, submission: Submission, standing: Standing) -> None:
        now = self._clock.now()
        with self._book.change():
            self._queue.ended(submission.id, "done", now, outcome=standing.outcome)
            text = "; ".join([f"{submission.name} is done", *outcome_in_words(standing.outcome)])
            self._outbox.put(f"end:{submission.id}", "end", submission.name, text, now)

    def _fail(self, submission: Submission, standing: Standing, reason: str) -> None:
        now = self._clock.now()
        keep = bool(standing.entries and submission.needs and submission.needs.lasting)
        text = f"{submission.name} failed: {reason}"
        if keep:
            text += f"; its instruments are lent until `platectl queue clear {submission.id}`"
        with self._book.change():
            self._queue.ended(
                submission.id, "failed", now, reason=reason, outcome=standing.outcome, keep=keep
            )
            self._outbox.put(f"end:{submission.id}", "failure", submission.name, text, now)

    def _hold(
        self,
        submission: Submission,
        reason: str,
        kind: NoticeKind,
        standing: Standing | None = None,
    ) -> None:
        """Leave it to a person."""
        now = self._clock.now()
        entries = standing.entries if standing else 0
        mark = f"hold:{submission.id}:{entries}:{submission.tries}:{reason}"
        with self._book.change():
            if self._queue.held(submission.id, reason):
                text = f"{submission.name}: {reason}"
                self._outbox.put(mark, kind, submission.name, text, now)


def _goes_on(submission: Submission) -> str:
    return f"`platectl queue release {submission.id}` or `platectl resume {submission.run}` goes on"


def _untouched(submission: Submission, standing: Standing) -> bool:
    """Whether no process has come to anything since the claim."""
    return submission.entries in {_RELEASED, standing.entries}
