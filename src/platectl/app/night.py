"""One run from files to results: compile, freeze, connect, execute, analyse, keep."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from platectl.app.evaluation import EvaluatedPlate, evaluate_run
from platectl.app.recorder import WireRecorder
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.truth import load_truth, unknown_to_truth
from platectl.app.wire import connect_lab
from platectl.domain.assay import AssayProtocol
from platectl.domain.clock import Clock
from platectl.domain.events import Event
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.policy import Policy
from platectl.domain.run import CompiledRun
from platectl.engine.ports import Watcher
from platectl.engine.run import Engine, RunOutcome
from platectl.files.lab import load_catalogue, load_lab
from platectl.files.plate_map import load_layout
from platectl.files.policy import load_policy
from platectl.files.protocol import bundled, file_hash, find_protocol, load_protocol
from platectl.files.samples import load_samples
from platectl.planning.compile import Request, compile_run
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world import Truth, World
from platectl.store.ledger import Ledger, Seal
from platectl.transport.wall_clock import WallClock

T = TypeVar("T")
#: A simulated night starts here unless told otherwise, so that it is the same every time.
SIMULATED_START = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for; None means the bundled default."""

    protocol: str
    lab: Path | None = None
    samples: Path | None = None
    truth: Path | None = None
    layout: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    run: str = "run"
    policy: Path | None = None


@dataclass(slots=True)
class Night:
    """A compiled run with what it needs to be executed."""

    compiled: CompiledRun
    warnings: list[Finding]
    truth: Truth | None
    seed: int
    policy: Policy


@dataclass(slots=True)
class Finished:
    """How a run went; `world` is what stood behind the simulators, for those who ask for truth."""

    outcome: RunOutcome
    plates: list[EvaluatedPlate]
    events: list[Event]
    started: str
    finished: str
    world: World | None = None
    seal: Seal | None = None


def prepare(options: Options) -> Night:
    """Read, compile and check everything; nothing is sent to any instrument.

    Raises:
        InputRefusedError: With all findings.
    """
    layout_file = Path(options.layout) if options.layout and Path(options.layout).suffix else None
    protocol, document = load_protocol(
        options.protocol,
        overrides=options.overrides,
        layout=None if layout_file else options.layout,
    )
    lab, lab_document = load_lab(options.lab)
    sheet_path = options.samples or own_samples(protocol, options.protocol)
    samples = load_samples(sheet_path)
    sheet = str(options.samples or (sheet_path.name if sheet_path else "samples.csv"))
    files = [
        find_protocol(options.protocol),
        *(p for p in (options.lab, options.samples, options.truth, layout_file) if p),
    ]
    request = Request(
        protocol, document, lab, lab_document, load_catalogue(lab), samples, sheet, options.run,
        load_layout(layout_file) if layout_file else None, {str(f): file_hash(f) for f in files},
    )  # fmt: skip
    compiled, warnings = compile_run(request)
    truth = load_truth(options.truth) if lab.simulated else None
    if truth is not None:
        refuse_if_any(
            unknown_to_truth(
                compiled, truth, truth_file=str(options.truth or "truth.yaml"), sheet=sheet
            )
        )
    return Night(compiled, warnings, truth, options.seed, load_policy(options.policy))


def own_samples(protocol: AssayProtocol, reference: str) -> Path | None:
    """The sample sheet that a protocol brings along: beside its file, or bundled."""
    if protocol.samples is None:
        return None
    beside = find_protocol(reference).parent / protocol.samples
    return beside if beside.exists() else bundled(protocol.samples)


def execute(
    night: Night, folder: Path, *, watch: Watcher | None = None, record_wire: bool = True,
    ledger_path: Path | str | None = None,
) -> Finished:  # fmt: skip
    """Run a prepared night in its folder; simulated labs run in virtual time.

    Raises:
        StoreError: The ledger cannot be written; nothing more was sent.
        LinkError: Instruments did not answer at the start; nothing was moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock: Clock = VirtualClock(SIMULATED_START) if night.truth is not None else WallClock()
    ledger = Ledger(ledger_path or folder / "ledger.db")
    recorder = WireRecorder(folder / "wire" if record_wire else None, clock)
    try:
        ledger.freeze("run", night.compiled.model_dump_json())
        ledger.freeze(
            "simulation",
            json.dumps(
                {"seed": night.seed, "truth": night.truth and night.truth.model_dump(mode="json")}
            ),
        )
        ledger.freeze("policy", night.policy.model_dump_json())
        main = _execute(night, folder, clock, ledger, recorder, watch)
        outcome, world = _run_loop(main, virtual=night.truth is not None)
        events, seal = list(ledger.events()), ledger.seal()
    finally:
        recorder.close()
        ledger.close()
    started, finished = (events[0].wall, events[-1].wall) if events else ("", "")
    plates = evaluate_run(night.compiled, events)
    return Finished(outcome, plates, events, started, finished, world, seal)


def _run_loop(main: Coroutine[Any, Any, T], *, virtual: bool) -> T:
    return run_virtual(main) if virtual else asyncio.run(main)


async def _execute(
    night: Night, folder: Path, clock: Clock, ledger: Ledger, recorder: WireRecorder,
    watch: Watcher | None,
) -> tuple[RunOutcome, World | None]:  # fmt: skip
    run, lab = night.compiled, None
    if night.truth is not None:
        lab = SimulatedLab(run.lab, night.truth, clock, seed=night.seed, folder=folder)
    used = {r for step in run.steps for r in step.resources}
    names = tuple(
        n
        for n in run.lab.instruments
        if n in used or any(n == s.params.get("operator") for s in run.steps)
    )
    async with AsyncExitStack() as stack:
        if lab is not None:
            stack.push_async_callback(lab.aclose)
        connection = await stack.enter_async_context(
            connect_lab(run.lab, names, clock=clock, folder=folder, recorder=recorder, behind=lab)
        )
        engine = Engine(
            run, clock=clock, instruments=connection.instruments, ledger=ledger,
            policy=night.policy, watch=watch, bytes_sent=recorder.bytes_sent,
        )  # fmt: skip
        return await engine.run(), lab.world if lab else None
