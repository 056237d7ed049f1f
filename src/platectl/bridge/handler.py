"""A liquid handler: the deck as platectl names it, and the strokes of one head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from platectl.bridge.device import Device, Options
from platectl.bridge.library import BridgeFaultError, BridgeRefusalError, load
from platectl.domain.wells import parse_well, well_name

#: set of channels -> rows and columns of the head; the eight channels stand in a column
HEADS: Final = {"full": (8, 12), "column": (8, 1), "single": (1, 1)}
FULL: Final = 96
OFF: Final = "offDeck"
#: before the names of carriers, so that labware may have any name
CARRIER: Final = "carrier."
#: the name by which PyLabRobot finds where tips are thrown
TRASH: Final = "trash"
#: words of the makers for what was noticed before liquid or tips were touched
UNTOUCHED: Final = frozenset({
    "AreaAlreadyOccupiedError", "CommandSyntaxError", "CoverCloseError", "HamiltonNoTipError", "HasTipError",
    "ImpossibleToOccupyAreaError", "NoCarrierError", "NoElementError", "NoLabwareError", "NoTipError",
    "NotAllowedParameterCombinationError", "PositionNotReachableError", "TipAlreadyFittedError",
})  # fmt: skip


class Handler(Device):
    """One `LiquidHandler` with any backend and deck.

    Options: `deck` (what makes it) and `deck_arguments`, `carriers` (name -> `resource`, `rails` or `location`,
    `arguments`), `sites` (slot -> `carrier.number`, or x, y, z on the deck), `labware` (load name ->
    what makes it), `keywords` (by method, what the backend is given besides).
    """

    settings = frozenset({"load_deck", "note_move"})
    primitives: ClassVar[tuple[str, ...]] = (
        "pick_up_tips", "drop_tips", "aspirate", "dispense", "pick_up_tips96", "drop_tips96", "aspirate96",
        "dispense96",
    )  # fmt: skip

    def __init__(self, backend: Any, options: Options) -> None:
        super().__init__(backend, options)
        self.deck = self.thing(options["deck"], **options.get("deck_arguments", {}))
        self._carriers = {name: self._carrier(name, c) for name, c in options["carriers"].items()}
        self.front = load("pylabrobot.liquid_handling.LiquidHandler")(backend, self.deck)
        self._things: dict[str, Any] = {}
        self.slots: dict[str, str | None] = {}
        #: channels, rack and well of the tips that are fitted
        self._tips: tuple[str, str, str] | None = None
        self.verbs = {
            name: getattr(self, name)
            for name in ("load_deck", "note_move", "pick_up_tips", "drop_tips", "return_tips", "aspirate",
                         "dispense")
        }  # fmt: skip

    def _carrier(self, name: str, given: Options) -> Any:
        full = name if name == TRASH else f"{CARRIER}{name}"
        made = self.thing(given["resource"], name=full, **given.get("arguments", {}))
        if given.get("rails") is not None:
            self.deck.assign_child_resource(made, rails=given["rails"])
        else:
            self.deck.assign_child_resource(made, location=_coordinate(given["location"]))
        return made

    async def ready(self) -> None:
        """Set up, and give the channels the tips that an earlier child has fitted."""
        fresh = not self._ready
        await super().ready()
        if fresh and self._tips is not None:
            await self._fit_again(*self._tips)

    async def _fit_again(self, channels: str, rack: str, well: str) -> None:
        spots = self._spots(channels, rack, well)
        try:
            there = await self.backend.request_tip_presence() if channels != "full" else []
        except NotImplementedError:
            there = []
        if any(fitted is False for fitted in there[: len(spots)]):
            self._tips = None
            raise BridgeFaultError(
                "tips_lost", "the tips that were fitted are gone since the set-up"
            )
        head = self.front.head96 if channels == "full" else self.front.head
        for channel, spot in enumerate(spots):
            head[channel].add_tip(spot.get_tip(), origin=spot)

    def recall(self, do: str, given: Mapping[str, Any]) -> None:
        """The deck, and the tips that are fitted."""
        if do == "load_deck":
            self._load(given["items"])
        elif do == "note_move":
            self._move(given["labware"], given["slot"])
        elif do == "pick_up_tips":
            self._tips = (given["channels"], given["rack"], given["well"])
        elif do in {"drop_tips", "return_tips"}:
            self._tips = None

    def judge(self, error: Exception, *, handed: bool) -> tuple[str, str, str]:
        """A fault is only what leaves tips and liquids untouched on all channels."""
        kind, code, text = super().judge(error, handed=handed)
        if kind != "fault" or isinstance(error, BridgeFaultError):
            return kind, code, text
        parts = getattr(error, "errors", None)
        words = {type(p).__name__ for p in parts.values()} if parts else {type(error).__name__}
        rows, columns = HEADS[self._tips[0]] if self._tips else (0, 0)
        some = type(error).__name__ == "ChannelizedError" and len(parts or ()) < rows * columns
        return ("unknown" if some or not words <= UNTOUCHED else "fault", code, text)

    # The deck --------------------------------------------------------------------------------
    async def load_deck(self, items: Sequence[Mapping[str, str]]) -> None:
        """Describe what stands where."""
        self._load(items)

    async def note_move(self, labware: str, slot: str | None) -> None:
        """Labware was moved by somebody else."""
        self._move(labware, slot)

    def _load(self, items: Sequence[Mapping[str, str]]) -> None:
        for item in items:
            name, kind = item["labware"], item["load_name"]
            if kind not in self.options["labware"]:
                raise BridgeFaultError("labware", f"no definition for {kind!r} under `labware`")
            self._site(item["slot"])
            if name not in self._things:
                self._things[name] = self.thing(self.options["labware"][kind], name=name)
                self.slots[name] = None
            self._move(name, item["slot"])

    def _move(self, labware: str, slot: str | None) -> None:
        slot = None if slot == OFF else slot
        if labware not in self._things:
            raise BridgeRefusalError(f"{labware} is not in the deck description")
        if slot == self.slots[labware]:
            return
        place = self._site(slot)
        if slot is not None and slot in self.slots.values():
            other = next(name for name, there in self.slots.items() if there == slot)
            raise BridgeFaultError("slot_taken", f"{other} stands on {slot}")
        thing = self._things[labware]
        if self.slots[labware] is not None:
            thing.unassign()
        if isinstance(place, list):
            self.deck.assign_child_resource(thing, location=_coordinate(place))
        elif place is not None:
            place.assign_child_resource(thing)
        self.slots[labware] = slot

    def _site(self, slot: str | None) -> Any:
        """What labware on a slot is put on: a holder, coordinates, or nothing."""
        if slot is None or slot == OFF:
            return None
        if slot not in self.options["sites"]:
            raise BridgeFaultError("slot", f"no place for {slot!r} under `sites`")
        where = self.options["sites"][slot]
        if not isinstance(where, str):
            return list(where)
        carrier, _, number = where.rpartition(".")
        try:
            return self._carriers[carrier][int(number)]
        except (KeyError, ValueError, IndexError) as error:
            raise BridgeFaultError("slot", f"{slot}: there is no {where!r}") from error

    # Strokes ---------------------------------------------------------------------------------
    async def pick_up_tips(self, channels: str, rack: str, well: str) -> None:
        """Fit tips; those that an abandoned step has left are discarded first."""
        await self._get_rid()
        spots = self._spots(channels, rack, well)
        self._tips = (channels, rack, well)  # also when nobody can say how it ended
        try:
            if channels == "full":
                await self.front.pick_up_tips96(self._things[rack], **self._more("pick_up_tips96"))
            else:
                numbers = list(range(len(spots)))
                await self.front.pick_up_tips(spots, numbers, **self._more("pick_up_tips"))
        except Exception as error:
            if self.judge(error, handed=self.handed > 0)[0] != "unknown":
                self._tips = None
            raise

    async def _get_rid(self) -> None:
        """Discard what is fitted; PyLabRobot may know better that nothing is."""
        before = self.handed
        try:
            if self._tips is not None:
                await self.drop_tips()
        except Exception:
            if self.handed > before:
                raise
            self._tips = None

    async def drop_tips(self) -> None:
        """Discard the tips."""
        channels, _, _ = self._fitted()
        if channels == "full":
            await self.front.discard_tips96(**self._more("drop_tips96"))
        else:
            await self.front.discard_tips(self._numbers(channels), **self._more("drop_tips"))
        self._tips = None

    async def return_tips(self, rack: str, well: str) -> None:
        """Put the tips back into their rack."""
        channels, _, _ = self._fitted()
        spots = self._spots(channels, rack, well)
        if channels == "full":
            await self.front.drop_tips96(
                self._things[rack], allow_nonzero_volume=True, **self._more("drop_tips96")
            )
        else:
            await self.front.drop_tips(
                spots, self._numbers(channels), allow_nonzero_volume=True, **self._more("drop_tips")
            )
        self._tips = None

    async def aspirate(self, **stroke: Any) -> None:
        """Draw from one well for each channel."""
        await self._stroke("aspirate", **stroke)

    async def dispense(self, **stroke: Any) -> None:
        """Deliver into one well for each channel."""
        await self._stroke("dispense", **stroke)

    async def _stroke(
        self, method: str, labware: str, well: str, volume_ul: float, flow_ul_per_s: float,
        height_mm: float,
    ) -> None:  # fmt: skip
        channels, _, _ = self._fitted()
        wells = self._wells(channels, self._standing(labware), well)
        if channels == "full":
            where = wells[0] if len(wells) == 1 else wells
            await getattr(self.front, f"{method}96")(
                where, volume=volume_ul, flow_rate=flow_ul_per_s, liquid_height=height_mm,
                **self._more(f"{method}96"),
            )  # fmt: skip
            return
        numbers = self._numbers(channels)
        n = len(numbers)
        await getattr(self.front, method)(
            wells * n if len(wells) < n else wells, vols=[volume_ul] * n, use_channels=numbers,
            flow_rates=[flow_ul_per_s] * n, liquid_height=[height_mm] * n, **self._more(method),
        )  # fmt: skip

    def _fitted(self) -> tuple[str, str, str]:
        if self._tips is None:
            raise BridgeRefusalError("no tips are fitted")
        return self._tips

    def _numbers(self, channels: str) -> list[int]:
        rows, columns = HEADS[channels]
        return list(range(rows * columns))

    def _more(self, method: str) -> dict[str, Any]:
        return dict(self.options.get("keywords", {}).get(method, {}))

    def _standing(self, labware: str) -> Any:
        if self.slots.get(labware) is None:
            raise BridgeRefusalError(f"{labware} does not stand on the deck")
        return self._things[labware]

    def _spots(self, channels: str, rack: str, well: str) -> list[Any]:
        return self._wells(channels, self._standing(rack), well)

    def _wells(self, channels: str, thing: Any, well: str) -> list[Any]:
        """Wells that the channels meet, 9 mm apart, row by row; a trough has one for all."""
        if channels not in HEADS:
            raise BridgeRefusalError(f"no head with {channels!r} channels")
        if not hasattr(thing, "num_items"):
            return [thing]
        if thing.num_items == 1:
            return [thing.get_item(0)]
        rows, columns = HEADS[channels]
        if channels == "full" and thing.num_items == FULL:
            return list(thing.get_all_items())
        step = 2 if thing.num_items > FULL else 1
        row, column = parse_well(well)
        meets = [(row + step * r, column + step * c) for c in range(columns) for r in range(rows)]
        if any(r >= thing.num_items_y or c >= thing.num_items_x for r, c in meets):
            raise BridgeRefusalError(f"{channels} channels at {well} miss wells of {thing.name}")
        return [thing.get_item(well_name(r, c)) for r, c in meets]


def _coordinate(where: Sequence[float]) -> Any:
    return load("pylabrobot.resources.Coordinate")(*where)
