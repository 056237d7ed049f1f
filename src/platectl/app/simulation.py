"""Builds the simulated world of a lab and the simulators that stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platectl import registry
from platectl.domain.clock import Clock
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
        **({"slots": slots} if slots else {}),
        **({"person": lab.people[0]} if lab.people and "Operator" in _interfaces(entry) else {}),
        **entry.simulator,
    }
    simulator_class = registry.load(registry.SIMULATORS, entry.driver)
    simulator: Simulator = simulator_class(
        SimulatorSetup(name, world, clock, entry.position, settings, world.faults(name), folder)
    )
    return simulator


def _interfaces(entry: InstrumentEntry) -> tuple[str, ...]:
    found: tuple[str, ...] = registry.load(registry.DRIVERS, entry.driver).info.interfaces
    return found
