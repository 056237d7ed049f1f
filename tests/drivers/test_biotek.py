"""The BioTek driver: captured bytes, recordings, odd chunks, faults, and its simulator."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.line_bench import LineLab, action, chopped, driver_on, recorded, replaying

from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
)
from platectl.domain.wells import PlateFormat
from platectl.hal.instrument import Identity
from platectl.hal.reading import Channel, EndpointRead, Frame, Injection, KineticRead
from platectl.simkit.faults import Fault
from platectl.steps.reading import Read
from platectl_drivers.biotek import wire
from platectl_drivers.biotek.settings import Plate, Settings, endpoint_orders

PLATE = PlateFormat.of(96)
FURA2 = (Channel(340.0, 510.0), Channel(380.0, 510.0))
CORNER = ("A1", "A2", "A3", "B1", "B2", "B3")
#: data of a Cytation 5, recorded by PyLabRobot (biotek_tests, luminescence of 0.4 s)
CAPTURED = (
    b"01,1,\r000:00:00.0,237,02,02,0000043,02,03,0000014\r\n,03,03,0000014,03,02,0000012\r\n,04,02,0000011,04,03,"
    b"0000014\r\n,05,03,0000010,05,02,0000010\r\n,06,02,0000011,06,03,0000027\r\n,07,03,0000009,07,02,0000010\r\n"
    b"237\x1a160\x1a0000"
)


def kinetic(**changes: Any) -> KineticRead:
    given: dict[str, Any] = {
        "title": "t", "plate": "P1", "wells": CORNER, "channels": FURA2, "interval_s": 20.0,
        "baseline_s": 0.0, "record_s": 0.0, "bottom": False,
    }  # fmt: skip
    return KineticRead(**{**given, **changes})


def endpoint(mode: Any = "absorbance", **changes: Any) -> EndpointRead:
    given: dict[str, Any] = {"excitation_nm": 427.0} if mode == "absorbance" else {}
    return EndpointRead("t", "P1", changes.pop("wells", CORNER), mode, **{**given, **changes})


def yellow_lab(*faults: Fault, **settings: Any) -> LineLab:
    lab = LineLab("biotek", *faults, **settings)
    for column, molar in enumerate((0.0, 1e-5, 3e-5), start=1):
        for row in "AB":
            contents = {"tartrazine": molar}
            lab.world.fill("P1", f"{row}{column}", volume_ul=200.0, contents=contents)
    lab.world.acts.clear()
    return lab


async def frames(driver: Any, read: KineticRead) -> list[Frame]:
    return [frame async for frame in driver.read_kinetic(read)]


# Captured bytes -----------------------------------------------------------------------------
def test_definitions_are_those_that_were_captured() -> None:
    assert wire.absorbance((1, 1, 8, 12), 580) == (
        "004701010108120001200100001100100000106000080580113"
    )
    assert wire.fluorescence((1, 1, 8, 12), 485, 528) == (
        "0084010101081200012001000011001000001350001002002000485000052800000000000000000021001119"
    )
    assert [wire.luminescence(w, 0.4)[-7:] for w in ((1, 1, 7, 1), (2, 2, 7, 3), (4, 4, 6, 4))] == [
        "1351086", "1351090", "1351094",
    ]  # fmt: skip


def test_captured_data_are_read_by_their_rows_and_columns_not_by_their_order() -> None:
    body = wire.parse_body(CAPTURED, (2, 2, 7, 3), absorbs=False)

    assert (body.values[2, 2], body.values[3, 2], body.values[7, 3]) == (43.0, 12.0, 9.0)
    assert (body.begun_c, body.ended_c) == (23.7, 23.7)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"0000043", b"0000042", "checksum"),
        (b"\x1a160\x1a", b"\x1a161\x1a", "checksum"),
        (b"0000043", b"+0.4300", "is no value"),
        (b"0000043", b"000004_", "is no value"),
        (b",02,03,0000014", b"", "others were asked for"),
        (b",02,03,", b",02,02,", "came twice"),
        (b",07,02,", b",07,04,", "others were asked for"),
        (b"01,1,\r", b"02,1,\r", "no data"),
        (b",237,02", b",23,02", "no data"),
        (b"\r\n237", b"\r\n23", "no data"),
        (b"0000\x03", b"000\x03", "status"),
        (b"0000014,", b"000014,", "no data"),
    ],
)
def test_data_that_are_damaged_are_refused(old: bytes, new: bytes, message: str) -> None:
    whole = CAPTURED + b"\x03"
    data = whole.replace(old, new, 1)[:-1]
    if message != "checksum":
        first, last = data.find(b"\r") + 1, data.find(b"\x1a") + 1
        data = data[:last] + f"{sum(data[first:last]) % 256:03}".encode() + data[last + 3 :]

    with pytest.raises(MalformedReplyError, match=message):
        wire.parse_body(data, (2, 2, 7, 3), absorbs=False)


def test_a_status_at_the_end_of_data_is_a_fault() -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        wire.parse_body(CAPTURED[:-4] + b"2D06", (2, 2, 7, 3), absorbs=False)

    assert caught.value.code == "2D06"


@settings(max_examples=40)
@given(st.sets(st.tuples(st.integers(1, 8), st.integers(1, 12)), min_size=1))
def test_rectangles_cover_the_wells_once_and_nothing_else(cells: set[tuple[int, int]]) -> None:
    covered = [
        (row, column)
        for top, left, bottom, right in wire.rectangles(cells)
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
    ]

    assert sorted(covered) == sorted(cells)


@settings(max_examples=40)
@given(st.text(st.characters(min_codepoint=48, max_codepoint=90), min_size=1, max_size=200))
def test_a_definition_says_its_length_and_the_sum_of_its_characters(body: str) -> None:
    said = wire.definition(body)

    assert int(said[:4]) == len(said) - 4
    assert int(said[-3:]) == sum(map(ord, body)) % 256


def test_geometry_is_told_in_hundredths_of_a_millimetre() -> None:
    assert Plate().told() == "081201124074240143811338085481277614" + "35"


# Recordings ---------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying("biotek", chopped(recorded(transcripts, "biotek_fluorescence"), size))

    assert await driver.connect() == Identity("BioTek", "20260042", "1.04")
    await driver.set_temperature(37.0)
    assert await driver.read_temperature_c() == 37.0
    await driver.open_drawer()
    await driver.close_drawer()
    (one, two) = await frames(driver, kinetic())
    await driver.aclose()

    assert (one.channel, two.channel, one.index) == (0, 1, 0)
    assert one.wells == CORNER
    assert np.mean(two.values) > 2 * np.mean(one.values)
    assert one.temperature_c == 37.0


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_single_reads_say_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    driver = replaying("biotek", chopped(recorded(transcripts, "biotek_absorbance"), size))
    await driver.connect()

    yellow = await driver.read_endpoint(endpoint())
    light = await driver.read_endpoint(endpoint("luminescence", wells=("A1",), integration_s=0.4))
    await driver.aclose()

    assert (yellow.unit, light.unit) == ("AU", "RLU")
    assert yellow.values[1] - yellow.values[0] == pytest.approx(1e-5 * 23000 * 0.625, abs=0.01)
    assert light.values[0] == 16.0


async def test_a_refused_start_is_a_fault_with_its_code(transcripts: Path) -> None:
    driver = replaying("biotek", recorded(transcripts, "biotek_refused"))
    await driver.connect()

    with pytest.raises(InstrumentFaultError, match="definition is not set") as caught:
        await driver.read_endpoint(endpoint())

    assert caught.value.code == "2D06"
    await driver.aclose()


@pytest.mark.parametrize("name", ["biotek_fluorescence", "biotek_absorbance", "biotek_refused"])
async def test_the_simulator_answers_exactly_what_was_recorded(
    transcripts: Path, name: str
) -> None:
    refuse = Fault("refuse", data={"letter": "O"})
    lab = yellow_lab(*([refuse] if name == "biotek_refused" else []))
    turns = recorded(transcripts, name)

    assert await lab.hears(turns) == [turn.data for turn in turns if turn.side == "<"]
    await lab.close()


# What it measures ---------------------------------------------------------------------------
async def test_absorbance_is_that_of_the_dye_along_the_height_of_the_liquid() -> None:
    lab = yellow_lab()
    await lab.driver.connect()

    peak = await lab.driver.read_endpoint(endpoint())
    beside = await lab.driver.read_endpoint(endpoint(excitation_nm=600.0))
    await lab.close()

    dye = np.array(peak.values) - peak.values[0]
    assert dye[:3] == pytest.approx(np.array([0.0, 1e-5, 3e-5]) * 23000 * 0.625, abs=0.01)
    assert np.ptp(beside.values) < 0.01
    assert peak.flags == {}


async def test_luminescence_is_counted_by_chance_over_the_time_of_integration() -> None:
    lab = yellow_lab()
    await lab.driver.connect()
    wells = PLATE.by_row()

    light = await lab.driver.read_endpoint(endpoint("luminescence", wells=wells, integration_s=2.0))
    await lab.close()

    expected = 2.0 * (8.0 + (1500.0 + 10.0 * np.arange(96)) / 60.0)
    scatter = (np.array(light.values) - expected) / np.sqrt(expected)
    assert abs(scatter.mean()) < 0.4
    assert 0.7 < scatter.std() < 1.3


async def test_what_is_too_bright_or_too_dark_has_no_number() -> None:
    lab = yellow_lab(Fault("asterisks", times=None, data={"wells": ["A2"]}))
    lab.world.fill("P1", "B3", volume_ul=10.0, contents={"tartrazine": 1.0})
    await lab.driver.connect()

    read = await lab.driver.read_endpoint(endpoint())
    await lab.close()

    assert read.flags == {"A2": "missing", "B3": "missing"}
    assert [math.isnan(value) for value in read.values] == [False, True, False, False, False, True]


async def test_wells_that_are_no_rectangle_are_read_as_several() -> None:
    lab = yellow_lab()
    await lab.driver.connect()

    read = await lab.driver.read_endpoint(endpoint(wells=("A1", "B2", "B3")))
    await lab.close()

    assert len([said for said in lab.said if said == b"O"]) == 2
    assert all(math.isfinite(value) for value in read.values)


async def test_each_pass_begins_on_time_and_states_when_its_wells_were_read() -> None:
    lab = yellow_lab()
    await lab.driver.connect()

    taken = await frames(lab.driver, kinetic(record_s=40.0))
    await lab.close()

    assert [(f.index, f.channel) for f in taken] == [(i, c) for i in range(3) for c in range(2)]
    starts = [min(frame.at_s) for frame in taken if frame.channel == 0]
    assert np.diff(starts) == pytest.approx([20.0, 20.0], abs=0.01)
    first = dict(zip(taken[0].wells, taken[0].at_s, strict=True))
    assert first["B3"] < first["B1"]  # the second row is read from the right
    assert first["A2"] - first["A1"] == pytest.approx(0.51, abs=0.01)


# Refusals -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bottom": True}, "bottom optics is not public"),
        ({"injection": Injection("C1", 25.0, 20.0, 3.0)}, "injector commands .* not public"),
        ({"record_s": 40.0, "interval_s": 2.0}, "interval of 2 s"),
        ({"channels": (Channel(240.0, 510.0),)}, "240 nm"),
        ({"channels": (Channel(340.5, 510.0),)}, "340.5 nm"),
        ({"wells": ("A1", "A1")}, "each well once"),
        ({"wells": ("P24",)}, "8 rows and 12 columns"),
    ],
)
async def test_what_the_line_does_not_take_is_refused_before_anything_is_said(
    changes: dict[str, Any], message: str
) -> None:
    lab = yellow_lab()
    await lab.driver.connect()
    said = len(lab.said)

    with pytest.raises(RefusedError, match=message):
        await frames(lab.driver, kinetic(**changes))

    assert len(lab.said) == said
    await lab.close()


async def test_a_planned_read_of_a_reader_without_bottom_optics_is_from_above() -> None:
    lab = yellow_lab()
    await lab.driver.connect()
    planned = Read(
        reader="it", labware="P1", title="t", wells=("A1",), channels=((340.0, 510.0),), interval_s=2.0,
        baseline_s=0.0, record_s=0.0, bottom=lab.driver.features.bottom, expected_s=0.0,
    )  # fmt: skip

    (frame,) = await frames(lab.driver, planned.as_read())
    await lab.close()

    assert frame.wells == ("A1",)


@pytest.mark.parametrize("integration_s", [0.0, 0.3, 20.0])
def test_a_time_that_cannot_be_said_is_refused(integration_s: float) -> None:
    read = endpoint("luminescence", integration_s=integration_s)

    with pytest.raises(RefusedError, match="in steps of"):
        endpoint_orders(read, Settings())


@pytest.mark.parametrize("how", ["connect", "observe"])
async def test_a_slow_carrier_stays_slow_after_a_power_cycle(how: str) -> None:
    lab = yellow_lab(slow_carrier=True)
    await lab.driver.connect()
    await lab.driver.open_drawer()
    await lab.stream.aclose()  # with the power goes the line, and what was set
    lab.said.clear()

    await getattr(lab.driver, how)()
    await lab.driver.close_drawer()
    await lab.close()

    assert b"S1" in b"".join(lab.said)


async def test_a_carrier_that_is_out_and_a_chamber_that_is_cold_are_faults() -> None:
    lab = yellow_lab(Fault("cold", times=None, data={"by_c": 4.0}))
    await lab.driver.connect()
    await lab.driver.open_drawer()
    with pytest.raises(InstrumentFaultError) as out:
        await lab.driver.read_endpoint(endpoint())
    await lab.driver.close_drawer()
    await lab.driver.set_temperature(37.0)
    with pytest.raises(InstrumentFaultError) as cold:
        await lab.driver.read_endpoint(endpoint())
    with pytest.raises(RefusedError, match="20 to 45 C"):
        await lab.driver.set_temperature(50.0)
    await lab.driver.set_temperature(None)
    await lab.driver.read_endpoint(endpoint())
    await lab.close()

    assert (out.value.code, cold.value.code) == ("drawer_open", "temperature")


# Faults -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("bad_checksum"), MalformedReplyError),
        (Fault("stale_bytes"), MalformedReplyError),
        (Fault("silent", after=2), ReplyTimeoutError),
        (Fault("reply_lost", after=6), ReplyTimeoutError),
        (Fault("garbled_reply", after=8), MalformedReplyError),
    ],
)
async def test_a_fault_has_its_error_and_the_next_read_is_in_step(
    fault: Fault, error: type[Exception]
) -> None:
    lab = yellow_lab(fault)
    await lab.driver.connect()

    with pytest.raises(error):
        await lab.driver.read_endpoint(endpoint())
    read = await lab.driver.read_endpoint(endpoint())
    await lab.close()

    assert b"x" in lab.said
    assert all(math.isfinite(value) for value in read.values)


async def test_a_unit_at_another_speed_is_a_timeout() -> None:
    lab = yellow_lab(Fault("other_baud", times=None))

    with pytest.raises(ReplyTimeoutError):
        await lab.driver.connect()
    await lab.close()


@pytest.mark.parametrize(
    "answer", [b"\x03", b"0000\x03", b"\x06\x03", b"\x06000\x03", b"\x0600g0\x03"]
)
async def test_an_answer_without_its_acknowledgement_or_status_is_malformed(answer: bytes) -> None:
    class Says:
        sent = False

        async def send(self, data: bytes) -> None:
            self.sent = True

        async def receive(self, *, timeout_s: float | None = None) -> bytes:
            if not self.sent:
                raise ReplyTimeoutError("nothing yet")
            return answer

        async def aclose(self) -> None:
            """Nothing to close."""

    async def connect() -> Says:
        return Says()

    with pytest.raises(MalformedReplyError):
        await driver_on("biotek", connect).connect()


@pytest.mark.parametrize("digits", ["37", "3700", "37.", " 37", "3_0", "+37"])
def test_no_temperature_is_read_leniently(digits: str) -> None:
    if digits == "+37":
        assert wire.degrees("370") == 37.0
        return
    with pytest.raises(MalformedReplyError):
        wire.degrees(digits)


async def test_bytes_without_end_are_malformed_before_they_fill_the_memory() -> None:
    class Babbles:
        async def receive(self, *, timeout_s: float | None = None) -> bytes:
            return b"0" * 10_000

    with pytest.raises(MalformedReplyError, match="more than 65536 bytes"):
        await wire.Link(Babbles()).until(b"\x03", 60.0)


# Recovery -----------------------------------------------------------------------------------
READ = action("read_kinetic", title="t")


async def test_an_abort_ends_the_read_and_nothing_more_is_read() -> None:
    lab = yellow_lab()
    await lab.driver.connect()
    reading = asyncio.create_task(lab.as_action("read_endpoint", read=endpoint()))
    await asyncio.sleep(6)

    await lab.driver.abort()
    with pytest.raises(InstrumentFaultError) as caught:
        await reading
    read = await lab.driver.read_endpoint(endpoint())
    await lab.close()

    assert caught.value.code == "aborted"
    assert read.flags == {}


async def test_only_a_read_that_was_never_started_was_not_done() -> None:
    lab = yellow_lab()
    await lab.driver.connect()
    token_read = kinetic()

    async def read() -> list[Frame]:
        return [frame async for frame in lab.driver.read_kinetic(token_read)]

    lab.driver.collect = read
    await lab.stream.aclose()
    with pytest.raises(DisconnectedError):
        await lab.as_action("collect")
    never = await lab.driver.reconcile(READ)
    await lab.as_action("collect")
    done = await lab.driver.reconcile(READ)
    heir = await lab.heir().reconcile(READ)
    drawer = await lab.driver.reconcile(action("open_drawer"))
    await lab.close()

    assert [v.fate for v in (never, done, heir)] == ["not_done", "unknown", "unknown"]
    assert (drawer.fate, drawer.remembered) == ("not_done", True)


async def test_a_read_cannot_be_followed() -> None:
    with pytest.raises(RefusedError, match="a second time"):
        yellow_lab().driver.reattach(kinetic())
