r"""The remote port of a simulated FLIPR Tetra.

Source: shared/instruments-readers.md 4.1. Commands end with `\r`, so do answers. Assumed where no
source speaks: `loadplate` answers at once and the handler is busy for a while afterwards; lone
words for `remote` and `online` in the status; a plate that is inside answers c15, tips that are
missing at the start c68, a start without a protocol c50, a command in Manual mode or after a fault
c00; `reset` is done by a person in ScreenWorks (the method `reset`). Washing is answered `ok`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from platectl.domain.errors import DisconnectedError
from platectl.hal.stream import ByteStream
from platectl.simkit.simulator import SimulatorSetup, serve_lines
from platectl.simkit.wire_faults import is_silent, send_reply
from platectl_simulators.flipr.options import FmpFile, Options
from platectl_simulators.flipr.run import Experiment

KEYS: Final = {
    "re": "readplate", "s1": "sourceplate1", "s2": "sourceplate2", "s3": "sourceplate3", "ti": "tips",
}  # fmt: skip
QUERIES: Final = frozenset({"version", "status", "statusex", "configuration"})
LONGEST: Final = 20


class _RefusedError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"c{code:02d}, {text}")


class FliprSimulator:
    """Answers the remote protocol; experiments run in the world while nobody listens, too.

    Faults: `<command>_refused` (that command answers a condition and does nothing: `code`, 0
    unless told, and `text`), `handler_busy` (counted at loadplate and removeplate: c10), `manual_mode` and
    `offline` (standing), `late_running` (standing: the status knows of a run only `delay_s` after
    its start), `hangs_up` (counted by command: does it, and closes the connection in
    place of an answer; data `command` restricts it), `run_fault` (counted by run: at `at_s` it
    breaks down, with `code`), `no_export`, `growing_export` (stops in the middle),
    `garbled_export`, `export_without_addition`, and `silent`, `reply_lost`, `late_reply`
    (`delay_s`), `garbled_reply`; those with data `command` strike at that command only.
    """

    def __init__(self, setup: SimulatorSetup) -> None:
        self._setup = setup
        self._options = Options.model_validate(dict(setup.settings))
        self._inside: dict[str, str | None] = dict.fromkeys(KEYS)
        self._protocol: FmpFile | None = None
        self._experiment: Experiment | None = None
        self._starts: asyncio.Queue[Experiment] = asyncio.Queue()
        self._handler_free_s = 0.0
        self._started_s = 0.0
        self._trouble = ""
        self._fault = False
        self._commands: dict[str, Callable[[list[str]], str | None]] = {
            "version": self._version,
            "status": self._short_status,
            "statusex": self._status,
            "configuration": self._configuration,
            "findprotocols": self._protocols,
            "loadplate": self._load,
            "removeplate": self._remove,
            "openprotocol": self._open,
            "runexperiment": self._start,
            "stopexperiment": self._stop,
            "washtips": self._wash,
            "washcellreservoir": self._wash,
        }

    async def run(self) -> None:
        """Run what is started, until cancelled."""
        while True:
            experiment = await self._starts.get()
            trouble = await experiment.run()
            self._experiment = None
            if trouble:
                self._fault = True
                self._trouble = "" if trouble == "stopped" else trouble
            await experiment.export()

    def reset(self) -> None:
        """What a person does in ScreenWorks after a fault."""
        self._fault, self._trouble = False, ""

    async def serve(self, stream: ByteStream) -> None:
        """Answer one conversation."""

        async def handle(line: bytes) -> None:
            name, _, rest = line.decode("ascii", "replace").strip("\n").partition("\t")
            quiet = self._aimed(name, "silent", "reply_lost", "late_reply", "garbled_reply")
            if not quiet and await is_silent(self._setup.faults):
                return
            answer = self._answer(name, [p.strip() for p in rest.split(",")] if rest else [])
            if not self._aimed(name, "hangs_up") and self._setup.faults.strike("hangs_up"):
                await stream.aclose()
                raise DisconnectedError("hung up")
            if quiet:
                await stream.send(answer.encode("ascii") + b"\r")
            else:
                await send_reply(stream, answer.encode("ascii") + b"\r", self._setup.faults)

        try:
            await serve_lines(stream, handle, end=b"\r")
        except DisconnectedError:
            return

    def _aimed(self, name: str, *kinds: str) -> bool:
        """Whether a fault of these kinds is meant for another command than this."""
        faults = (self._setup.faults.standing(kind) for kind in kinds)
        return any(f is not None and f.data.get("command", name) != name for f in faults)

    def _answer(self, name: str, parameters: list[str]) -> str:
        try:
            self._check_allowed(name)
            return self._commands[name](parameters) or "ok"
        except _RefusedError as refused:
            return str(refused)

    def _check_allowed(self, name: str) -> None:
        fault = self._setup.faults.strike(f"{name}_refused")
        if fault is not None:
            text = str(fault.data.get("text", "not possible"))
            raise _RefusedError(int(fault.data.get("code", 0)), text)
        if name in QUERIES:
            return
        if self._fault or self._setup.faults.standing("manual_mode"):
            raise _RefusedError(0, "instrument not functional")
        if name not in self._commands:
            raise _RefusedError(69, "unrecognised or badly formed command")
        if self._experiment is not None and name != "stopexperiment":
            raise _RefusedError(25, "experiment is running")

    # Queries --------------------------------------------------------------------------------
    def _version(self, parameters: list[str]) -> str:
        _exactly(0, parameters)
        return "1.1"

    def _short_status(self, parameters: list[str]) -> str:
        _exactly(0, parameters)
        state = "fault" if self._fault else "busy" if self._busy() else "idle"
        standing = self._setup.faults.standing
        return "\t".join([
            "instrument FLIPR Tetra", "version 01/15/2009", f"function {self._trouble or 'ok'}",
            f"inst_status {state}", "manual" if standing("manual_mode") else "remote",
            "offline" if standing("offline") else "online",
        ])  # fmt: skip

    def _status(self, parameters: list[str]) -> str:
        fields = [self._short_status(parameters)]
        fields.append(f"exp_running {'yes' if self._shows_running() else 'no'}")
        for place, key in KEYS.items():
            barcode = self._inside[place]
            fields.append(f"{key} {barcode or 'none'} {'empty' if barcode is None else 'have'}")
        return "\t".join(fields)

    def _shows_running(self) -> bool:
        if self._experiment is None:
            return False
        late = self._setup.faults.standing("late_running")
        delay_s = 0.0 if late is None else float(late.data.get("delay_s", 5.0))
        return self._setup.clock.monotonic_s() >= self._started_s + delay_s

    def _configuration(self, parameters: list[str]) -> str:
        _exactly(0, parameters)
        waves = [f"wave{n} {band} nm" for n, band in enumerate(self._options.waves, start=1)]
        filters = [f"emfilt{n} {band} nm" for n, band in enumerate(self._options.filters, start=1)]
        return "\t".join([*waves, *filters])

    def _protocols(self, parameters: list[str]) -> str:
        (folder,) = _exactly(1, parameters)
        found = [p.path for p in self._by_path().values() if p.path.startswith(folder)]
        return "\t".join(found) or "none"

    def _by_path(self) -> Mapping[str, FmpFile]:
        return {protocol.path: protocol for protocol in self._options.protocols.values()}

    # Plates ---------------------------------------------------------------------------------
    def _busy(self) -> bool:
        return self._experiment is not None or (
            self._setup.clock.monotonic_s() < self._handler_free_s
        )

    def _move(self) -> None:
        if self._busy() or self._setup.faults.strike("handler_busy"):
            raise _RefusedError(10, "plate handler is busy")
        self._handler_free_s = self._setup.clock.monotonic_s() + self._options.handler_s

    def _pad(self, place: str) -> str | None:
        """Position of the world that stands for a place."""
        positions = {
            "re": self._setup.position or self._setup.name,
            "s1": self._options.source,
            "ti": self._options.tips,
        }
        return positions.get(place)

    def _load(self, parameters: list[str]) -> None:
        place, flag, barcode = _exactly(3, parameters)
        if place not in KEYS:
            raise _RefusedError(5, "invalid location")
        if flag not in {"yes", "no"} or len(barcode) > LONGEST:
            raise _RefusedError(77, "parameter out of range")
        if self._inside[place] is not None:
            raise _RefusedError(15, "location already has a plate")
        pad = self._pad(place)
        if not pad or self._setup.world.plate_at(pad) is None:
            raise _RefusedError(20, "landing pad is empty")
        self._move()
        self._inside[place] = barcode

    def _remove(self, parameters: list[str]) -> None:
        (place,) = _exactly(1, parameters)
        if place not in KEYS:
            raise _RefusedError(5, "invalid location")
        if self._inside[place] is None:
            raise _RefusedError(16, "no plate at location")
        self._move()
        self._inside[place] = None

    # Experiments ----------------------------------------------------------------------------
    def _open(self, parameters: list[str]) -> None:
        (path,) = _exactly(1, parameters)
        if not path.lower().endswith(".fmp"):
            raise _RefusedError(36, "invalid protocol name")
        if path not in self._by_path():
            raise _RefusedError(30, "protocol not found")
        self._protocol = self._by_path()[path]

    def _start(self, parameters: list[str]) -> None:
        if len(parameters) > 1:
            raise _RefusedError(78, "wrong number of parameters")
        data_file = parameters[0] if parameters else "experiment.fmd"
        if not data_file.lower().endswith(".fmd"):
            raise _RefusedError(47, "invalid data file name")
        if self._protocol is None:
            raise _RefusedError(50, "not a valid protocol")
        needed = ("re", "s1") if self._protocol.volume_ul is not None else ("re",)
        if any(self._inside[place] is None for place in needed):
            raise _RefusedError(16, "no plate at location")
        if self._protocol.volume_ul is not None and self._inside["ti"] is None:
            raise _RefusedError(68, "tips are not loaded")
        if self._busy():
            raise _RefusedError(10, "plate handler is busy")
        self._experiment = Experiment(self._setup, self._options, self._protocol, data_file)
        self._started_s = self._setup.clock.monotonic_s()
        self._starts.put_nowait(self._experiment)

    def _stop(self, parameters: list[str]) -> None:
        _exactly(0, parameters)
        if self._experiment is not None:
            self._experiment.stop.set()
        self._fault = True

    def _wash(self, parameters: list[str]) -> None:
        """Take any parameters: their meaning is not public."""


def _exactly(count: int, parameters: list[str]) -> list[str]:
    if len(parameters) != count:
        raise _RefusedError(78, "wrong number of parameters")
    return parameters
