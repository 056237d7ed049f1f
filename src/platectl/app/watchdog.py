"""Says that nothing happens: a small process that knows only the heartbeat of an engine.

It imports neither the engine nor the ledger, so that what breaks those does not break it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from platectl.domain.errors import StoreError
from platectl.store.heartbeat import Beat, boot_id, process_start, read_beat

#: states after which the engine's process ends by itself; a held run waits to be resumed
OVER: Final = {"done", "stopped", "failed", "aborted", "held"}
#: states in which no step has to end
WAITING: Final = {"paused"}
#: beats are compared with one of so long ago, or with the oldest
LOOK_BACK_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When something is wrong: silence, overdue steps (factor and margin), disk, clock jumps.

    The rate at which a disk fills is believed after `least_rate_s`.
    """

    silent_s: float = 60.0
    overdue_factor: float = 2.0
    overdue_margin_s: float = 300.0
    least_free_bytes: int = 200_000_000
    least_rate_s: float = 60.0
    clock_jump_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong; `about` tells alarms of one kind apart."""

    kind: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Now:
    """What the watchdog itself knows: its clock, and whether the engine's process is there."""

    monotonic_s: float
    alive: bool


def judge(previous: Beat | None, beat: Beat, now: Now, limits: Limits) -> list[Alarm]:
    """Everything that is wrong at this moment. A run that is over is never wrong.

    `previous` is a beat of some minutes ago, so that what one beat shows does not go and come.
    """
    if beat.state in OVER:
        return []
    alarms = []
    silent_s = now.monotonic_s - beat.monotonic_s
    if not now.alive:
        text = f"the engine (process {beat.pid}) is gone; `platectl resume {beat.run}` goes on"
        alarms.append(Alarm("engine_dead", "", text))
    elif silent_s > limits.silent_s:
        text = f"the engine has been silent for {silent_s:.0f} s; it may hang"
        alarms.append(Alarm("engine_silent", "", text))
    if beat.questions:
        text = f"{beat.questions} questions wait for a person: `platectl status {beat.run}`"
        alarms.append(Alarm("person_needed", str(beat.questions), text))
    if beat.state not in WAITING:
        alarms += _overdue(beat, silent_s, limits)
    comparable = previous if previous is not None and previous.boot == beat.boot else None
    alarms += _disk(comparable, beat, limits)
    if comparable is not None:
        alarms += _clock(comparable, beat, limits)
    return alarms


def _overdue(beat: Beat, silent_s: float, limits: Limits) -> list[Alarm]:
    alarms = []
    for step in beat.steps:
        takes_s = step["since_s"] + max(silent_s, 0.0)
        allowed_s = limits.overdue_factor * step["expected_s"] + limits.overdue_margin_s
        if takes_s > allowed_s:
            where = ", ".join(step["instruments"])
            text = (
                f"{step['title']} of {step['plate'] or 'all plates'} ({step['step']}"
                f"{' on ' * bool(where)}{where}) has taken "
                f"{takes_s / 60:.0f} min, {step['expected_s'] / 60:.0f} min were expected"
            )
            alarms.append(Alarm("step_overdue", step["step"], text))
    return alarms


def _disk(previous: Beat | None, beat: Beat, limits: Limits) -> list[Alarm]:
    if beat.free_bytes < limits.least_free_bytes:
        text = f"only {beat.free_bytes / 1e6:.0f} MB are free"
        return [Alarm("disk_filling", "", text)]
    span_s = 0.0 if previous is None else beat.monotonic_s - previous.monotonic_s
    if previous is None or span_s <= 0 or span_s < limits.least_rate_s:
        return []
    rate = (previous.free_bytes - beat.free_bytes) / span_s
    left = beat.free_bytes - rate * beat.planned_end_s
    if rate > 0 and left < limits.least_free_bytes:
        text = f"at this rate only {max(left, 0.0) / 1e6:.0f} MB will be free at the end"
        return [Alarm("disk_filling", "", text)]
    return []


def _clock(previous: Beat, beat: Beat, limits: Limits) -> list[Alarm]:
    wall_s = (
        datetime.fromisoformat(beat.wall) - datetime.fromisoformat(previous.wall)
    ).total_seconds()
    jump_s = wall_s - (beat.monotonic_s - previous.monotonic_s)
    if abs(jump_s) <= limits.clock_jump_s:
        return []
    return [Alarm("clock_jump", "", f"the computer's clock jumped by {jump_s:+.1f} s")]


@dataclass(slots=True)
class Watchdog:
    """Looks at a run again and again; tells each alarm once until its cause is gone."""

    folder: Path
    tell: Callable[[Alarm], None]
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], None]
    limits: Limits = Limits()
    _standing: set[tuple[str, str]] = field(default_factory=set)
    _past: deque[Beat] = field(default_factory=deque)
    _began_s: float | None = None

    def look(self) -> Beat | None:
        """Look once; the last beat of a run that is over, None while it is not."""
        now_s = self.monotonic_s()
        if self._began_s is None:
            self._began_s = now_s
        try:
            beat = read_beat(self.folder)
        except StoreError as error:
            self._raise([Alarm("engine_silent", "", f"its last beat says nothing: {error}")])
            return None
        if beat is None:
            silent_s = now_s - self._began_s
            text = f"the engine has not said anything for {silent_s:.0f} s; did it begin?"
            silent = silent_s > self.limits.silent_s
            self._raise([Alarm("engine_silent", "", text)] if silent else [])
            return None
        alive = beat.boot == boot_id() and process_start(beat.pid) == beat.started != ""
        self._remember(beat)
        self._raise(judge(self._past[0], beat, Now(now_s, alive), self.limits))
        return beat if beat.state in OVER else None

    def run(self, every_s: float) -> Beat:
        """Look until the run is over; returns its last beat."""
        while (last := self.look()) is None:
            self.sleep(every_s)
        return last

    def _raise(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            if (alarm.kind, alarm.about) not in self._standing:
                self.tell(alarm)
        self._standing = {(alarm.kind, alarm.about) for alarm in alarms}

    def _remember(self, beat: Beat) -> None:
        """Keep the beats of the last minutes; the first of them is what the next are held against."""
        if self._past and self._past[-1].boot != beat.boot:
            self._past.clear()
        if not self._past or self._past[-1].monotonic_s != beat.monotonic_s:
            self._past.append(beat)
        while beat.monotonic_s - self._past[0].monotonic_s > LOOK_BACK_S and len(self._past) > 1:
            self._past.popleft()
