"""From the answer of the adapter to readings, and everything that speaks against taking them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.hal.counting import CountReading
from platectl.transport.codec import integer, number
from platectl.transport.http import HttpAnswer
from platectl_drivers.hidex_sense.settings import Columns
from platectl_drivers.hidex_sense.xlsx import first_sheet

BUSY: Final = "Module is Busy"
STATES: Final = ("INIT", "IDLE", "BUSY", "ERROR", "UNKNOWN")
#: normalisation of a detector stays within this factor of one; beyond it a column was mistaken
WIDEST_FACTOR: Final = 2.0
_END_TIME: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)")
_WELL: Final = re.compile(r"([A-H])0?([1-9]|1[0-2])")


def action_target(handle: str, variables: Mapping[str, Any]) -> str:
    """Write an action as the target of its POST."""
    packed = json.dumps(dict(variables), separators=(",", ":"))
    return f"/action?action_handle={handle}&action_vars={quote(packed, safe='')}"


def decode_json(answer: HttpAnswer) -> Mapping[str, Any]:
    """Return the object in an answer.

    Raises:
        MalformedReplyError: Another status than 200, or no JSON object.
    """
    if answer.status != 200:  # noqa: PLR2004  # the adapter answers everything with OK
        raise MalformedReplyError(f"HTTP status {answer.status}: {answer.body[:80]!r}")
    body = answer.json()
    if not isinstance(body, dict):
        raise MalformedReplyError(f"no JSON object: {answer.body[:80]!r}")
    return body


def decode_state(answer: HttpAnswer) -> str:
    """Return what `/state` says.

    Raises:
        MalformedReplyError: None of the published states.
    """
    state = decode_json(answer).get("State")
    if state not in STATES:
        raise MalformedReplyError(f"state {state!r}; the published ones are {', '.join(STATES)}")
    return str(state)


def check_action(response: str, log: str, what: str) -> None:
    """Accept `succeeded`.

    Raises:
        InstrumentFaultError: `failed`; `code` is the adapter's log line.
        MalformedReplyError: Anything else.
    """
    if response == "succeeded":
        return
    if response != "failed":
        raise MalformedReplyError(f"{what}: action_response {response!r}")
    warning = "; it may carry the action out all the same" if BUSY in log else ""
    raise InstrumentFaultError(f"{what} failed: {log or 'no reason given'}{warning}", code=log)


def decode_action(answer: HttpAnswer, what: str) -> None:
    """Accept the JSON answer to an action."""
    body = decode_json(answer)
    check_action(str(body.get("action_response")), str(body.get("action_log", "")), what)


def decode_file(answer: HttpAnswer, what: str) -> tuple[str, bytes]:
    """Return path and content of the file in the answer to `run_assay`.

    Raises:
        InstrumentFaultError: The adapter reports a failure, in headers or as JSON.
        MalformedReplyError: Success without a file.
    """
    response = answer.headers.get("x-wei-action_response")
    if response is None:
        decode_action(answer, what)
        raise MalformedReplyError(f"{what} succeeded, but the answer holds no file")
    check_action(response, answer.headers.get("x-wei-action_log", ""), what)
    return answer.headers.get("x-wei-action_msg", "").strip(), answer.body


@dataclass(frozen=True, slots=True)
class Asked:
    """What the workbook must answer; `title` is None where the instrument cannot know it."""

    wells: Sequence[str]
    count_s: float
    title: str | None
    not_before: datetime
    not_after: datetime
    utc_offset_h: float


def parse_workbook(
    data: bytes, path: str, columns: Columns, asked: Asked
) -> tuple[CountReading, ...]:
    """Read the workbook of an assay; readings come in the order of the wells asked for.

    Wells that were not asked for are left out, because a template may count more.

    Raises:
        MalformedReplyError: Another layout than `columns`, a well missing or doubled, numbers
            that contradict each other, or a file that is not of this assay; names file and row.
    """
    rows = first_sheet(data)
    headings = list(columns.headings)
    if not rows or rows[0] != headings:
        found = rows[0] if rows else []
        raise MalformedReplyError(
            f"{path}: the columns are {found}, but the settings say {headings}; "
            "set `columns` to what this instrument exports"
        )
    readings: dict[str, CountReading] = {}
    for index, row in enumerate(rows[1:], start=2):
        try:
            reading = _reading(dict(zip(headings, row, strict=True)), columns, asked)
        except (MalformedReplyError, ValueError) as error:
            raise MalformedReplyError(f"{path}: row {index}: {error}") from error
        if reading.well in readings:
            raise MalformedReplyError(f"{path}: row {index}: well {reading.well} for a second time")
        readings[reading.well] = CountReading(
            reading.well, reading.cpm, reading.counts, reading.live_s, reading.ended_at,
            source=f"{path}:{index}",
        )  # fmt: skip
    missing = [well for well in asked.wells if well not in readings]
    if missing:
        raise MalformedReplyError(f"{path}: wells missing: {', '.join(missing)}")
    return tuple(readings[well] for well in asked.wells)


def _reading(cells: Mapping[str, str], columns: Columns, asked: Asked) -> CountReading:
    match = _WELL.fullmatch(cells[columns.well])
    if not match:
        raise MalformedReplyError(f"{cells[columns.well]!r} is not a well")
    if asked.title is not None and cells[columns.plate] != asked.title:
        raise MalformedReplyError(f"plate {cells[columns.plate]!r}, not {asked.title!r}")
    count_s = number(cells[columns.count_s])
    if abs(count_s - asked.count_s) > 0.5:  # noqa: PLR2004  # whole seconds
        raise MalformedReplyError(f"counted for {count_s:g} s, not {asked.count_s:g} s")
    cpm, counts = number(cells[columns.cpm]), integer(cells[columns.counts])
    _check_factor(cpm, counts, count_s)
    ended_at = ""
    if columns.ended_at is not None:
        ended_at = _end_time(cells[columns.ended_at], asked)
    return CountReading(f"{match[1]}{match[2]}", cpm, counts, count_s, ended_at)


def _check_factor(cpm: float, counts: int, count_s: float) -> None:
    """CPM is counts per minute but for the normalisation of the detector."""
    if not count_s > 0:
        raise MalformedReplyError(f"counted for {count_s:g} s")
    plain_cpm = counts * 60 / count_s
    if min(cpm, counts) < 0 or not plain_cpm / WIDEST_FACTOR <= cpm <= plain_cpm * WIDEST_FACTOR:
        raise MalformedReplyError(
            f"CPM {cpm:g} does not go with {counts} counts in {count_s:g} s; "
            "is a column mistaken for another?"
        )


def _end_time(text: str, asked: Asked) -> str:
    match = _END_TIME.fullmatch(text)
    if not match:
        raise MalformedReplyError(f"{text!r} is not of the form 04/12/2023 12:45:30")
    day, month, year, clock = match.groups()
    local = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}")
    ended = (local - timedelta(hours=asked.utc_offset_h)).replace(tzinfo=UTC)
    if not asked.not_before <= ended <= asked.not_after:
        raise MalformedReplyError(
            f"ended at {text}, outside this assay: a stale or foreign file, or the instrument's "
            "clock is wrong"
        )
    return local.isoformat()
