"""Devices behind SiLA 2 servers: on simulated servers, recordings, and a real one on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.drivers.sila_server import Served

from platectl import registry
from platectl.conformance import trials
from platectl.conformance.stage import Scene, Stage
from platectl.conformance.strikes import on_stage
from platectl.domain import frames
from platectl.domain.errors import (
    DisconnectedError,
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    OutcomeUnknownError,
    RefusedError,
    ReplyTimeoutError,
    UserInputError,
)
from platectl.domain.transcript import parse_transcript
from platectl.hal.handling import Answer, Prompt
from platectl.hal.instrument import DriverSetup
from platectl.hal.recovery import ACTION_ID, Action
from platectl.hal.stream import ByteStream
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.virtual_time import VirtualClock
from platectl.transport.address import open_connector
from platectl.transport.sila_journal import Journal
from platectl.transport.sila_protoc import keep_compiler_apart
from platectl.transport.wall_clock import WallClock
from platectl_drivers.sila2 import SilaShaker
from platectl_drivers.sila2.mapping import Parameter, Reading

SHAKE = {"speed_rpm": 600, "duration_s": 30}
SETTINGS: dict[str, Any] = {
    "verbs": {
        "shake": [{"command": "Shaking.Shake", "parameters": {
            "Speed": {"of": "speed_rpm", "type": "integer"}, "Duration": {"of": "duration_s"}}}],
        "set_temperature": [{"command": "Shaking.Heat", "parameters": {
            "Kelvin": {"of": "temperature_c", "offset": 273.15}}}],
        "stop_heating": [{"command": "Shaking.HeatOff"}],
    },
    "readings": {"temperature_c": {"property": "Shaking.Kelvin", "offset": -273.15}},
    "abort": [{"command": "Shaking.Halt"}],
}  # fmt: skip


class Person:
    """Chooses what they were told to choose, after a while."""

    def __init__(self, option: str, *, after_s: float = 0.0) -> None:
        self.option, self.after_s = option, after_s
        self.prompts: list[Prompt] = []

    async def ask(self, prompt: Prompt) -> Answer:
        self.prompts.append(prompt)
        await asyncio.sleep(self.after_s)
        return Answer(self.option, "mk")


def action(verb: str = "shake", name: str = "a1") -> Action:
    return Action(name, "it", verb, {}, datetime(2026, 1, 1, tzinfo=UTC))


async def as_action(work: Any, name: str = "a1") -> Any:
    token = ACTION_ID.set(name)
    try:
        return await work
    finally:
        ACTION_ID.reset(token)


# Simulated servers -------------------------------------------------------------------------------
def on_server(
    work: Any, *faults: Fault, name: str = "sila2_shaker", person: Person | None = None
) -> Any:
    """Connect the driver of a scene and do something with it."""

    async def play(scene: Scene) -> Any:
        scene.stage.simulator._setup = _with_faults(scene.stage.simulator._setup, faults)
        scene.driver._person = person
        await scene.driver.connect()
        try:
            return await work(scene)
        finally:
            await scene.aclose()

    return on_stage(name, play)


def _with_faults(setup: Any, faults: tuple[Fault, ...]) -> Any:
    from dataclasses import replace

    return replace(setup, faults=FaultPlan(faults))


async def shaken(scene: Scene) -> int:
    await scene.driver.shake(**SHAKE)
    return len(scene.stage.world.acts)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [("not_accepted", RefusedError, None), ("defined_error", InstrumentFaultError, "Jammed"),
     ("undefined_error", OutcomeUnknownError, None)],
)  # fmt: skip
def test_what_a_server_answers_is_sorted_by_what_is_known(
    fault: str, kind: type[Exception], code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        on_server(shaken, Fault(fault))

    assert getattr(caught.value, "code", None) == code


def test_a_person_chooses_how_an_error_is_recovered() -> None:
    person = Person("retry", after_s=900.0)

    assert on_server(shaken, Fault("recoverable"), person=person) == 1
    (prompt,) = person.prompts
    assert prompt.options == ("retry", "skip", "give_up")
    assert "it does not move" in prompt.text
    assert "do it again" in prompt.text


@pytest.mark.parametrize("person", [None, Person("give_up"), Person("something else")])
def test_an_error_that_nobody_recovers_is_an_error(person: Person | None) -> None:
    with pytest.raises(InstrumentFaultError) as caught:
        on_server(shaken, Fault("recoverable"), person=person)

    assert caught.value.code == "Jammed"


@pytest.mark.parametrize("person", [None, Person("skip", after_s=1e6)])
def test_the_default_is_taken_when_its_time_is_over(person: Person | None) -> None:
    async def decide(scene: Scene) -> tuple[str, float]:
        begun_s = scene.stage.clock.monotonic_s()
        error = {
            "CommandExecutionUUID": "u", "ErrorTime": "t", "ErrorMessage": "stuck", "DefaultOption": "retry",
            "AutomaticSelectionTimeout": 60, "ContinuationOptions": [
                {"Identifier": "retry", "Description": "again", "RequiredInputData": ""},
                {"Identifier": "adjust", "Description": "other speed", "RequiredInputData": "<Basic/>"}],
        }  # fmt: skip
        return await scene.driver._decide(error), scene.stage.clock.monotonic_s() - begun_s

    assert on_server(decide, person=person) == ("retry", 60.0)
    assert person is None or person.prompts[0].options == ("retry", "give_up")


def test_a_command_runs_as_long_as_the_server_speaks_of_it() -> None:
    async def long(scene: Scene) -> float:
        begun_s = scene.stage.clock.monotonic_s()
        await scene.driver.shake(speed_rpm=600, duration_s=600)
        return scene.stage.clock.monotonic_s() - begun_s

    assert on_server(long) >= 600


def test_a_server_that_only_starts_and_stops_is_mapped_with_a_wait() -> None:
    settings: dict[str, Any] = {
        "verbs": {"shake": [
            {"command": "Shaker.Start", "parameters": {"Hertz": {"of": "speed_rpm", "scale": 1 / 60}},
             "wait": "duration_s"}, {"command": "Shaker.Stop"}]},
    }  # fmt: skip

    def scene_of(stage: Stage) -> Scene:
        stage.world.place("P1", "assay_plate_96", "nest")
        return stage.play(
            "sila2_shaker", "shake", SHAKE, position="nest", simulated=settings, **settings
        )

    async def shake(scene: Scene) -> tuple[float, list[str], str]:
        await scene.driver.connect()
        begun_s = scene.stage.clock.monotonic_s()
        await as_action(scene.driver.shake(**SHAKE))
        took_s = scene.stage.clock.monotonic_s() - begun_s
        said = [turn.data.decode() for turn in scene.stage.turns if turn.side == ">"]
        commands = [part for line in said for part in ("Start", "Stop") if f"Shaker.{part}" in line]
        fate = (await scene.driver.reconcile(action())).fate
        await scene.aclose()
        return took_s, commands, fate

    took_s, commands, fate = on_stage(scene_of, shake)

    assert (commands, fate) == (["Start", "Stop"], "done")
    assert took_s >= SHAKE["duration_s"]


def test_a_silent_server_is_in_doubt() -> None:
    with pytest.raises(ReplyTimeoutError):
        on_server(shaken, Fault("silent", after=1))


def test_what_was_begun_is_known_to_the_next_process() -> None:
    async def die_and_look(scene: Scene) -> list[str]:
        doing = asyncio.create_task(as_action(scene.driver.shake(**SHAKE)))
        await asyncio.sleep(5.0)
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        await scene.stage.cut()
        scene.build()
        heir = scene.built[0]
        await heir.observe()
        fates = [(await heir.reconcile(action())).fate]
        await asyncio.sleep(60.0)
        fates.append((await heir.reconcile(action())).fate)
        await as_action(heir.shake(**SHAKE))
        fates.append(str(len(scene.stage.world.acts)))
        fates.append((await heir.reconcile(action(name="a2"))).fate)
        await heir.aclose()
        return fates

    assert on_server(die_and_look) == ["running", "done", "1", "unknown"]


def test_an_abort_stops_what_runs() -> None:
    async def stop(scene: Scene) -> InstrumentFaultError:
        doing = asyncio.create_task(scene.driver.shake(**SHAKE))
        await asyncio.sleep(5.0)
        await scene.driver.abort()
        with pytest.raises(InstrumentFaultError) as caught:
            await doing
        return caught.value

    assert on_server(stop).code == "Stopped"


def test_a_nest_is_read_in_the_units_of_the_lab() -> None:
    async def warm(scene: Scene) -> float:
        await scene.driver.set_temperature(37.0)
        return float(await scene.driver.read_temperature_c())

    assert on_server(warm, name="sila2_thermostat") == 37.0


def test_an_incubator_says_what_is_mapped_of_its_climate() -> None:
    async def look(scene: Scene) -> Any:
        return await scene.driver.read_climate()

    climate = on_server(look, name="sila2_incubator")

    assert (climate.temperature_c, climate.co2_percent) == (22.0, None)


@pytest.mark.parametrize(
    ("name", "verb", "how"),
    [("sila2_shaker", "shake", {"speed_rpm": 5000, "duration_s": 3}),
     ("sila2_shaker", "shake", {"speed_rpm": 600.5, "duration_s": 3}),
     ("sila2_shaker", "shake", {"speed_rpm": 600, "duration_s": float("nan")}),
     ("sila2_sealer", "seal", {"temperature_c": 400, "duration_s": 3}),
     ("sila2_incubator", "fetch", {"slot": 18}), ("sila2_incubator", "store", {"slot": 0}),
     ("sila2_thermostat", "set_temperature", {"temperature_c": 300.0})],
)  # fmt: skip
def test_what_the_lab_does_not_allow_is_refused_and_not_sent(
    name: str, verb: str, how: Mapping[str, Any]
) -> None:
    async def refused(scene: Scene) -> int:
        before = len(scene.stage.said)
        with pytest.raises(RefusedError):
            await getattr(scene.driver, verb)(**how)
        return len(scene.stage.said) - before

    assert on_server(refused, name=name) == 0


# The mapping -------------------------------------------------------------------------------------
@given(st.floats(-1e5, 1e5), st.sampled_from([1.0, 1000.0, 60.0]), st.sampled_from([0.0, 273.15]))
def test_a_value_that_goes_out_comes_back(value: float, scale: float, offset: float) -> None:
    said = Parameter(of="x", scale=scale, offset=offset).said({"x": value})
    heard = Reading(property="F.P", scale=1 / scale, offset=-offset / scale).heard(said)

    assert heard == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("wrong", [{}, {"of": "x", "value": 1}])
def test_a_parameter_is_an_argument_or_a_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either"):
        Parameter.model_validate(wrong)


@pytest.mark.parametrize("value", ["37", None, True, [37.0]])
def test_what_is_no_number_is_no_temperature(value: Any) -> None:
    with pytest.raises(MalformedReplyError):
        Reading(property="F.P").heard(value)


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(RefusedError, match="'speed'; it has speed_rpm"):
        Parameter(of="speed").said({"speed_rpm": 1})


# Recordings --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    ["sila2_shaker_shake", "sila2_thermostat_heat", "sila2_sealer_seal", "sila2_incubator_fetch"],
)
def test_driver_and_server_say_what_was_recorded(name: str, transcripts: Path) -> None:
    turns = parse_transcript((transcripts / f"{name}.txt").read_text("ascii"))
    driver = name.rpartition("_")[0]

    told = on_stage(driver, lambda scene: trials.replayed(scene, turns))
    answered = on_stage(driver, lambda scene: trials.simulated(scene, turns))

    assert (told, answered) == ([], [])


HELLO = {"features": ["a/b/Shaking/v1"], "name": "it", "type": "T", "uuid": "u", "version": "1"}


async def heard_by(driver_does: Any, *answers: Mapping[str, Any] | bytes) -> None:
    """Give answers in turn, framed unless they are bytes; the last one again and again."""
    ours, theirs = pipe()

    async def connect() -> ByteStream:
        return ours

    async def answer() -> None:
        left = list(answers)
        with contextlib.suppress(DisconnectedError):
            while await theirs.receive():
                said = left.pop(0) if len(left) > 1 else left[0]
                await theirs.send(said if isinstance(said, bytes) else frames.encode(said))

    kind = registry.load(registry.DRIVERS, "sila2_shaker")
    settings = kind.Settings.model_validate(SETTINGS)
    driver = kind(DriverSetup("it", VirtualClock(), connect, settings))
    answering = asyncio.create_task(answer())
    try:
        await driver_does(driver)
    finally:
        await driver.aclose()
        await answering


@pytest.mark.parametrize(
    ("second", "error"),
    [({"id": 2, "kind": "perhaps", "code": "", "says": ""}, MalformedReplyError),
     ({"id": 2, "kind": "unknown", "code": "connection", "says": "gone"}, LinkError),
     ({"id": 2, "kind": "unknown", "code": "InvalidCommandExecutionUUID", "says": ""}, OutcomeUnknownError),
     ({"id": 3, "ok": {}}, ReplyTimeoutError),
     ({"id": 2, "progress": 1.0, "recoverable": {"ErrorTime": "t"}}, MalformedReplyError),
     (b"00000000 {}\n", MalformedReplyError), (b'{"id":2,"ok":{}}\n', MalformedReplyError)],
)  # fmt: skip
async def test_an_odd_answer_is_no_success(second: Any, error: type[Exception]) -> None:
    async def shake(driver: Any) -> None:
        await driver.connect()
        await driver.shake(**SHAKE)

    with pytest.raises(error):
        await heard_by(shake, {"id": 1, "ok": HELLO}, second)


@pytest.mark.parametrize("hello", [[], {}, {"features": "Shaking"}, None])
async def test_a_server_that_does_not_introduce_itself_is_none(hello: Any) -> None:
    with pytest.raises(MalformedReplyError):
        await heard_by(lambda driver: driver.observe(), {"id": 1, "ok": hello})


@pytest.mark.parametrize(
    ("states", "fate"),
    [({"a1#shake.1": "done"}, "done"), ({"a1#shake.1": "running"}, "running"), ({}, "unknown"),
     ({"a1#shake.1": "unknown"}, "unknown"), ({"a1#shake.1": "fault"}, "not_done"),
     ({"a1#shake.1": "refused"}, "not_done"), ({"a1#shake.1": "odd"}, "unknown")],
)  # fmt: skip
async def test_a_verdict_is_as_good_as_what_is_remembered(
    states: dict[str, str], fate: str
) -> None:
    async def look(driver: Any) -> None:
        assert (await driver.reconcile(action())).fate == fate

    await heard_by(look, {"id": 1, "ok": HELLO}, {"id": 2, "ok": states})


# A real server -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Served(port)
    yield server
    server.stop()


@pytest.fixture
def device(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("PLATECTL_SILA", str(tmp_path))
    monkeypatch.setattr("platectl.transport.sila.LOOK_S", 0.02)
    served.shaker.fault = ""
    served.shaker.begun.clear()
    served.shaker.may_end.set()
    return served


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in another thread."""
    while not holds():  # noqa: ASYNC110  # there is no event that crosses
        await asyncio.sleep(0.02)


def driver_of(device: Served, person: Person | None = None, **changes: Any) -> SilaShaker:
    settings = SilaShaker.Settings.model_validate({**SETTINGS, **changes})
    extras = {} if person is None else {"operator": person}
    connect = open_connector(device.address)
    return SilaShaker(DriverSetup("shaker", WallClock(), connect, settings, extras=extras))


@pytest.mark.wall_time
async def test_a_server_says_who_it_is_and_heats_in_its_units(device: Served) -> None:
    driver = driver_of(device)

    who = await driver.connect()
    await driver.set_temperature(37.0)
    actual_c = await driver.read_temperature_c()
    await driver.aclose()

    assert (who.model, who.serial_number, who.firmware) == (
        "TestShaker Test shaker",
        device.uuid,
        "1.2",
    )
    assert (device.shaker.kelvin, actual_c) == (310.15, 37.0)


@pytest.mark.wall_time
async def test_progress_and_intermediate_states_are_heard(device: Served) -> None:
    driver = driver_of(device)
    await driver.connect()
    device.shaker.may_end.clear()
    with capture_logs() as told:
        doing = asyncio.create_task(driver.shake(speed_rpm=600, duration_s=1.5))
        await until(lambda: any(line.get("intermediate") for line in told))
        device.shaker.may_end.set()
        await doing
    await driver.aclose()

    assert {"state": "running", "progress": 50.0, "intermediate": {"Turned": 7}}.items() <= told[
        -1
    ].items()
    assert device.shaker.begun == [(600, 1.5)]


@pytest.mark.wall_time
async def test_errors_of_a_real_server_are_sorted(device: Served) -> None:
    driver = driver_of(device)
    await driver.connect()

    device.shaker.fault = "ClampOpen"
    with pytest.raises(InstrumentFaultError) as caught:
        await driver.shake(speed_rpm=600, duration_s=1)
    device.shaker.fault = "undefined"
    with pytest.raises(OutcomeUnknownError, match="something smells"):
        await driver.shake(speed_rpm=600, duration_s=1)
    await driver.aclose()

    assert caught.value.code == "ClampOpen"


@pytest.mark.wall_time
@pytest.mark.parametrize("option", ["retry", "give_up"])
async def test_a_real_recovery_service_is_answered(device: Served, option: str) -> None:
    person = Person(option)
    driver = driver_of(device, person)
    await driver.connect()
    device.shaker.fault = "recoverable"

    doing = driver.shake(speed_rpm=600, duration_s=1)
    if option == "retry":
        await doing
    else:
        with pytest.raises(InstrumentFaultError, match="the clamp is open"):
            await doing
    await driver.aclose()

    assert [prompt.options for prompt in person.prompts] == [("retry", "give_up")]


@pytest.mark.wall_time
async def test_an_execution_is_found_again_by_its_uuid(device: Served) -> None:
    first = driver_of(device)
    await first.connect()
    device.shaker.may_end.clear()
    doing = asyncio.create_task(as_action(first.shake(speed_rpm=600, duration_s=1)))
    await until(lambda: bool(device.shaker.begun))
    await asyncio.sleep(0.2)
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    await first.aclose()

    heir = driver_of(device)
    await heir.observe()
    fates = [(await heir.reconcile(action())).fate]
    device.shaker.may_end.set()
    await as_action(heir.shake(speed_rpm=600, duration_s=1))
    fates.append((await heir.reconcile(action())).fate)
    await heir.aclose()

    assert fates == ["running", "done"]
    assert len(device.shaker.begun) == 1


@pytest.mark.wall_time
async def test_an_abort_reaches_a_real_server_while_it_works(device: Served) -> None:
    driver = driver_of(device)
    await driver.connect()
    device.shaker.halted = False
    device.shaker.may_end.clear()
    doing = asyncio.create_task(driver.shake(speed_rpm=600, duration_s=1))
    await until(lambda: bool(device.shaker.begun))
    await driver.abort()
    await doing
    await driver.aclose()

    assert device.shaker.halted


@pytest.mark.wall_time
@pytest.mark.parametrize(
    ("changes", "message"),
    [({"verbs": {"shake": [{"command": "Stirring.Stir"}]}}, "no feature Stirring"),
     ({"verbs": {}}, "maps no shake")],
)  # fmt: skip
async def test_a_server_that_cannot_do_it_is_found_out_when_connecting(
    device: Served, changes: dict[str, Any], message: str
) -> None:
    driver = driver_of(device, **changes)

    with pytest.raises(InstrumentFaultError, match=message):
        await driver.connect()
    await driver.aclose()


@pytest.mark.wall_time
async def test_parameters_that_the_server_does_not_take_are_refused(device: Served) -> None:
    verbs = {"shake": [{"command": "Shaking.Shake", "parameters": {"Speed": {"value": "fast"}}}]}
    driver = driver_of(device, verbs=verbs)
    await driver.connect()

    with pytest.raises(RefusedError):
        await driver.shake(speed_rpm=600, duration_s=1)
    await driver.aclose()

    assert not device.shaker.begun


@pytest.mark.wall_time
async def test_nobody_there_is_a_broken_line() -> None:
    with pytest.raises(DisconnectedError, match=r"127\.0\.0\.1:1"):
        await open_connector("sila:127.0.0.1:1?insecure=1")()


@pytest.mark.wall_time
async def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr("platectl.transport.sila_client.metadata.version", missing)

    with pytest.raises(UserInputError, match=r"pip install 'platectl\[sila2\]'"):
        await open_connector("sila:127.0.0.1:1?insecure=1")()


@pytest.mark.parametrize("address", ["sila:", "sila:host", "sila:host:0", "sila:host:1?secure=1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UserInputError):
        open_connector(address)


# The journal -------------------------------------------------------------------------------------
def test_a_half_line_of_a_death_is_passed_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.add("a1#shake.1", command="F.C")
    journal.add("a1#shake.1", command="F.C", execution="u1")
    journal.add("", command="F.D")
    with (tmp_path / "j.jsonl").open("ab") as file:
        file.write(b'{"key": "a1#sha')

    again = Journal(tmp_path / "j.jsonl")

    assert [(k, e.execution, e.end) for k, e in again.begun("a1").items()] == [
        ("a1#shake.1", "u1", "")
    ]
    assert again.last("a2") is None


def test_a_planner_and_a_sila_client_live_in_one_process() -> None:
    """Both bring protobuf's C++ library; the feature compiler of sila2 is kept apart."""
    pytest.importorskip("sila2")
    from ortools.sat.python import cp_model

    keep_compiler_apart()
    importlib.import_module("sila2.client")
    model = cp_model.CpModel()
    number = model.new_int_var(3, 10, "number")
    model.minimize(number)
    solver = cp_model.CpSolver()

    solver.solve(model)

    assert solver.value(number) == 3
