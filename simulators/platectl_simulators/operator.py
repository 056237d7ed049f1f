"""A simulated person: reads prompts at a terminal, takes a while, and really does it.

The format of the wire is platectl's own and is described in the driver of the operator: JSON
objects in lines that end with LF; `prompt`, `cancel` and `refused` come, `answer` goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from platectl.domain.errors import DisconnectedError
from platectl.domain.wells import PlateFormat
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl.simkit.world import Tips, World, WorldError

LONGEST: Final = 4_000_000
PLATE: Final = PlateFormat.of(96).by_row()
STROKE_UL: Final = 1000.0
#: more than a well holds, so that the harvester empties it
WASH_EXCESS: Final = 1.1
ASPIRATE_S: Final = 15.0
WASH_S: Final = 8.0
DRAIN_S: Final = 20.0


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    reaction_s: float = 20.0
    per_item_s: float = 8.0
    person: str = "operator"
    tips: str = "tips_1000"
    trough: str = "reservoir_1_290ml"


class OperatorSimulator:
    """Does what prompts say, one after another and thing by thing, and answers the first option.

    What cannot be done (a place is taken, a bottle is not there) is answered with the last option
    and a note; so much as was done until then stays. `cancel` stops the person where they are.
    Work goes on when the terminal closes, and prompts are remembered by their id over
    conversations: one that was done is answered at once with the same answer, one that is under
    way is answered when it ends, on the terminal where it was put last; one that could not be
    done or was cancelled is tried anew. The
    bottles of a `load` that find their line taken wait on a shelf for a `refill`. A `start_counter`
    is a note in `world.notices[f"{instrument}.start"]`, which the counter's simulator looks for.
    For a `harvest` both plates are taken to a harvester of the person's own and brought back.

    Faults, one occasion for each prompt: `absent` (comes `delay_s` later, an hour unless told),
    `refuses` (does nothing and answers the last option), `wrong_place` (`position`; when loading,
    for `labware` or the first one; also when moving), `wrong_option` (answers something that was
    not offered first), `wrong_id` (answers another prompt first), and the wire faults `silent`,
    `garbled_reply`, `reply_lost`, `late_reply` (`delay_s`).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._world = setup.world
        self._options = Options.model_validate(dict(setup.settings))
        self._hands = asyncio.Lock()
        self._shelf: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, Mapping[str, Any]] = {}
        self._asked_on: dict[str, ByteStream] = {}

    async def serve(self, stream: ByteStream) -> None:
        """Sit at the terminal until it closes; work that was begun goes on after that."""
        shown: dict[str, Mapping[str, Any]] = {}

        async def handle(line: bytes) -> None:
            try:
                fields = json.loads(line)
            except ValueError:
                fields = None
            if not isinstance(fields, dict):
                return  # a person does not answer what cannot be read
            if "prompt" in fields and not await is_silent(self._setup.faults):
                shown[fields["prompt"]] = fields
                self._take_up(stream, fields)
            elif (task := self._doing.get(fields.get("cancel", ""))) is not None:
                task.cancel()
            elif fields.get("refused") in shown:
                again = shown[fields["refused"]]
                self._begin(again["prompt"], self._correct(again))

        await serve_lines(stream, handle, end=b"\n", longest=LONGEST)

    async def leave(self) -> None:
        """Go home; what is under way is left where it is."""
        doing = list(self._doing.values())
        for task in doing:
            task.cancel()
        await asyncio.gather(*doing, return_exceptions=True)

    # Answering ----------------------------------------------------------------------------------
    def _take_up(self, stream: ByteStream, prompt: Mapping[str, Any]) -> None:
        """Begin what is new; answer what is known when it is done, now or later."""
        name = prompt["prompt"]
        self._asked_on[name] = stream
        if name in self._doing and not self._doing[name].cancelling():
            return
        known = _wish(self._done.get(name)) == _wish(prompt)
        self._begin(name, self._say(prompt, None) if known else self._attend(prompt))

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._doing[name] = task
        task.add_done_callback(partial(self._end, name))

    def _end(self, name: str, task: asyncio.Task[None]) -> None:
        if self._doing.get(name) is task:
            del self._doing[name]

    async def _attend(self, prompt: Mapping[str, Any]) -> None:
        faults = self._setup.faults
        async with self._hands:
            await self._takes(self._options.reaction_s)
            if (absent := faults.strike("absent")) is not None:
                await asyncio.sleep(float(absent.data.get("delay_s", 3600.0)))
            problem: str | None = "not possible now"
            if not faults.strike("refuses"):
                problem = await self._act(prompt["kind"], prompt["data"])
            if problem is None:
                self._done[prompt["prompt"]] = prompt
            if faults.strike("wrong_id"):
                await self._say(prompt, problem, name="another")
            option = "perhaps" if faults.strike("wrong_option") else None
            await self._say(prompt, problem, option=option)

    async def _takes(self, nominal_s: float) -> None:
        await asyncio.sleep(self._world.takes_s(self._setup.name, nominal_s, person=True))

    async def _correct(self, prompt: Mapping[str, Any]) -> None:
        """Answer again what was not taken; the work itself is done."""
        await self._takes(self._options.reaction_s)
        await self._say(prompt, None)

    async def _say(
        self,
        prompt: Mapping[str, Any],
        problem: str | None,
        *,
        option: str | None = None,
        name: str | None = None,
    ) -> None:
        """Answer on the terminal where the prompt was put last; nobody reads a closed one."""
        answer = {
            "answer": name or prompt["prompt"],
            "option": option or prompt["options"][-1 if problem else 0],
            "person": self._options.person,
            "note": problem or "",
        }
        labware = prompt["data"].get("labware")
        if isinstance(labware, str) and "barcode" in prompt["data"] and not problem:
            answer["barcode"] = self._world.barcode(labware)
        data = json.dumps(answer, ensure_ascii=False).encode("utf-8")
        with contextlib.suppress(DisconnectedError):
            stream = self._asked_on[prompt["prompt"]]
            await send_reply(stream, data + b"\n", self._setup.faults)

    # Doing --------------------------------------------------------------------------------------
    async def _act(self, kind: str, data: Mapping[str, Any]) -> str | None:
        """Do it; what was in the way, if anything was."""
        table: dict[str, Callable[[Mapping[str, Any]], Awaitable[None]]] = {
            "load": self._load,
            "move": self._move,
            "refill": self._refill,
            "start_counter": self._start_counter,
            "harvest": self._harvest,
        }
        try:
            if kind in table:
                await table[kind](data)
        except WorldError as error:
            return str(error)
        return None

    async def _load(self, data: Mapping[str, Any]) -> None:
        for labware in data.get("remove", ()):
            self._world.remove_labware(labware)
        places = data.get("place", ())
        wrong = self._setup.faults.strike("wrong_place")
        misplaced = _misplaced(wrong, places)
        for item in places:
            await self._takes(self._options.per_item_s)
            at_wrong = wrong is not None and item["labware"] == misplaced
            position = wrong.data["position"] if wrong and at_wrong else item["position"]
            self._world.add_labware(
                item["labware"], item["kind"], position, barcode=item.get("barcode", "")
            )
            for what, fills in groupby(item.get("fills", ()), key=_poured):
                wells = (fill["well"] for fill in fills)
                self._world.fill(item["labware"], *wells, **what)
        connected = set[str]()
        for bottle in data.get("bottles", ()):
            await self._takes(self._options.per_item_s)
            self._shelf[bottle["instrument"], bottle["liquid"]] = bottle
            if bottle["instrument"] not in connected:
                connected.add(bottle["instrument"])
                self._join(bottle)

    async def _move(self, data: Mapping[str, Any]) -> None:
        await self._takes(self._options.per_item_s)
        wrong = self._setup.faults.strike("wrong_place")
        target = wrong.data["position"] if wrong else data["target"]
        labware = self._world.lift(data["source"])
        if labware is None:
            raise WorldError("nothing_there", f"nothing stands at {data['source']}")
        try:
            self._world.set_down(labware, target)
        except WorldError:
            self._world.set_down(labware, data["source"])
            raise

    async def _refill(self, data: Mapping[str, Any]) -> None:
        await self._takes(self._options.per_item_s)
        bottle = (
            data if "contents" in data else self._shelf.get((data["instrument"], data["liquid"]))
        )
        if bottle is None:
            raise WorldError("nothing_there", f"there is no bottle of {data['liquid']}")
        self._join(bottle)

    async def _start_counter(self, data: Mapping[str, Any]) -> None:
        await self._takes(self._options.per_item_s)
        self._world.notices.setdefault(f"{data['instrument']}.start", []).append(data)

    async def _harvest(self, data: Mapping[str, Any]) -> None:
        """Bring both plates to the harvester, aspirate, wash, drain, and bring them back."""
        name, world = self._setup.name, self._world
        spots = {spot: f"{name}.{spot}" for spot in ("plate", "filter", "tips", "trough", "lids")}
        for spot in spots.values():
            world.add_position(spot)
        plate = _Carried(world, data["plate"], spots["plate"])
        filter_plate = _Carried(world, data["filter_plate"], spots["filter"])
        with plate, filter_plate:
            world.add_labware(spots["tips"], self._options.tips, spots["tips"])
            tips = world.new_tips(name, rack=spots["tips"], wells=PLATE)
            world.vacuum(spots["filter"], on=True)
            try:
                self._suck(tips, data["plate"], PLATE, data["filter_plate"], STROKE_UL)
                await self._takes(ASPIRATE_S)
                for _ in range(int(data["washes"])):
                    await self._wash(tips, data["filter_plate"], 1000.0 * float(data["wash_ml"]))
                await self._takes(DRAIN_S)
            finally:
                world.vacuum(spots["filter"], on=False)
                world.remove_labware(spots["tips"])

    async def _wash(self, tips: Tips, filter_plate: str, volume_ul: float) -> None:
        trough = f"{self._setup.name}.trough"
        self._world.add_labware(trough, self._options.trough, trough)
        try:
            amount_ul = len(PLATE) * volume_ul * WASH_EXCESS
            self._world.fill(trough, "A1", volume_ul=amount_ul, contents={})
            left_ul = volume_ul
            while left_ul > 0:
                stroke_ul = min(left_ul, STROKE_UL)
                self._suck(tips, trough, ("A1",) * len(PLATE), filter_plate, stroke_ul)
                left_ul -= stroke_ul
            await self._takes(WASH_S)
        finally:
            self._world.remove_labware(trough)

    def _suck(
        self, tips: Tips, source: str, wells: tuple[str, ...], target: str, volume_ul: float
    ) -> None:
        self._world.aspirate(tips, source, wells, volume_ul)
        self._world.dispense(tips, target, PLATE, volume_ul)

    def _join(self, bottle: Mapping[str, Any]) -> None:
        self._world.load_bottle(
            bottle["instrument"],
            liquid=bottle["liquid"],
            volume_ul=bottle["volume_ul"],
            contents=bottle["contents"],
        )


class _Carried:
    """A plate away from its place, and its lid off, for as long as the context lasts."""

    def __init__(self, world: World, labware: str, spot: str) -> None:
        self._world, self._labware, self._spot = world, labware, spot
        self._lids: list[str] = []
        self._home: str | None = None

    def __enter__(self) -> None:
        self._home = self._world.position_of(self._labware)
        if self._home is None:
            raise WorldError("nothing_there", f"{self._labware} stands nowhere")
        while (lifted := self._world.lift(self._home)) != self._labware:
            if lifted is None:
                raise WorldError("nothing_there", f"{self._labware} is not at {self._home}")
            self._lids.append(lifted)
        self._world.set_down(self._labware, self._spot)

    def __exit__(self, *_: object) -> None:
        if self._home is not None and self._world.lift(self._spot) is not None:
            self._world.set_down(self._labware, self._home)
            for lid in reversed(self._lids):
                self._world.set_down(lid, self._home)


def _poured(fill: Mapping[str, Any]) -> dict[str, Any]:
    """What of a fill is the same for many wells."""
    return {"volume_ul": fill["volume_ul"], "contents": fill["contents"]}


def _misplaced(fault: Fault | None, places: Any) -> str:
    if fault is None or not places:
        return ""
    return str(fault.data.get("labware", places[0]["labware"]))


def _wish(prompt: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is wanted, whenever it is due."""
    return None if prompt is None else {k: v for k, v in prompt.items() if k != "due"}
