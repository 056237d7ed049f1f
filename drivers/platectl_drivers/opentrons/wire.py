"""Pure functions between verbs and JSON: commands, answers, faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError
from platectl.hal.liquids import Channels
from platectl.transport.http import HttpAnswer

HEADERS: Final = {"Opentrons-Version": "4"}
DONE: Final = ("succeeded", "failed")
OVER: Final = ("stopped", "failed", "succeeded")
#: states of a run that takes no commands until it is told to go on
RECOVERING: Final = "awaiting-recovery"
STATUSES: Final = ("queued", "running", *DONE)
_SLOT: Final = re.compile(r"[A-D][1-3]|[1-9]|1[01]")
_STAGING: Final = re.compile(r"[A-D]4")
_STYLES: Final[dict[Channels, str]] = {
    "full": "ALL",
    "column": "COLUMN",
    "row": "ROW",
    "single": "SINGLE",
}
_HINTS: Final = {
    "blocked-by-open-door": "close the door of the robot",
    RECOVERING: "look at the robot; the run is told to go on",
    "stopped": "connect again to start a new run",
    "failed": "home the robot and connect again to start a new run",
}


@dataclass(frozen=True, slots=True)
class Command:
    """What the robot says about one command."""

    id: str
    key: str
    status: str
    result: Mapping[str, Any]
    error: Mapping[str, Any]

    @property
    def done(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in DONE


def location(slot: str | None) -> Any:
    """Encode where a labware stands; None is off the deck."""
    if slot is None or slot == "offDeck":
        return "offDeck"
    if _STAGING.fullmatch(slot):
        return {"addressableAreaName": slot}
    return {"slotName": slot}


def is_slot(slot: str) -> bool:
    """Whether a robot may have such a slot."""
    return slot == "offDeck" or bool(_SLOT.fullmatch(slot) or _STAGING.fullmatch(slot))


def above_bottom(height_mm: float) -> dict[str, Any]:
    """Encode a height above the bottom of a well."""
    return {"origin": "bottom", "offset": {"z": height_mm}}


def nozzle_layout(channels: Channels, primary: Mapping[Channels, str]) -> dict[str, str]:
    """Encode a set of channels."""
    layout = {"style": _STYLES[channels]}
    if channels in primary and channels != "full":
        layout["primaryNozzle"] = primary[channels]
    return layout


def channels_of(style: str) -> Channels:
    """Decode the style of a nozzle layout.

    Raises:
        MalformedReplyError: Not a style.
    """
    for channels, known in _STYLES.items():
        if known == style:
            return channels
    raise MalformedReplyError(f"{style!r} is no nozzle layout")


def posting(command_type: str, params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Encode a command to be executed at once."""
    return {"data": {"commandType": command_type, "params": params, "intent": "setup", "key": key}}


def decode_data(answer: HttpAnswer) -> Any:
    """Return `data` of a successful answer.

    Raises:
        InstrumentFaultError: The robot refused; `code` is the id of its first error.
        MalformedReplyError: Not the documented envelope.
    """
    body = answer.json()
    if not isinstance(body, dict):
        raise MalformedReplyError(f"HTTP {answer.status} without an object: {answer.body[:80]!r}")
    if answer.status not in (200, 201):
        raise decode_refusal(answer.status, body)
    if "data" not in body:
        raise MalformedReplyError(f"HTTP {answer.status} without data: {answer.body[:80]!r}")
    return body["data"]


def decode_refusal(status: int, body: Mapping[str, Any]) -> InstrumentFaultError:
    """Turn an error answer, of either of the two shapes, into a fault."""
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        first = errors[0]
        source = first.get("source")
        pointer = source.get("pointer", "") if isinstance(source, dict) else ""
        code = str(first.get("id", status))
        detail = f"{first.get('detail', '')}{f' (at {pointer})' if pointer else ''}"
        number = first.get("errorCode", "")
        where = f"HTTP {status}, {number}" if number else f"HTTP {status}"
        return InstrumentFaultError(f"the robot refused with {code} ({where}): {detail}", code=code)
    message = str(body.get("message", "no reason given"))
    code = str(body.get("errorCode", status))
    return InstrumentFaultError(f"the robot refused with HTTP {status}: {message}", code=code)


def decode_list(data: Any) -> list[dict[str, Any]]:
    """Check that a resource is a list of objects.

    Raises:
        MalformedReplyError: It is not.
    """
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise MalformedReplyError(f"no list of objects: {str(data)[:80]}")
    return data


def decode_id(data: Any) -> str:
    """Return the identity of a resource.

    Raises:
        MalformedReplyError: It has none.
    """
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise MalformedReplyError(f"no resource with an id: {str(data)[:80]}")
    return str(data["id"])


def decode_total(body: Mapping[str, Any], default: int) -> int:
    """Return how many items a paged list has in all."""
    meta = body.get("meta")
    total = meta.get("totalLength") if isinstance(meta, dict) else None
    return total if isinstance(total, int) else default


def decode_command(data: Any) -> Command:
    """Read one command, from a posting or a listing.

    Raises:
        MalformedReplyError: Not a command, or a status that the published format does not have.
    """
    if not isinstance(data, dict):
        raise MalformedReplyError(f"not a command: {str(data)[:80]!r}")
    id_, status, key = data.get("id"), data.get("status"), data.get("key", "")
    if not isinstance(id_, str) or not isinstance(key, str) or status not in STATUSES:
        raise MalformedReplyError(f"not a command: id {id_!r}, key {key!r}, status {status!r}")
    result, error = data.get("result") or {}, data.get("error") or {}
    if not isinstance(result, dict) or not isinstance(error, dict):
        raise MalformedReplyError(f"command {id_}: result or error is no object")
    return Command(id_, key, status, result, error)


def command_fault(
    command_type: str, command: Command, run_status: str = ""
) -> InstrumentFaultError:
    """Turn a failed command into a fault that names type, detail and the state of the run."""
    kind = str(command.error.get("errorType", "unknown error"))
    code = str(command.error.get("errorCode", ""))
    detail = last_line(str(command.error.get("detail", "")))
    tail = run_hint(run_status)
    return InstrumentFaultError(f"{command_type} failed: {kind}: {detail}{tail}", code=code)


def run_hint(status: str) -> str:
    """Say what a run state means for the operator; nothing for a healthy one."""
    if status in ("", "idle", "running", "succeeded", "finishing"):
        return ""
    hint = next((text for state, text in _HINTS.items() if status.startswith(state)), "")
    door = "; close the door of the robot" if "open-door" in status and "door" not in hint else ""
    return f" (the run is {status}{f': {hint}' if hint else ''}{door})"


def last_line(text: str) -> str:
    """Strip a traceback down to what it ends in."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
