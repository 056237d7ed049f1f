"""What the driver stack costs is measured, and a slow line is the slowest part of an exchange."""

from __future__ import annotations

import pytest
from benchmarks import wire


@pytest.mark.wall_time
@pytest.mark.filterwarnings("ignore::pyvisa.VisaIOWarning")
def test_the_wire_benchmark_measures_both_libraries_and_the_line() -> None:
    report = wire.measure(300, 5)

    assert report["pyserial_overhead_us"] < 20 * wire.LIMIT_US  # a busy machine is no defect
    assert report["pyvisa_overhead_us"] < 20 * wire.LIMIT_US
    assert report["line_9600_computed_ms"] == pytest.approx(20.833)
    assert 1.0 <= report["line_9600_ratio"] < 1.5
