"""What the robot believes: labware on slots, a pipette, its nozzles, tips and volume."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platectl.domain.errors import UserInputError
from platectl_simulators.opentrons.labware import (
    LabwareDefinition,
    definition,
    nozzle_wells,
    slot_text,
)

_SIZE = re.compile(r"p(\d+)_")
_LAYOUTS = {"ALL": (8, 12), "COLUMN": (8, 1), "ROW": (1, 12), "SINGLE": (1, 1)}


class CommandFailedError(Exception):
    """A command fails: HTTP 201 with an error of this type and code.

    `run` is the state that the run goes to; empty when it goes on.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        code: str = "4000",
        info: Mapping[str, Any] | None = None,
        defined: bool = False,
        run: str = "",
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.code = kind, detail, code
        self.info, self.defined, self.run = dict(info or {}), defined, run


@dataclass(slots=True)
class LoadedLabware:
    """A labware on the robot's map; `place` is a slot, the id of an adapter, or None (off deck)."""

    id: str
    definition: LabwareDefinition
    place: str | None


@dataclass(slots=True)
class Pipette:
    """A pipette on the robot's map; `tip_ul` is None without tips."""

    id: str
    name: str
    rows: int = 8
    columns: int = 12
    tip_ul: float | None = None
    volume_ul: float = 0.0

    @property
    def size_ul(self) -> int:
        """Largest volume of the pipette."""
        match = _SIZE.match(self.name)
        return int(match[1]) if match else 1000

    @property
    def channels(self) -> int:
        """Number of nozzles."""
        return 96 if self.name.endswith("_96") else 8 if "_multi" in self.name else 1

    @property
    def corners(self) -> tuple[str, ...]:
        """Nozzles from which a layout may be laid."""
        return {96: ("A1", "H1", "A12", "H12"), 8: ("A1", "H1")}.get(self.channels, ("A1",))


@dataclass(slots=True)
class Belief:
    """The engine's state in one run; a new run starts with an empty one."""

    labware: dict[str, LoadedLabware] = field(default_factory=dict)
    pipettes: dict[str, Pipette] = field(default_factory=dict)

    def add_labware(self, params: Mapping[str, Any], new_id: str) -> LoadedLabware:
        """Carry out `loadLabware` on the map."""
        found = definition(params["loadName"])
        if found is None:
            wanted = f"{params['namespace']}/{params['loadName']}/{params['version']}"
            raise CommandFailedError(
                "PythonException",
                'Traceback (most recent call last):\n  File "/usr/lib/python3.10/site-packages/'
                'opentrons/protocols/labware.py", line 68, in get_labware_definition\n'
                f"FileNotFoundError: Labware definition for {wanted} not found.",
            )
        id_ = params.get("labwareId") or new_id
        place = self._place(params["location"], id_)
        self.labware[id_] = loaded = LoadedLabware(id_, found, place)
        return loaded

    def move_labware(self, params: Mapping[str, Any]) -> None:
        """Carry out `moveLabware` on the map."""
        labware = self.find_labware(params["labwareId"])
        labware.place = self._place(params["newLocation"], labware.id)

    def find_labware(self, id_: str) -> LoadedLabware:
        """Return a loaded labware."""
        if id_ not in self.labware:
            raise CommandFailedError("LabwareNotLoadedError", f"Labware {id_} not found.")
        return self.labware[id_]

    def find_pipette(self, id_: str) -> Pipette:
        """Return the loaded pipette."""
        if id_ not in self.pipettes:
            raise CommandFailedError("PipetteNotLoadedError", f"Pipette {id_} not found.")
        return self.pipettes[id_]

    def slot_of(self, labware: LoadedLabware) -> str:
        """Slot on which a labware stands, through an adapter if need be."""
        place = labware.place
        while place in self.labware:
            place = self.labware[place].place
        if place is None:
            raise CommandFailedError(
                "LocationNotAccessibleByPipetteError",
                f"Cannot move pipette to {labware.definition.load_name}, labware is off-deck.",
            )
        return place

    def wells(self, pipette: Pipette, labware: LoadedLabware, well: str) -> tuple[str, ...]:
        """Wells that the active nozzles meet, by row."""
        load_name = labware.definition.load_name
        try:
            known = labware.definition.has(well)
        except UserInputError:
            known = False
        if not known:
            raise CommandFailedError(
                "WellDoesNotExistError", f"{well} does not exist in {load_name}."
            )
        met = nozzle_wells(labware.definition, well, pipette.rows, pipette.columns)
        if met is None:
            raise CommandFailedError(
                "WellDoesNotExistError", f"nozzles beside {well} leave {load_name}."
            )
        return met

    def configure(self, params: Mapping[str, Any]) -> None:
        """Carry out `configureNozzleLayout`."""
        pipette = self.find_pipette(params["pipetteId"])
        layout = params["configurationParams"]
        rows, columns = _LAYOUTS[layout["style"]]
        nozzle = layout.get("primaryNozzle", "A1")
        if nozzle not in pipette.corners:
            raise CommandFailedError(
                "IncompatibleNozzleConfiguration",
                f"No entry for front right nozzle {nozzle!r} in pipette",
            )
        if pipette.tip_ul is not None:
            raise CommandFailedError(
                "CommandPreconditionViolated",
                "Cannot configure nozzle layout of a pipette while it has tips attached.",
                code="4004",
            )
        pipette.rows = min(rows, 8 if pipette.channels > 1 else 1)
        pipette.columns = columns if pipette.channels == 96 else 1  # noqa: PLR2004  # the full head

    def _place(self, location: Any, mine: str) -> str | None:
        if location == "offDeck":
            return None
        place: str = next(iter(location.values()))
        if "labwareId" in location:
            self.find_labware(place)
        for other in self.labware.values():
            if other.id != mine and other.place == place:
                name = other.definition.load_name
                where = f"labware {place}" if "labwareId" in location else slot_text(place)
                raise CommandFailedError(
                    "LocationIsOccupiedError", f"Labware {name} is already present at {where}."
                )
        return place
