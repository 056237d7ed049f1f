"""The Liconic driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, recorded, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn
from platectl.hal.cells import Climate
from platectl.simkit.faults import Fault
from platectl_drivers.liconic import Cassette

SLOTS = {str(n): f"it.{n}" for n in range(1, 45)}
FETCH = action("fetch", slot=25)
OPEN = [
    Turn(">", b"CR\r"), Turn("<", b"CC\r\n"), Turn(">", b"RD 1915\r"), Turn("<", b"1\r\n"),
]  # fmt: skip
#: answers before the first one of a verb: CR, 1915, 1814, ST 1801, 1915
MET = 5


def stored_lab(*faults: Fault, **settings: Any) -> LineLab:
    """A plate in slot 25, the third level of the second cassette."""
    lab = LineLab("liconic", *faults, simulated={"slots": SLOTS}, **settings)
    for position in SLOTS.values():
        lab.world.add_position(position)
    lab.world.set_down(lab.world.lift("spot") or "", "it.25")
    lab.world.acts.clear()
    return lab


def where(lab: LineLab) -> str | None:
    return lab.world.position_of("P1")


@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    turns = chopped(recorded(transcripts, "liconic_fetch"), size)
    driver = replaying("liconic", turns, humidity=True, co2=True)

    assert (await driver.connect()).model == "Liconic STX"
    await driver.set_temperature(37.0)
    assert await driver.read_climate() == Climate(37.0, 4.98, 88.7)
    await driver.fetch(25)
    await driver.store(3)
    await driver.aclose()


async def test_an_empty_slot_is_a_fault(transcripts: Path) -> None:
    driver = replaying("liconic", recorded(transcripts, "liconic_no_plate"))
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="no plate on the shovel") as caught:
        await driver.fetch(12)

    assert caught.value.code == "00016"
    await driver.aclose()


async def test_plates_go_to_the_slots_that_are_counted_through_all_cassettes() -> None:
    lab = stored_lab()
    await lab.driver.connect()

    await lab.driver.fetch(25)
    assert where(lab) == "spot"
    await lab.driver.store(22)

    assert where(lab) == "it.22"
    assert lab.driver.slots == 44
    await lab.close()


async def test_cassettes_may_differ() -> None:
    cassettes = [{"levels": 10, "pitch_mm": 50}, {"levels": 34, "pitch_mm": 17}]
    lab = LineLab(
        "liconic", simulated={"slots": SLOTS, "cassettes": cassettes}, cassettes=cassettes
    )
    for position in SLOTS.values():
        lab.world.add_position(position)
    await lab.driver.connect()

    await lab.driver.store(11)

    assert where(lab) == "it.11"
    assert b"WR DM23 582\r" in lab.said
    assert b"WR DM25 34\r" in lab.said
    await lab.close()


@pytest.mark.parametrize(
    ("pitch_mm", "steps"),
    [(11, 377), (17, 582), (18, 617), (23, 788), (28, 959), (29, 994), (30, 1028), (33, 1131), (50, 1713),
     (59, 2021), (72, 2467)],
)  # fmt: skip
def test_steps_follow_from_the_pitch_as_others_have_tabled_them(
    pitch_mm: float, steps: int
) -> None:
    assert Cassette(levels=1, pitch_mm=pitch_mm).steps == steps


async def test_a_temperature_is_set_for_all_slots_and_read_back() -> None:
    lab = stored_lab()
    await lab.driver.connect()

    await lab.driver.set_temperature(8.5)

    assert lab.world.temperature_c("it.44") == 8.5
    assert await lab.driver.read_climate() == Climate(8.5)
    told = await lab.driver.reconcile(action("set_temperature", temperature_c=8.5))
    assert (told.fate, told.evidence) == ("done", {"set_c": 8.5})
    other = await lab.driver.reconcile(action("set_temperature", temperature_c=9.0))
    assert (other.fate, other.remembered) == ("not_done", True)
    await lab.close()


@pytest.mark.parametrize("slot", [0, -1, 45])
async def test_a_slot_that_is_not_there_is_refused_before_anything_is_sent(slot: int) -> None:
    with pytest.raises(RefusedError, match="between 1 and 44"):
        await replaying("liconic", ()).store(slot)


@pytest.mark.parametrize("temperature_c", [3.9, 50.1, 20.05, float("nan")])
async def test_a_temperature_out_of_range_is_refused(temperature_c: float) -> None:
    with pytest.raises(RefusedError):
        await replaying("liconic", ()).set_temperature(temperature_c)


async def test_a_unit_without_climate_refuses_to_hold_or_tell_one() -> None:
    driver = replaying("liconic", (), climate=False)

    with pytest.raises(RefusedError):
        await driver.set_temperature(37.0)
    with pytest.raises(RefusedError):
        await driver.read_climate()


@pytest.mark.parametrize(
    ("code", "lost", "words"),
    [(1, False, "not done in time"), (15, True, "a plate is on the shovel"), (115, True, "while storing"),
     (203, True, "while fetching"), (999, False, "no source lists")],
)  # fmt: skip
async def test_an_error_of_the_handling_is_named_and_stands(
    code: int, lost: bool, words: str
) -> None:
    lab = stored_lab(Fault("error", data={"code": code, "lost": lost}), transfer_sensor=True)
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match=words) as caught:
        await lab.as_action("fetch", slot=25)

    assert caught.value.code == f"{code:05d}"
    verdict = await lab.driver.reconcile(FETCH)
    assert (verdict.fate, verdict.evidence["error"]) == ("unknown", f"{code:05d}")
    for verb in ("connect", "take_over"):
        with pytest.raises(InstrumentFaultError):
            await getattr(lab.driver, verb)()
    with pytest.raises(InstrumentFaultError):
        await lab.driver.store(1)
    await lab.driver.observe()
    await lab.close()


async def test_an_occupied_transfer_station_is_a_fault() -> None:
    lab = stored_lab()
    lab.world.add_labware("P2", "assay_plate_96", "spot")
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="stands on the transfer station"):
        await lab.driver.fetch(25)

    assert where(lab) == "it.25"
    await lab.close()


@pytest.mark.parametrize("code", ["E0", "E1", "E2", "E3", "E4", "E5"])
async def test_a_refusal_carries_its_code_and_nothing_moved(code: str) -> None:
    lab = stored_lab(Fault("refused", after=6, data={"code": code}))
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.as_action("fetch", slot=25)

    assert caught.value.code == code
    assert (await lab.driver.reconcile(FETCH)).fate == "not_done"
    await lab.as_action("fetch", slot=25)
    assert where(lab) == "spot"
    await lab.close()


async def test_a_unit_that_never_gets_ready_is_given_up() -> None:
    lab = stored_lab(Fault("never_ready"))
    await lab.driver.connect()

    with pytest.raises(ReplyTimeoutError):
        await lab.as_action("fetch", slot=25)

    assert (await lab.driver.reconcile(FETCH)).fate == "running"
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.store(1)
    assert caught.value.code == "busy"
    await lab.close()


async def test_a_unit_that_is_busy_moves_nothing() -> None:
    turns = [
        *OPEN, Turn(">", b"RD 1814\r"), Turn("<", b"0\r\n"), Turn(">", b"RD 1915\r"), Turn("<", b"0\r\n"),
    ]  # fmt: skip
    driver = replaying("liconic", turns)
    await driver.observe()

    with pytest.raises(InstrumentFaultError, match="busy"):
        await driver.store(1)


@pytest.mark.parametrize("sensor", [False, True])
@pytest.mark.parametrize(
    ("kind", "after", "with_sensor", "without"),
    [("silent", 2, "not_done", "not_done"),  # a data word
     ("silent", 6, "not_done", "unknown"),  # the move
     ("reply_lost", 6, "done", "unknown"),
     ("reply_lost", 9, "done", "unknown")],
)  # fmt: skip
async def test_after_a_lost_answer_only_a_sensor_can_tell(
    kind: str, after: int, with_sensor: str, without: str, sensor: bool
) -> None:
    lab = stored_lab(Fault(kind, after=MET + after + sensor), transfer_sensor=sensor)
    await lab.driver.connect()
    with pytest.raises(LinkError):
        await lab.as_action("fetch", slot=25)

    verdict = await lab.driver.reconcile(FETCH)

    assert verdict.fate == (with_sensor if sensor else without)
    assert lab.said.count(b"ST 1905\r") == (after > 2)
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_a_broken_answer_is_never_taken_for_the_next(
    kind: str, error: type[LinkError]
) -> None:
    lab = stored_lab(Fault(kind, after=MET, data={"delay_s": 5.1}))
    await lab.driver.connect()

    with pytest.raises(error):
        await lab.driver.read_climate()

    assert (await lab.driver.read_climate()).temperature_c == lab.world.temperature_c("it.1")
    await lab.driver.fetch(25)
    await lab.close()


async def test_after_a_death_a_plate_that_arrives_is_told_by_the_sensor() -> None:
    lab = stored_lab(transfer_sensor=True)
    await lab.driver.connect()
    moving = asyncio.create_task(lab.as_action("fetch", slot=25))
    await asyncio.sleep(5)
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await moving
    lab.said.clear()
    heir = lab.heir()
    await heir.observe()

    verdict = await heir.reconcile(FETCH)

    assert verdict.fate == "done"
    assert set(lab.said) == {b"CR\r", b"RD 1915\r", b"RD 1814\r", b"RD 1813\r"}
    assert (await heir.reconcile(action("store", slot=25))).fate == "not_done"
    assert (await heir.reconcile(action("dance"))).fate == "unknown"
    await heir.take_over()
    await heir.store(25)
    await lab.close()


@pytest.mark.parametrize("answer", ["", "2", "01", " 1", "OK", "E6", "1_0"])
async def test_only_0_and_1_are_flags(answer: str) -> None:
    driver = replaying("liconic", [*OPEN[:3], Turn("<", f"{answer}\r\n".encode())])

    with pytest.raises(MalformedReplyError):
        await driver.observe()


@pytest.mark.parametrize("answer", ["370", "000370", "0037 ", "-0370", "003_7", "+0370", "00370x", "E9"])  # fmt: skip
async def test_only_five_digits_are_a_word(answer: str) -> None:
    turns = [*OPEN, Turn(">", b"RD DM982\r"), Turn("<", f"{answer}\r\n".encode())]
    driver = replaying("liconic", turns)
    await driver.observe()

    with pytest.raises(MalformedReplyError):
        await driver.read_climate()


async def test_another_answer_than_ok_is_no_acknowledgement() -> None:
    turns = [*OPEN, Turn(">", b"WR DM890 00370\r"), Turn("<", b"OKOK\r\n")]
    driver = replaying("liconic", turns)
    await driver.observe()

    with pytest.raises(MalformedReplyError):
        await driver.set_temperature(37.0)


@given(st.integers(40, 500))
async def test_tenths_of_a_degree_are_written_as_five_digits(tenths: int) -> None:
    turns = [*OPEN, Turn(">", f"WR DM890 {tenths:05d}\r".encode()), Turn("<", b"OK\r\n")]
    driver = replaying("liconic", turns)
    await driver.observe()

    await driver.set_temperature(tenths / 10)
