"""One instrument without a run: found, looked at, talked to, recorded, played."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.cli.command import platectl
from zeroconf import ServiceInfo, Zeroconf

from platectl.app import instrument_tools as tools
from platectl.app.bench import bench_lab
from platectl.app.proposals import entries, proposals
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.domain.lab import InstrumentEntry
from platectl.domain.transcript import Side, format_transcript, parse_transcript
from platectl.files.lab import load_lab
from platectl.transport.address import open_connector
from platectl.transport.discovery import HTTP, SILA, FoundPort, network_services, services_of
from platectl.transport.wall_clock import WallClock


@contextmanager
def served(*words: str) -> Iterator[str]:
    """The address of a simulator in another process."""
    command = [sys.executable, "-m", "platectl", "instruments", "serve", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield serving.stdout.readline().strip()
        finally:
            serving.kill()


@pytest.fixture(scope="module")
def shaker() -> Iterator[str]:
    with served("shaker1") as address:
        yield address


def test_a_simulated_instrument_is_looked_at(shaker: str) -> None:
    told = json.loads(platectl("instruments", "ping", "bioshake", shaker, "--json").stdout)

    assert (told["model"], told["firmware"]) == ("BIOSHAKE 3000-T elm", "1.10.00")
    assert told["fastest_look_ms"] > 0


def test_it_is_talked_to_in_its_own_words(shaker: str) -> None:
    heard = platectl(
        "instruments", "talk", shaker, "--quiet-s", "0.2", said="getVersion\ngetNothing\n"
    ).stdout

    assert heard.splitlines() == [
        r"> getVersion\r", r"< 1.10.00\r\n", r"> getNothing\r", r"< u -> getNothing\r\n",
    ]  # fmt: skip


def test_a_verb_is_recorded_with_its_source(shaker: str, tmp_path: Path) -> None:
    target = tmp_path / "warm.txt"
    ran = platectl("instruments", "record", "bioshake", shaker, "set_temperature", "temperature_c=37.0", "--to", str(target))  # fmt: skip

    text = target.read_text()
    assert ran.returncode == 0, ran.stderr
    assert "source: captured on 20" in text
    assert "firmware 1.10.00" in text
    said = [turn.data for turn in parse_transcript(text) if turn.side == ">"]
    assert said[-2:] == [b"setTempTarget370\r", b"tempOn\r"]


def test_a_mistyped_escape_is_said_and_the_talk_goes_on(shaker: str) -> None:
    ran = platectl(
        "instruments", "talk", shaker, "--quiet-s", "0.2", said="get\\qVersion\ngetVersion\n"
    )

    assert ran.returncode == 0
    assert "not sent: bad escape" in ran.stderr
    assert ran.stdout.splitlines() == [r"> getVersion\r", r"< 1.10.00\r\n"]


READ = ["title=t", "plate=P1", "wells=[A1, A2, A3, B1, B2, B3]"]


def test_a_read_over_time_is_recorded_to_its_last_frame(transcripts: Path, tmp_path: Path) -> None:
    turns = parse_transcript((transcripts / "biotek_fluorescence.txt").read_text("ascii"))
    opened = (
        turns[:4] + turns[16:22] + turns[26:30] + turns[32:]
    )  # neither warmed nor put out first
    path, target = tmp_path / "it.txt", tmp_path / "new.txt"
    path.write_text(format_transcript(opened, header="source: biotek_fluorescence"))

    ran = platectl(
        "instruments", "record", "biotek", f"replay:{path}", "read_kinetic", *READ,
        "channels=[{excitation_nm: 340, emission_nm: 510}, {excitation_nm: 380, emission_nm: 510}]",
        "interval_s=20", "baseline_s=0", "record_s=0", "bottom=false", "--to", str(target),
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert [t.data for t in parse_transcript(target.read_text())] == [t.data for t in opened]


def test_what_was_said_before_a_verb_failed_is_kept(transcripts: Path, tmp_path: Path) -> None:
    path, target = transcripts / "biotek_refused.txt", tmp_path / "new.txt"

    ran = platectl(
        "instruments", "record", "biotek", f"replay:{path}", "read_endpoint", *READ[:2],
        "wells=[A1, A2, A3, B1, B2, B3]", "mode=absorbance", "excitation_nm=427", "--to", str(target),
    )  # fmt: skip

    assert ran.returncode == 3
    assert "2D06" in ran.stderr
    assert "# ended with: InstrumentFaultError" in target.read_text()
    assert [t.data for t in parse_transcript(target.read_text())] == [
        t.data for t in parse_transcript(path.read_text())
    ]


def test_a_target_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "never.txt"
    path.write_text("# source: invented\n> never said\\r\n")

    ran = platectl("instruments", "record", "bioshake", f"replay:{path}", "--to", str(tmp_path / "no" / "x"))  # fmt: skip

    assert ran.returncode in {2, 3}
    assert "no/x" in ran.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [(("record", "bioshake", "{}", "info"), "no verb 'info'; there is"),
     (("record", "bioshake", "{}", "speed_range_rpm"), "no verb 'speed_range_rpm'"),
     (("record", "bioshake", "{}", "shake", "speed_rpm=fast", "duration_s=1"), "shake: speed_rpm: 'fast'"),
     (("record", "bioshake", "{}", "shake", "speed_rpm=600"), "shake: duration_s: is missing"),
     (("record", "bioshake", "{}", "shake", "speed_rpm=[600"), "not YAML"),
     (("record", "biotek", "{}", "read_endpoint", "title=t", "plate=P", "wells=[A1]", "mode=light"), "read.mode: 'light' is not allowed"),
     (("record", "biotek", "{}", "read_endpoint", "title=t", "colour=red"), "read.colour: is not a known field"),
     (("record", "bioshake", "{}", "dance"), "no verb 'dance'"),
     (("record", "bioshake", "{}", "_ask"), "no verb '_ask'"),
     (("record", "bioshake", "{}", "set_temperature", "warm=1"), "set_temperature:"),
     (("ping", "bioshake", "{}", "--set", "colour=red"), "bioshake: colour: is not a known field; remove it"),
     (("ping", "nobody", "{}"), "no driver named 'nobody'"),
     (("ping", "bioshake", "usb:1"), "is no address"),
     (("serve", "teapot"), "no instrument 'teapot'"),
     (("serve", "pylabrobot_shaker"), "pylabrobot_shaker needs settings; write a lab file"),
     (("talk", "{}", "--end", "\\q"), "bad escape")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(shaker: str, words: tuple[str, ...], message: str) -> None:
    ran = platectl("instruments", *(word.format(shaker) for word in words))

    assert ran.returncode == 2, ran.stderr
    assert message in ran.stderr
    assert "https://" not in ran.stderr


def test_nobody_there_is_said_plainly() -> None:
    ran = platectl("instruments", "ping", "bioshake", "serial:/dev/no-such-port?baud=9600")

    assert ran.returncode == 3
    assert "no-such-port" in ran.stderr


@pytest.fixture
def silent_port() -> Iterator[str]:
    """A serial port on which nobody answers."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield f"serial:{os.ttyname(theirs)}?baud=9600"
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("driver", ["multidrop_combi", "beckman_ls"])
def test_a_port_on_which_nothing_is_asked_is_no_instrument_that_answered(
    silent_port: str, driver: str
) -> None:
    ran = platectl("instruments", "ping", driver, silent_port)

    assert ran.returncode == 6
    assert "nothing was asked, so who is there is unknown" in ran.stdout
    assert json.loads(platectl("instruments", "ping", driver, silent_port, "--json").stdout) == {
        "asked": False
    }


@pytest.mark.wall_time
async def test_connecting_asks_an_instrument_that_cannot_be_looked_at(tmp_path: Path) -> None:
    lab, _ = load_lab(None)

    async with tools.served(lab, "combi_hot", WallClock(), folder=tmp_path, port=0) as address:
        pong = await tools.ping("multidrop_combi", address, {}, WallClock(), connect=True)

    assert pong.asked
    assert pong.identity.serial_number


def test_a_dead_instrument_is_named_soon_with_what_to_look_at(silent_port: str) -> None:
    ran = platectl("instruments", "ping", "el406", silent_port, "--patience-s", "0.3")

    assert ran.returncode == 3
    assert f"el406 at {silent_port}: no answer within 0.3 s" in ran.stderr
    assert "switched on" in ran.stderr
    assert "38400 8N2: ?baud=38400&stopbits=2" in ran.stderr


def test_a_simulator_is_served_on_a_tcp_port() -> None:
    with served("shaker1", "--port", "0") as address:
        assert address.startswith("tcp:127.0.0.1:")
        told = json.loads(platectl("instruments", "ping", "bioshake", address, "--json").stdout)
        assert told["model"].startswith("BIOSHAKE")


def test_discovery_ends_with_one_json_line() -> None:
    told = json.loads(platectl("instruments", "discover", "--wait-s", "0.2", "--json").stdout)

    assert isinstance(told["found"], list)


def test_a_port_is_proposed_with_the_driver_whose_usb_identity_is_attested() -> None:
    ports = [FoundPort("/dev/ttyUSB0", "0403:BB68", "430"), FoundPort("/dev/ttyS0")]

    reader, plain, instrument = proposals(
        ports,
        [
            "ASRL/dev/ttyUSB0::INSTR",
            "TCPIP::10.0.0.7::5000::SOCKET",
            "GPIB0::5::INSTR",
            "USB0::1::2::3::INSTR",
        ],
    )

    assert reader["drivers"] == ["clariostar"]
    assert reader["address"] == "serial:/dev/ttyUSB0?baud=125000"
    assert (plain["drivers"], plain["address"]) == ([], "serial:/dev/ttyS0")
    assert instrument["address"] == "visa:TCPIP::10.0.0.7::5000::SOCKET"


def test_the_proposed_entries_are_instruments_of_a_lab_file() -> None:
    ports = [
        FoundPort(f"/dev/ttyUSB{n}", usb)
        for n, usb in enumerate(("0403:BB68", "0AB6:0344", "0403:BB68", ""))
    ]

    text = entries(proposals(ports, []))

    made = {
        name: InstrumentEntry.model_validate(e)
        for name, e in yaml.safe_load(text)["instruments"].items()
    }
    assert {name: entry.address for name, entry in made.items()} == {
        "clariostar": "serial:/dev/ttyUSB0?baud=125000",
        "multidrop_combi": "serial:/dev/ttyUSB1?baud=9600&xonxoff=1",
        "clariostar2": "serial:/dev/ttyUSB2?baud=125000",
    }
    for entry in made.values():
        open_connector(entry.address)


def test_servers_and_robots_are_proposed_with_their_addresses() -> None:
    announced = [
        ServiceInfo(SILA, f"0000.{SILA}", port=50052, parsed_addresses=["10.0.0.9"],
                    properties={"server_name": "shaker", "version": "1.2", "ca0": "-----BEGIN"}),
        ServiceInfo(SILA, f"0001.{SILA}", port=50053, parsed_addresses=["fe80::1"]),
        ServiceInfo(HTTP, f"flexo.{HTTP}", port=31950, parsed_addresses=["10.0.0.5"],
                    properties={"robotModel": "OT-3 Standard"}),
        ServiceInfo(HTTP, f"printer.{HTTP}", port=631, parsed_addresses=["10.0.0.2"]),
    ]  # fmt: skip

    robot, plain, shaker = proposals([], [], services_of(announced))

    assert (robot["drivers"], robot["address"]) == (["opentrons"], "tcp:10.0.0.5:31950")
    assert (plain["device"], plain["address"]) == ("0001", "sila:[fe80::1]:50053")
    assert (shaker["device"], shaker["address"]) == ("shaker", "sila:10.0.0.9:50052?ca=FILE")
    assert "sila2_shaker" in shaker["drivers"]


@pytest.mark.wall_time
def test_a_server_that_announces_itself_is_found() -> None:
    info = ServiceInfo(SILA, f"0002.{SILA}", port=50054, parsed_addresses=["127.0.0.1"],
                       properties={"server_name": "sealer"})  # fmt: skip
    with Zeroconf(interfaces=["127.0.0.1"]) as network:
        network.register_service(info)

        found = network_services(1.5, interfaces=["127.0.0.1"])

    assert [(service.kind, service.name, service.port) for service in found] == [
        ("sila2", "sealer", 50054)
    ]


def test_without_the_extra_discovery_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)

    with pytest.raises(UserInputError, match=r"pip install 'platectl\[sila2\]'"):
        network_services(0.1)


@pytest.mark.wall_time
async def test_a_talk_ends_when_the_other_side_hangs_up(tmp_path: Path) -> None:
    lab, _ = load_lab(None)
    heard: list[tuple[Side, bytes]] = []
    serving = tools.served(lab, "shaker1", WallClock(), folder=tmp_path, port=0)
    address = await serving.__aenter__()
    async with tools.talking(address, lambda side, data: heard.append((side, data))) as talk:
        await talk.say(b"getVersion\r", quiet_s=0.2)
        await serving.__aexit__(None, None, None)
        await asyncio.sleep(0.1)
        with pytest.raises(DisconnectedError):
            await talk.say(b"getVersion\r", quiet_s=0.2)

    assert heard[:2] == [(">", b"getVersion\r"), ("<", b"1.10.00\r\n")]


@pytest.mark.wall_time
async def test_only_instruments_of_the_lab_are_served(tmp_path: Path) -> None:
    lab, _ = load_lab(None)

    with pytest.raises(UserInputError, match="there are"):
        async with tools.served(lab, "x", WallClock(), folder=tmp_path, port=0):
            pass


@pytest.mark.wall_time
async def test_a_driver_is_served_by_its_name_without_a_lab_file(tmp_path: Path) -> None:
    lab = bench_lab("xpeel")

    async with tools.served(lab, "xpeel", WallClock(), folder=tmp_path, port=0) as address:
        pong = await tools.ping("xpeel", address, {}, WallClock())

    assert pong.asked


@pytest.mark.wall_time
async def test_what_answers_by_files_is_served_as_the_folder_it_drops_them_into(
    tmp_path: Path,
) -> None:
    lab = bench_lab("softmax_file")

    async with tools.served(
        lab, "softmax_file", WallClock(), folder=tmp_path, port=None
    ) as address:
        await asyncio.sleep(0)
        assert address == f"drop:{tmp_path / 'files'}"
        assert (tmp_path / "files").is_dir()


@pytest.mark.wall_time
async def test_what_has_no_line_is_not_served(tmp_path: Path) -> None:
    entry = InstrumentEntry(driver="opentrons_gripper", address="none:")
    lab = bench_lab("xpeel").model_copy(update={"instruments": {"gripper": entry}})

    with pytest.raises(UserInputError, match="gripper has no line of its own"):
        async with tools.served(lab, "gripper", WallClock(), folder=tmp_path, port=None):
            pass
