"""The Vacuum Module driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, chopped, recorded, replaying

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn
from platectl.hal.recovery import ACTION_ID, Action
from platectl.simkit.faults import Fault
from platectl_drivers.opentrons_vacuum import (
    parse_answer,
    parse_error,
    parse_identity,
    parse_state,
)


class Bench:
    """Stands in for the world."""

    def __init__(self, sealed: float = 1.0) -> None:
        self.sealed = sealed
        self.switched: list[tuple[str, bool]] = []

    @property
    def on(self) -> bool:
        return self.switched[-1][1]

    def vacuum(self, position: str, *, on: bool) -> float:
        self.switched.append((position, on))
        return self.sealed


class Lab(LineLab):
    """A driver and its simulator."""

    def __init__(self, *faults: Fault, sealed: float = 1.0, **settings: Any) -> None:
        self.bench = Bench(sealed)
        super().__init__("opentrons_vacuum", *faults, world=self.bench, **settings)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying(
        "opentrons_vacuum",
        chopped(recorded(transcripts, "opentrons_vacuum_filtration"), size),
        poll_s=2,
    )

    identity = await driver.connect()
    lowest_mbar = await driver.apply_vacuum(gauge_mbar=-300, hold_s=2)

    assert (identity.serial_number, identity.firmware) == ("VMA1020250119001", "v1.0.0")
    assert lowest_mbar == -301.5
    await driver.aclose()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_a_fault_line_between_two_verbs_is_raised_after_switching_off(
    transcripts: Path, size: int
) -> None:
    driver = replaying(
        "opentrons_vacuum", chopped(recorded(transcripts, "opentrons_vacuum_waste_full"), size)
    )
    await driver.connect()
    await driver.start_vacuum(gauge_mbar=-300)

    with pytest.raises(InstrumentFaultError, match="empty it") as caught:
        await driver.stop_vacuum()

    assert caught.value.code == "ERR401"
    await driver.aclose()


async def test_a_fault_line_before_the_first_answer_is_raised_by_the_next_verb() -> None:
    identity = b"M115 FW:v1.0.0 HW:Opentrons-vacuum-module-a1 SerialNo:VMA1 OK\n"
    turns = (
        Turn(">", b"M115 \n"),
        Turn("<", b"async ERR401:waste full OK\n" + identity),
        Turn(">", b"M124 V0 \n"),
        Turn("<", b"M124 OK\n"),
    )
    driver = replaying("opentrons_vacuum", turns)

    await driver.connect()
    with pytest.raises(InstrumentFaultError, match="waste"):
        await driver.start_vacuum(gauge_mbar=-300)
    await driver.aclose()


async def test_the_pressure_is_reached_held_and_vented() -> None:
    lab = Lab()
    await lab.driver.connect()
    before_s = lab.clock.monotonic_s()

    lowest_mbar = await lab.driver.apply_vacuum(gauge_mbar=-400, hold_s=30)

    assert -400 <= lowest_mbar <= -380
    assert lab.bench.switched == [("spot", True), ("spot", False)]
    assert 32 < lab.clock.monotonic_s() - before_s < 36
    await lab.close()


async def test_started_it_stays_on_until_stopped_and_stopping_twice_is_harmless() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.start_vacuum(gauge_mbar=-300)
    await asyncio.sleep(600)
    assert lab.bench.on
    await lab.driver.stop_vacuum()
    await lab.driver.stop_vacuum()
    assert lab.bench.switched == [("spot", True), ("spot", False)]
    await lab.close()


@pytest.mark.parametrize("gauge_mbar", [0.0, 5.0, -800.5, -300.001, float("nan"), float("-inf")])
async def test_pressures_outside_the_limits_are_refused(gauge_mbar: float) -> None:
    driver = replaying("opentrons_vacuum", ())
    with pytest.raises(RefusedError):
        await driver.start_vacuum(gauge_mbar=gauge_mbar)
    with pytest.raises(RefusedError):
        await driver.apply_vacuum(gauge_mbar=gauge_mbar, hold_s=1)


@pytest.mark.parametrize("hold_s", [-1.0, 86401.0, float("nan")])
async def test_times_outside_the_limits_are_refused(hold_s: float) -> None:
    with pytest.raises(RefusedError):
        await replaying("opentrons_vacuum", ()).apply_vacuum(gauge_mbar=-300, hold_s=hold_s)


@pytest.mark.parametrize("sealed", [0.0, 0.85])
async def test_unsealed_wells_end_in_the_makers_code_and_the_vacuum_is_off(sealed: float) -> None:
    lab = Lab(sealed=sealed)
    await lab.driver.connect()

    with pytest.raises(InstrumentFaultError, match="unsealed") as caught:
        await lab.driver.start_vacuum(gauge_mbar=-300)

    assert caught.value.code == "ERR400"
    assert not lab.bench.on
    assert lab.clock.monotonic_s() < 25
    lab.bench.sealed = 1.0
    await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=5)
    await lab.close()


async def test_waste_that_fills_while_holding_switches_off() -> None:
    lab = Lab(Fault("waste_full", data={"after_s": 10}))
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=30)
    assert caught.value.code == "ERR401"
    assert not lab.bench.on
    assert lab.clock.monotonic_s() < 15
    await lab.close()


@pytest.mark.parametrize(("fault", "code"), [("waste_full", "ERR401"), ("leak", "ERR400")])
async def test_what_happens_between_start_and_stop_is_raised_by_stop(fault: str, code: str) -> None:
    lab = Lab(Fault(fault, data={"after_s": 60}))
    await lab.driver.connect()
    await lab.driver.start_vacuum(gauge_mbar=-300)
    await asyncio.sleep(120)
    with pytest.raises(InstrumentFaultError) as caught:
        await lab.driver.stop_vacuum()
    assert caught.value.code == code
    await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=1)
    await lab.close()


async def test_a_vent_that_fails_is_said() -> None:
    lab = Lab(Fault("vent_failed"))
    await lab.driver.connect()
    with pytest.raises(InstrumentFaultError, match="could not vent") as caught:
        await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=1)
    assert caught.value.code == "ERR402"
    await lab.driver.stop_vacuum()
    await lab.close()


async def test_two_faults_are_raised_one_after_the_other() -> None:
    lab = Lab(Fault("waste_full"), Fault("vent_failed"))
    await lab.driver.connect()
    codes = []
    for verb in (lab.driver.start_vacuum(gauge_mbar=-300), lab.driver.stop_vacuum()):
        with pytest.raises(InstrumentFaultError) as caught:
            await verb
        codes.append(caught.value.code)
    assert codes == ["ERR401", "ERR402"]
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("silent", ReplyTimeoutError),
        ("reply_lost", ReplyTimeoutError),
        ("late_reply", ReplyTimeoutError),
        ("garbled_reply", MalformedReplyError),
    ],
)
@pytest.mark.parametrize("occasion", [1, 2, 3])
async def test_a_broken_answer_leaves_the_vacuum_in_doubt_and_the_next_verb_in_step(
    kind: str, error: type[LinkError], occasion: int
) -> None:
    lab = Lab(Fault(kind, after=occasion, data={"delay_s": 8.0}))
    await lab.driver.connect()
    before_s = lab.clock.monotonic_s()

    with pytest.raises(error):
        await lab.driver.start_vacuum(gauge_mbar=-300)

    assert lab.clock.monotonic_s() - before_s < 7
    await lab.driver.stop_vacuum()
    assert not lab.bench.switched or not lab.bench.on
    await lab.driver.apply_vacuum(gauge_mbar=-200, hold_s=1)
    await lab.close()


async def test_abort_while_holding_returns_at_once_and_the_verb_ends_as_aborted() -> None:
    lab = Lab()
    await lab.driver.connect()
    verb = asyncio.create_task(lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=600))
    await asyncio.sleep(20.1)
    before_s = lab.clock.monotonic_s()

    await lab.driver.abort()
    assert lab.clock.monotonic_s() == before_s
    with pytest.raises(InstrumentFaultError) as caught:
        await verb

    assert caught.value.code == "aborted"
    assert not lab.bench.on
    assert lab.clock.monotonic_s() < before_s + 5
    await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=1)
    await lab.close()


@pytest.mark.parametrize("delay_s", [i * 0.001 for i in range(25)])
async def test_abort_at_any_moment_of_a_start_keeps_questions_and_answers_together(
    delay_s: float,
) -> None:
    lab = Lab()
    await lab.driver.connect()
    verb = asyncio.create_task(lab.driver.start_vacuum(gauge_mbar=-300))
    await asyncio.sleep(delay_s)
    await lab.driver.abort()
    await asyncio.gather(verb, return_exceptions=True)
    if delay_s:
        assert isinstance(verb.exception(), InstrumentFaultError)
    await lab.driver.stop_vacuum()
    assert not lab.bench.switched or not lab.bench.on
    await lab.close()


async def test_abort_between_verbs_switches_off() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.start_vacuum(gauge_mbar=-300)
    await lab.driver.abort()
    await asyncio.sleep(1)
    assert not lab.bench.on
    await lab.driver.apply_vacuum(gauge_mbar=-300, hold_s=1)
    await lab.close()


@given(st.floats(-1013, 0), st.booleans())
def test_pressures_are_read_as_written(gauge_mbar: float, on: bool) -> None:
    state = parse_state(f"T:0.00 C:{gauge_mbar:.2f} A:1.0 B:1.0 H:1013.25 E:{on:d} D:0 V:0")
    assert state.gauge_mbar == pytest.approx(gauge_mbar, abs=0.00501)
    assert state.on == on


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "T:0.00 C:nan A:1.0 B:1.0 H:1.0 E:1 D:0 V:0",
        "T:0.00 C:1_0 A:1.0 B:1.0 H:1.0 E:1 D:0 V:0",
        "T:0.00 C:-1.0 A:1.0 B:1.0 H:1.0 E:2 D:0 V:0",
        "T:0.00 C:-1.0 A:1.0 B:1.0 H:1.0 E:1 D:0",
    ],
)
def test_nothing_unexpected_becomes_a_pressure(fields: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_state(fields)


def test_another_module_is_not_taken_for_a_vacuum_module() -> None:
    with pytest.raises(MalformedReplyError):
        parse_identity("FW:v1 HW:Opentrons-heater-shaker-v1 SerialNo:HS1")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_every_line_is_a_fault_an_answer_or_malformed(line: str) -> None:
    if parse_error(line) is None:
        try:
            code, _ = parse_answer(line)
        except MalformedReplyError:
            return
        assert line.startswith(code)


# After a death, and after a lost answer ----------------------------------------------------------


def action(verb: str, **arguments: object) -> Action:
    return Action("a1", "manifold", verb, arguments, datetime(2026, 1, 1, tzinfo=UTC))


START, STOP = action("start_vacuum", gauge_mbar=-300.0), action("stop_vacuum")


async def start_as(lab: Lab) -> None:
    token = ACTION_ID.set("a1")
    try:
        await lab.driver.start_vacuum(gauge_mbar=-300)
    finally:
        ACTION_ID.reset(token)


async def test_another_life_reads_the_vacuum_back_and_leaves_it_on() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.driver.start_vacuum(gauge_mbar=-300)
    await lab.driver.aclose()  # which sends nothing

    lab.said.clear()
    heir = lab.heir()
    await heir.observe()
    await heir.observe()
    started, stopped = await heir.reconcile(START), await heir.reconcile(STOP)
    deeper = await heir.reconcile(action("start_vacuum", gauge_mbar=-500.0))
    await heir.take_over()

    assert (started.fate, started.evidence["on"]) == ("done", True)
    assert (stopped.fate, stopped.remembered) == ("not_done", True)
    assert (deeper.fate, deeper.remembered) == ("not_done", True)
    assert (await heir.reconcile(action("apply_vacuum"))).fate == "unknown"
    assert set(lab.said) == {b"M115 \n", b"M121 \n"}
    assert lab.bench.on
    await heir.stop_vacuum()
    assert (await heir.reconcile(STOP)).fate == "done"
    await lab.close()


@pytest.mark.parametrize(
    ("kind", "after", "remembered", "fate"),
    [
        ("reply_lost", 1, False, "not_done"),  # the vent
        ("silent", 2, True, "not_done"),  # on
        ("reply_lost", 2, False, "done"),
        ("reply_lost", 3, False, "done"),  # a look at the pressure
    ],
)
async def test_after_a_lost_answer_the_pressure_tells(
    kind: str, after: int, remembered: bool, fate: str
) -> None:
    lab = Lab(Fault(kind, after=after))
    await lab.driver.connect()
    with pytest.raises(LinkError):
        await start_as(lab)

    verdict = await lab.driver.reconcile(START)

    assert (verdict.fate, verdict.remembered) == (fate, remembered)
    await start_as(lab)
    assert lab.bench.on
    await lab.close()


async def test_a_line_that_is_gone_is_opened_again_to_reconcile() -> None:
    lab = Lab()
    await lab.driver.connect()
    await lab.theirs[-1].aclose()

    assert (await lab.driver.reconcile(STOP)).fate == "done"
    await lab.close()
