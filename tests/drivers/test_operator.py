"""The operator's terminal and the harvester behind it: format, patience, and a simulated person."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_bench import Chunked

from platectl.app.truth import load_truth
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.files.lab import load_catalogue, load_lab
from platectl.hal.handling import Answer, Harvester, Operator, Prompt
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl.simkit.world import World
from platectl.transport.record import RecordingStream
from platectl.transport.replay import ReplayStream
from platectl_drivers.harvester import OperatorHarvester
from platectl_drivers.harvester import Settings as HarvesterSettings
from platectl_drivers.operator import OperatorConsole, Settings, decode_answer, encode_prompt
from platectl_simulators.operator import OperatorSimulator

DONE_OR_NOT = ("done", "cannot")


def a_world() -> World:
    lab_file, _ = load_lab(None)
    world = World(load_truth(None), VirtualClock(), catalogue=load_catalogue(lab_file))
    for position in ("bench", "shaker1", "lid_park", "manifold"):
        world.add_position(position)
    return world


class Desk:
    """A driver before a simulated person, and what was shown to that person."""

    def __init__(self, *faults: Fault, chunk: int = 0, patience_s: float = 86400.0) -> None:
        self.world = a_world()
        self.shown: list[dict[str, Any]] = []
        self._serving: list[asyncio.Task[None]] = []
        self._chunk = chunk
        self.person = OperatorSimulator(
            SimulatorSetup(
                "person", self.world, VirtualClock(), None, {"person": "Ada"}, FaultPlan(faults)
            )
        )
        self.subject = OperatorConsole(
            DriverSetup("person", VirtualClock(), self._connect, Settings(patience_s=patience_s))
        )
        self.harvester = OperatorHarvester(
            DriverSetup(
                "harvester", VirtualClock(), self._connect, HarvesterSettings(),
                extras={"operator": self.subject},
            )
        )  # fmt: skip

    async def _connect(self) -> ByteStream:
        ours, theirs = pipe()
        self._serving.append(asyncio.create_task(self.person.serve(theirs)))
        return RecordingStream(Chunked(ours, self._chunk), self._record)

    def _record(self, side: str, data: bytes) -> None:
        if side == ">":
            self.shown.append(json.loads(data))

    async def aclose(self) -> None:
        await self.subject.aclose()
        await asyncio.gather(*self._serving)
        await self.person.leave()

    def successor(self) -> OperatorConsole:
        """The terminal of a program that was started anew."""
        return OperatorConsole(
            DriverSetup("person", VirtualClock(), self._connect, Settings(patience_s=86400.0))
        )

    async def killed(self, verb: asyncio.Task[Any]) -> None:
        """Let the program die: the line is cut before anything else can be said."""
        link = self.subject._link
        assert link is not None
        await link.aclose()
        with contextlib.suppress(LinkError):
            await verb


@asynccontextmanager
async def desk(*faults: Fault, **values: Any) -> AsyncIterator[Desk]:
    made = Desk(*faults, **values)
    await made.subject.connect()
    try:
        yield made
    finally:
        await made.aclose()


def confirm(name: str = "s1") -> Prompt:
    return Prompt(name, "confirm", "Apply the bottom seal", DONE_OR_NOT)


def move(name: str = "m1") -> Prompt:
    return Prompt(
        name, "move", "Bring it", DONE_OR_NOT, {"source": "bench", "target": "shaker1"}
    )  # fmt: skip


# Transcript and format --------------------------------------------------------------------------


async def test_the_driver_says_exactly_what_was_recorded(transcripts: Path) -> None:
    stream = ReplayStream.from_file(transcripts / "operator_prompts.txt")

    async def connect() -> ByteStream:
        return stream

    subject = OperatorConsole(DriverSetup("person", VirtualClock(), connect, Settings()))
    await subject.connect()
    sealed = await subject.ask(confirm())
    brought = await subject.ask(
        Prompt(
            "s2", "move", "Bring the lid", DONE_OR_NOT,
            {"source": "lid_park", "target": "shaker1"},
        )
    )  # fmt: skip
    await subject.aclose()

    assert sealed == Answer("done", "Ada")
    assert brought == Answer("cannot", "Ada", "nothing stands at lid_park")


TEXTS = st.text(max_size=30)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.dictionaries(TEXTS, VALUES))
def test_a_prompt_is_one_plain_line_with_everything_in_it(
    name: str, text: str, options: list[str], data: dict[str, Any]
) -> None:
    line = encode_prompt(Prompt(name, "load", text, tuple(options), data))

    assert b"\n" not in line
    assert line.isascii()
    fields = json.loads(line)
    assert (fields["prompt"], fields["text"]) == (name, text)
    assert (fields["options"], fields["data"]) == (options, data)


@given(TEXTS, TEXTS, TEXTS.filter(str.strip), TEXTS, st.booleans())
def test_an_answer_comes_back(name: str, option: str, person: str, note: str, plain: bool) -> None:
    fields = {"answer": name, "option": option, "person": person, "note": note}
    try:
        line = json.dumps(fields, ensure_ascii=plain).encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair is no UTF-8

    assert decode_answer(line) == (name, Answer(option, person, note))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"done",
        b"[]",
        b'"done"',
        b'{"answer":"1","option":"done"}',
        b'{"answer":"1","option":"done","person":" "}',
        b'{"answer":1,"option":"done","person":"Ada"}',
        b'{"answer":"1","option":"done","person":"Ada","note":null}',
        b'{"answer":"1","option":"done","person":"Ada","more":"x"}',
        b'{"answer":"1","answer":"2","option":"done","person":"Ada"}',
        b'{"answer":"1","option":"done","person":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_just_an_answer_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        decode_answer(line)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_malformed(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        decode_answer(line)


# With the simulated person ----------------------------------------------------------------------


def test_the_drivers_satisfy_their_interfaces() -> None:
    made = Desk()
    operator: Operator = made.subject
    harvester: Harvester = made.harvester

    assert operator.info.interfaces == ("Operator",)
    assert harvester.info.interfaces == ("Harvester",)


async def test_a_person_takes_a_while_and_then_has_done_it() -> None:
    clock = VirtualClock()
    async with desk() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        answer = await it.subject.ask(move())

        assert answer == Answer("done", "Ada")
        assert clock.monotonic_s() == pytest.approx(28)
        assert it.world.position_of("P1.assay") == "shaker1"


@pytest.mark.parametrize("chunk", [1, 5])
async def test_any_chunking_gives_the_same_answer(chunk: int) -> None:
    async with desk(chunk=chunk) as it:
        assert await it.subject.ask(confirm()) == Answer("done", "Ada")


async def test_prompts_of_several_steps_are_put_one_after_another() -> None:
    async with desk() as it:
        answers = await asyncio.gather(*(it.subject.ask(confirm(f"s{n}")) for n in range(3)))

        assert [answer.option for answer in answers] == ["done"] * 3
        assert [fields["prompt"] for fields in it.shown] == ["s0", "s1", "s2"]


async def test_a_refusal_is_an_answer_like_any_other() -> None:
    async with desk(Fault("refuses")) as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        answer = await it.subject.ask(move())

        assert answer == Answer("cannot", "Ada", "not possible now")
        assert it.world.position_of("P1.assay") == "bench"


async def test_an_option_that_is_not_offered_is_asked_again() -> None:
    async with desk(Fault("wrong_option")) as it:
        answer = await it.subject.ask(confirm())

        assert answer.option == "done"
        assert it.shown[-1]["refused"] == "s1"
        assert "'perhaps' is not offered" in it.shown[-1]["why"]


async def test_an_answer_to_another_prompt_is_passed_over() -> None:
    async with desk(Fault("wrong_id")) as it:
        assert (await it.subject.ask(confirm())).option == "done"


async def test_somebody_who_is_absent_is_waited_for() -> None:
    clock = VirtualClock()
    async with desk(Fault("absent", data={"delay_s": 7200})) as it:
        await it.subject.ask(confirm())

        assert clock.monotonic_s() == pytest.approx(7220)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("silent"), ReplyTimeoutError),
        (Fault("reply_lost"), ReplyTimeoutError),
        (Fault("late_reply", data={"delay_s": 9000}), ReplyTimeoutError),
        (Fault("garbled_reply"), MalformedReplyError),
    ],
)
async def test_each_fault_of_the_wire_ends_in_its_error_and_withdraws_the_prompt(
    fault: Fault, error: type[Exception]
) -> None:
    clock = VirtualClock()
    async with desk(fault, patience_s=3600) as it:
        with pytest.raises(error):
            await it.subject.ask(confirm())

        assert clock.monotonic_s() <= 3601
        assert it.shown[-1] == {"cancel": "s1"}


async def test_a_late_answer_is_not_taken_for_that_of_the_next_prompt() -> None:
    async with desk(Fault("late_reply", data={"delay_s": 3590}), patience_s=3600) as it:
        with pytest.raises(ReplyTimeoutError):
            await it.subject.ask(confirm("s1"))
        await asyncio.sleep(100)

        assert (await it.subject.ask(confirm("s2"))).option == "done"


async def test_abort_withdraws_the_prompt_and_leaves_what_was_done_unknown() -> None:
    clock = VirtualClock()
    async with desk() as it:
        asking = asyncio.create_task(it.subject.ask(move()))
        await asyncio.sleep(5)
        await it.subject.abort()

        with pytest.raises(LinkError, match="unknown"):
            await asking
        assert clock.monotonic_s() == pytest.approx(5)
        assert it.shown[-1] == {"cancel": "m1"}
        assert (await it.subject.ask(confirm())).option == "done"


async def test_a_cancelled_step_withdraws_its_prompt() -> None:
    async with desk() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        asking = asyncio.create_task(it.subject.ask(move()))
        await asyncio.sleep(5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await it.subject.abort()
        await asyncio.sleep(100)

        assert asking.cancelled()
        assert it.shown[-1] == {"cancel": "m1"}
        assert it.world.position_of("P1.assay") == "bench"


async def test_a_closed_terminal_ends_the_question() -> None:
    async with desk() as it:
        asking = asyncio.create_task(it.subject.ask(confirm()))
        await asyncio.sleep(5)
        await it.subject.aclose()
        await it.subject.aclose()

        with pytest.raises(DisconnectedError):
            await asking
        with pytest.raises(DisconnectedError, match="not connected"):
            await it.subject.ask(confirm())


async def test_a_prompt_that_cannot_be_asked_is_refused() -> None:
    async with desk() as it:
        for value in (float("nan"), {1, 2}):
            with pytest.raises(RefusedError, match="cannot be written"):
                await it.subject.ask(Prompt("s1", "load", "?", DONE_OR_NOT, {"x": value}))
        with pytest.raises(RefusedError, match="nothing to answer"):
            await it.subject.ask(Prompt("s1", "confirm", "?", ()))

        assert not it.shown


# The harvester ----------------------------------------------------------------------------------


async def test_a_person_harvests_and_the_plates_are_back() -> None:
    async with desk() as it:
        membranes = {"membranes:guinea_pig_brain": 0.4, "[3H](+)-pentazocine": 2e-9}
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        it.world.add_labware("P1.filter", "filter_plate_96_gfb", "manifold")
        it.world.add_labware("P1.lid", "lid_96", "bench")
        for well in ("A1", "H12"):
            it.world.fill("P1.assay", well, volume_ul=250, contents=membranes)
        await it.harvester.connect()
        await it.harvester.harvest(
            plate="P1.assay", filter_plate="P1.filter", washes=4, wash_ml=1.5
        )

        assert it.world.position_of("P1.assay") == "bench"
        assert it.world.position_of("P1.lid") == "bench"
        assert it.world.position_of("P1.filter") == "manifold"
        cpm = it.world.count_rates("manifold", ["A1", "B1", "H12"])
        assert cpm[0] > 5 * cpm[1]
        assert cpm[2] > 5 * cpm[1]
        assert it.shown[0]["data"] == {
            "plate": "P1.assay", "filter_plate": "P1.filter", "washes": 4, "wash_ml": 1.5,
        }  # fmt: skip


async def test_two_harvests_are_two_requests() -> None:
    async with desk() as it:
        await it.harvester.connect()
        for number in (1, 2):
            for labware, kind in (("assay", "assay_plate_96"), ("filter", "filter_plate_96_gfb")):
                position = "bench" if labware == "assay" else "manifold"
                it.world.remove_labware(f"P{number - 1}.{labware}")
                it.world.add_labware(f"P{number}.{labware}", kind, position)
            await it.harvester.harvest(
                plate=f"P{number}.assay", filter_plate=f"P{number}.filter", washes=1, wash_ml=1
            )

        assert len({fields["prompt"] for fields in it.shown}) == 2


async def test_a_harvest_that_cannot_be_done_is_a_fault() -> None:
    async with desk() as it:
        await it.harvester.connect()
        with pytest.raises(InstrumentFaultError, match="stands nowhere") as caught:
            await it.harvester.harvest(plate="P9.a", filter_plate="P9.f", washes=4, wash_ml=1)

        assert caught.value.code == "not_done"


async def test_numbers_that_no_harvester_has_are_refused_before_anybody_is_asked() -> None:
    async with desk() as it:
        await it.harvester.connect()
        for washes, wash_ml in ((-1, 1.0), (99, 1.0), (4, 0.0), (4, 50.0), (4, float("nan"))):
            with pytest.raises(RefusedError):
                await it.harvester.harvest(
                    plate="a", filter_plate="f", washes=washes, wash_ml=wash_ml
                )

        assert not it.shown


async def test_aborting_a_harvest_withdraws_it_and_only_it() -> None:
    async with desk() as it:
        await it.harvester.connect()
        other = asyncio.create_task(it.subject.ask(confirm()))
        await asyncio.sleep(1)
        await it.harvester.abort()
        assert (await other).option == "done"

        harvesting = asyncio.create_task(
            it.harvester.harvest(plate="a", filter_plate="f", washes=4, wash_ml=1)
        )
        await asyncio.sleep(1)
        await it.harvester.abort()
        with pytest.raises(LinkError):
            await harvesting
        await it.harvester.aclose()
        await it.harvester.aclose()
        with pytest.raises(DisconnectedError):
            await it.harvester.harvest(plate="a", filter_plate="f", washes=4, wash_ml=1)


async def test_a_harvester_needs_its_operator() -> None:
    async def nobody() -> ByteStream:
        raise DisconnectedError("nobody")

    subject = OperatorHarvester(
        DriverSetup("harvester", VirtualClock(), nobody, HarvesterSettings())
    )

    with pytest.raises(UserInputError, match="needs an operator"):
        await subject.connect()


# After a death, and after a lost answer ----------------------------------------------------------


def asked(prompt: Prompt) -> Action:
    fields = {"id": prompt.id, "kind": prompt.kind, "text": prompt.text}
    return Action("a1", "person", "ask", {"prompt": fields}, datetime(2026, 1, 1, tzinfo=UTC))


async def test_looking_and_taking_over_ask_nobody_and_withdraw_nothing() -> None:
    async with desk() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        asking = asyncio.create_task(it.subject.ask(move()))
        await asyncio.sleep(5)
        await it.killed(asking)
        heir = it.successor()
        shown = len(it.shown)

        await heir.observe()
        await heir.observe()
        verdict = await heir.reconcile(asked(move()))
        await heir.take_over()

        assert len(it.shown) == shown
        assert (verdict.fate, verdict.remembered) == ("not_done", True)
        assert verdict.evidence["prompt"] == asked(move()).id
        assert (await heir.ask(move())).option == "done"
        assert it.world.position_of("P1.assay") == "shaker1"
        await heir.aclose()


async def test_a_person_goes_on_when_the_program_dies_and_says_later_that_it_is_done() -> None:
    async with desk() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        asking = asyncio.create_task(it.subject.ask(move()))
        await asyncio.sleep(5)
        await it.killed(asking)
        await asyncio.sleep(100)
        assert it.world.position_of("P1.assay") == "shaker1"

        heir, clock = it.successor(), VirtualClock()
        await heir.observe()
        before_s = clock.monotonic_s()
        answer = await heir.ask(move())

        assert answer == Answer("done", "Ada")
        assert clock.monotonic_s() - before_s < 1
        assert it.world.position_of("P1.assay") == "shaker1"
        await heir.aclose()


async def test_after_a_lost_answer_the_same_prompt_is_answered_at_once() -> None:
    clock = VirtualClock()
    async with desk(Fault("reply_lost"), patience_s=3600) as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        with pytest.raises(LinkError):
            await it.subject.ask(move())
        assert (await it.subject.reconcile(asked(move()))).fate == "not_done"
        before_s = clock.monotonic_s()

        assert (await it.subject.ask(move())).option == "done"
        assert clock.monotonic_s() - before_s < 1


async def test_a_terminal_that_was_lost_is_opened_again_to_reconcile() -> None:
    async with desk() as it:
        asking = asyncio.create_task(it.subject.ask(confirm()))
        await asyncio.sleep(1)
        await it.killed(asking)

        await it.subject.reconcile(asked(confirm()))

        assert (await it.subject.ask(confirm())).option == "done"


async def test_only_a_prompt_can_be_put_again() -> None:
    async with desk() as it:
        other = Action("a1", "person", "dance", {}, datetime(2026, 1, 1, tzinfo=UTC))

        assert (await it.subject.reconcile(other)).fate == "unknown"


async def test_a_harvest_is_asked_again_under_the_same_prompt_and_done_once() -> None:
    async with desk() as it:
        it.world.add_labware("P1.assay", "assay_plate_96", "bench")
        it.world.add_labware("P1.filter", "filter_plate_96_gfb", "manifold")
        request = {"plate": "P1.assay", "filter_plate": "P1.filter", "washes": 1, "wash_ml": 1.0}
        action = Action("r7", "harvester", "harvest", request, datetime(2026, 1, 1, tzinfo=UTC))
        token = ACTION_ID.set("r7")
        await it.harvester.connect()
        harvesting = asyncio.create_task(it.harvester.harvest(**request))  # type: ignore[arg-type]
        await asyncio.sleep(30)
        await it.killed(harvesting)
        it.subject._link = None
        shown = len(it.shown)

        await it.harvester.observe()
        verdict = await it.harvester.reconcile(action)
        await it.harvester.take_over()
        assert (verdict.fate, verdict.remembered) == ("not_done", True)
        assert len(it.shown) == shown
        await it.harvester.harvest(**request)  # type: ignore[arg-type]

        assert len({fields["prompt"] for fields in it.shown}) == 1
        assert it.world.position_of("P1.assay") == "bench"
        ACTION_ID.reset(token)
