"""Runs one assay at a time through the HTTP adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import ClassVar, Final

from platectl.domain.errors import (
    InstrumentFaultError,
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.checks import check_wells
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.transport.http import HttpAnswer, HttpLink
from platectl_drivers.hidex_sense import results
from platectl_drivers.hidex_sense.settings import Settings as _Settings

PLATE_WELLS: Final = 96
BUSY: Final = "BUSY"
#: the adapter's POSTs carry everything in the target
NO_BODY: Final = {"content-length": "0"}

NOT_PUBLIC: Final = (
    "the layout of the workbook of a Hidex Sense is not public; declare the headings of one that your counter "
    "exported: settings.columns (plate, well, count_s, cpm, counts, ended_at)"
)


class HidexSense:
    """Drives one Hidex Sense; satisfies `platectl.hal.counting.Counter`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="hidex_sense",
        makes="Hidex Sense, Hidex Sense Beta",
        interfaces=("Counter",),
        wire="http",
        source="published adapter AD-SDL/hidex_module with the vendor's interface file",
        unattested=(
            "layout of the exported workbook (settings.columns)",
            "that the Beta model answers to this adapter",
            "number of detectors and overhead",
        ),
        transcripts=("hidex_sense_refusals", "hidex_sense_two_wells"),
    )
    Settings = _Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(_Settings)
        self._clock = setup.clock
        self._link = HttpLink(setup.open_stream, host=self._settings.host)
        self._aborted = False
        self._taken: set[str] = set()
        self._inherits = False

    @property
    def features(self) -> CounterFeatures:
        """Several wells at a time; the driver starts."""
        return CounterFeatures(
            started_by="driver",
            detectors=self._settings.detectors,
            overhead_s=self._settings.overhead_s,
            notes=("the title is not known to the instrument",)
            if not self._settings.plate_is_title
            else (),
        )

    async def connect(self) -> Identity:
        """Ask who is there and wait through start-up; nothing moves.

        A state of ERROR is let pass: it tells of an earlier action and only another one ends it.

        Raises:
            LinkError: No usable answer.
            InstrumentFaultError: It is still starting after the declared time.
        """
        self._aborted = False
        identity = await self._who()
        await self._started()
        return identity

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Run the template with this counting time and return the wells asked for.

        Raises:
            RefusedError: No template counts for that long, wells are doubled, or the columns of the
                workbook are not declared; nothing moved.
            InstrumentFaultError: Busy, failed, or aborted; `code` is the adapter's log line.
                After `Module is Busy` and after an abort it may be counting all the same.
            ReplyTimeoutError: No answer in the expected time plus its margin; it may go on.
            MalformedReplyError: The workbook is not of this assay or not of the declared layout.
        """
        columns = self._settings.columns
        if columns is None:
            raise RefusedError(NOT_PUBLIC)
        assay = self._assay(wells, count_s)
        self._aborted = False
        groups = ceil(PLATE_WELLS / self._settings.detectors)
        timeout_s = groups * (count_s + self._settings.overhead_s) + self._settings.margin_s
        await self._idle(timeout_s)
        started = self._clock.now()
        answer = await self._act("run_assay", {"assay_name": assay}, timeout_s=timeout_s)
        path, data = results.decode_file(answer, f"assay {assay!r}")
        if not path or path in self._taken:
            raise MalformedReplyError(f"the adapter returned {path!r}, which was taken before")
        slack = timedelta(seconds=self._settings.clock_slack_s)
        asked = results.Asked(
            wells=wells,
            count_s=count_s,
            title=title if self._settings.plate_is_title else None,
            not_before=started - slack,
            not_after=self._clock.now() + slack,
            utc_offset_h=self._settings.utc_offset_h,
        )
        readings = results.parse_workbook(data, path, columns, asked)
        self._taken.add(path)
        if self._settings.open_when_done:
            results.decode_action(await self._act("open", {}), "opening the carrier")
        return readings

    async def observe(self) -> Identity:
        """Ask who is there and the state; nothing moves, and a state of ERROR stays."""
        self._aborted = False
        identity = await self._who()
        await self._state()
        return identity

    async def take_over(self) -> Identity:
        """As `observe`; an assay under way goes on, and the next `count` waits for its end."""
        self._aborted = False
        identity = await self._who()
        self._inherits = await self._state() == BUSY
        return identity

    async def reconcile(self, action: Action) -> Verdict:
        """An assay's result comes with its answer or never; counting again is harmless.

        One under way is not in the way of the next `count`, which waits for its end.
        """
        self._aborted = False
        state = await self._state()
        self._inherits = state == BUSY
        if action.verb != "count":
            return Verdict("unknown", {"state": state})
        return Verdict("not_done", {"state": state, "result": "is not kept"}, remembered=True)

    async def abort(self) -> None:
        """Stop waiting; the adapter has no way to stop an assay."""
        self._aborted = True
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()

    def _assay(self, wells: Sequence[str], count_s: float) -> str:
        check_wells(wells)
        for name, seconds in self._settings.assays.items():
            if abs(seconds - count_s) < 0.5:  # noqa: PLR2004  # whole seconds
                return name
        known = ", ".join(f"{name} ({s:g} s)" for name, s in self._settings.assays.items())
        raise RefusedError(f"no assay on the instrument counts for {count_s:g} s; there is {known}")

    async def _who(self) -> Identity:
        about = results.decode_json(await self._get("/about"))
        name = str(about.get("model") or about.get("name") or "Hidex Sense")
        return Identity(name, firmware=str(about.get("version", "")))

    async def _started(self) -> str:
        deadline_s = self._clock.monotonic_s() + self._settings.start_up_s
        while (state := await self._state()) == "INIT":
            if self._clock.monotonic_s() >= deadline_s:
                raise InstrumentFaultError("still starting", code=state)
            await asyncio.sleep(self._settings.poll_s)
        return state

    async def _idle(self, patience_s: float) -> None:
        """Make sure that nothing is under way; closing is harmless, and a success ends ERROR.

        An assay whose end nobody saw is waited for, because nothing stops it.
        """
        state = await self._started()
        deadline_s = self._clock.monotonic_s() + patience_s
        while self._inherits and state == BUSY and self._clock.monotonic_s() < deadline_s:
            await asyncio.sleep(self._settings.poll_s)
            state = await self._state()
        self._inherits = False
        if state == "ERROR":
            results.decode_action(await self._act("close", {}), "closing the carrier")
            state = await self._state()
        if state != "IDLE":
            raise InstrumentFaultError(f"the counter is not idle but {state}", code=state)

    async def _state(self) -> str:
        return results.decode_state(await self._get("/state"))

    async def _get(self, target: str) -> HttpAnswer:
        return await self._request("GET", target, {}, self._settings.reply_s)

    async def _act(
        self, handle: str, variables: dict[str, str], *, timeout_s: float | None = None
    ) -> HttpAnswer:
        target = results.action_target(handle, variables)
        return await self._request("POST", target, NO_BODY, timeout_s or self._settings.reply_s)

    async def _request(
        self, method: str, target: str, headers: Mapping[str, str], timeout_s: float
    ) -> HttpAnswer:
        """Ask once; after `abort`, neither ask nor blame the connection that it closed."""
        try:
            if not self._aborted:
                return await self._link.request(
                    method, target, headers=headers, timeout_s=timeout_s
                )
        except LinkError as error:
            if not self._aborted:
                raise
            raise _given_up() from error
        raise _given_up()


def _given_up() -> InstrumentFaultError:
    return InstrumentFaultError(
        "waiting was given up; an assay under way goes on to its end", code="aborted"
    )
