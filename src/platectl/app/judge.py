"""Judges a plate while the night goes on: the analysis of the report, on what the ledger has so far."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from platectl.app.evaluation import Terms, evaluate_plate
from platectl.app.evaluation.terms import rules_of
from platectl.domain.events import Event
from platectl.domain.run import CompiledRun
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger


def verdict(run: CompiledRun, plate: str, events: Sequence[Event], terms: Terms) -> str:
    """Why a plate is no good, in a sentence; empty when it is good."""
    plan = next(p for p in run.plates if p.name == plate)
    found = evaluate_plate(run, plan, events, terms)
    if found.result is None:
        return found.problem or "it could not be analysed"
    return " ".join(m.explanation for m in found.result.qc if m.state == "fail")


class JudgeHere:
    """Judges in this process; a simulated night has time to wait for it."""

    def __init__(self, run: CompiledRun, ledger: Ledger) -> None:
        self._run = run
        self._ledger = ledger
        self._terms = Terms(rules_of(ledger))

    async def __call__(self, plate: str) -> str:
        """See `platectl.engine.ports.Judge`."""
        if plate not in {known.name for known in self._run.plates}:
            self._run = run_of(self._ledger)
        return verdict(self._run, plate, list(self._ledger.events(plate=plate)), self._terms)


class JudgeApart:
    """Judges in a process of its own, so that a fit delays no instrument.

    Lifetime: `close` ends the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))

    async def __call__(self, plate: str) -> str:
        """See `platectl.engine.ports.Judge`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, verdict_from, self._folder, plate)

    def close(self) -> None:
        """End the process without waiting for what it does."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def verdict_from(folder: Path, plate: str) -> str:
    """Judge a plate from the ledger in a run folder."""
    with Ledger.reading(folder / "ledger.db") as ledger:
        run = run_of(ledger)
        return verdict(run, plate, list(ledger.events(plate=plate)), Terms(rules_of(ledger)))
