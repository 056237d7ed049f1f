"""What platectl adds to an exchange with an instrument: a driver against the bare library.

python -m benchmarks.wire --exchanges 3000 --json

A BioShake driver asks for the temperature over a pseudo terminal, through pyserial and through
pyvisa (`@py`); the bare call writes the same bytes to the same terminal with the library itself, and
reads as many as the answer has, which is the least that the library can do. The process behind the
terminal answers at once. Both take turns in one run, the first of each pair by turns; the overhead
is the difference of the medians, and includes driver, lines, event loop and the thread of the port.

The last figures are of a line that takes the time of 9600 baud for each byte, both ways: the exchange
should take what the line takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import pty
import statistics
import subprocess
import sys
import time
import tty
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyvisa
import serial

from platectl.hal.instrument import DriverSetup
from platectl.transport.address import open_connector
from platectl.transport.wall_clock import WallClock
from platectl_drivers.bioshake import BioShake, Settings

QUESTION: Final = b"getTempActual\r"
REPLY: Final = b"22.0\r\n"
PEER: Final = Path(__file__).with_name("wire_peer.py")
BAUD: Final = 9600
LIMIT_US: Final = 100.0
WARM_UP: Final = 50

Bare = Callable[[], bytes]


@contextlib.contextmanager
def terminal(baud: int) -> Iterator[str]:
    """A pseudo terminal with an instrument in another process behind it."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    peer = subprocess.Popen([sys.executable, str(PEER), str(baud), str(ours)], pass_fds=[ours])
    try:
        yield os.ttyname(theirs)
    finally:
        peer.kill()
        peer.wait()
        os.close(ours)
        os.close(theirs)


@contextlib.contextmanager
def bare_serial(path: str) -> Iterator[Bare]:
    """The exchange with pyserial."""
    with serial.Serial(path, BAUD, timeout=5) as port:

        def exchange() -> bytes:
            port.write(QUESTION)
            return port.read(len(REPLY))

        yield exchange


@contextlib.contextmanager
def bare_visa(path: str) -> Iterator[Bare]:
    """The exchange with pyvisa, without its decoding and searching for terminators."""
    resource: Any = pyvisa.ResourceManager("@py").open_resource(f"ASRL{path}::INSTR")
    resource.timeout = 5000
    resource.end_input = resource.end_output = pyvisa.constants.SerialTermination.none
    library, session = resource.visalib, resource.session

    def exchange() -> bytes:
        library.write(session, QUESTION)
        return bytes(library.read(session, len(REPLY))[0])

    try:
        yield exchange
    finally:
        resource.close()


async def took_s(work: Callable[[], Awaitable[object]]) -> float:
    """How long one exchange of the driver takes."""
    begun_s = time.perf_counter()
    await work()
    return time.perf_counter() - begun_s


def bare_took_s(work: Bare) -> float:
    """How long one bare exchange takes."""
    begun_s = time.perf_counter()
    reply = work()
    ended_s = time.perf_counter()
    assert reply == REPLY
    return ended_s - begun_s


async def against(
    address: str, bare: Callable[[str], contextlib.AbstractContextManager[Bare]], exchanges: int
) -> tuple[list[float], list[float]]:
    """Times of the driver and of the bare library on the same terminal, taking turns."""
    with terminal(0) as path:
        driver = BioShake(
            DriverSetup("s", WallClock(), open_connector(address.format(path)), Settings())
        )
        await driver.connect()
        ours, theirs = [], []
        with bare(path) as exchange:
            for number in range(exchanges + WARM_UP):
                if number % 2:
                    ours.append(await took_s(driver.read_temperature_c))
                    theirs.append(bare_took_s(exchange))
                else:
                    theirs.append(bare_took_s(exchange))
                    ours.append(await took_s(driver.read_temperature_c))
        await driver.aclose()
    return ours[WARM_UP:], theirs[WARM_UP:]


async def on_the_line(exchanges: int) -> list[float]:
    """Times of the driver on a line at 9600 baud."""
    with terminal(BAUD) as path:
        connect = open_connector(f"serial:{path}?baud={BAUD}")
        driver = BioShake(DriverSetup("s", WallClock(), connect, Settings()))
        await driver.connect()
        times = [await took_s(driver.read_temperature_c) for _ in range(exchanges)]
        await driver.aclose()
    return times


WIRES: Final[dict[str, tuple[str, Callable[[str], contextlib.AbstractContextManager[Bare]]]]] = {
    "pyserial": ("serial:{}?baud=9600", bare_serial),
    "pyvisa": ("visa:ASRL{}::INSTR?baud=9600", bare_visa),
}


def microseconds(seconds: float) -> float:
    return round(1e6 * seconds, 1)


def measure(exchanges: int, paced: int) -> dict[str, Any]:
    """All figures."""
    report: dict[str, Any] = {"exchanges": exchanges, "limit_us": LIMIT_US}
    gc.disable()
    for name, (address, bare) in WIRES.items():
        ours, theirs = asyncio.run(against(address, bare, exchanges))
        overhead_s = statistics.median(ours) - statistics.median(theirs)
        report |= {
            f"{name}_overhead_us": microseconds(overhead_s),
            f"{name}_driver_median_us": microseconds(statistics.median(ours)),
            f"{name}_bare_median_us": microseconds(statistics.median(theirs)),
            f"{name}_driver_p99_us": microseconds(statistics.quantiles(ours, n=100)[-1]),
            f"{name}_bare_p99_us": microseconds(statistics.quantiles(theirs, n=100)[-1]),
        }
    gc.enable()
    line_s = 10 * len(QUESTION + REPLY) / BAUD
    took = statistics.median(asyncio.run(on_the_line(paced)))
    return report | {
        f"line_{BAUD}_computed_ms": round(1e3 * line_s, 3),
        f"line_{BAUD}_measured_ms": round(1e3 * took, 3),
        f"line_{BAUD}_ratio": round(took / line_s, 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--exchanges", type=int, default=3000)
    parser.add_argument("--paced", type=int, default=100, help="exchanges at 9600 baud")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=pyvisa.VisaIOWarning)
    report = measure(options.exchanges, options.paced)
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for key, value in report.items():
        print(f"{key:26} {value}")


if __name__ == "__main__":
    main()
