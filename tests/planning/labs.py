"""The bundled lab with more of something, or with other rules, and nights on it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from platectl.app.prepare import Night, Options, prepare
from platectl.files.protocol import bundled
from platectl.planning.problem import Interval, Plan, Problem


class PlannedError(Exception):
    """The problem of a night, on its way out of the compiler."""

    def __init__(self, problem: Problem, template: Mapping[str, Interval]) -> None:
        super().__init__()
        self.problem, self.template = problem, template


def lab_of(*, hotels: int = 4, **more: int) -> dict[str, Any]:
    """The bundled lab with so many hotel positions and, by name, so many of an instrument."""
    lab: dict[str, Any] = yaml.safe_load(bundled("simulated-lab.yaml").read_text())
    stations: dict[str, int] = lab["instruments"]["arm"]["settings"]["stations"]
    for k in range(5, hotels + 1):
        lab["positions"][f"hotel.{k}"] = {"use": "hotel", "dark": True}
        stations[f"hotel.{k}"] = len(stations) + 1
    for name, count in more.items():
        for k in range(2, count + 1):
            _double(lab, name, f"{name}{k}")
    return lab


def _double(lab: dict[str, Any], name: str, new: str) -> None:
    stations = lab["instruments"]["arm"]["settings"]["stations"]
    entry = copy.deepcopy(lab["instruments"][name])
    entry["position"] = entry["position"].replace(name, new)
    if "nests" in entry:
        entry["nests"] = {nest: place.replace(name, new) for nest, place in entry["nests"].items()}
    if entry["address"].startswith("drop:"):
        entry["address"] += new
    if "drops" in entry:
        entry["drops"] += new
    lab["instruments"][new] = entry
    for place in [p for p in lab["positions"] if p == name or p.startswith(f"{name}.")]:
        twin = place.replace(name, new)
        lab["positions"][twin] = copy.deepcopy(lab["positions"][place])
        if lab["positions"][twin].get("handler") == name:
            lab["positions"][twin]["handler"] = new
        if place in stations:
            stations[twin] = len(stations) + 1


def files(folder: Path, lab: Mapping[str, Any], plates: str, more: str = "") -> Options:
    """A night file beside a lab file."""
    (folder / "lab.yaml").write_text(yaml.safe_dump(dict(lab), sort_keys=False))
    night = folder / "night.yaml"
    head = 'platectl: 1\nnight: n\nlab: lab.yaml\nstarts: "2026-01-05 18:00"\n'
    night.write_text(f"{head}{more}plates: [{plates}]\n")
    return Options(str(night))


def night_on(folder: Path, lab: Mapping[str, Any], plates: str) -> Night:
    """A compiled night."""
    return prepare(files(folder, lab, plates))


def problem_on(
    folder: Path, lab: Mapping[str, Any], plates: str
) -> tuple[Problem, Mapping[str, Interval]]:
    """The problem that the planner gets, and the plates alone."""

    def catch(problem: Problem, template: Mapping[str, Interval]) -> Plan:
        raise PlannedError(problem, template)

    try:
        prepare(files(folder, lab, plates), planner=catch)
    except PlannedError as caught:
        return caught.problem, caught.template
    raise AssertionError
