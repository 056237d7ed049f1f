"""Builds the steps of one plate in order: who does it, where, after what; carries labware along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding
from platectl.domain.labware import LabwareKind
from platectl.domain.run import PlatePlan
from platectl.domain.samples import Sample
from platectl.domain.steps import Anchor, Hold, Step
from platectl.planning.dilution import StockWell
from platectl.planning.facilities import Facilities
from platectl.planning.zones import Follower, Mark
from platectl.steps.cells import FetchPlate, StorePlate
from platectl.steps.kind import StepKind
from platectl.steps.people import Manual
from platectl.steps.plates import DeckNote, MovePlate
from platectl.steps.reading import Carriage


class CannotBuildError(Exception):
    """A step cannot be built; carries a finding."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class PlateBuilder:
    """Collects the steps of one plate.

    Labware names are local (`assay`) in protocols and run-wide (`P1.assay`) in steps; `spot`
    tells where each stands after the steps built so far. `seats` says what the plate uses in place
    of the first of several equal instruments and positions (`planning.pools`).
    """

    def __init__(
        self,
        protocol: AssayProtocol,
        plate: PlatePlan,
        number: int,
        facilities: Facilities,
        catalogue: Mapping[str, LabwareKind],
        samples: tuple[Sample, ...],
        seats: Mapping[str, str] | None = None,
    ) -> None:
        self.seats = seats or {}
        self.protocol = protocol
        self.plate = plate
        self.number = number
        self.facilities = facilities
        self.catalogue = catalogue
        self.samples = samples
        self.spot = dict(self._homes())
        self.steps: list[Step] = []
        self.holds: list[Hold] = []
        self.findings: list[Finding] = []
        self.stocks: list[StockWell] = []
        self.due: dict[str, Anchor] = {}
        self.follower = Follower(protocol, f"{plate.name}.")
        self.trail: list[Mark] = []
        self._last_of_doc: dict[str, str] = {}
        self._last_touch: dict[str, str] = {}
        self._arrived: dict[str, str] = {}
        self._vacated: dict[str, str] = {}
        self.doc = ""
        self._doc_after: tuple[str, ...] = ()
        self._serial = 0

    def _homes(self) -> Iterable[tuple[str, str]]:
        for labware in self.protocol.labware:
            if labware in self.facilities.lab.placement:
                yield labware, self.home(labware)

    # Names ------------------------------------------------------------------------------------
    def barcode(self, name: str) -> str:
        """Barcode of a labware of this plate."""
        return self.plate.barcode if name == "assay" else f"{self.plate.barcode}-{name}"

    def named(self, labware: str) -> str:
        """Run-wide name of a labware."""
        return f"{self.plate.name}.{labware}"

    def kind(self, labware: str) -> LabwareKind:
        """Catalogue entry of a labware of the protocol."""
        return self.catalogue[self.protocol.labware[labware].kind]

    def home(self, labware: str) -> str:
        """Where a person puts the labware.

        Raises:
            CannotBuildError: The lab file does not say it.
        """
        if labware not in self.facilities.lab.placement:
            raise CannotBuildError(
                f"{labware!r} has no place to stand", "add it to placement in the lab file"
            )
        place = self.facilities.lab.placement[labware]
        use = self.facilities.lab.positions[place].use
        if use == "incubator":
            return self.slots()[self.facilities.positions_for(use).index(place)]
        return self.hotel()[0] if use == "hotel" else self.seats.get(place, place)

    def hotel(self) -> tuple[str, ...]:
        """The two hotel positions of this plate, within its zone."""
        zone = self.facilities.hotels(radioactive=self.protocol.is_radioactive)
        return tuple(self.seats.get(place, place) for place in zone[:2])

    def slots(self) -> tuple[str, ...]:
        """Positions in incubators, the one of this plate first."""
        every = self.facilities.positions_for("incubator")
        mine = every.index(self.seats.get(every[0], every[0])) if every else 0
        return every[mine:] + every[:mine]

    def need(self, interface: str, purpose: str) -> str:
        """The instrument of an interface that this plate uses.

        Raises:
            CannotBuildError: The lab has none.
        """
        name = self.first(interface)
        if name is None:
            raise CannotBuildError(
                f"the lab has no {interface} {purpose}", "add an instrument to the lab file"
            )
        return name

    def first(self, interface: str) -> str | None:
        """The instrument of an interface that this plate uses, if the lab has one."""
        name = self.facilities.first(interface)
        return None if name is None else self.seats.get(name, name)

    def step_of(self, doc: str) -> str:
        """Identity of the compiled step that ends a step of the protocol."""
        return self._last_of_doc[doc]

    # Building ---------------------------------------------------------------------------------
    def begin(self, doc: str, after: tuple[str, ...]) -> None:
        """Start the steps of a protocol step; `after` names protocol steps."""
        self.doc, self._serial = doc, 0
        self._doc_after = tuple(self._last_of_doc[a] for a in after if a in self._last_of_doc)

    def add(
        self,
        kind: StepKind,
        title: str,
        *,
        labware: Iterable[str] = (),
        not_before: Anchor | None = None,
        main: bool = False,
    ) -> Step:
        """Add one step after the protocol step's predecessors and whatever touched its labware.

        The main step of a protocol step carries its name; auxiliary ones get a suffix.
        """
        touched = tuple(labware)
        self._serial += 0 if main else 1
        suffix = "" if main else f".{self._serial}"
        step_id = f"{self.plate.name}.{self.doc}{suffix}"
        before = [
            *self._doc_after,
            *(self._last_touch[name] for name in touched if name in self._last_touch),
        ]
        positions = [self.spot[name] for name in touched if name in self.spot]
        radioactive, clean, dark = self.follower.follow(kind, touched)
        step = Step(
            id=step_id,
            kind=kind.name,
            plate=self.plate.name,
            title=title,
            effect=kind.effect,
            params=kind.model_dump(mode="json"),  # type: ignore[attr-defined]  # every kind is a Params model
            after=tuple(dict.fromkeys(before)),
            resources=tuple(dict.fromkeys([*kind.instruments(), *positions])),
            duration_s=kind.duration_s,
            not_before=not_before,
            radioactive=radioactive,
            clean=clean,
            dark=dark,
        )
        self.steps.append(step)
        self.trail.append(Mark(step, touched, dict(self.spot)))
        if kind.name == "load":
            self._arrived = dict.fromkeys(self.spot, step_id)
        for name in touched:
            self._last_touch[name] = step_id
        self._last_of_doc[self.doc] = step_id
        self._doc_after = (step_id,)
        return step

    def bring(self, labware: str, target: str) -> None:
        """Carry labware to a position unless it stands there."""
        source = self.spot.get(labware)
        if source is None:
            raise CannotBuildError(
                f"{labware!r} has no place to start from", "add it to placement in the lab file"
            )
        if source == target:
            return
        if self._in_incubator(source) or self._in_incubator(target):
            self._by_incubator(labware, source, target)
            return
        in_the_way = [
            n for n, p in self.spot.items() if p == target and not self._stacks(labware, n)
        ]
        if in_the_way:
            message = f"{labware!r} cannot go to {target}: {in_the_way[0]!r} stands there"
            raise CannotBuildError(message, "give them different positions in the lab file")
        mover = self._mover(labware, source, target)
        through = self.facilities.lab.instruments[mover].uses.get("handler")
        notes = [
            n
            for p, here in ((source, False), (target, True))
            if (n := self._note(labware, p, here=here)) and n.handler != through
        ]
        readers = self._readers_at(source, target)
        for reader in readers:
            self._carriage(reader, out=True)
        move = MovePlate(
            mover=mover,
            labware=self.named(labware),
            source=source,
            target=target,
            notes=tuple(notes),
            through=through,
            dark=labware in self.follower.light_s,
        )
        self.spot[labware] = target
        title = f"{labware} to {target}, away from light" if move.dark else f"{labware} to {target}"
        step = self.add(move, title, labware=(labware,))
        freed = [self._vacated[target]] if target in self._vacated else []
        self.steps[-1] = step.model_copy(
            update={
                "resources": tuple(dict.fromkeys([*step.resources, source])),
                "after": tuple(dict.fromkeys([*step.after, *freed])),
            }
        )
        self._vacated[source] = step.id
        self._hold(labware, step.id, source)
        for reader in readers:
            self._carriage(reader, out=False)

    def _carriage(self, reader: str, *, out: bool) -> None:
        """Move a reader's carriage; a person does it where the reader is worked at its own screen."""
        title = f"{reader} {'out' if out else 'in'}"
        if self.facilities.drivers[reader].features.started_by == "driver":
            self.add(Carriage(reader=reader, out=out), title)
            return
        person = self.need("Operator", f"to work the drawer of {reader}")
        text = f"{'Open' if out else 'Close'} the drawer of {reader}"
        self.add(Manual(operator=person, text=text, expected_s=30.0), title)

    def _in_incubator(self, position: str) -> bool:
        """Whether a position is a slot that only the incubator itself reaches."""
        entry = self.facilities.lab.positions[position]
        return entry.use == "incubator" and entry.handler is not None

    def _readers_at(self, *positions: str) -> list[str]:
        """Readers whose carriage is one of the positions."""
        readers = self.facilities.having("PlateReader")
        return [r for r in readers if self.facilities.position_of(r) in positions]

    def _by_incubator(self, labware: str, source: str, target: str) -> None:
        """Through the incubator's transfer station: from a slot to it, or from it into a slot."""
        slot = source if self._in_incubator(source) else target
        entry = self.facilities.lab.positions[slot]
        if entry.handler is None or entry.slot is None:
            fix = "give it handler (the incubator) and slot (a number) in the lab file"
            raise CannotBuildError(f"{slot!r} is in no incubator", fix)
        station = self.facilities.position_of(entry.handler)
        name, number = self.named(labware), int(entry.slot)
        if slot == source:
            fetch = FetchPlate(incubator=entry.handler, labware=name, slot=number)
            step = self.add(fetch, f"{labware} out of the incubator", labware=(labware,))
            self.spot[labware] = station
            self.trail[-1] = Mark(step, (labware,), dict(self.spot))
            self._hold(labware, step.id, source)
            self.bring(labware, target)
            return
        self.bring(labware, station)
        store = StorePlate(incubator=entry.handler, labware=name, slot=number)
        step = self.add(store, f"{labware} into the incubator", labware=(labware,))
        self.spot[labware] = target
        self.trail[-1] = Mark(step, (labware,), dict(self.spot))
        self._hold(labware, step.id, station)

    def _stacks(self, labware: str, below: str) -> bool:
        return "lid" in {self.kind(labware).role, self.kind(below).role}

    def _mover(self, labware: str, *positions: str) -> str:
        """The first mover of the lab file that reaches all the positions, or its like of this plate.

        Raises:
            CannotBuildError: None does.
        """
        self.need("PlateMover", f"to carry {labware} from {' to '.join(positions)}")
        movers = self.facilities.having("PlateMover")
        if (
            self.kind(labware).role == "lid"
        ):  # a handler knows of no lids, so its gripper cannot find them
            instruments = self.facilities.lab.instruments
            movers = tuple(m for m in movers if "handler" not in instruments[m].uses) or movers
        unknown: list[tuple[str, str]] = []
        for mover in movers:
            stations = getattr(self.facilities.drivers[mover].settings, "stations", {})
            missing = [position for position in positions if position not in stations]
            if not missing:
                return self.seats.get(mover, mover)
            unknown.append((mover, missing[0]))
        mover, position = unknown[-1]
        message = f"{mover} has no taught station for {position}"
        raise CannotBuildError(message, f"add it to instruments.{mover}.settings.stations")

    def _note(self, labware: str, position: str, *, here: bool) -> DeckNote | None:
        entry = self.facilities.lab.positions[position]
        handlers = self.facilities.having("LiquidHandler")
        if entry.handler not in handlers or self.kind(labware).role == "lid":
            return None
        return DeckNote(
            handler=entry.handler, labware=self.named(labware), slot=entry.slot if here else None
        )

    def _hold(self, labware: str, step_id: str, source: str) -> None:
        begun = self._arrived.get(labware)
        if begun and self.kind(labware).role != "lid":
            self.holds.append(Hold(resource=source, first=begun, last=step_id))
        self._arrived[labware] = step_id

    def close_holds(self) -> None:
        """End the holds of labware that is never carried again with its last use.

        It stands there until a person takes it away, when a later plate is loaded.
        """
        for labware, begun in self._arrived.items():
            if self.kind(labware).role != "lid":
                last = self._last_mention(labware) or begun
                hold = Hold(resource=self.spot[labware], first=begun, last=last, kept=True)
                self.holds.append(hold)

    def left_standing(self, labware: str) -> bool:
        """Whether a labware stays where it is after the last step that carries it."""
        return any(hold.kept and hold.resource == self.spot[labware] for hold in self.holds)

    def _last_mention(self, labware: str) -> str | None:
        """The last step that works with a labware in any way."""
        text = f'"{self.named(labware)}"'
        users = [s.id for s in self.steps if s.kind != "load" and text in s.model_dump_json()]
        return users[-1] if users else None
