"""Pause, pause now, go on, stop: what an operator says to a run while it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from platectl.domain.steps import Step
from platectl.engine.ports import Suspension

Mode = Literal["running", "pausing", "pausing_now", "stopping"]
#: effects that use something up or cannot be taken back; suspenders hold these
CONSUMING = frozenset({"consume", "shot"})


class Control:
    """The gate before every step and every action.

    `pause` lets begun steps end and begins none; `pause now` holds before the next action of a
    begun step as well; `stop` lets begun steps end and then ends the run.
    """

    def __init__(
        self,
        suspension: Suspension | None = None,
        note: Callable[[Step, dict[str, Any]], None] = lambda _step, _detail: None,
    ) -> None:
        self.mode: Mode = "running"
        self._note = note
        self._suspension = suspension
        self._changed = asyncio.Condition()
        self._running = 0

    async def set(self, mode: Mode) -> None:
        """Change the mode; a stop cannot be taken back."""
        async with self._changed:
            if self.mode != "stopping":
                self.mode = mode
            self._changed.notify_all()

    async def enter_step(self, step: Step) -> None:
        """Return when a step may begin; a step that was entered is to leave again."""
        await self._clear(step)
        async with self._changed:
            await self._changed.wait_for(lambda: self.mode == "running")
            self._running += 1

    async def leave_step(self) -> None:
        """Say that a step has ended."""
        async with self._changed:
            self._running -= 1
            self._changed.notify_all()

    async def pass_action(self, step: Step) -> None:
        """Return when the next action of a begun step may be sent."""
        await self._clear(step)
        if self.mode == "pausing_now":
            async with self._changed:
                await self._changed.wait_for(lambda: self.mode != "pausing_now")

    async def stopped(self) -> None:
        """Return when a stop was asked for and no step is under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.mode == "stopping" and not self._running)

    def reasons(self, step: Step) -> tuple[str, ...]:
        """Why a step may not use anything up now."""
        if self._suspension is None or step.effect not in CONSUMING:
            return ()
        return self._suspension.holding()

    async def _clear(self, step: Step) -> None:
        if self._suspension is not None and (reasons := self.reasons(step)):
            self._note(step, {"suspended": list(reasons)})
            await self._suspension.wait_clear()
            self._note(step, {"suspended": []})
