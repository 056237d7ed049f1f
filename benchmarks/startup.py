"""How long `platectl --help` takes against `python -c pass`.

python -m benchmarks.startup --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time


def median_s(command: list[str], *, repeats: int) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    floor = median_s([sys.executable, "-c", "pass"], repeats=options.repeats)
    own = median_s([sys.executable, "-m", "platectl", "--help"], repeats=options.repeats)
    report = {"python_pass_ms": 1000 * floor, "platectl_help_ms": 1000 * own, "ratio": own / floor}
    print(
        json.dumps(report)
        if options.json
        else f"platectl --help: {own / floor:.1f} times python -c pass"
    )


if __name__ == "__main__":
    main()
