"""A night that waits for its start: nothing is connected yet, and it can be asked or called off."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from platectl.app.channel import MODES, control_path
from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.transport.control_socket import ControlServer

#: words that call a night off
OFF: Final = frozenset({"stop", "abort"})


async def wait_for(starts: datetime, clock: Clock, folder: Path) -> str:
    """Wait for the start of a planned night; instruments are not touched before.

    Returns why it was called off meanwhile; empty when its time has come.
    """
    left_s = (starts - clock.now()).total_seconds()
    if left_s <= 0:
        return ""
    called_off: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with ControlServer(control_path(folder), _Words(starts, called_off).handle):
        try:
            return await asyncio.wait_for(called_off, left_s)
        except TimeoutError:
            return ""


class _Words:
    """Takes requests in the socket's threads."""

    def __init__(self, starts: datetime, called_off: asyncio.Future[str]) -> None:
        self._starts = starts
        self._called_off = called_off

    def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        word, at = str(request.get("say")), self._starts.isoformat(timespec="minutes")
        if word == "halt":
            os._exit(130)  # by definition without any clean-up
        if word in OFF:
            by, reason = request.get("by") or "the operator", str(request.get("reason") or "")
            text = f"called off by {by} before its start{': ' if reason else ''}{reason}"
            self._called_off.get_loop().call_soon_threadsafe(self._end, text)
            return self._status("stopping")
        if word in MODES:
            raise UserInputError(
                f"nothing has begun before {at}; `platectl stop` calls the night off"
            )
        if word in {"outlook", "add"}:
            raise UserInputError(
                f"nothing has begun before {at}; write the plates into the night file and start it "
                "anew (`platectl stop` calls this one off)"
            )
        if word != "status":
            raise UserInputError(f"nothing has begun before {at}; there is nothing to {word}")
        return self._status(f"until {at}")

    def _end(self, text: str) -> None:
        if not self._called_off.done():
            self._called_off.set_result(text)

    @staticmethod
    def _status(mode: str) -> dict[str, Any]:
        nothing: dict[str, Any] = {
            "running": [], "questions": [], "prompts": [], "dropped": {}, "waiting": [],
        }  # fmt: skip
        return {"status": "waiting", "mode": mode, **nothing}
