"""A simulated person: reads prompts, takes a while, and really does it in the world."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply


class OperatorSimulator:
    """Answers `done` after doing what the prompt says.

    Settings: `reaction_s`, `per_item_s`, `person`. Faults: `absent` (answers `delay_s` later),
    `refuses` (does nothing and answers the last option), `wrong_place` (puts the labware `labware`
    on position `position` when loading), and the wire faults.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._world = setup.world
        self._reaction_s = float(setup.settings.get("reaction_s", 20.0))
        self._per_item_s = float(setup.settings.get("per_item_s", 8.0))
        self._person = str(setup.settings.get("person", "operator"))
        self._shelf: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def serve(self, stream: ByteStream) -> None:
        """Read prompts until the terminal closes."""

        async def handle(line: bytes) -> None:
            fields = json.loads(line)
            if "prompt" in fields and not await is_silent(self._setup.faults):
                await self._answer(stream, fields)

        try:
            await serve_lines(stream, handle, end=b"\n", longest=4_000_000)
        except DisconnectedError:
            return

    async def _answer(self, stream: ByteStream, fields: Mapping[str, Any]) -> None:
        data = fields["data"]
        items = len(data.get("place", ())) + len(data.get("bottles", ()))
        await asyncio.sleep(self._reaction_s + self._per_item_s * items)
        if (absent := self._setup.faults.strike("absent")) is not None:
            await asyncio.sleep(float(absent.data.get("delay_s", 3600.0)))
        option, note = fields["options"][0], ""
        if self._setup.faults.strike("refuses"):
            option, note = fields["options"][-1], "not possible"
        else:
            self._act(fields["kind"], data)
        reply = {"answer": fields["prompt"], "option": option, "person": self._person, "note": note}
        await send_reply(stream, json.dumps(reply).encode() + b"\n", self._setup.faults)

    def _act(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "load":
            self._load(data)
        elif kind == "refill":
            self._connect(self._shelf[data["instrument"], data["liquid"]])
        elif kind == "move":
            labware = self._world.lift(data["source"])
            if labware is not None:
                self._world.set_down(labware, data["target"])
        elif kind == "start_counter":
            self._world.notices.setdefault(f"{data['instrument']}.start", []).append(data)

    def _load(self, data: Mapping[str, Any]) -> None:
        for labware in data.get("remove", ()):
            self._world.remove_labware(labware)
        wrong = self._setup.faults.strike("wrong_place")
        for item in data.get("place", ()):
            position = item["position"]
            if wrong is not None and item["labware"] == wrong.data["labware"]:
                position = wrong.data["position"]
            self._world.add_labware(
                item["labware"], item["kind"], position, barcode=item["barcode"]
            )
            for fill in item["fills"]:
                self._world.fill(
                    item["labware"],
                    fill["well"],
                    volume_ul=fill["volume_ul"],
                    contents=fill["contents"],
                )
        connected = set[str]()
        for bottle in data.get("bottles", ()):
            self._shelf[bottle["instrument"], bottle["liquid"]] = bottle
            if bottle["instrument"] not in connected:
                connected.add(bottle["instrument"])
                self._connect(bottle)

    def _connect(self, bottle: Mapping[str, Any]) -> None:
        self._world.load_bottle(
            bottle["instrument"],
            liquid=bottle["liquid"],
            volume_ul=bottle["volume_ul"],
            contents=bottle["contents"],
        )
