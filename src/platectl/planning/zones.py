"""Activity and light: what each step works with, and what must not use, carry or light it.

Both are followed through the liquid moves of a plate's steps. A labware is radioactive from the step
on that puts activity into it, and dark from the step on that gives it a liquid that light spoils.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding
from platectl.domain.lab import Lab
from platectl.domain.steps import Anchor, Step, Window
from platectl.files.yaml_lines import Document
from platectl.steps.kind import StepKind

if TYPE_CHECKING:
    from platectl.planning.build import PlateBuilder

#: kinds of steps that take labware from one position to another
CARRYING = frozenset({"move", "fetch", "store"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of a plate, the labware that it works with, and where everything stands after it."""

    step: Step
    touched: tuple[str, ...]
    spots: dict[str, str]


@dataclass(slots=True)
class Follower:
    """Knows which labware of a plate holds activity, and which must not see light.

    `prefix` is what run-wide names of its labware begin with; `light_s` how long a labware may stand
    in light at a time.
    """

    protocol: AssayProtocol
    prefix: str
    hot: set[str] = field(default_factory=set)
    light_s: dict[str, float] = field(default_factory=dict)
    spoiled: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take in what is loaded."""
        for name, use in self.protocol.labware.items():
            liquid = self.protocol.liquids.get(use.liquid or "")
            if use.radioactive or use.prepared == "radioligand" or (liquid and liquid.radioactive):
                self.hot.add(name)
            if liquid is not None and liquid.light is not None:
                self.spoiled[name] = liquid.light

    def follow(self, kind: StepKind, touched: Sequence[str]) -> tuple[bool, bool, bool]:
        """Take in what a step moves; returns whether it is radioactive, clean, dark."""
        liquid = self.protocol.liquids.get(str(getattr(kind, "liquid", "")))
        active = liquid is not None and liquid.radioactive
        spoiling = liquid.light if liquid else None
        carriers = self.hot | set(self.light_s) | set(self.spoiled)
        if active or spoiling is not None or not carriers.isdisjoint(touched):
            for source, target in _flows(kind):
                into = target.removeprefix(self.prefix)
                if active or source.removeprefix(self.prefix) in self.hot:
                    self.hot.add(into)
                light_s = spoiling or self._light_of(source.removeprefix(self.prefix))
                if light_s is not None:
                    self.light_s[into] = min(light_s, self.light_s.get(into, light_s))
        return (
            active or not self.hot.isdisjoint(touched),
            any(self.protocol.labware[name].clean for name in touched),
            any(name in self.light_s for name in touched),
        )

    def _light_of(self, labware: str) -> float | None:
        return self.light_s.get(labware, self.spoiled.get(labware))


def _flows(kind: StepKind) -> Iterator[tuple[str, str]]:
    """From which labware to which liquid goes, each pair once."""
    yield from dict.fromkeys(
        (move.source[0], move.target[0])
        for move in kind.liquid_moves()
        if move.source is not None and move.target is not None
    )


def light_windows(build: PlateBuilder) -> list[Window]:
    """How long what must not see light may stand in light at a time: what is done there, and the limit.

    A stay begins when the labware comes, or with the step that makes light spoil it.
    """
    windows: list[Window] = []
    stays: dict[str, _Stay] = {}
    for mark in build.trail:
        step = mark.step
        for name in build.follower.light_s.keys() & set(mark.touched):
            if step.kind in CARRYING and name in stays:
                stay = stays.pop(name)
                at_most_s = stay.work_s + build.follower.light_s[name]
                windows.append(_light(build, name, stay.first, step.id, at_most_s, windows))
            lit = step.dark and not build.facilities.lab.positions[mark.spots[name]].dark
            if lit and name not in stays:
                stays[name] = _Stay(step.id, {step.id: -step.duration_s})
            elif name in stays and step.kind != "wait":
                stays[name].add(step)
    return windows


@dataclass(slots=True)
class _Stay:
    """Labware in light since the end of a step: what is done to it, one after another."""

    first: str
    begun_s: dict[str, float]
    work_s: float = 0.0

    def add(self, step: Step) -> None:
        """Take in a step; what is paced by another one waits for it."""
        begin = self.work_s
        anchor = step.not_before
        if anchor is not None and anchor.edge == "start" and anchor.step in self.begun_s:
            begin = max(begin, self.begun_s[anchor.step] + anchor.offset_s)
        self.begun_s[step.id] = begin
        self.work_s = begin + step.duration_s


def _light(
    build: PlateBuilder, labware: str, first: str, last: str, at_most_s: float,
    known: Sequence[Window],
) -> Window:  # fmt: skip
    count = sum(window.name.startswith(f"{labware} in light") for window in known)
    name = f"{labware} in light" + (f" {count + 1}" if count else "")
    return Window(
        name=name, plate=build.plate.name, start=Anchor(step=first),
        end=Anchor(step=last, edge="start"), at_most_s=at_most_s,
    )  # fmt: skip


def unclean(lab: Lab, people: Iterable[str]) -> tuple[str, ...]:
    """Instruments that take activity along from plate to plate; people change their gloves."""
    known = set(people)
    return tuple(
        name for name, entry in lab.instruments.items()
        if not entry.stays_clean and name not in known
    )  # fmt: skip


def zone_findings(
    build: PlateBuilder, protocol_file: Document, lab_file: Document
) -> list[Finding]:
    """What a plate may not do: be where only radioactive plates are, or wait in light."""
    protocol, lab = build.protocol, build.facilities.lab
    findings = [
        protocol_file.finding(
            ("labware", name, "clean"), f"{name!r} must stay clean, but {protocol.name} is radioactive",
            "leave out `clean`, or the radioactive liquids",
        )
        for name, use in protocol.labware.items()
        if use.clean and protocol.is_radioactive
    ]  # fmt: skip
    findings += [
        lab_file.finding(
            ("instruments", name, "stays_clean"), f"{name!r} is radioactive and stays clean",
            "say one of `radioactive` and `stays_clean`",
        )
        for name, entry in lab.instruments.items()
        if entry.stays_clean and entry.radioactive
    ]  # fmt: skip
    if not protocol.is_radioactive:
        findings += _intruders(build, lab_file)
    return findings + list(_waits_in_light(build, lab_file))


def _intruders(build: PlateBuilder, lab_file: Document) -> Iterator[Finding]:
    """Zones that a plate without activity enters, each once, with the first step that does so."""
    lab, titles = build.facilities.lab, {step.id: step.title for step in build.steps}
    uses = {r: step.id for step in reversed(build.steps) for r in step.resources}
    uses |= {hold.resource: hold.first for hold in build.holds if hold.resource not in uses}
    for name, step in uses.items():
        place, instrument = lab.positions.get(name), lab.instruments.get(name)
        message = (
            f"{name!r} is for radioactive plates only, but {build.protocol.name} uses it "
            f"({step}, {titles[step]})"
        )
        fix = "give this assay a place and an instrument outside the zone"
        if place is not None and place.radioactive:
            yield lab_file.finding(("positions", name, "radioactive"), message, fix)
        elif instrument is not None and instrument.radioactive:
            yield lab_file.finding(("instruments", name, "radioactive"), message, fix)


def _waits_in_light(build: PlateBuilder, lab_file: Document) -> Iterator[Finding]:
    positions = build.facilities.lab.positions
    for mark in build.trail:
        for name in build.follower.light_s.keys() & set(mark.touched):
            step, place = mark.step, mark.spots.get(name)
            if step.kind == "wait" and step.dark and place and not positions[place].dark:
                yield lab_file.finding(
                    ("positions", place),
                    f"{name!r} must not see light and waits on {place!r} ({step.id}, {step.title}), "
                    "which is not dark",
                    "say `dark: true` if it is, or let it wait in a hotel or an incubator",
                )  # fmt: skip
    for name in build.follower.light_s:
        place = build.spot[name]
        if build.left_standing(name) and not positions[place].dark:
            finding = lab_file.finding(
                ("positions", place),
                f"{name!r} must not see light and is left on {place!r}, which is not dark",
                "let the last step of the protocol put it into a hotel",
            )
            yield replace(finding, severity="warning")
