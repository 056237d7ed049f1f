"""One run from files to results: freeze, connect, execute, analyse, keep; and going on with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platectl.app.blinding import BLINDING
from platectl.app.drive import PREFLIGHT, Finished, open_run
from platectl.app.evaluation.terms import RULES
from platectl.app.prepare import Night
from platectl.app.site import RealSite, RemoteSite, SimulatedSite, Site
from platectl.domain.errors import StoreError
from platectl.domain.events import EventKind
from platectl.domain.policy import Policy
from platectl.domain.run import CompiledRun
from platectl.domain.units import FROZEN
from platectl.engine.ports import Watcher
from platectl.engine.questions import Person
from platectl.engine.state import RunState
from platectl.simkit.world import Truth
from platectl.store.kept_run import run_of
from platectl.store.ledger import Ledger


def execute(
    night: Night, folder: Path, *, watch: Watcher | None = None, record_wire: bool = True,
    ledger_path: Path | str | None = None, lab_socket: Path | None = None,
    persons: tuple[Person, ...] = (), preflight: Sequence[tuple[EventKind, dict[str, Any]]] = (),
) -> Finished:  # fmt: skip
    """Run a prepared night in its folder; simulated labs run in virtual time.

    What the `preflight` found is in the ledger before anything is sent. With `lab_socket` the simulated lab is that of another process (`platectl lab`).

    Raises:
        StoreError: The ledger cannot be written, or another process drives the run.
        LinkError: Instruments did not answer at the start; nothing was moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = site_of(night.compiled, night.truth, night.seed, folder, lab_socket)
    with open_run(
        folder, site, ledger_path=ledger_path, record_wire=record_wire, watch=watch, persons=persons
    ) as drive:
        drive.ledger.freeze(PREFLIGHT, json.dumps(preflight))
        drive.ledger.freeze("run", night.compiled.model_dump_json())
        truth = night.truth and night.truth.model_dump(mode="json")
        drive.ledger.freeze("simulation", json.dumps({"seed": night.seed, "truth": truth}))
        drive.ledger.freeze("policy", night.policy.model_dump_json())
        drive.ledger.freeze(RULES, night.rules.model_dump_json())
        if night.key is not None:
            promised = {"study": night.key.study, "commitment": night.key.commitment}
            drive.ledger.freeze(BLINDING, json.dumps(promised))
        return drive.run(night.compiled, night.policy)


def resume(
    folder: Path, *, watch: Watcher | None = None, lab_socket: Path | None = None,
    force: bool = False, persons: tuple[Person, ...] = (), record_wire: bool = True,
) -> Finished:  # fmt: skip
    """Go on with a run that was cut off; nothing is sent before every action in doubt is settled.

    A lab that was simulated in the dead process is rebuilt from the black box.

    Raises:
        StoreError: The ledger is broken, the run is over, or another process drives it; `force`
            takes it from a living one.
        LinkError: Instruments did not answer; nothing was changed.
    """
    with Ledger.reading(folder / "ledger.db") as ledger:
        if (broken := ledger.verify()) is not None:
            raise StoreError(
                f"the ledger of {folder.name} is broken at entry {broken}; a person must look"
            )
        run = run_of(ledger)
        policy = Policy.model_validate_json(ledger.frozen("policy"), context=FROZEN)
        simulation = json.loads(ledger.frozen("simulation"))
        state = RunState.of(ledger.events())
    if state.status == "done":
        raise StoreError(f"{folder.name} is over; there is nothing to resume")
    truth = simulation["truth"] and Truth.model_validate(simulation["truth"], context=FROZEN)
    begun = None if state.status == "new" else state
    site = site_of(run, truth, int(simulation["seed"]), folder, lab_socket, state=begun)
    with open_run(
        folder, site, force=force, watch=watch, persons=persons, record_wire=record_wire
    ) as drive:
        return drive.run(run, policy, begun)


def site_of(
    run: CompiledRun, truth: Truth | None, seed: int, folder: Path, lab_socket: Path | None,
    *, state: RunState | None = None,
) -> Site:  # fmt: skip
    """Where a run takes place."""
    if truth is None:
        return RealSite()
    if lab_socket is not None:
        return RemoteSite(run, lab_socket)
    left_at_s = None if state is None else state.clock_s + state.last_s
    return SimulatedSite(run, truth, seed=seed, folder=folder, left_at_s=left_at_s)
