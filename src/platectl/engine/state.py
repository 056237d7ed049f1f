"""State of a run as a fold over its ledger: what was sent, what ended, what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from platectl.domain.events import Event
from platectl.domain.steps import Step

ActionStatus = Literal["sent", "acked", "failed", "in_doubt", "resolved"]
StepStatus = Literal["claimed", "done", "failed", "in_doubt", "skipped"]
RunStatus = Literal["new", "running", "held", "paused", "done", "stopped", "failed", "aborted"]

#: effects that change nothing a repetition would double
REPEATABLE = frozenset({"pure", "query", "set", "wait"})
_RUN: dict[str, RunStatus] = {
    "run.started": "running", "run.resumed": "running", "run.continued": "running",
    "run.paused": "paused", "run.held": "held", "run.finished": "done", "run.stopped": "stopped",
    "run.failed": "failed", "run.aborted": "aborted",
}  # fmt: skip


@dataclass(slots=True)
class ActionState:
    """One action: what was sent, when (ISO wall), and what is known of its end.

    `fate` is a verdict of the instrument or of a person, empty while nobody has judged.
    """

    id: str
    step: str
    instrument: str
    verb: str
    arguments: dict[str, Any]
    wall: str
    effect: str = "consume"
    sent_s: float = 0.0
    status: ActionStatus = "sent"
    fate: str = ""
    wells: tuple[str, ...] = ()
    remembered: bool = False
    result: Any = None

    @property
    def open(self) -> bool:
        """Whether it may or may not have happened, or goes on: the instrument is to be asked."""
        if self.status != "resolved":
            return self.status in {"sent", "in_doubt"}
        return self.fate in {"running", "unknown"} or (self.fate == "partial" and self.remembered)

    @property
    def over(self) -> bool:
        """Whether it happened and must not be sent again."""
        resolved = self.status == "resolved" and self.fate in {"done", "partial"}
        return self.status == "acked" or (resolved and not self.open)


@dataclass(slots=True)
class StepState:
    """One step that was begun, or skipped; times in seconds of the run.

    `worked_s` is the time of the actions that are over; an outage is not in it.
    """

    status: StepStatus = "claimed"
    started_s: float = 0.0
    ended_s: float | None = None
    worked_s: float = 0.0
    actions: dict[str, ActionState] = field(default_factory=dict)
    frames: dict[tuple[int, int, str], float] = field(default_factory=dict)
    additions: set[str] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether those that wait for it may begin."""
        return self.status in {"done", "skipped"}


@dataclass(frozen=True, slots=True)
class Delay:
    """What had not begun of some plates at a time of the run was put off, by so many seconds each."""

    at_s: float
    by_s: Mapping[str, float]


@dataclass(slots=True)
class RunState:
    """Everything that the ledger says about where a run stands.

    The engine keeps one by applying each event that it records, and a restart builds the same one
    from the ledger: there is no other state. `added` are plates that joined, by what was asked for;
    `bad` those that failed, with the reason, about which nobody has decided.
    """

    status: RunStatus = "new"
    epoch: int = 0
    began_wall: str = ""
    clock_s: float = 0.0
    last_wall: str = ""
    last_s: float = 0.0
    steps: dict[str, StepState] = field(default_factory=dict)
    added: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped_plates: dict[str, str] = field(default_factory=dict)
    cleared_plates: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    seats: dict[str, dict[str, str]] = field(default_factory=dict)
    dropped_wells: dict[str, dict[str, str]] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)
    bad: dict[str, str] = field(default_factory=dict)
    delays: list[Delay] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    windows: set[tuple[str, str]] = field(default_factory=set)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Fold a ledger."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> None:
        """Take in one entry."""
        self.last_wall, self.last_s = event.wall, event.monotonic_s
        if event.kind in _RUN:
            self._run(event)
        elif event.kind.startswith("action."):
            self._action(event)
        elif event.kind.startswith("step.") and event.kind != "step.note":
            self._step(event)
        elif event.kind == "instrument.lost":
            self._lost(event)
        elif event.kind in {"plate.judged", "gate.opened"}:
            self._gate(event)
        elif event.kind == "plate.added":
            addition = event.data["addition"]
            self.added[addition["key"]] = tuple(plate["name"] for plate in addition["plates"])
            self.delays.clear()  # its times have them
        else:
            self._finding(event)

    @property
    def open_actions(self) -> list[ActionState]:
        """Actions of unfinished steps that must not be doubled and whose end nobody knows."""
        return [
            action
            for step in self.steps.values()
            if not step.over
            for action in step.actions.values()
            if action.open and action.effect not in REPEATABLE
        ]

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """Steps that ended in doubt."""
        return tuple(name for name, step in self.steps.items() if step.status == "in_doubt")

    def is_over(self, step: str) -> bool:
        """Whether those that wait for a step may begin."""
        return step in self.steps and self.steps[step].over

    def action(self, step: str, action: str) -> ActionState | None:
        """An action of a step, if it was ever sent."""
        return self.steps[step].actions.get(action) if step in self.steps else None

    def put_off(self, steps: Iterable[Step]) -> dict[str, tuple[float, float]]:
        """Planned times of steps that were put off because their plates had to wait."""
        times = {}
        for step in steps:
            known = self.steps.get(step.id)
            late_s = sum(
                delay.by_s.get(step.plate, 0.0)
                for delay in self.delays
                if known is None or known.started_s >= delay.at_s
            )
            if late_s:
                times[step.id] = step.planned_start_s + late_s, step.planned_end_s + late_s
        return times

    def _run(self, event: Event) -> None:
        self.status = _RUN[event.kind]
        if event.kind == "run.started":
            self.began_wall, self.clock_s = event.wall, float(event.data["clock_s"])
        self.epoch = int(event.data.get("epoch", self.epoch))

    def _step(self, event: Event) -> None:
        if event.kind == "step.claimed":
            step = self.steps.setdefault(event.step, StepState(started_s=event.monotonic_s))
            step.status, step.ended_s = "claimed", None
            return
        step = self.steps.setdefault(event.step, StepState(started_s=event.monotonic_s))
        step.status = event.kind.removeprefix("step.")  # type: ignore[assignment]  # the kinds are the states
        step.ended_s = event.monotonic_s

    def _action(self, event: Event) -> None:
        data, step = event.data, self.steps.setdefault(event.step, StepState())
        if event.kind == "action.sent":
            step.actions[data["action"]] = ActionState(
                data["action"], event.step, data["instrument"], data["verb"],
                dict(data["arguments"]), event.wall, data["effect"], event.monotonic_s,
            )  # fmt: skip
            return
        action = step.actions[data["action"]]
        action.status = event.kind.removeprefix("action.")  # type: ignore[assignment]  # as above
        if event.kind == "action.acked":
            action.result = data.get("result")
            step.worked_s += event.monotonic_s - action.sent_s
        if event.kind == "action.resolved":
            action.fate, action.wells = data["fate"], tuple(data["wells"])
            action.remembered = data["remembered"]

    def _lost(self, event: Event) -> None:
        self.lost.setdefault(event.data["instrument"], event.data["reason"])
        for plate, names in event.data["seats"].items():
            known = self.seats.setdefault(plate, {})
            known |= {old: names.get(now, now) for old, now in known.items()} | names

    def _gate(self, event: Event) -> None:
        data = event.data
        if event.kind == "plate.judged":
            plate, why = data["plate"], data["reason"]
            if data["read"]:
                self.judged.add(plate)
            if why:
                self.bad[plate] = f"{self.bad[plate]} {why}" if plate in self.bad else why
            return
        for plate in data["after"]:
            self.bad.pop(plate, None)
        self.delays.append(Delay(event.monotonic_s, dict(data["put_off_s"])))

    def _finding(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "reading.taken":
                self.readings.append({"step": event.step, **data})
            case "frame.taken":
                piece = (data["index"], data["channel"], data["wells"][0])
                self.steps[event.step].frames[piece] = data["at_s"][0]
            case "addition.seen":
                self.steps[event.step].additions.update(data["at_s"])
            case "window.kept" | "window.broken":
                self.windows.add((data["plate"], data["window"]))
            case "plate.dropped":
                self.dropped_plates.setdefault(data["plate"], data["reason"])
                if data["cleared"]:
                    self.cleared_plates.add(data["plate"])
            case "wells.dropped":
                lost = self.dropped_wells.setdefault(data["plate"], {})
                lost.update(dict.fromkeys(data["wells"], data["reason"]))
            case "question.asked":
                self.questions[data["question"]] = dict(data)
            case "question.answered":
                self.questions.pop(data["question"], None)
