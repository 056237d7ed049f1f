"""The Heater-Shaker driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

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
from platectl.hal.instrument import Identity
from platectl.hal.recovery import Action
from platectl.simkit.faults import Fault
from platectl_drivers.opentrons_heater_shaker import (
    Speed,
    Warmth,
    parse_error,
    parse_identity,
    parse_latch,
    parse_speed,
    parse_warmth,
)

NAME = "opentrons_heater_shaker"
SHAKE = {"speed_rpm": 600, "duration_s": 25}
MET = [
    Turn(">", b"M115 \n"), Turn("<", b"M115 FW:v1 HW:hs SerialNo:H1 OK\n"),
    Turn(">", b"M241 \n"), Turn("<", b"M241 STATUS:IDLE_OPEN OK\n"),
]  # fmt: skip


def shaken(lab: LineLab) -> Action:
    return Action("a1", "it", "shake", SHAKE, lab.clock.now())


def after_meeting(*faults: Fault) -> LineLab:
    """Faults are counted from the first command of the verb."""
    shifted = [Fault(f.kind, after=f.after + 2, times=f.times, data=f.data) for f in faults]
    return LineLab(NAME, *shifted)


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying(NAME, chopped(recorded(transcripts, "opentrons_heater_shaker_shake"), size))

    identity = await driver.connect()
    assert identity == Identity(
        "Opentrons Heater-Shaker Opentrons-heater-shaker-v1.0.0", "HSV1020230504001", "v1.0.4"
    )
    await driver.set_temperature(37.0)
    assert await driver.read_temperature_c() == 22.0
    await driver.shake(**SHAKE)
    await driver.stop_heating()
    await driver.aclose()


async def test_a_stuck_latch_is_a_fault_and_nothing_turns(transcripts: Path) -> None:
    driver = replaying(NAME, recorded(transcripts, "opentrons_heater_shaker_latch"))
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="did not move in time") as caught:
        await driver.shake(**SHAKE)

    assert caught.value.code == "ERR125"
    await driver.aclose()


async def test_a_plate_is_mixed_once_and_released_after_the_duration() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()

    await lab.driver.shake(**SHAKE)

    assert lab.world.acts == [("shake", "spot")]
    assert 40 > lab.clock.monotonic_s() > 30
    assert lab.said[-1] == b"M241 \n"
    await lab.driver.connect()
    await lab.close()


async def test_the_nest_reaches_its_target_and_the_world_follows() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    room_c = await lab.driver.read_temperature_c()

    await lab.driver.set_temperature(37.5)
    await asyncio.sleep(900)
    assert await lab.driver.read_temperature_c() == 37.5
    assert lab.world.temperature_c("spot") == 37.5
    await lab.driver.stop_heating()
    await asyncio.sleep(900)

    assert await lab.driver.read_temperature_c() == pytest.approx(room_c, abs=0.5)
    await lab.close()


@pytest.mark.parametrize("latch", ["IDLE_CLOSED", "IDLE_UNKNOWN", "OPENING"])
async def test_a_latch_in_the_way_of_an_arm_refuses_the_connection_but_not_a_look(
    latch: str,
) -> None:
    lab = LineLab(NAME, simulated={"latch": latch})

    with pytest.raises(InstrumentFaultError, match=latch) as caught:
        await lab.driver.connect()

    assert caught.value.code == "latch"
    await lab.heir().take_over()
    await lab.close()


@pytest.mark.parametrize("temperature_c", [36.9, 95.1, 40.001, float("nan"), float("inf")])
async def test_a_temperature_out_of_range_is_refused(temperature_c: float) -> None:
    with pytest.raises(RefusedError):
        await replaying(NAME, ()).set_temperature(temperature_c)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault("latch_stuck"), "ERR125"), (Fault("stall", data={"after_s": 0.3}), "ERR106"),
     (Fault("stall", data={"after_s": 8.0}), "ERR106")],
)  # fmt: skip
async def test_a_fault_carries_the_makers_code_and_nothing_goes_on_turning(
    fault: Fault, code: str
) -> None:
    lab = LineLab(NAME, fault)
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.shake(**SHAKE)

    assert caught.value.code == code
    assert lab.simulator._rpm() == 0
    await lab.driver.shake(**SHAKE)
    await lab.close()


@pytest.mark.parametrize(
    ("answers", "code"),
    [(["M241 STATUS:CLOSING OK"], "latch"),
     (["M241 STATUS:IDLE_CLOSED OK", "ERR120:main motor:illegal speed"], "ERR120"),
     (["M241 STATUS:IDLE_CLOSED OK", "M3 OK", "M123 C:600 T:600 OK", "M123 C:0 T:600 OK"], "stopped"),
     (["M241 STATUS:IDLE_CLOSED OK", "M3 OK", "M123 C:600 T:600 OK", "M123 C:500 T:0 OK"], "stopped")],
)  # fmt: skip
async def test_a_nest_that_does_not_do_as_told_is_a_fault(answers: list[str], code: str) -> None:
    asked = [b"M241 \n", b"M3 S600 \n", b"M123 \n", b"M123 \n"]
    turns = [*MET, Turn(">", b"M243 \n"), Turn("<", b"M243 OK\n")]
    for question, answer in zip(asked, answers, strict=False):
        turns += [Turn(">", question), Turn("<", f"{answer}\n".encode())]
    if len(answers) > 1:
        turns += [Turn(">", b"G28 \n"), Turn("<", b"G28 OK\n")]
    driver = replaying(NAME, turns)
    await driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.shake(**SHAKE)

    assert caught.value.code == code
    await driver.aclose()


async def test_a_speed_that_is_not_reached_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platectl_simulators.opentrons_heater_shaker.RAMP_RPM_PER_S", 10.0)
    lab = LineLab(NAME)
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="rpm, not at 600") as caught:
        await lab.driver.shake(**SHAKE)

    assert caught.value.code == "not_reached"
    await lab.close()


async def test_fault_lines_between_verbs_are_raised_by_the_next_one() -> None:
    turns = [
        *MET[:3], Turn("<", b"async ERR209:heater:board thermistor overtemp\n"), MET[3],
        Turn(">", b"M104 S40.00 \n"), Turn("<", b"async ERR003:x OK\nM104 OK\n"),
    ]  # fmt: skip
    driver = replaying(NAME, turns)
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="board is too hot"):
        await driver.set_temperature(40.0)
    await driver.set_temperature(40.0)
    with pytest.raises(InstrumentFaultError) as caught:
        await driver.shake(**SHAKE)

    assert caught.value.code == "ERR003"
    await driver.aclose()


@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_one_broken_answer_is_told_as_such_and_never_taken_for_the_next(
    kind: str, error: type[LinkError], after: int
) -> None:
    lab = after_meeting(Fault(kind, after=after, data={"delay_s": 42.0}))
    await lab.driver.connect()
    with pytest.raises(error):
        await lab.as_action("shake", **SHAKE)

    verdict = await lab.driver.reconcile(shaken(lab))

    assert verdict.fate in {"not_done", "done"}
    await lab.as_action("shake", **SHAKE)
    assert (await lab.driver.reconcile(shaken(lab))).fate == "done"
    await lab.close()


@pytest.mark.parametrize("at_s", [0.0, 0.1, 1.9, 2.4, 10.0, 28.5, 31.5])
async def test_abort_returns_at_once_stops_the_nest_and_the_verb_says_so(at_s: float) -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    verb = asyncio.create_task(lab.as_action("shake", **SHAKE))
    await asyncio.sleep(at_s)
    before_s = lab.clock.monotonic_s()

    await lab.driver.abort()
    assert lab.clock.monotonic_s() == before_s
    with pytest.raises(InstrumentFaultError) as caught:
        await verb

    assert caught.value.code == "aborted"
    await asyncio.sleep(10)
    assert lab.simulator._rpm() == 0
    verdict = await lab.driver.reconcile(shaken(lab))
    assert verdict.fate in {"unknown", "not_done"}
    await lab.driver.shake(**SHAKE)
    await lab.close()


# After a death, and after a lost answer ----------------------------------------------------------


async def test_what_still_shakes_is_left_alone_and_finished_by_the_same_action() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    begun = shaken(lab)
    shaking = asyncio.create_task(lab.as_action("shake", **SHAKE))
    await asyncio.sleep(15)
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await shaking
    lab.said.clear()
    lab.driver = lab.heir()
    await lab.driver.observe()

    verdict = await lab.driver.reconcile(begun)
    await lab.driver.take_over()
    assert (verdict.fate, verdict.remembered) == ("not_done", True)
    assert verdict.evidence == {
        "actual_rpm": 600, "target_rpm": 600, "latch": "IDLE_CLOSED", "shakes": True,
    }  # fmt: skip
    assert set(lab.said) == {b"M115 \n", b"M123 \n", b"M241 \n"}
    await lab.as_action("shake", **SHAKE)

    assert lab.clock.monotonic_s() == pytest.approx(25 + 6, abs=3)
    assert lab.world.acts == [("shake", "spot")]
    assert lab.simulator._latch == "IDLE_OPEN"
    await lab.close()


async def test_a_shake_whose_time_is_over_goes_home_at_once() -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    await lab.driver._ask("M243")
    await lab.driver._ask("M3 S600")
    long_ago = Action("a1", "it", "shake", SHAKE, lab.clock.now() - timedelta(seconds=60))
    heir = lab.heir()
    lab.driver = heir
    await heir.reconcile(long_ago)
    before_s = lab.clock.monotonic_s()

    await lab.as_action("shake", **SHAKE)

    assert lab.clock.monotonic_s() - before_s == pytest.approx(5, abs=0.1)
    await lab.close()


async def test_a_nest_that_stands_does_not_tell_another_life_whether_it_shook() -> None:
    lab = LineLab(NAME)

    verdict = await lab.driver.reconcile(shaken(lab))

    assert verdict.fate == "unknown"
    assert verdict.evidence["latch"] == "IDLE_OPEN"
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "after", "fate", "remembered"),
    [
        ("reply_lost", 0, "not_done", False),  # the latch
        ("silent", 2, "not_done", False),  # M3
        ("reply_lost", 2, "not_done", True),  # M3: it shakes
        ("reply_lost", 9, "not_done", True),  # home: the latch is closed
        ("reply_lost", 10, "done", False),  # the latch is open
    ],
)
async def test_after_a_lost_answer(kind: str, after: int, fate: str, remembered: bool) -> None:
    lab = after_meeting(Fault(kind, after=after))
    await lab.driver.connect()
    begun = shaken(lab)
    with pytest.raises(LinkError):
        await lab.as_action("shake", **SHAKE)

    verdict = await lab.driver.reconcile(begun)

    assert (verdict.fate, verdict.remembered) == (fate, remembered)
    if fate == "not_done":
        await lab.as_action("shake", **SHAKE)
    assert lab.world.acts == [("shake", "spot")]
    await lab.close()


@pytest.mark.parametrize(
    ("verb", "arguments", "fate"),
    [("set_temperature", {"temperature_c": 37.0}, "done"), ("set_temperature", {"temperature_c": 38.0}, "not_done"),
     ("set_temperature", {}, "not_done"), ("stop_heating", {}, "not_done"), ("dance", {}, "unknown")],
)  # fmt: skip
async def test_a_setpoint_in_doubt_is_read_back_on_a_new_line(
    verb: str, arguments: dict[str, float], fate: str
) -> None:
    lab = LineLab(NAME)
    await lab.driver.connect()
    await lab.driver.set_temperature(37.0)
    await lab.stream.aclose()

    assert (await lab.driver.reconcile(action(verb, **arguments))).fate == fate
    await lab.driver.stop_heating()
    assert (await lab.driver.reconcile(action("stop_heating"))).fate == "done"
    await lab.close()


# Lines ------------------------------------------------------------------------------------------


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_speeds_are_read_as_written(actual: int, target: int) -> None:
    assert parse_speed(f"C:{actual} T:{target}") == Speed(actual, target)


@given(st.floats(0, 120), st.none() | st.floats(0, 100))
def test_temperatures_are_read_as_written(actual: float, target: float | None) -> None:
    told = "None" if target is None else f"{target:.2f}"
    wanted = None if target is None else pytest.approx(target, abs=0.00501)

    warmth = parse_warmth(f"C:{actual:.2f} T:{told}")

    assert (warmth.actual_c, warmth.target_c) == (pytest.approx(actual, abs=0.00501), wanted)


def test_a_heater_that_is_off_has_no_target() -> None:
    assert parse_warmth("C:22.00 T:None") == Warmth(22.0, None)


@pytest.mark.parametrize(
    "fields",
    ["", "C:1", "C:1_0 T:0", "C:1 T:1_0", "C:1 T:0 ", "C:1 T:none", "C:nan T:0", "T:0 C:1", "C:1 T:0 X:2", "C: T:0"],
)  # fmt: skip
def test_nothing_unexpected_becomes_a_speed_or_a_temperature(fields: str) -> None:
    for parse in (parse_speed, parse_warmth):
        with pytest.raises(MalformedReplyError):
            parse(fields)


@pytest.mark.parametrize("fields", ["", "IDLE_OPEN", "STATUS:OPEN", "STATUS:IDLE_OPEN ", "status:IDLE_OPEN"])  # fmt: skip
def test_only_the_states_of_the_firmware_are_a_latch(fields: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_latch(fields)


@pytest.mark.parametrize(
    "fields", ["FW:v1 HW:Opentrons-vacuum-module-a1 SerialNo:V1", "FW:v1 HW:x", "FW:v1 HW:x SerialNo:a b", ""]
)  # fmt: skip
def test_another_module_is_not_taken_for_a_heater_shaker(fields: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_identity(fields)


@pytest.mark.parametrize(
    ("line", "code"),
    [("ERR126:plate lock:not closed (required) OK", "ERR126"), ("ERR126:plate lock", "ERR126"),
     ("async ERR105:main motor:startup failed OK", "ERR105"), ("ERR26:x OK", None), ("M3 OK", None)],
)  # fmt: skip
def test_errors_are_told_from_answers(line: str, code: str | None) -> None:
    error = parse_error(line)

    assert (error.code if error else None) == code


@pytest.mark.parametrize("line", ["M104", "M104 OK ", "ok", "M104 OK OK2", "M115 OK", "M105 C:1 T:2 OK"])  # fmt: skip
async def test_an_answer_that_nobody_asked_for_is_malformed(line: str) -> None:
    turns = [*MET, Turn(">", b"M104 S40.00 \n"), Turn("<", f"{line}\n".encode())]
    driver = replaying(NAME, turns)
    await driver.connect()

    with pytest.raises(LinkError):
        await driver.set_temperature(40.0)
    await driver.aclose()
