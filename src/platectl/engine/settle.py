"""Asks an instrument what became of an action whose end nobody saw."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

import structlog

from platectl.domain.clock import Clock
from platectl.domain.errors import InstrumentError
from platectl.engine.state import ActionState
from platectl.hal.recovery import Action, Verdict

log = structlog.get_logger()
POLL_S: Final = 5.0
ASK_AGAIN_S: Final = 10.0
TRIES: Final = 3
PATIENCE_S: Final = 3600.0


async def settle(
    instrument: Any, action: ActionState, *, clock: Clock, follow: bool = False
) -> Verdict:
    """Ask until there is a verdict; what runs is awaited unless it can be followed or remembered.

    An instrument that does not answer in several tries, or runs for an hour, is `unknown`.
    """
    asked = Action(
        action.id, action.instrument, action.verb, action.arguments,
        datetime.fromisoformat(action.wall),
    )  # fmt: skip
    limit_s = clock.monotonic_s() + PATIENCE_S
    while True:
        verdict = await _ask(instrument, asked)
        log.info("action.settle.asked", action=action.id, fate=verdict.fate)
        if verdict.fate != "running" or verdict.remembered or follow:
            return verdict
        if clock.monotonic_s() > limit_s:
            return Verdict("unknown", {**verdict.evidence, "still_running_after_s": PATIENCE_S})
        await asyncio.sleep(POLL_S)


async def _ask(instrument: Any, action: Action) -> Verdict:
    trouble = ""
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(ASK_AGAIN_S)
        try:
            verdict: Verdict = await instrument.reconcile(action)
        except InstrumentError as error:
            trouble = str(error)
        else:
            return verdict
    return Verdict("unknown", {"no_answer": trouble})
