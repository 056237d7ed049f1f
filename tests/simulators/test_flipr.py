"""The simulated FLIPR Tetra, asked without the driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fura_bench import PLATE, FuraBench
from tests.line_bench import paced

from platectl.domain.transcript import parse_transcript
from platectl.simkit.faults import Fault, FaultPlan
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import SimulatorSetup
from platectl.simkit.virtual_time import VirtualClock
from platectl_simulators.flipr import FliprSimulator

FURA = {
    "path": "C:\\protocols\\fura2.fmp", "channels": [[340, 510], [380, 510]], "interval_s": 1.5,
    "baseline_s": 3.0, "record_s": 6.0, "volume_ul": 25.0, "speed_ul_per_s": 20.0,
    "height_mm": 3.0,
}  # fmt: skip
BLANK = {
    "path": "C:\\protocols\\blank.fmp", "channels": [[380, 510], [340, 510]], "interval_s": 2.0,
    "baseline_s": 0.0, "record_s": 20.0,
}  # fmt: skip
FILE = "C:\\d\\P1.fmd"


@asynccontextmanager
async def running(
    folder: Path, *faults: Fault, bench: FuraBench | None = None, **settings: Any
) -> AsyncIterator[FliprSimulator]:
    subject = FliprSimulator(
        SimulatorSetup(
            "reader", bench or FuraBench(), VirtualClock(), "read",
            {"protocols": {"fura2": FURA, "blank": BLANK}, "source": "source", "tips": "tips",
             **settings},
            FaultPlan(faults), folder,
        )
    )  # fmt: skip
    task = asyncio.create_task(subject.run())
    try:
        yield subject
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(subject: FliprSimulator, *commands: str, pause_s: float = 0.0) -> list[str]:
    ours, theirs = pipe()
    serving = asyncio.create_task(subject.serve(theirs))
    heard = []
    for command in commands:
        await ours.send(f"{command}\r".encode())
        answer = (await ours.receive(timeout_s=10)).decode()
        assert answer.endswith("\r")
        heard.append(answer.removesuffix("\r"))
        await asyncio.sleep(pause_s)
    await ours.aclose()
    await serving
    return heard


LOADED = (
    "loadplate\tre, no, P1", "loadplate\ts1, no, C1", "loadplate\tti, no, tips",
    "openprotocol\tC:\\protocols\\fura2.fmp",
)  # fmt: skip


@pytest.mark.parametrize("name", ["flipr_read", "flipr_refusals"])
async def test_the_simulator_answers_what_was_recorded(
    transcripts: Path, tmp_path: Path, name: str
) -> None:
    turns = parse_transcript((transcripts / f"{name}.txt").read_text("ascii"))
    refusal = Fault("runexperiment_refused", data={"code": 25, "text": "experiment is running"})
    async with running(tmp_path, *([refusal] if name == "flipr_refusals" else [])) as subject:
        assert await paced(subject, turns) == turns


async def test_the_documented_example_is_answered_as_documented(tmp_path: Path) -> None:
    async with running(tmp_path) as subject:
        heard = await ask(
            subject, "loadplate\tre, no, PLATE0001", "openprotocol\tC:\\protocols\\blank.fmp",
            "runexperiment", "runexperiment", pause_s=6.0,
        )  # fmt: skip

    assert heard == ["ok", "ok", "ok", "c25, experiment is running"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("nonsense", "c69"), ("VERSION", "c69"), ("version\tx", "c78"), ("", "c69"),
        ("loadplate\tre", "c78"), ("loadplate\txx, no, P1", "c05"),
        ("loadplate\tre, maybe, P1", "c77"), ("loadplate\tre, no, " + "P" * 21, "c77"),
        ("loadplate\ts2, no, P1", "c20"), ("removeplate\tre", "c16"), ("removeplate\txx", "c05"),
        ("openprotocol\tfura2", "c36"), ("openprotocol\tC:\\x.fmp", "c30"),
        ("runexperiment", "c50"), ("runexperiment\tC:\\x.txt", "c47"),
        ("runexperiment\ta, b", "c78"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_answers_its_condition(
    tmp_path: Path, command: str, code: str
) -> None:
    async with running(tmp_path) as subject:
        (heard,) = await ask(subject, command)

    assert heard.startswith(f"{code}, ")


async def test_conditions_that_depend_on_what_is_inside(tmp_path: Path) -> None:
    async with running(tmp_path) as subject:
        first, busy = await ask(subject, LOADED[0], LOADED[1])
        assert (first, busy) == ("ok", "c10, plate handler is busy")
        await asyncio.sleep(6)
        again, opened, start = await ask(
            subject, LOADED[0], LOADED[3], f"runexperiment\t{FILE}", pause_s=6
        )
        assert (again[:3], opened, start[:3]) == ("c15", "ok", "c16")
        await ask(subject, LOADED[1], pause_s=6)
        (start,) = await ask(subject, f"runexperiment\t{FILE}")
        assert start == "c68, tips are not loaded"


async def test_a_run_happens_in_the_world_and_is_exported(tmp_path: Path) -> None:
    bench = FuraBench()
    before = bench.volumes_ul("C1").sum()
    async with running(tmp_path, bench=bench) as subject:
        await ask(subject, *LOADED, pause_s=6)
        begun_s = VirtualClock().monotonic_s()
        assert await ask(subject, f"runexperiment\t{FILE}") == ["ok"]
        await asyncio.sleep(30)

    lines = [line.split("\t") for line in (tmp_path / "P1.txt").read_text("ascii").splitlines()]
    assert lines[:3] == [
        ["FLIPR time sequence", "1"], ["Data file", FILE], ["Protocol", FURA["path"]],
    ]  # fmt: skip
    assert lines[3] == ["Wells", *PLATE.by_row()]
    assert lines[4] == ["Addition (s)", *["3.900"] * 96]
    assert lines[5] == ["Excitation (nm)", "340", "Emission (nm)", "510"]
    assert [line[0] for line in lines[6:13]] == [f"{1.5 * n:.3f}" for n in range(7)]
    assert [line[0] for line in lines[14:21]] == [f"{1.5 * n + 0.4:.3f}" for n in range(7)]
    assert lines[21:] == [["End"]]
    assert float(lines[9][1]) > 1.8 * float(lines[8][1])
    assert set(bench.added_s) == set(PLATE.by_row())
    assert [at for times in bench.added_s.values() for at in times] == pytest.approx(
        [begun_s + 3.9] * 96
    )
    assert before - bench.volumes_ul("C1").sum() == pytest.approx(96 * 25, rel=0.05)


async def test_a_stop_leads_to_a_fault_until_somebody_resets(tmp_path: Path) -> None:
    async with running(tmp_path) as subject:
        await ask(subject, *LOADED, pause_s=6)
        heard = await ask(
            subject, f"runexperiment\t{FILE}", "stopexperiment", "statusex", pause_s=2
        )
        assert heard[:2] == ["ok", "ok"]
        assert "inst_status fault" in heard[2]
        assert "exp_running no" in heard[2]
        (refused,) = await ask(subject, "removeplate\tre")
        assert refused.startswith("c00")
        await asyncio.sleep(10)
        subject.reset()
        assert await ask(subject, "removeplate\tre") == ["ok"]

    assert (tmp_path / "P1.txt").read_text("ascii").endswith("\nStopped\n")


async def test_queries_that_the_driver_does_not_use_are_answered_too(tmp_path: Path) -> None:
    async with running(tmp_path) as subject:
        status, protocols, wash = await ask(
            subject,
            "status",
            "findprotocols\tC:\\protocols",
            "washtips\ta,2,28.0,20.00,fast,5,0.0,20.0",
        )

    assert status.startswith("instrument FLIPR Tetra\t")
    assert "exp_running" not in status
    assert protocols == "C:\\protocols\\fura2.fmp\tC:\\protocols\\blank.fmp"
    assert wash == "ok"


async def test_one_byte_at_a_time_is_understood(tmp_path: Path) -> None:
    async with running(tmp_path) as subject:
        ours, theirs = pipe()
        serving = asyncio.create_task(subject.serve(theirs))
        for byte in b"version\r":
            await ours.send(bytes([byte]))
            await asyncio.sleep(0.01)
        assert await ours.receive(timeout_s=1) == b"1.1\r"
        await ours.aclose()
        await serving


async def test_one_seed_gives_one_export(tmp_path: Path) -> None:
    data = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        async with running(tmp_path / name) as subject:
            await ask(subject, *LOADED, f"runexperiment\t{FILE}", pause_s=6)
            await asyncio.sleep(30)
        data.append((tmp_path / name / "P1.txt").read_bytes())

    assert data[0] == data[1]
