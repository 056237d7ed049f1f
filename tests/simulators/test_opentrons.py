"""The simulated robot server, asked without the driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platectl.domain.errors import DisconnectedError
from platectl.domain.transcript import parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.hands import spill
from platectl.simkit.pipe import PipeEnd, pipe
from platectl.simkit.replay import answers
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import Tips, WorldError
from platectl_simulators.opentrons import OpentronsSimulator
from platectl_simulators.opentrons.labware import definition, nozzle_wells

V = {"Opentrons-Version": "4"}


class Bench:
    """Stands in for the world; everything stands where its position says."""

    def __init__(self) -> None:
        self.absent: set[str] = set()
        self.breaks = ""
        self.done: list[tuple[str, str, tuple[str, ...], float]] = []

    def takes_s(self, instrument: str, nominal_s: float, *, person: bool = False) -> float:
        del instrument, person
        return nominal_s

    def rng(self, instrument: str) -> np.random.Generator:
        return np.random.default_rng(7)

    def plate_at(self, position: str) -> str | None:
        return None if position in self.absent else position

    def new_tips(self, instrument: str, *, rack: str, wells: Sequence[str]) -> Tips:
        if self.breaks == "no_tips":
            raise WorldError("no_tips", "no tip there")
        n = len(wells)
        self.done.append(("pick_up", rack, tuple(wells), 0.0))
        return Tips(
            instrument,
            rack,
            tuple(wells),
            np.zeros(n),
            np.zeros(n, dtype=np.bool_),
            np.zeros(n),
            np.zeros((1, n)),
        )

    def put_back_tips(self, tips: Tips, *, rack: str, wells: Sequence[str]) -> None:
        self.done.append(("put_back", rack, tuple(wells), 0.0))

    def aspirate(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        tips.volume_ul += volume_ul
        self.done.append(("aspirate", labware, tuple(wells), volume_ul))

    def dispense(self, tips: Tips, labware: str, wells: Sequence[str], volume_ul: float) -> None:
        if self.breaks == "overflow":
            raise WorldError("overflow", "the well runs over")
        tips.volume_ul -= volume_ul
        self.done.append(("dispense", labware, tuple(wells), volume_ul))


class Client:
    """A minimal client of its own, so that the driver's mistakes are not shared."""

    def __init__(self, robot: OpentronsSimulator) -> None:
        self._robot = robot
        self._ends: list[PipeEnd] = []
        self.serving: list[asyncio.Task[None]] = []
        self.run = ""

    async def ask(
        self, method: str, path: str, data: Any = None, *, headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:  # fmt: skip
        ours, theirs = pipe()
        self.serving.append(asyncio.create_task(self._robot.serve(theirs)))
        self._ends.append(ours)
        body = (
            raw if raw is not None else b"" if data is None else json.dumps({"data": data}).encode()
        )
        lines = [f"{method} {path} HTTP/1.1", "Host: robot", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (V if headers is None else headers).items()]
        await ours.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += await ours.receive(timeout_s=1000)
        head, _, got = heard.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(got) < length:
            got += await ours.receive(timeout_s=1000)
        await ours.aclose()
        return int(head.split()[1]), json.loads(got)

    async def start(self) -> None:
        status, body = await self.ask("POST", "/runs", {})
        assert status == 201
        self.run = f"/runs/{body['data']['id']}"

    async def command(
        self, kind: str, *, wait: bool = True, timeout_ms: int | None = None, intent: str = "setup",
        **params: Any,
    ) -> dict[str, Any]:  # fmt: skip
        query = "?waitUntilComplete=true" if wait else "?"
        query += f"&timeout={timeout_ms}" if timeout_ms is not None else ""
        data = {"commandType": kind, "params": params, "intent": intent}
        status, body = await self.ask("POST", f"{self.run}/commands{query}", data)
        assert status == 201, body
        return body["data"]

    async def act(self, kind: str) -> tuple[int, Any]:
        return await self.ask("POST", f"{self.run}/actions", {"actionType": kind})

    async def set_up(self) -> None:
        """A pipette, a rack in A1, a plate in C1, a trough in D2."""
        await self.start()
        await self.command("loadPipette", pipetteName="p1000_96", mount="left", pipetteId="P")
        for id_, name, slot in (
            ("rack", "opentrons_flex_96_tiprack_200ul", "A1"),
            ("plate", "nest_96_wellplate_200ul_flat", "C1"),
            ("trough", "agilent_1_reservoir_290ml", "D2"),
        ):
            await self.load(id_, name, slot)

    async def load(self, id_: str, name: str, slot: str) -> dict[str, Any]:
        return await self.command(
            "loadLabware", labwareId=id_, loadName=name, namespace="opentrons", version=1,
            location={"slotName": slot},
        )  # fmt: skip


AT = {"pipetteId": "P", "labwareId": "plate", "wellName": "A1"}
RACK = {"pipetteId": "P", "labwareId": "rack", "wellName": "A1"}


class Robot:
    def __init__(self, *faults: Fault, **settings: Any) -> None:
        self.world = Bench()
        self.clock = VirtualClock()
        setup = SimulatorSetup(
            "flex", self.world, self.clock, settings=settings, faults=FaultPlan(faults)
        )
        self.simulator = OpentronsSimulator(setup)
        self.client = Client(self.simulator)


@asynccontextmanager
async def robot(*faults: Fault, ready: bool = True, **settings: Any) -> AsyncIterator[Robot]:
    there = Robot(*faults, **settings)
    if ready:
        await there.client.set_up()
    yield there
    await there.simulator.settle()
    await asyncio.gather(*there.client.serving)


@pytest.mark.parametrize(
    ("name", "robot_type", "pipette"),
    [("flex_transfer", "flex", "p1000_96"), ("ot2_refusals", "ot2", "p20_single_gen2")],
)
async def test_it_answers_exactly_what_was_recorded(
    transcripts: Path, name: str, robot_type: str, pipette: str
) -> None:
    text = (transcripts / f"opentrons_{name}.txt").read_text(encoding="ascii")
    turns = parse_transcript(text)
    settings = {"robot_type": robot_type, "pipette_name": pipette}
    setup = SimulatorSetup(robot_type, Bench(), VirtualClock(), settings=settings)

    assert await answers(OpentronsSimulator(setup), turns) == list(turns)


async def test_the_observed_aspirate_is_reproduced() -> None:
    async with robot(ready=False, robot_type="ot2", pipette_name="p20_single_gen2") as there:
        client = there.client
        await client.start()
        await client.command(
            "loadPipette", pipetteName="p20_single_gen2", mount="left", pipetteId="P"
        )
        await client.load("rack", "opentrons_96_tiprack_20ul", "8")
        await client.load("src", "nest_96_wellplate_200ul_flat", "5")
        await client.command("pickUpTip", **RACK)
        where = {"origin": "bottom", "offset": {"z": 1.5}}
        params = {"pipetteId": "P", "labwareId": "src", "wellName": "D4", "flowRate": 7.56}

        good = await client.command("aspirate", **params, volume=12.5, wellLocation=where)
        await client.command("dispense", **params, volume=12.5)
        bad = await client.command("aspirate", **params, volume=21.0, wellLocation=where)
        moved = await client.command(
            "moveLabware", labwareId="src", newLocation={"slotName": "8"},
            strategy="manualMoveWithoutPause",
        )  # fmt: skip

    assert good["result"] == {"position": {"x": 173.78, "y": 137.68, "z": 5.0}, "volume": 12.5}
    assert good["params"]["wellLocation"]["offset"] == {"x": 0, "y": 0, "z": 1.5}
    assert good["intent"] == "setup"
    assert bad["status"] == "failed"
    assert bad["error"]["detail"] == "Cannot aspirate 21.0 µL when only 20.0 is available."
    assert bad["error"]["errorType"] == "InvalidAspirateVolumeError"
    assert bad["error"]["errorInfo"] == {
        "attempted_aspirate_volume": 21.0, "available_volume": 20.0,
        "max_pipette_volume": 20, "max_tip_volume": 20.0,
    }  # fmt: skip
    assert moved["error"]["detail"] == (
        "Labware opentrons_96_tiprack_20ul is already present at "
        "slotName=<DeckSlotName.SLOT_8: '8'>."
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 422), ({"Opentrons-Version": "1"}, 400), ({"Opentrons-Version": "*"}, 200),
     ({"Opentrons-Version": "99"}, 200), ({"Opentrons-Version": "x"}, 400)],
)  # fmt: skip
async def test_every_request_needs_a_version(headers: dict[str, str], status: int) -> None:
    async with robot(ready=False) as there:
        assert (await there.client.ask("GET", "/health", headers=headers))[0] == status


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "name"),
    [
        ("GET", "/runs/none", None, 404, "RunNotFound"),
        ("GET", "/nowhere", None, 404, "BadRequest"),
        ("GET", "{run}/nowhere", None, 404, "BadRequest"),
        ("PUT", "{run}/commands", None, 404, "BadRequest"),
        ("GET", "{run}/commands/none", None, 500, "UnexpectedError"),
        ("GET", "{run}/commands?cursor=x", None, 422, "InvalidRequest"),
        ("POST", "{run}/commands", 5, 422, "InvalidRequest"),
        ("POST", "{run}/commands", {"commandType": "fly", "params": {}}, 422, "InvalidRequest"),
        ("POST", "{run}/commands", {"commandType": "home"}, 422, "InvalidRequest"),
        ("POST", "{run}/commands", {"commandType": "aspirate", "params": AT | {"volume": 5}}, 422,
         "InvalidRequest"),
        ("POST", "{run}/commands",
         {"commandType": "aspirate", "params": AT | {"volume": "5", "flowRate": 5}}, 422,
         "InvalidRequest"),
        ("POST", "{run}/commands", {"commandType": "home", "params": {}, "intent": "fixit"}, 500,
         "UnexpectedError"),
        ("POST", "{run}/actions", {"actionType": "fly"}, 422, "InvalidRequest"),
        ("POST", "{run}/actions", {"actionType": "pause"}, 409, "RunActionNotAllowed"),
    ],
)  # fmt: skip
async def test_refusals_follow_the_table(
    method: str, path: str, data: Any, status: int, name: str
) -> None:
    async with robot() as there:
        got, body = await there.client.ask(method, path.format(run=there.client.run), data)
        assert (got, body["errors"][0]["id"]) == (status, name)


async def test_a_missing_flow_rate_is_pointed_at() -> None:
    async with robot() as there:
        data = {"commandType": "aspirate", "params": AT | {"volume": 5}}
        _, body = await there.client.ask("POST", f"{there.client.run}/commands", data)
        assert body["errors"][0]["source"] == {"pointer": "/data/params/flowRate"}
        assert (await there.client.ask("POST", f"{there.client.run}/commands", raw=b"{"))[0] == 422


@pytest.mark.parametrize(
    ("kind", "params", "error", "code"),
    [
        ("aspirate", AT | {"volume": 5, "flowRate": 5}, "TipNotAttachedError", "3005"),
        ("dropTipInPlace", {"pipetteId": "P"}, "TipNotAttachedError", "3005"),
        ("pickUpTip", AT, "LabwareIsNotTipRackError", "4000"),
        ("moveToWell", AT | {"wellName": "I1"}, "WellDoesNotExistError", "4000"),
        ("moveToWell", AT | {"wellName": "B1"}, "WellDoesNotExistError", "4000"),
        ("moveToWell", AT | {"labwareId": "x"}, "LabwareNotLoadedError", "4000"),
        ("moveToWell", AT | {"pipetteId": "x"}, "PipetteNotLoadedError", "4000"),
        ("moveToAddressableAreaForDropTip", {"pipetteId": "P", "addressableAreaName": "fixedTrash"},
         "AreaNotInDeckConfigurationError", "4000"),
        ("loadPipette", {"pipetteName": "p50_single_flex", "mount": "left"},
         "FailedToLoadPipetteError", "3010"),
        ("loadLabware", {"loadName": "nonsense", "namespace": "opentrons", "version": 1,
                         "location": {"slotName": "B1"}}, "PythonException", "4000"),
    ],
)  # fmt: skip
async def test_commands_fail_in_the_documented_way(
    kind: str, params: dict[str, Any], error: str, code: str
) -> None:
    async with robot() as there:
        command = await there.client.command(kind, **params)
        assert command["status"] == "failed"
        assert (command["error"]["errorType"], command["error"]["errorCode"]) == (error, code)


async def test_liquid_moves_with_time() -> None:
    async with robot() as there:
        before_s = there.clock.monotonic_s()
        await there.client.command("pickUpTip", **RACK)
        await there.client.command("aspirate", **AT, volume=50, flowRate=50)
        spent = AT | {"labwareId": "trough"}
        await there.client.command("dispense", **spent, volume=20, flowRate=50)
        over = await there.client.command("dispense", **spent, volume=31, flowRate=50)
        await there.client.command("blowout", **spent, flowRate=50)
        await there.client.command("dropTip", **RACK)

        assert over["error"]["errorType"] == "InvalidDispenseVolumeError"
        assert [(kind, volume) for kind, _, _, volume in there.world.done] == [
            ("pick_up", 0.0), ("aspirate", 50.0), ("dispense", 20.0), ("dispense", 30.0),
            ("put_back", 0.0),
        ]  # fmt: skip
        assert there.world.done[0][2][:2] == ("A1", "A2")
        assert set(there.world.done[2][2]) == {"A1"}
        assert there.clock.monotonic_s() - before_s == pytest.approx(10 + 4.5 + 3.9 + 1 + 8)


async def test_a_client_may_look_in_later() -> None:
    async with robot() as there:
        posted = await there.client.command("pickUpTip", wait=False, **RACK)
        assert posted["status"] == "queued"
        waited = await there.client.command("home", timeout_ms=1000)
        assert waited["status"] == "queued"
        path = f"{there.client.run}/commands/{posted['id']}"
        assert (await there.client.ask("GET", path))[1]["data"]["status"] == "running"
        await asyncio.sleep(60)
        assert (await there.client.ask("GET", path))[1]["data"]["status"] == "succeeded"


async def test_a_key_is_stored_and_does_not_prevent_a_second_execution() -> None:
    async with robot() as there:
        data = {"commandType": "comment", "params": {"message": "x"}, "key": "same"}
        ids = set()
        for _ in range(2):
            _, body = await there.client.ask("POST", f"{there.client.run}/commands", data)
            assert body["data"]["key"] == "same"
            ids.add(body["data"]["id"])
        assert len(ids) == 2


async def test_commands_are_listed_in_pages_and_the_last_comes_first() -> None:
    async with robot() as there:
        for n in range(26):
            await there.client.command("comment", message=str(n))
        list_ = f"{there.client.run}/commands"
        last = (await there.client.ask("GET", list_))[1]
        first = (await there.client.ask("GET", f"{list_}?cursor=0&pageLength=5"))[1]

        assert last["meta"] == {"cursor": 10, "totalLength": 30}
        assert last["data"][-1]["params"] == {"message": "25"}
        assert [c["commandType"] for c in first["data"][:2]] == ["loadPipette", "loadLabware"]
        assert "result" not in first["data"][0]


async def test_only_one_run_is_current_and_twenty_are_kept() -> None:
    async with robot(ready=False) as there:
        for _ in range(25):
            await there.client.start()
        runs = (await there.client.ask("GET", "/runs?pageLength=100"))[1]["data"]

        assert len(runs) == 20
        assert [run["current"] for run in runs] == [False] * 19 + [True]
        assert {run["status"] for run in runs[:-1]} == {"stopped"}


async def test_an_active_run_cannot_be_replaced_released_or_deleted() -> None:
    async with robot() as there:
        await there.client.command("pickUpTip", wait=False, **RACK)
        await asyncio.sleep(0.1)
        refused = [
            await there.client.ask("POST", "/runs", {}),
            await there.client.ask("PATCH", there.client.run, {"current": False}),
            await there.client.ask("DELETE", there.client.run),
        ]
        names = [(status, body["errors"][0]["id"]) for status, body in refused]
        assert names == [(409, "RunAlreadyActive"), (409, "RunNotIdle"), (409, "RunNotIdle")]


async def test_a_released_run_takes_no_commands_and_can_be_deleted() -> None:
    async with robot() as there:
        status, body = await there.client.ask("PATCH", there.client.run, {"current": False})
        assert (status, body["data"]["status"]) == (200, "stopped")
        data = {"commandType": "home", "params": {}}
        status, body = await there.client.ask("POST", f"{there.client.run}/commands", data)
        assert (status, body["errors"][0]["id"]) == (409, "RunStopped")
        assert await there.client.ask("DELETE", there.client.run) == (200, {})


async def test_protocol_commands_wait_for_play_and_end_the_run() -> None:
    async with robot() as there:
        program = await there.client.command("pickUpTip", wait=False, intent="protocol", **RACK)
        await asyncio.sleep(60)
        assert there.world.done == []
        assert (await there.client.act("play"))[0] == 201
        assert (await there.client.act("play"))[0] == 201
        data = {"commandType": "home", "params": {}, "intent": "setup"}
        status, body = await there.client.ask("POST", f"{there.client.run}/commands", data)
        await asyncio.sleep(60)

        assert (status, body["errors"][0]["id"]) == (409, "SetupCommandNotAllowed")
        path = f"{there.client.run}/commands/{program['id']}"
        assert (await there.client.ask("GET", path))[1]["data"]["status"] == "succeeded"
        assert (await there.client.ask("GET", there.client.run))[1]["data"]["status"] == "succeeded"


async def test_waiting_for_resume_lasts_until_play() -> None:
    async with robot() as there:
        waiting = await there.client.command("waitForResume", timeout_ms=5000)
        assert waiting["status"] == "running"
        await there.client.act("play")
        await asyncio.sleep(1)
        path = f"{there.client.run}/commands/{waiting['id']}"
        assert (await there.client.ask("GET", path))[1]["data"]["status"] == "succeeded"


async def test_stop_fails_what_runs_and_leaves_what_waits() -> None:
    async with robot() as there:
        first = await there.client.command("pickUpTip", wait=False, **RACK)
        second = await there.client.command("home", wait=False)
        await asyncio.sleep(1)
        assert (await there.client.act("stop"))[0] == 201
        await there.simulator.settle()
        shown = {
            command["id"]: command
            for command in (await there.client.ask("GET", f"{there.client.run}/commands"))[1][
                "data"
            ]
        }
        assert shown[first["id"]]["error"]["errorType"] == "RunStoppedError"
        assert shown[second["id"]]["status"] == "queued"
        assert (await there.client.act("play"))[1]["errors"][0]["id"] == "RunStopped"
        assert there.world.done == []


async def test_a_robot_that_cannot_sense_tips_pipettes_air() -> None:
    async with robot(ready=False, robot_type="ot2", pipette_name="p300_multi_gen2") as there:
        client = there.client
        await client.start()
        await client.command(
            "loadPipette", pipetteName="p300_multi_gen2", mount="left", pipetteId="P"
        )
        await client.load("rack", "opentrons_96_tiprack_300ul", "1")
        await client.load("plate", "nest_96_wellplate_200ul_flat", "2")
        there.world.breaks = "no_tips"
        assert (await client.command("pickUpTip", **RACK))["status"] == "succeeded"
        got = await client.command("aspirate", **AT, volume=50, flowRate=50)
        assert got["status"] == "succeeded"
        assert there.world.done == []


@pytest.mark.parametrize("mishap", ["absent", "overflow"])
async def test_what_is_not_caught_is_spilt_and_nobody_says_so(mishap: str) -> None:
    async with robot() as there:
        await there.client.command("pickUpTip", **RACK)
        await there.client.command("aspirate", **AT, volume=50, flowRate=50)
        there.world.breaks = mishap
        there.world.absent = {"flex.D2"} if mishap == "absent" else set()
        got = await there.client.command(
            "dispense", **AT | {"labwareId": "trough"}, volume=20, flowRate=50
        )
        assert got["status"] == "succeeded"
        assert there.simulator.hands.tips is not None
        assert there.simulator.hands.tips.volume_ul == pytest.approx(np.full(96, 30.0))
        assert len(there.simulator.hands.mishaps) == 1


async def test_missing_tips_are_a_defined_error_on_a_flex() -> None:
    async with robot() as there:
        there.world.breaks = "no_tips"
        error = (await there.client.command("pickUpTip", **RACK))["error"]
        assert (error["errorType"], error["errorCode"]) == ("tipPhysicallyMissing", "3003")
        assert error["isDefined"]


async def test_slots_may_be_named_otherwise_in_the_world() -> None:
    async with robot(slots={"A1": "hand_made"}) as there:
        await there.client.command("pickUpTip", **RACK)
        assert there.world.done[0][1] == "hand_made"


async def test_recovery_takes_only_fixing_commands() -> None:
    async with robot(Fault("overpressure")) as there:
        await there.client.command("pickUpTip", **RACK)
        failed = await there.client.command("aspirate", **AT, volume=50, flowRate=50)
        assert (failed["error"]["errorType"], failed["error"]["errorCode"]) == (
            "overpressure",
            "3006",
        )
        run = (await there.client.ask("GET", there.client.run))[1]["data"]
        assert run["status"] == "awaiting-recovery"
        assert (await there.client.command("home", intent="fixit"))["status"] == "succeeded"
        await there.client.act("resume-from-recovery")
        assert (await there.client.command("home"))["status"] == "succeeded"


async def test_a_restart_forgets_runs_but_not_their_names_and_keeps_tips_on_the_head() -> None:
    fault = Fault("robot_restart", after=5, data={"start_up_s": 30})
    async with robot(fault) as there:
        await there.client.command("pickUpTip", **RACK)
        with pytest.raises(DisconnectedError):
            await there.client.command("home")
        assert (await there.client.ask("GET", "/health"))[0] == 503
        await asyncio.sleep(31)
        run = (await there.client.ask("GET", there.client.run))[1]["data"]
        commands = (await there.client.ask("GET", f"{there.client.run}/commands"))[1]

        assert (run["ok"], run["status"], run["dataError"]["errorCode"]) == (
            False,
            "stopped",
            "4008",
        )
        assert commands["meta"]["totalLength"] == 0
        await there.client.set_up()
        error = (await there.client.command("pickUpTip", **RACK))["error"]
        assert error["errorType"] == "UnexpectedTipAttachError"


async def test_same_seed_same_conversation() -> None:
    runs = []
    for _ in range(2):
        async with robot() as there:
            runs.append(await there.client.command("pickUpTip", **RACK))
    assert runs[0]["id"] == runs[1]["id"]
    assert runs[0]["result"] == runs[1]["result"]


@pytest.mark.parametrize(
    ("name", "well", "layout", "ends"),
    [
        ("nest_96_wellplate_200ul_flat", "A1", (8, 12), ("A1", "H12")),
        ("nest_96_wellplate_200ul_flat", "A3", (8, 1), ("A3", "H3")),
        ("nest_96_wellplate_200ul_flat", "C1", (1, 12), ("C1", "C12")),
        ("corning_384_wellplate_112ul_flat", "B2", (8, 12), ("B2", "P24")),
        ("agilent_1_reservoir_290ml", "A1", (8, 12), ("A1", "A1")),
        ("nest_12_reservoir_15ml", "A1", (8, 12), ("A1", "A12")),
        ("nest_12_reservoir_15ml", "A4", (8, 1), ("A4", "A4")),
    ],
)
def test_nozzles_meet_wells(
    name: str, well: str, layout: tuple[int, int], ends: tuple[str, str]
) -> None:
    labware = definition(name)
    assert labware is not None
    wells = nozzle_wells(labware, well, *layout)
    assert wells is not None
    assert (wells[0], wells[-1]) == ends
    assert len(wells) == layout[0] * layout[1]


@pytest.mark.parametrize(("well", "rows", "columns"), [("B1", 8, 12), ("A2", 8, 12), ("B3", 8, 1)])
def test_nozzles_beside_a_plate_meet_nothing(well: str, rows: int, columns: int) -> None:
    labware = definition("nest_96_wellplate_200ul_flat")
    assert labware is not None
    assert nozzle_wells(labware, well, rows, columns) is None


def test_spilling_never_leaves_less_than_nothing() -> None:
    n = np.array([0.0, 10.0, 50.0])
    tips = Tips("x", "rack", ("A1", "B1", "C1"), n * 0, n > 99, n.copy(), np.stack([n, 2 * n]))
    spill(tips, 20.0)
    assert tips.volume_ul == pytest.approx([0, 0, 30])
    assert tips.amounts[1] == pytest.approx([0, 0, 60])
