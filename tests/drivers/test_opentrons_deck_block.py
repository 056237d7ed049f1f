"""The driver of a Temperature Module on the deck: against recordings, faults and its simulator."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.line_bench import LineLab, action, chopped, played, recorded, replaying

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.domain.transcript import Turn
from platectl.hal.instrument import Identity
from platectl.simkit.faults import Fault
from platectl_drivers.opentrons_deck import Module, decode_command, decode_module

NAME = "opentrons_deck_block"
LIVE = {"currentTemperature": 21.5, "targetTemperature": None, "status": "idle"}
LISTED = {
    "id": "m1", "moduleModel": "temperatureModuleV2", "serialNumber": "T1", "firmwareVersion": "v2",
    "data": LIVE,
}  # fmt: skip
GET = (
    b"GET /modules HTTP/1.1\r\nhost: opentrons:31950\r\naccept: application/json\r\n"
    b"Opentrons-Version: 4\r\n\r\n"
)


def answer(body: Any, status: str = "200 OK") -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(data), data)


def listing(*modules: Any) -> list[Turn]:
    return [Turn(">", GET), Turn("<", answer({"data": list(modules)}))]


@pytest.mark.parametrize("size", [1, 100, 5000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    turns = chopped(recorded(transcripts, "opentrons_deck_block_cool"), size)
    driver, recording = played(NAME, turns)

    identity = await driver.connect()
    assert identity == Identity("Opentrons temperatureModuleV2", "TDV21P20221103D05", "v2.1.0")
    await driver.set_temperature(4.0)
    assert await driver.read_temperature_c() == 6.44
    await driver.stop_heating()
    await driver.aclose()
    assert recording.wrong + recording.left() == []


async def test_the_block_reaches_its_target_and_keeps_it() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()

    await lab.driver.set_temperature(4.0)
    await asyncio.sleep(1800)

    assert await lab.driver.read_temperature_c() == 4.0
    assert lab.world.temperature_c("spot") == 4.0
    await lab.driver.abort()
    assert (await lab.driver.reconcile(action("set_temperature", temperature_c=4.0))).fate == "done"
    other = await lab.driver.reconcile(action("set_temperature", temperature_c=5.0))
    assert (other.fate, other.remembered) == ("not_done", True)
    await lab.driver.stop_heating()
    assert (await lab.driver.reconcile(action("stop_heating"))).fate == "done"
    assert (await lab.driver.reconcile(action("dance"))).fate == "unknown"
    await lab.close()


@pytest.mark.parametrize("temperature_c", [3.9, 95.1, float("nan"), float("inf")])
async def test_what_is_out_of_range_is_refused_before_anything_is_sent(
    temperature_c: float,
) -> None:
    with pytest.raises(RefusedError):
        await replaying(NAME, ()).set_temperature(temperature_c)


@pytest.mark.parametrize(
    ("modules", "settings", "code"),
    [([], {}, "no_module"), ([{**LISTED, "moduleModel": "heaterShakerModuleV1"}], {}, "no_module"),
     ([LISTED, {**LISTED, "serialNumber": "T2"}], {}, "which_module"),
     ([LISTED], {"serial_number": "T9"}, "no_module")],
)  # fmt: skip
async def test_the_module_must_be_there_and_be_the_only_one(
    modules: list[Any], settings: dict[str, str], code: str
) -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        await replaying(NAME, listing(*modules), **settings).connect()

    assert caught.value.code == code


async def test_one_of_several_is_chosen_by_its_serial_number() -> None:
    turns = listing(LISTED, {**LISTED, "serialNumber": "T2"})

    identity = await replaying(NAME, turns, serial_number="T2").connect()

    assert identity.serial_number == "T2"


async def test_an_active_run_refuses_with_its_name() -> None:
    lab = LineLab(NAME, Fault("run_active"))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="active run") as caught:
        await lab.driver.set_temperature(37.0)

    assert caught.value.code == "RunActive"
    await lab.close()


async def test_a_command_that_fails_has_the_code_of_the_robot() -> None:
    lab = LineLab(NAME, Fault("fails", data={"code": "3010"}))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="it did not") as caught:
        await lab.driver.set_temperature(40.0)

    assert caught.value.code == "3010"
    await lab.driver.set_temperature(40.0)
    await lab.close()


@pytest.mark.parametrize("kind", ["silent", "reply_lost", "garbled_reply", "late_reply"])
async def test_a_broken_answer_is_a_link_error_and_the_setpoint_is_read_back(kind: str) -> None:
    lab = LineLab(NAME, Fault(kind))
    await lab.driver.connect()
    with pytest.raises(LinkError):
        await lab.driver.set_temperature(37.0)

    verdict = await lab.driver.reconcile(action("set_temperature", temperature_c=37.0))

    assert verdict.fate == ("not_done" if kind == "silent" else "done")
    await lab.driver.set_temperature(37.0)
    await lab.close()


@pytest.mark.parametrize(
    "live", [{}, {"currentTemperature": "21"}, {"currentTemperature": True}, {"currentTemperature": None}]
)  # fmt: skip
async def test_nothing_unexpected_becomes_a_temperature(live: dict[str, Any]) -> None:
    driver = replaying(NAME, listing({**LISTED, "data": live}))

    with pytest.raises(MalformedReplyError):
        await driver.read_temperature_c()


@pytest.mark.parametrize(
    ("status", "body"),
    [("200 OK", []), ("200 OK", {}), ("200 OK", {"data": {}}), ("200 OK", {"data": [5]})],
)
async def test_another_envelope_is_malformed(status: str, body: Any) -> None:
    driver = replaying(NAME, [Turn(">", GET), Turn("<", answer(body, status))])

    with pytest.raises(MalformedReplyError):
        await driver.observe()


@pytest.mark.parametrize(
    ("body", "code"),
    [({"errors": [{"id": "Wrong", "detail": "no"}]}, "Wrong"), ({"errorCode": "4000", "message": "no"}, "4000"),
     ({}, "503")],
)  # fmt: skip
async def test_a_refusal_of_either_shape_has_its_code(body: Any, code: str) -> None:
    turns = [Turn(">", GET), Turn("<", answer(body, "503 Service Unavailable"))]

    with pytest.raises(InstrumentFaultError) as caught:
        await replaying(NAME, turns).observe()

    assert caught.value.code == code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", [1], True])
def test_a_number_is_a_finite_number(value: Any) -> None:
    with pytest.raises(MalformedReplyError):
        Module("m", "x", "s", "f", {"targetTemperature": value}).number("targetTemperature")


@pytest.mark.parametrize(
    "data", [None, {}, {"id": "1", "status": "done"}, {"id": 1, "status": "queued"},
             {"id": "1", "status": "failed", "error": "no"}]
)  # fmt: skip
def test_only_a_command_is_a_command(data: Any) -> None:
    with pytest.raises(MalformedReplyError):
        decode_command(data)


@pytest.mark.parametrize("name", ["id", "moduleModel", "serialNumber", "firmwareVersion", "data"])
def test_a_module_has_all_its_fields(name: str) -> None:
    assert decode_module(LISTED).serial_number == "T1"
    with pytest.raises(MalformedReplyError):
        decode_module({k: v for k, v in LISTED.items() if k != name})
