"""Builds the simulated world of a lab, the simulators that stand in it, and simulated twins of real labs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platectl import registry
from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.lab import InstrumentEntry, Lab
from platectl.domain.labware import LabwareKind
from platectl.simkit.simulator import Simulator, SimulatorSetup
from platectl.simkit.world import Truth, World


def build_world(
    lab: Lab, truth: Truth, clock: Clock, *, seed: int, catalogue: Mapping[str, LabwareKind]
) -> World:
    """Make the world of a simulated lab, with its positions and nothing on them."""
    world = World(truth, clock, seed=seed, catalogue=catalogue, faults=truth.fault_plans())
    for name, position in lab.positions.items():
        world.add_position(name, temperature_c=position.temperature, dark=position.dark)
    return world


def build_simulator(
    name: str, lab: Lab, world: World, clock: Clock, *, folder: Path | None
) -> Simulator:
    """Make the simulator of one instrument; `folder` is where it drops files.

    It reads settings, further wires, deck slots and people from the lab.
    """
    entry = lab.instruments[name]
    slots = {p.slot: n for n, p in lab.positions.items() if p.handler == name and p.slot}
    settings = {
        **entry.settings,
        **entry.wires,
        **entry.nests,
        **({"slots": slots} if slots else {}),
        **({"person": lab.people[0]} if lab.people and "Operator" in _interfaces(entry) else {}),
        **entry.simulator,
    }
    simulator_class = registry.load(registry.SIMULATORS, entry.driver)
    simulator: Simulator = simulator_class(
        SimulatorSetup(name, world, clock, entry.position, settings, world.faults(name), folder)
    )
    return simulator


def simulated_twin(lab: Lab, *, file: str) -> Lab:
    """Give a real lab simulators in place of its ports; instruments, settings, layout and people stay.

    Files are dropped into folders of the run, never into those of the real instruments.

    Raises:
        InputRefusedError: Drivers have no simulator; one finding names all of them.
    """
    without = [
        f"{name} ({entry.driver})"
        for name, entry in lab.instruments.items()
        if entry.driver in registry.names(registry.DRIVERS) and not _has_simulator(entry)
    ]
    refuse_if_any(
        [
            Finding(
                f"no simulated twin of {lab.name!r} can be made: nothing simulates {', '.join(without)}",
                file, where="instruments",
                fix="install their simulators (platectl.simulators), or rehearse with a copy of the lab file without them",
            )
        ] if without else []
    )  # fmt: skip
    twins = {name: _twin(name, entry) for name, entry in lab.instruments.items()}
    return lab.model_copy(update={"simulated": True, "instruments": twins})


def _has_simulator(entry: InstrumentEntry) -> bool:
    try:
        registry.load(registry.SIMULATORS, entry.driver)
    except UserInputError:
        return False
    return True


def _twin(name: str, entry: InstrumentEntry) -> InstrumentEntry:
    scheme = entry.address.partition(":")[0]
    address = {"drop": f"drop:{name}", "none": entry.address}.get(scheme, "sim:")
    return entry.model_copy(
        update={
            "address": address,
            "wires": dict.fromkeys(entry.wires, "sim:"),
            "drops": None if entry.drops is None else name,
        }
    )


def _interfaces(entry: InstrumentEntry) -> tuple[str, ...]:
    found: tuple[str, ...] = registry.load(registry.DRIVERS, entry.driver).info.interfaces
    return found
