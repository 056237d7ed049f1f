"""The Opentrons driver's codecs, and its side of recorded conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, UserInputError
from platectl.domain.transcript import Turn, parse_transcript
from platectl.hal.instrument import DriverSetup
from platectl.hal.liquids import DeckItem
from platectl.simkit.virtual_time import VirtualClock, run_virtual
from platectl.transport.http import HttpAnswer
from platectl.transport.replay import ReplayStream
from platectl_drivers.opentrons import Opentrons, Settings, wire
from platectl_drivers.opentrons.checks import check_pipette
from platectl_drivers.opentrons.settings import pipette_limits

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
COMMAND = {"id": "c", "key": "k", "status": "failed", "error": {"errorType": "X", "errorCode": "1"}}


@given(body=JSON, status=st.sampled_from([200, 201, 404, 409, 422, 500, 503]))
def test_any_json_is_data_or_a_typed_error(body: Any, status: int) -> None:
    try:
        wire.decode_data(HttpAnswer(status, {}, json.dumps(body).encode()))
    except (InstrumentFaultError, MalformedReplyError):
        return
    assert status in (200, 201)


@given(data=JSON | st.fixed_dictionaries(dict.fromkeys(COMMAND, JSON)))
def test_any_json_is_a_command_or_malformed(data: Any) -> None:
    for decode in (wire.decode_command, wire.decode_list, wire.decode_id):
        try:
            decode(data)
        except MalformedReplyError:
            continue


@given(instruments=JSON)
def test_any_list_of_instruments_is_judged(instruments: Any) -> None:
    with pytest.raises((InstrumentFaultError, MalformedReplyError)):
        check_pipette(instruments, Settings())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"meta":{}}', b'"data"'])
def test_what_is_no_envelope_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        wire.decode_data(HttpAnswer(200, {}, body))


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (409, {"errors": [{"id": "RunStopped", "detail": "not current", "errorCode": "4000"}]},
         "RunStopped", "HTTP 409, 4000"),
        (422, {"errors": [{"id": "InvalidRequest", "detail": "field required",
                           "source": {"pointer": "/data/params/flowRate"}}]},
         "InvalidRequest", "at /data/params/flowRate"),
        (400, {"message": "too old", "errorCode": "4000"}, "4000", "too old"),
        (500, {}, "500", "no reason given"),
    ],
)  # fmt: skip
def test_refusals_of_either_shape_are_clear(
    status: int, body: dict[str, Any], code: str, told: str
) -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        wire.decode_data(HttpAnswer(status, {}, json.dumps(body).encode()))
    assert caught.value.code == code
    assert told in str(caught.value)


def test_a_command_fault_names_type_detail_code_and_run() -> None:
    detail = 'Traceback (most recent call last):\n  File "x"\nValueError: no such thing\n'
    error = {"errorType": "PythonException", "errorCode": "4000", "detail": detail}
    command = wire.decode_command({**COMMAND, "error": error})

    fault = wire.command_fault("loadLabware", command, "awaiting-recovery")

    assert fault.code == "4000"
    assert str(fault) == (
        "loadLabware failed: PythonException: ValueError: no such thing "
        "(the run is awaiting-recovery: look at the robot; the run is told to go on)"
    )


@pytest.mark.parametrize(
    ("slot", "location"),
    [(None, "offDeck"), ("offDeck", "offDeck"), ("A1", {"slotName": "A1"}),
     ("11", {"slotName": "11"}),     ("D4", {"addressableAreaName": "D4"})],
)  # fmt: skip
def test_slots_are_located(slot: str | None, location: Any) -> None:
    assert wire.location(slot) == location


@pytest.mark.parametrize("slot", ["", "E1", "A5", "A01", "12", "0", "a1", "flex.A1"])
def test_no_robot_has_these_slots(slot: str) -> None:
    assert not wire.is_slot(slot)


@pytest.mark.parametrize(
    ("name", "low", "high", "sets"),
    [("p1000_96", 5, 1000, 4), ("p300_multi_gen2", 20, 300, 2), ("p20_single_gen2", 1, 20, 1),
     ("p1000_single_gen2", 100, 1000, 1), ("p50_multi_flex", 5, 50, 2)],
)  # fmt: skip
def test_limits_follow_from_the_name_of_the_pipette(
    name: str, low: float, high: float, sets: int
) -> None:
    limits = pipette_limits(Settings(pipette_name=name))
    assert (limits.min_volume_ul, limits.max_volume_ul, len(limits.channels)) == (low, high, sets)
    assert pipette_limits(Settings(pipette_name=name, max_volume_ul=7)).max_volume_ul == 7


@pytest.mark.parametrize("name", ["p1000", "p99_single", "P20_single", "p20_single_gen9"])
def test_no_pipette_has_these_names(name: str) -> None:
    with pytest.raises(UserInputError):
        pipette_limits(Settings(pipette_name=name))


class InPieces(ReplayStream):
    """Delivers recorded answers a few bytes at a time."""

    size = 1_000_000
    rest = b""

    async def receive(self, *, timeout_s: float | None = None) -> bytes:
        self.rest = self.rest or await super().receive(timeout_s=timeout_s)
        piece, self.rest = self.rest[: self.size], self.rest[self.size :]
        return piece


def recorded(path: Path, settings: Settings, name: str, size: int) -> tuple[Opentrons, InPieces]:
    turns: tuple[Turn, ...] = parse_transcript(path.read_text(encoding="ascii"))
    stream = InPieces(turns)
    stream.size = size

    async def connect() -> ReplayStream:
        return stream

    setup = DriverSetup(name=name, clock=VirtualClock(), open_stream=connect, settings=settings)
    return Opentrons(setup), stream


SIZES = pytest.mark.parametrize("size", [1, 7, 1_000_000])


@SIZES
def test_a_transfer_says_exactly_what_was_recorded(transcripts: Path, size: int) -> None:
    async def main() -> None:
        path = transcripts / "opentrons_flex_transfer.txt"
        subject, stream = recorded(path, Settings(), "flex", size)
        await subject.connect()
        await subject.load_deck(
            [DeckItem("tips", "opentrons_flex_96_tiprack_200ul", "A1"),
             DeckItem("P1.source", "nest_96_wellplate_200ul_flat", "C1"),
             DeckItem("P1.filter", "platectl_96_filterplate_gfb_2ml", "offDeck")]
        )  # fmt: skip
        await subject.use_channels("column")
        await subject.pick_up_tips("tips", "A1")
        await subject.aspirate("P1.source", "A1", volume_ul=25, flow_ul_per_s=50, height_mm=1.5)
        await subject.note_move("P1.filter", "D1")
        await subject.dispense("P1.filter", "A3", volume_ul=25, flow_ul_per_s=50, height_mm=2.0)
        await subject.drop_tips()
        await subject.aclose()
        await stream.aclose()

    run_virtual(main())


@SIZES
def test_refusals_are_read_exactly_as_recorded(transcripts: Path, size: int) -> None:
    async def main() -> None:
        path = transcripts / "opentrons_ot2_refusals.txt"
        settings = Settings(robot_type="ot2", pipette_name="p20_single_gen2", max_volume_ul=30)
        subject, stream = recorded(path, settings, "ot2", size)
        identity = await subject.connect()
        assert (identity.model, identity.serial_number) == ("OT-2 Standard", "simulator")
        await subject.load_deck(
            [DeckItem("src", "nest_96_wellplate_200ul_flat", "5"),
             DeckItem("tips", "opentrons_96_tiprack_20ul", "8")]
        )  # fmt: skip
        await subject.pick_up_tips("tips", "A1")
        stroke = {"flow_ul_per_s": 7.56, "height_mm": 1.5}
        await subject.aspirate("src", "D4", volume_ul=12.5, **stroke)
        await subject.dispense("src", "D4", volume_ul=12.5, **stroke)
        with pytest.raises(InstrumentFaultError, match=r"when only 20\.0 is available") as caught:
            await subject.aspirate("src", "D4", volume_ul=21.0, **stroke)
        assert caught.value.code == "4000"
        with pytest.raises(InstrumentFaultError, match="'8'") as caught:
            await subject.note_move("src", "8")
        await subject.abort()
        with pytest.raises(InstrumentFaultError) as caught:
            await subject.drop_tips()
        assert caught.value.code == "RunStopped"
        await subject.aclose()
        await stream.aclose()

    run_virtual(main())
