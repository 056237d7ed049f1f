"""The HTTP face of the adapter, with its weaknesses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.hal.stream import ByteStream
from platectl.simkit.http import HangUpError, HttpReply, HttpRequest, serve_http
from platectl.simkit.simulator import SimulatorSetup
from platectl_simulators.hidex_sense.detectors import PLATE, Count, Detectors
from platectl_simulators.hidex_sense.workbook import write_workbook

CARRIER_S: Final = 4.0
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ABOUT: Final = {
    "name": "hidex",
    "model": "Hidex Sense Beta",
    "interface": "wei_rest_node",
    "version": "1.0.0",
    "actions": [
        {"name": "open", "args": []},
        {"name": "close", "args": []},
        {"name": "run_assay", "args": [{"name": "assay_name", "type": "str"}]},
    ],
}


class Options(BaseModel):
    """What the simulator reads from the settings of its instrument."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    assays: dict[str, float] = Field(default_factory=lambda: {"H3 filter": 120.0})
    wells: tuple[str, ...] = PLATE.by_row()
    detectors: Literal[6, 12] = 6
    overhead_s: float = 7.5
    background_cpm: float = 18.0
    utc_offset_h: float = 0.0
    headings: tuple[str, ...] = ("Plate", "Well", "Time", "CPM", "Counts", "EndTime")


class HidexSenseSimulator:
    """Answers the adapter's requests and counts the plate at its position.

    An action that comes while another runs is answered with `Module is Busy` and prolongs the
    activity, as the published adapter does. Faults, one occasion for each posted action:
    `silent`, `garbled_reply` (half an answer body), `reply_lost` (executes, hangs up),
    `late_reply` (`delay_s`); with a suffix (`silent:state`, `late_reply:about`) they strike that
    resource or action only. For assays: `busy_but_executes` (says busy, counts), `stale_file`
    (returns a workbook of the day before), `never_returns` (counts, waits for a file for ever),
    `error_until_next_success` (fails, and `/state` says ERROR until an action succeeds). Standing:
    `dead_detector` (`detector`, from 0; its wells read background).
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._faults = setup.faults
        self._detectors = Detectors(
            setup,
            number=self._options.detectors,
            overhead_s=self._options.overhead_s,
            background_cpm=self._options.background_cpm,
        )
        self._files = 0
        self._running = False
        self._stuck = False
        self._failed = False
        self._busy_until_s = 0.0

    async def serve(self, stream: ByteStream) -> None:
        """Answer one connection until it is closed; several may be open at a time."""
        await serve_http(stream, self._handle)

    async def _handle(self, request: HttpRequest) -> HttpReply | None:
        posted = request.method == "POST" and request.path == "/action"
        label = request.query.get("action_handle", "") if posted else request.path.strip("/")
        if self._strikes("silent", label, posted=posted):
            return None
        answer = await self._act(label, request) if posted else self._tell(request)
        if answer is None:
            return None
        late = self._strikes("late_reply", label, posted=posted)
        if late:
            await asyncio.sleep(float(late.get("delay_s", 60.0)))
        if self._strikes("reply_lost", label, posted=posted):
            raise HangUpError
        if self._strikes("garbled_reply", label, posted=posted):
            return HttpReply(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
        return answer

    def _strikes(self, kind: str, label: str, *, posted: bool) -> dict[str, Any] | None:
        fault = self._faults.strike(kind) if posted else None
        fault = self._faults.strike(f"{kind}:{label}") or fault
        return None if fault is None else {"struck": True, **fault.data}

    def _tell(self, request: HttpRequest) -> HttpReply:
        match request.method, request.path:
            case "GET", "/state":
                return _json({"State": self._state()})
            case "GET", "/about":
                return _json(ABOUT)
            case "GET", "/resources":
                return HttpReply(200, b'"Resources: none"')
        return HttpReply(404, b'{"detail":"Not Found"}')

    def _state(self) -> str:
        if self._busy():
            return "BUSY"
        return "ERROR" if self._failed else "IDLE"

    def _busy(self) -> bool:
        late_s = self._busy_until_s - asyncio.get_running_loop().time()
        return self._running or self._stuck or late_s > 0

    async def _act(self, handle: str, request: HttpRequest) -> HttpReply | None:
        variables = _variables(request.query.get("action_vars", "{}"))
        if self._busy() or (handle == "run_assay" and self._faults.strike("busy_but_executes")):
            self._carry_out_unseen(handle, variables)
            return _failed("Module is Busy")
        self._running = True
        try:
            if handle in {"open", "close"}:
                await asyncio.sleep(CARRIER_S)
                self._failed = False
                return _succeeded("Opened Hidex" if handle == "open" else "Closed Hidex")
            if handle == "run_assay":
                return await self._run_assay(str(variables.get("assay_name", "")))
            return _failed(f"Unknown action: {handle}")
        finally:
            self._running = False

    def _carry_out_unseen(self, handle: str, variables: Mapping[str, Any]) -> None:
        """Go on with an action that was refused; what it yields is never fetched."""
        count_s = self._options.assays.get(str(variables.get("assay_name", "")), 0.0)
        takes_s = CARRIER_S
        if handle == "run_assay":
            takes_s = self._detectors.duration_s(self._options.wells, count_s)
            self._files += 1
        now_s = asyncio.get_running_loop().time()
        self._busy_until_s = max(self._busy_until_s, now_s) + takes_s

    async def _run_assay(self, name: str) -> HttpReply | None:
        count_s = self._options.assays.get(name)
        if count_s is None or self._faults.strike("error_until_next_success"):
            self._failed = True
            reason = "the instrument stopped" if count_s else f"no assay named {name}"
            return _failed(f"Step failed: {reason}")
        counts = await self._detectors.count(self._options.wells, count_s)
        if self._faults.strike("never_returns"):
            self._stuck = True
            return None
        self._failed = False
        self._files += 1
        if self._faults.strike("stale_file"):
            return self._file(self._files - 1, counts, count_s, before=timedelta(days=1))
        return self._file(self._files, counts, count_s, before=timedelta(0))

    def _file(
        self, number: int, counts: list[Count], count_s: float, *, before: timedelta
    ) -> HttpReply:
        world, position = self._setup.world, self._setup.position or self._setup.name
        labware = world.plate_at(position)
        plate = (world.barcode(labware) or labware) if labware else ""
        rows: list[list[str | float]] = [list(self._options.headings)]
        for count in counts:
            ended = self._local(count.ended - before)
            columns = (plate, count.well, count_s, count.cpm, count.counts, ended)
            rows.append(list(columns[: len(self._options.headings)]))
        headers = {
            "content-type": XLSX,
            "x-wei-action_response": "succeeded",
            "x-wei-action_msg": f"C:\\HidexExport\\result_{number:04d}.xlsx",
            "x-wei-action_log": "",
        }
        return HttpReply(200, write_workbook(rows), headers)

    def _local(self, moment: datetime) -> str:
        local = moment + timedelta(hours=self._options.utc_offset_h)
        return f"{local:%d/%m/%Y %H:%M:%S}"


def _variables(packed: str) -> Mapping[str, Any]:
    try:
        found = json.loads(packed)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(body: Mapping[str, Any]) -> HttpReply:
    return HttpReply(200, json.dumps(body, separators=(",", ":")).encode())


def _succeeded(message: str) -> HttpReply:
    return _json({"action_response": "succeeded", "action_msg": message, "action_log": ""})


def _failed(log: str) -> HttpReply:
    return _json({"action_response": "failed", "action_msg": "", "action_log": log})
