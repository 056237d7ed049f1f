"""Goes through the steps of a hardware test and keeps the dated record, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from platectl import __version__, registry
from platectl.app.desk import Desk
from platectl.app.qualify import handling, liquids, sensors
from platectl.app.qualify.bench import Bench, Console
from platectl.app.qualify.model import DeclinedError, Outcome, Step, Terms
from platectl.app.recorder import WireRecorder
from platectl.app.simulated_lab import SimulatedLab
from platectl.app.wire import connect_lab
from platectl.domain.clock import Clock
from platectl.domain.errors import PlatectlError, RefusedError, UserInputError
from platectl.domain.lab import Lab
from platectl.domain.qualification import Qualification, StepRecord
from platectl.files.lab import load_catalogue
from platectl.hal.instrument import Identity
from platectl.report.qualification import write_page
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.simkit.world import Truth
from platectl.store.lock import Owner
from platectl.store.qualifications import FOLDER, keep
from platectl.transport.wall_clock import WallClock

#: by interface, the steps of its hardware test
PROGRAMMES: Final[Mapping[str, Callable[[Bench], list[Step]]]] = {
    "Balance": sensors.balance,
    "BarcodeReader": handling.barcode_reader,
    "BulkDispenser": liquids.dispenser,
    "Counter": sensors.counter,
    "EndpointReader": sensors.endpoint_reader,
    "Incubator": handling.incubator,
    "LiquidHandler": liquids.handler,
    "Peeler": handling.peeler,
    "PlateMover": handling.mover,
    "PlateReader": sensors.reader,
    "PlateWasher": liquids.washer,
    "Sealer": handling.sealer,
    "Shaker": handling.shaker,
    "SyringePump": liquids.pump,
    "ThermalNest": handling.thermal,
    "TipFinisher": liquids.finisher,
    "VacuumFiltration": liquids.filtration,
}
DISPENSING: Final = {"BulkDispenser", "LiquidHandler", "PlateWasher", "SyringePump"}
DYED: Final = {"BulkDispenser", "LiquidHandler"}


@dataclass(slots=True)
class _Test:
    """One test under way."""

    lab: Lab
    name: str
    terms: Terms
    console: Console
    clock: Clock
    folder: Path
    by: str
    identity: Identity = field(default_factory=lambda: Identity(""))
    steps: list[StepRecord] = field(default_factory=list)
    complete: bool = False

    def note(self, step: Step, outcome: Outcome) -> None:
        """Keep what came of a step."""
        self.steps.append(
            StepRecord(
                name=step.name, kind=step.kind, asked=step.asks, state=outcome.state,
                at=today(), says=outcome.says,
                measured=dict(outcome.measured), limits=dict(outcome.limits),
            )
        )  # fmt: skip

    def record(self, began: str) -> Qualification:
        """The record as it stands."""
        entry, who = self.lab.instruments[self.name], self.identity
        serial = who.serial_number or entry.serial_number
        return Qualification(
            version=__version__, instrument=self.name, driver=entry.driver, address=entry.address,
            simulated=self.lab.simulated, model=who.model, serial_number=serial,
            serial_from="instrument" if who.serial_number else "lab file" if serial else "nobody",
            firmware=who.firmware, by=self.by, began=began,
            ended=today(),
            terms=self.terms.model_dump(mode="json"), settings=dict(entry.settings),
            steps=tuple(self.steps), complete=self.complete,
        )  # fmt: skip


def qualify(
    lab: Lab, name: str, terms: Terms, console: Console, *, store: Path, by: str,
    truth: Truth | None = None, seed: int = 1,
) -> tuple[Path, Qualification]:  # fmt: skip
    """Test one instrument of a lab, with a yes before each step; returns folder and record.

    A simulated lab is tested in virtual time; its record speaks for no real unit. What went over
    the wires is kept beside the record.

    Raises:
        UserInputError: No such instrument, a person, or terms that cannot be met; nothing was sent.
        StoreError: The record cannot be kept, or another process drives the instrument.
    """
    interfaces = _interfaces(lab, name)
    if not any(interface in PROGRAMMES for interface in interfaces):
        raise UserInputError(f"{name} is worked by a person; there is no hardware to test")
    clock: Clock = VirtualClock() if lab.simulated else WallClock()
    now = WallClock().now()
    folder = _new_folder(store / FOLDER, f"{name}-{now:%Y%m%d-%H%M%S}")
    test = _Test(lab, name, terms, console, clock, folder, by)
    began = today()
    try:
        work = _perform(test, truth, seed)
        if lab.simulated:
            run_virtual(work)
        else:
            asyncio.run(work)
    finally:
        record = test.record(began)
        if test.steps:
            keep(folder, record)
            write_page(folder / "record.html", record)
    return folder, record


def today() -> str:
    """When it is, also for what is simulated in another time."""
    return WallClock().now().isoformat(timespec="seconds")


def _new_folder(parent: Path, base: str) -> Path:
    path, number = parent / base, 1
    while path.exists():
        number += 1
        path = parent / f"{base}-{number}"
    return path


def _interfaces(lab: Lab, name: str) -> tuple[str, ...]:
    if name not in lab.instruments:
        raise UserInputError(
            f"the lab has no instrument {name!r}; there are {', '.join(lab.instruments)}"
        )
    found: tuple[str, ...] = registry.load(
        registry.DRIVERS, lab.instruments[name].driver
    ).info.interfaces
    return found


def _helper(lab: Lab, name: str, interface: str, chosen: str | None) -> str | None:
    """Another instrument of an interface: the chosen one, or the first."""
    able = [n for n in lab.instruments if n != name and interface in _interfaces(lab, n)]
    if chosen is not None and chosen not in able:
        raise UserInputError(
            f"{chosen!r} is no {interface} of the lab; there are {', '.join(able) or 'none'}"
        )
    return chosen or next(iter(able), None)


async def _perform(test: _Test, truth: Truth | None, seed: int) -> None:
    lab, name, terms = test.lab, test.name, test.terms
    interfaces = set(_interfaces(lab, name))
    bench = Bench(name, lab, load_catalogue(lab), terms, test.console, test.clock)
    if interfaces & DISPENSING:
        bench.balance = _helper(lab, name, "Balance", terms.balance)
    if interfaces & DYED:
        bench.reader = _helper(lab, name, "PlateReader", terms.reader)
    people = _helper(lab, name, "Operator", None)
    if people is not None and lab.instruments[people].address != "console:":
        bench.hands = people
    names = tuple(n for n in (name, bench.balance, bench.reader, bench.hands) if n is not None)
    first = Step("identify", "identification", f"May platectl talk to {', '.join(names)}? Nothing moves.",
                 _nothing)  # fmt: skip
    try:
        bench.allow(first.asks)
    except DeclinedError as error:
        test.note(first, Outcome("declined", str(error)))
        return
    recorder = WireRecorder(test.folder / "wire", test.clock)
    owner = Owner.me(f"platectl instruments qualify {name}", today())
    try:
        async with (
            _behind(lab, truth, test.clock, seed, test.folder) as behind,
            connect_lab(
                lab, names, clock=test.clock, folder=test.folder, recorder=recorder, behind=behind,
                owner=None if behind else owner, console=Desk().connect,
            ) as connection,
        ):  # fmt: skip
            bench.instruments = connection.instruments
            test.identity = connection.identities[name]
            found = _identified(test, bench)
            test.note(first, found)
            if found.state == "passed":
                await _go_through(test, bench, interfaces)
    except UserInputError:
        raise
    except PlatectlError as error:
        test.note(first, Outcome("broken", str(error)))
    finally:
        recorder.close()


async def _nothing() -> Outcome:
    return Outcome("passed")


@asynccontextmanager
async def _behind(
    lab: Lab, truth: Truth | None, clock: Clock, seed: int, folder: Path
) -> AsyncIterator[SimulatedLab | None]:
    """What stands behind the wires: nothing of ours in a real lab."""
    if truth is None:
        yield None
        return
    simulated = SimulatedLab(lab, truth, clock, seed=seed, folder=folder)
    try:
        yield simulated
    finally:
        await simulated.aclose()


def _identified(test: _Test, bench: Bench) -> Outcome:
    who, declared = test.identity, test.lab.instruments[test.name].serial_number
    measured = {"model": who.model, "serial_number": who.serial_number, "firmware": who.firmware}
    if declared and who.serial_number and declared != who.serial_number:
        return Outcome(
            "failed",
            f"it says serial number {who.serial_number}, the lab file {declared}",
            measured,
        )
    serial = who.serial_number or declared
    if not serial:
        says = "neither it nor the lab file states a serial number, so that this record speaks for no unit"
        return Outcome("passed", says, measured)
    same = bench.judge(f"Does the label of {test.name} ({who.model}) say serial number {serial}?")
    return Outcome.of(same, measured=measured)


async def _go_through(test: _Test, bench: Bench, interfaces: set[str]) -> None:
    """All steps until one breaks or somebody says stop."""
    steps = [
        step for name in sorted(interfaces & set(PROGRAMMES)) for step in PROGRAMMES[name](bench)
    ]
    for step in steps:
        try:
            if step.asks:
                bench.allow(step.asks)
            outcome = await step.do()
        except DeclinedError as error:
            test.note(step, Outcome("declined", str(error)))
            if error.over:
                return
            continue
        except RefusedError as error:
            outcome = Outcome("left_out", f"the driver refuses: {error}")
        except UserInputError as error:
            outcome = Outcome("failed", str(error))
        except PlatectlError as error:
            test.note(step, Outcome("broken", f"{type(error).__name__}: {error}"))
            await bench.subject.abort()
            return
        except BaseException:
            test.note(step, Outcome("declined", "stopped at the console"))
            await bench.subject.abort()
            raise
        test.note(step, outcome)
        if outcome.state == "failed" and step.kind in {"identification", "movement"}:
            return
    test.complete = True
