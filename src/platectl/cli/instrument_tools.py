"""`platectl instruments ping|talk|record|serve|discover`: one instrument, without a run."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml

from platectl.app import instrument_tools as tools
from platectl.app.bench import bench_lab
from platectl.app.proposals import entries, proposals, usable
from platectl.app.wire import NOT_ASKED
from platectl.cli.options import FILE, emit_json, json_option, parse_overrides
from platectl.cli.render import print_table, say
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.domain.transcript import Side, escape, unescape
from platectl.files.lab import load_lab
from platectl.transport.discovery import (
    FoundService,
    network_services,
    serial_ports,
    visa_resources,
)
from platectl.transport.wall_clock import WallClock

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a setting of the driver."
)


def _values(pairs: tuple[str, ...], option: str = "--set") -> dict[str, Any]:
    found = {}
    for name, text in parse_overrides(pairs, option).items():
        try:
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserInputError(f"{name}={text}: not YAML; write it as in a lab file") from error
    return found


@click.command()
@click.argument("driver")
@click.argument("address")
@click.option(
    "--connect", is_flag=True, help="Take it into remote control to ask, and give it back."
)
@click.option("--patience-s", default=tools.PATIENCE_S, show_default=True, type=click.FloatRange(0.1), help="Longest wait.")  # fmt: skip
@settings_option
@json_option
def ping(
    driver: str, address: str, connect: bool, patience_s: float, settings: tuple[str, ...],
    as_json: bool,
) -> int:  # fmt: skip
    """Look at the instrument at ADDRESS with DRIVER; nothing is changed.

    Some instruments cannot be asked who they are without taking control of them. Then the port is opened, and the
    exit code is 6; `--connect` asks.
    """
    pong = asyncio.run(
        tools.ping(
            driver, address, _values(settings), WallClock(), connect=connect, patience_s=patience_s
        )
    )
    who, best_ms = pong.identity, 1e3 * min(pong.looks_s)
    if not pong.asked:
        if as_json:
            emit_json({"asked": False})
        else:
            say(str(NOT_ASKED) + (" (this instrument cannot be asked)" if connect else "; --connect asks"))  # fmt: skip
        return 6
    if as_json:
        emit_json({"asked": True, "model": who.model, "serial_number": who.serial_number,
                   "firmware": who.firmware, "fastest_look_ms": best_ms})  # fmt: skip
    else:
        known = [f"serial number {who.serial_number}"] if who.serial_number else []
        known += [f"firmware {who.firmware}"] if who.firmware else []
        say(", ".join([who.model, *known]) + f"; a look takes {best_ms:.1f} ms")
    return 0


@click.command()
@click.argument("address")
@click.option("--end", default=r"\r", show_default=True, help="What ends a line that is sent.")
@click.option("--quiet-s", default=0.5, show_default=True, help="Silence after which an answer is over.")  # fmt: skip
def talk(address: str, end: str, quiet_s: float) -> int:
    r"""Say lines of standard input to ADDRESS, in its own words; escapes as in transcripts (\x02).

    Everything is sent as it stands: an instrument may move.
    """
    ending = unescape(end)

    def show(side: Side, data: bytes) -> None:
        click.echo(f"{side} {escape(data)}")

    async def converse() -> None:
        async with tools.talking(address, show) as conversation:
            while line := await asyncio.to_thread(sys.stdin.readline):
                try:
                    data = unescape(line.rstrip("\n"))
                except UserInputError as error:
                    click.echo(f"not sent: {error}", err=True)
                    continue
                await conversation.say(data + ending, quiet_s=quiet_s)

    asyncio.run(converse())
    return 0


@click.command()
@click.argument("driver")
@click.argument("address")
@click.argument("verb", default="")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--to", "target", type=FILE, help="File of the transcript (default: standard output).")  # fmt: skip
@settings_option
def record(
    driver: str, address: str, verb: str, arguments: tuple[str, ...], target: Path | None,
    settings: tuple[str, ...],
) -> int:  # fmt: skip
    """Connect DRIVER to ADDRESS, do VERB, and write what went over the line as a transcript.

    VERB is one of the driver's, such as `shake speed_rpm=600 duration_s=5`; the instrument does it. Values are YAML:
    `read_endpoint title=t plate=p wells='[A1, A2]' mode=absorbance excitation_nm=405`. What went over the line is kept
    also when the verb fails.
    """
    from platectl.app.record import record as do  # not needed by the other tools

    doing = partial(
        do, driver, address, verb, _values(arguments, "VERB"), _values(settings), WallClock()
    )
    if target is None:
        asyncio.run(doing(keep=partial(click.echo, nl=False)))
        return 0
    with target.open("a+", encoding="ascii") as file:  # before anything is sent

        def keep(text: str) -> None:
            file.truncate(0)
            file.write(text)
            file.flush()
            say(f"wrote {target}")

        asyncio.run(doing(keep=keep))
    return 0


@click.command()
@click.argument("wire")
@click.option("--lab", type=FILE, help="Lab file (default: the bundled simulated lab).")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 chooses one (default: a pseudo terminal).")  # fmt: skip
def serve(wire: str, lab: Path | None, port: int | None) -> int:
    """Play the simulator of instrument WIRE of a lab in real time, until interrupted.

    Without --lab WIRE may be the name of a driver too. Prints the address for a lab file: that of a port, or the folder
    into which files are dropped.
    """
    loaded, _ = load_lab(lab)
    if lab is None and wire.partition(".")[0] not in loaded.instruments:
        loaded = bench_lab(wire)

    async def play() -> None:
        with tempfile.TemporaryDirectory(prefix="platectl-") as folder:
            async with tools.served(
                loaded, wire, WallClock(), folder=Path(folder), port=port
            ) as address:
                click.echo(address)
                sys.stdout.flush()
                await asyncio.Event().wait()

    asyncio.run(play())
    return 0


@click.command()
@click.option("--backend", default="@py", show_default=True, help="VISA library.")
@click.option("--wait-s", default=2.0, show_default=True, type=click.FloatRange(0, 60),
              help="How long to listen for SiLA servers and robots; 0 does not listen.")  # fmt: skip
@json_option
def discover(backend: str, wait_s: float, as_json: bool) -> int:
    """List serial ports, VISA resources, SiLA 2 servers and Opentrons robots for a lab file.

    No port is opened; the network is asked who is there (multicast DNS, and the VISA library).
    """
    try:
        resources, trouble = visa_resources(backend), ""
    except DisconnectedError as error:
        resources, trouble = [], str(error)
    services: list[FoundService] = []
    network_trouble = ""
    try:
        services = network_services(wait_s) if wait_s else []
    except (UserInputError, DisconnectedError) as error:
        network_trouble = str(error)
    found = proposals(serial_ports(), resources, services)
    unusable = [resource for resource in resources if not usable(resource)]
    if as_json:
        emit_json({"found": found, "unusable": unusable, "visa_error": trouble,
                   "network_error": network_trouble})  # fmt: skip
        return 0
    if found:
        print_table(
            ("device", "usb", "description", "driver", "address"),
            [(f["device"], f.get("usb", ""), f.get("description", ""),
              ", ".join(f["drivers"]) or "?", f["address"]) for f in found],
        )  # fmt: skip
        if known := entries(found):
            say(f"in a lab file:\n{known}")
        if any(len(one["drivers"]) != 1 for one in found):
            say("what answers at the other addresses is for you to say: `platectl instruments` lists the drivers and "
                "their lines; write its line behind the address (?baud=9600&xonxoff=1)")  # fmt: skip
    else:
        say("no serial port, no VISA resource, no SiLA server and no robot was found")
    if unusable:
        say(f"platectl cannot use these VISA resources: {', '.join(unusable)}")
    for text in filter(None, (trouble, network_trouble)):
        say(text)
    return 0
