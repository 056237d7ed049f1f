"""What is left of a step, a plate and a run when something went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from platectl.domain.errors import (
    InstrumentError,
    LinkError,
    PlatectlError,
    RefusedError,
    RunHeldError,
)
from platectl.domain.steps import Step
from platectl.engine.bench import StepBench
from platectl.engine.journal import Journal
from platectl.engine.questions import Answer
from platectl.engine.remedy import Remedies
from platectl.engine.stand_ins import StandIns
from platectl.engine.times import StepTimes
from platectl.hal.recovery import Verdict

log = structlog.get_logger()


@dataclass(slots=True)
class Salvage:
    """Carries out what the night orders or a person say about an error of a step."""

    journal: Journal
    instruments: Mapping[str, Any]
    times: StepTimes
    remedies: Remedies
    plates: tuple[str, ...]
    stand_ins: StandIns | None = None

    def skip(self, step: Step, reason: str) -> None:
        """Write that a step is left out; those that wait for it go on."""
        self.times.started(step.id, self.journal.clock.monotonic_s())
        self.times.ended(step.id, self.journal.clock.monotonic_s())
        self.journal.record("step.skipped", step.id, {"reason": reason}, sync=False)

    async def overcome(
        self, step: Step, bench: StepBench, error: InstrumentError | RefusedError, attempt: int
    ) -> bool:
        """Decide about an error; True: enter the step again, False: it is over without success.

        Raises:
            PlatectlError: The run cannot go on.
        """
        if isinstance(error, InstrumentError):
            error.instrument = error.instrument or bench.instrument_in_use
        if step.plate in self.journal.state.dropped_plates:
            self.broken(step, bench, error)
            await self._clear_away(step, bench, error)
            self.skip(step, str(error))
            return False
        rule, answer = await self.remedies.choose(step, error, attempt)
        log.warning("step.run.failed", step=step.id, error=str(error), remedy=answer.option)
        match answer.option:
            case "retry" | "go_on":
                await asyncio.sleep(rule.wait)
                if isinstance(error, LinkError):
                    await self._reach(bench)
                return True
            case "done" | "not_done" if bench.action is not None:
                verdict = Verdict(answer.option)
                self.journal.resolve(bench.action, verdict, by=answer.by, reason=answer.reason)
                await self._reach(bench)
                return True
            case "skip" | "drop_wells":
                self.broken(step, bench, error)
                if answer.wells:
                    self._drop_wells(step, answer.wells, f"{error}; {answer.by}: {answer.reason}")
                self.skip(step, f"{error}; {answer.by}: {answer.reason}")
                return False
            case "drop_plate" | "elsewhere" if self._others(step.plate):
                self.broken(step, bench, error)
                await self._give_up(step, bench, error, answer)
                return False
            case "hold":
                self.broken(step, bench, error)
                raise RunHeldError(str(error))
        self.broken(step, bench, error)
        raise error

    async def _give_up(
        self, step: Step, bench: StepBench, error: PlatectlError, answer: Answer
    ) -> None:
        """Drop a plate; and its instrument, with `elsewhere` or when it does not answer any more."""
        self.journal.drop_plate(step.plate, f"{error}; {answer.by}: {answer.reason}")
        answers = await self._clear_away(step, bench, error)
        if self.stand_ins is not None and (answer.option == "elsewhere" or not answers):
            await self.stand_ins.lose(bench.instrument_in_use, step, str(error))
        self.skip(step, f"{step.plate} was given up")

    async def _clear_away(self, step: Step, bench: StepBench, error: Exception) -> bool:
        await self.remedies.clear_away(step, str(error))
        return await self._reach(bench)

    async def _reach(self, bench: StepBench) -> bool:
        """Get an instrument back; if it does not answer, the next attempt says so."""
        if bench.instrument_in_use:
            try:
                await self.instruments[bench.instrument_in_use].take_over()
            except InstrumentError:
                return False
        return True

    def _others(self, plate: str) -> list[str]:
        """Plates that are left when one is given up."""
        lost = {*self.journal.state.dropped_plates, plate}
        return [p for p in self.plates if p not in lost]

    def _drop_wells(self, step: Step, wells: tuple[str, ...], reason: str) -> None:
        data = {"plate": step.plate, "wells": list(wells), "reason": reason}
        self.journal.record("wells.dropped", step.id, data)

    def broken(self, step: Step, bench: StepBench, error: BaseException) -> None:
        """Write how a step ended without success: failed, or in doubt."""
        data = {"error": str(error) or type(error).__name__, "type": type(error).__name__}
        if isinstance(error, InstrumentError):
            data["instrument"] = error.instrument
        action = bench.action
        unknown = isinstance(error, (LinkError, asyncio.CancelledError))
        doubtful = unknown and action is not None and action.effect in {"consume", "place", "shot"}
        self.journal.record("step.in_doubt" if doubtful else "step.failed", step.id, data)
