"""How evenly a host can time reads: an instrument over a pty against the bare deadline loop.

python -m benchmarks.cadence --period-ms 50 --reads 200 --json

Both loops start the n-th read at start + n period; jitter is how much later it really began. The
bare loop asks nothing; the other asks a simulated BioShake for its temperature through pyserial on
a pseudo terminal, in real time. A kinetic read of platectl leaves the cadence to the instrument.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from platectl.domain.labware import LabwareKind
from platectl.hal.instrument import DriverSetup
from platectl.simkit.faults import FaultPlan
from platectl.simkit.serve import serve_pty
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.world import World
from platectl.transport.address import open_connector
from platectl.transport.wall_clock import WallClock
from platectl_drivers.bioshake import BioShake, Settings
from platectl_simulators.bioshake import BioShakeSimulator
from platectl_simulators.truth_file import default_truth


async def lateness_s(
    read: Callable[[], Awaitable[object]], *, period_s: float, reads: int
) -> list[float]:
    """Start `reads` reads on their deadlines; how late each began."""
    begun_s, late = time.perf_counter() + period_s, []
    for number in range(reads):
        due_s = begun_s + number * period_s
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        late.append(time.perf_counter() - due_s)
        await read()
    return late


async def measure(period_s: float, reads: int) -> dict[str, list[float]]:
    """Lateness of the bare loop and of reads over a pty."""

    async def nothing() -> None:
        return None

    bare = await lateness_s(nothing, period_s=period_s, reads=reads)
    clock = WallClock()
    world = World(default_truth(), clock, catalogue={"p": LabwareKind(role="plate")})
    world.add_position("nest")
    simulator = BioShakeSimulator(SimulatorSetup("s", world, clock, "nest", {}, FaultPlan()))
    async with serve_pty(simulator) as path:
        connect = open_connector(f"serial:{path}?baud=9600")
        driver = BioShake(DriverSetup("s", clock, connect, Settings()))
        await driver.connect()
        try:
            read = await lateness_s(driver.read_temperature_c, period_s=period_s, reads=reads)
        finally:
            await driver.aclose()
    return {"bare": bare, "pty": read}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--period-ms", type=float, default=50.0)
    parser.add_argument("--reads", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options.period_ms / 1000.0, options.reads))
    report: dict[str, Any] = {"period_ms": options.period_ms, "reads": options.reads}
    for name, late in found.items():
        report[f"{name}_median_us"] = round(1e6 * float(np.median(late)), 1)
        report[f"{name}_p99_us"] = round(1e6 * float(np.quantile(late, 0.99)), 1)
    if options.json:
        sys.stdout.write(json.dumps(report) + "\n")
        return
    for key, value in report.items():
        print(f"{key:16} {value}")


if __name__ == "__main__":
    main()
