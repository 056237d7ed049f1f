"""The MT-SICS driver: against recordings, odd chunks, faults and its simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, recorded, replaying

from platectl.analysis.gravimetry import verify
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.domain.transcript import Turn
from platectl.hal.instrument import Identity
from platectl.simkit.faults import Fault
from platectl_drivers.mt_sics import Weight, parse_listed, parse_weight, quoted

WHO = Identity("XS204 Excellence 220.0090 g", "B021002593", "1.10 18.6.4.1361.772")
OPENING = [
    turn
    for said, heard in (
        ("I2", f'I2 A "{WHO.model}"'), ("I3", f'I3 A "{WHO.firmware}"'), ("I4", 'I4 A "B021002593"'),
    )
    for turn in (Turn(">", f"{said}\r\n".encode()), Turn("<", f"{heard}\r\n".encode()))
]  # fmt: skip


def lab(*faults: Fault, **settings: Any) -> LineLab:
    return LineLab("mt_sics", *faults, **settings)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying("mt_sics", chopped(recorded(transcripts, "mt_sics_weighing"), size))

    assert await driver.connect() == WHO
    assert await driver.read_mass_g() == 45.0
    assert await driver.tare() == 45.0
    assert await driver.read_mass_g(stable=False) == 0.0
    await driver.aclose()


async def test_a_loaded_pan_is_no_zero(transcripts: Path) -> None:
    driver = replaying("mt_sics", recorded(transcripts, "mt_sics_overload"))
    await driver.observe()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.zero()

    assert caught.value.code == "overload"
    assert await driver.read_mass_g(stable=False) == 45.0
    await driver.aclose()


async def test_what_is_dispensed_is_weighed() -> None:
    subject = lab()
    subject.world.load_bottle("combi", liquid="water", volume_ul=1e6, contents={})
    await subject.driver.connect()
    await subject.driver.tare()
    readings_g = [await subject.driver.read_mass_g()]

    for column in (1, 2, 3, 4):
        subject.world.bulk_dispense("combi", "spot", {column: 100.0})
        readings_g.append(await subject.driver.read_mass_g())

    found = verify(readings_g, wanted_ul=800.0, temperature_c=22.0)
    assert found.within(systematic_percent=5.0, cv_percent=5.0)
    assert readings_g[-1] == pytest.approx(3.2, rel=0.05)
    await subject.close()


async def test_an_empty_pan_is_zeroed() -> None:
    subject = lab()
    subject.world.lift("spot")
    await subject.driver.connect()

    await subject.driver.zero()

    assert await subject.driver.read_mass_g() == 0.0
    await subject.close()


@pytest.mark.parametrize(
    ("kind", "code"), [("unstable", "busy"), ("overload", "overload"), ("underload", "underload")]
)
@pytest.mark.parametrize("verb", ["read_mass_g", "tare", "zero"])
async def test_a_status_is_a_fault_and_sets_nothing(verb: str, kind: str, code: str) -> None:
    subject = lab(Fault(kind))
    subject.world.lift("spot")
    await subject.driver.connect()

    with pytest.raises(InstrumentFaultError) as caught:
        await getattr(subject.driver, verb)()

    assert caught.value.code == code
    assert await subject.driver.tare() == 0.0
    await subject.close()


@pytest.mark.parametrize(
    ("line", "code"), [("ES", "syntax"), ("ET", "transmission"), ("EL", "logic"), ("S L", "parameter")]
)  # fmt: skip
async def test_what_a_balance_cannot_read_is_a_fault(line: str, code: str) -> None:
    turns = [*OPENING, Turn(">", b"S\r\n"), Turn("<", f"{line}\r\n".encode())]
    driver = replaying("mt_sics", turns)
    await driver.observe()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.read_mass_g()

    assert caught.value.code == code


async def test_a_moving_pan_has_no_stable_mass_but_a_present_one() -> None:
    turns = [
        *OPENING,
        Turn(">", b"S\r\n"), Turn("<", b"S D      1.5000 g\r\n"),
        Turn(">", b"SI\r\n"), Turn("<", b"S D      1.6000 g\r\n"),
    ]  # fmt: skip
    driver = replaying("mt_sics", turns)
    await driver.observe()

    with pytest.raises(InstrumentFaultError) as caught:
        await driver.read_mass_g()

    assert caught.value.code == "not_stable"
    assert await driver.read_mass_g(stable=False) == 1.6


async def test_a_balance_that_cannot_tare_is_refused_at_the_start() -> None:
    turns = [
        *OPENING,
        Turn(">", b"I1\r\n"), Turn("<", b'I1 A "0" "2.30"\r\n'),
        Turn(">", b"I0\r\n"), Turn("<", b'I0 B 0 "S"\r\nI0 B 0 "SI"\r\nI0 A 0 "Z"\r\n'),
    ]  # fmt: skip

    with pytest.raises(InstrumentFaultError) as caught:
        await replaying("mt_sics", turns).connect()

    assert caught.value.code == "unsupported"


async def test_a_line_that_was_printed_by_hand_is_no_answer() -> None:
    turns = [
        *OPENING,
        Turn("<", b"S S      9.9999 g\r\n"),
        Turn(">", b"S\r\n"), Turn("<", b"S S      1.5000 g\r\n"),
    ]  # fmt: skip
    driver = replaying("mt_sics", turns)
    await driver.observe()

    assert await driver.read_mass_g() == 1.5


@pytest.mark.parametrize(
    ("kind", "error"),
    [("silent", ReplyTimeoutError), ("reply_lost", ReplyTimeoutError),
     ("garbled_reply", MalformedReplyError), ("late_reply", ReplyTimeoutError)],
)  # fmt: skip
async def test_a_broken_answer_is_told_and_the_next_weighing_gets_its_own(
    kind: str, error: type[LinkError]
) -> None:
    subject = lab(Fault(kind, after=3, data={"delay_s": 100.0}))
    await subject.driver.observe()
    with pytest.raises(error):
        await subject.driver.read_mass_g()

    await asyncio.sleep(200)
    assert await subject.driver.tare() == 45.0
    assert await subject.driver.read_mass_g() == 0.0
    await subject.close()


async def test_an_abort_cancels_what_waits_for_rest() -> None:
    subject = lab(Fault("unstable"))
    await subject.driver.connect()
    weighing = asyncio.create_task(subject.driver.tare())
    await asyncio.sleep(1)

    await subject.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await weighing

    assert caught.value.code == "aborted"
    assert await subject.driver.read_mass_g() == 45.0
    await subject.close()


async def test_an_abort_between_verbs_says_nothing() -> None:
    subject = lab()
    await subject.driver.abort()
    await subject.driver.connect()
    said = list(subject.said)

    await subject.driver.abort()

    assert subject.said == said
    assert await subject.driver.read_mass_g() == 45.0
    await subject.close()


async def test_a_tare_in_doubt_is_unknown_and_the_tare_is_told() -> None:
    subject = lab(Fault("reply_lost", after=3))
    await subject.driver.observe()
    with pytest.raises(ReplyTimeoutError):
        await subject.as_action("tare")

    verdict = await subject.heir().reconcile(action("tare"))

    assert (verdict.fate, dict(verdict.evidence)) == ("unknown", {"tare_g": 45.0})
    await subject.close()


async def test_a_tare_that_was_never_sent_was_not_done() -> None:
    subject = lab()
    await subject.driver.connect()
    await subject.stream.aclose()
    with pytest.raises(DisconnectedError):
        await subject.as_action("tare")

    verdict = await subject.driver.reconcile(action("tare"))

    assert verdict.fate == "not_done"
    assert (await subject.driver.reconcile(action("read_mass_g"))).fate == "not_done"
    await subject.close()


async def test_who_takes_over_finds_the_tare_as_it_was() -> None:
    subject = lab()
    await subject.driver.connect()
    await subject.driver.tare()
    await subject.stream.aclose()
    heir = subject.heir()

    assert await heir.take_over() == WHO
    assert await heir.read_mass_g() == 0.0
    await subject.close()


@given(st.decimals(-999, 9999, places=4), st.sampled_from("SD"), st.sampled_from(["g", "mg", "kg"]))
def test_masses_are_read_as_they_were_written(mass: Any, status: str, unit: str) -> None:
    grams = float(mass) * {"g": 1.0, "mg": 1e-3, "kg": 1e3}[unit]

    assert parse_weight(f"S {status} {mass:>10} {unit}", "S") == Weight(grams, status == "S")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_no_other_line_is_a_mass_a_name_or_a_command(line: str) -> None:
    with pytest.raises((MalformedReplyError, InstrumentFaultError)):
        parse_weight(line, "S")
    with pytest.raises((MalformedReplyError, InstrumentFaultError)):
        quoted(line, "I4")
    with pytest.raises((MalformedReplyError, InstrumentFaultError)):
        parse_listed(line)


@pytest.mark.parametrize(
    "line",
    ["S S 1_0 g", "S S nan g", "S S 1,5 g", "S S 1.5", "S S 1.5 g x", "S S 1.5 oz", "T S 1.5 g", "S X 1.5 g",
     "S S  g", "SS 1.5 g"],
)  # fmt: skip
def test_no_mass_is_read_leniently(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_weight(line, "S")


@pytest.mark.parametrize(
    "line", ['I0 B 0_1 "S"', "I0 B 0 S", 'I0 C 0 "S"', 'I0 A 0 "S" "T"', "I0 A 0"]
)  # fmt: skip
def test_no_command_is_listed_leniently(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        parse_listed(line)


@pytest.mark.parametrize(
    "line", ["I4 A B02", 'I4 B "B02"', 'I4 A "B02" x', 'I3 A "B02"', 'xI4 A "B02"']
)
def test_no_name_is_read_leniently(line: str) -> None:
    with pytest.raises(MalformedReplyError):
        quoted(line, "I4")
