"""One run from files to results: compile, freeze, connect, execute, analyse, keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platectl.app.drive import Finished, open_run
from platectl.app.site import RealSite, RemoteSite, SimulatedSite, Site
from platectl.app.truth import load_truth, unknown_to_truth
from platectl.domain.assay import AssayProtocol
from platectl.domain.errors import StoreError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.policy import Policy
from platectl.domain.run import CompiledRun
from platectl.domain.units import FROZEN
from platectl.engine.ports import Watcher
from platectl.engine.state import RunState
from platectl.files.lab import load_catalogue, load_lab
from platectl.files.plate_map import load_layout
from platectl.files.policy import load_policy
from platectl.files.protocol import bundled, file_hash, find_protocol, load_protocol
from platectl.files.samples import load_samples
from platectl.planning.compile import Request, compile_run
from platectl.simkit.world import Truth
from platectl.store.ledger import Ledger


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
    ledger_path: Path | str | None = None, lab_socket: Path | None = None,
) -> Finished:  # fmt: skip
    """Run a prepared night in its folder; simulated labs run in virtual time.

    With `lab_socket` the simulated lab is that of another process (`platectl lab`).

    Raises:
        StoreError: The ledger cannot be written, or another process drives the run.
        LinkError: Instruments did not answer at the start; nothing was moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = site_of(night.compiled, night.truth, night.seed, folder, lab_socket)
    with open_run(
        folder, site, ledger_path=ledger_path, record_wire=record_wire, watch=watch
    ) as drive:
        drive.ledger.freeze("run", night.compiled.model_dump_json())
        truth = night.truth and night.truth.model_dump(mode="json")
        drive.ledger.freeze("simulation", json.dumps({"seed": night.seed, "truth": truth}))
        drive.ledger.freeze("policy", night.policy.model_dump_json())
        return drive.run(night.compiled, night.policy)


def resume(
    folder: Path, *, watch: Watcher | None = None, lab_socket: Path | None = None,
    force: bool = False,
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
        run = CompiledRun.model_validate_json(ledger.frozen("run"), context=FROZEN)
        policy = Policy.model_validate_json(ledger.frozen("policy"))
        simulation = json.loads(ledger.frozen("simulation"))
        state = RunState.of(ledger.events())
    if state.status == "done":
        raise StoreError(f"{folder.name} is over; there is nothing to resume")
    truth = simulation["truth"] and Truth.model_validate(simulation["truth"], context=FROZEN)
    wires = folder / "wire" if state.status != "new" else None
    site = site_of(run, truth, int(simulation["seed"]), folder, lab_socket, wires=wires)
    with open_run(folder, site, force=force, watch=watch) as drive:
        return drive.run(run, policy, state if state.status != "new" else None)


def site_of(
    run: CompiledRun, truth: Truth | None, seed: int, folder: Path, lab_socket: Path | None,
    *, wires: Path | None = None,
) -> Site:  # fmt: skip
    """Where a run takes place."""
    if truth is None:
        return RealSite()
    if lab_socket is not None:
        return RemoteSite(lab_socket)
    return SimulatedSite(run, truth, seed=seed, folder=folder, wires=wires)
