"""The desk of a run: prompts of the lab's person lie here until somebody answers them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from platectl.domain.errors import DisconnectedError, RefusedError
from platectl.hal.stream import ByteStream
from platectl.simkit.pipe import PipeEnd, pipe


class Desk:
    """The far end of a `console:` wire; its words are those of the operator's driver.

    Prompts are answered at the terminal of the engine or from another one, by whoever is first.
    """

    def __init__(self) -> None:
        self.prompts: dict[str, Mapping[str, Any]] = {}
        self._ends: dict[str, PipeEnd] = {}
        self._answered: dict[str, Mapping[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> ByteStream:
        """Open a conversation of the driver with the desk."""
        driver, ours = pipe()
        task = asyncio.get_running_loop().create_task(self._listen(ours))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return driver

    async def answer(
        self, prompt: str, *, option: str, person: str, note: str, barcode: str = ""
    ) -> None:
        """Answer a prompt.

        Raises:
            RefusedError: No such prompt lies here, or that is none of its options.
        """
        if prompt not in self.prompts:
            raise RefusedError(f"no prompt {prompt!r} is open")
        options = self.prompts[prompt]["options"]
        if option not in options:
            raise RefusedError(f"{option!r} is no option; choose {', '.join(options)}")
        said = {"answer": prompt, "option": option, "person": person, "note": note}
        if barcode:
            said["barcode"] = barcode
        fields, end = self.prompts.pop(prompt), self._ends[prompt]
        self._answered[prompt] = fields
        await end.send(json.dumps(said).encode() + b"\n")

    async def _listen(self, end: PipeEnd) -> None:
        buffer = b""
        try:
            while True:
                buffer += await end.receive()
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._take(json.loads(line), end)
        except DisconnectedError:
            for prompt in [p for p, e in self._ends.items() if e is end]:
                self._withdraw(prompt)

    def _take(self, fields: Mapping[str, Any], end: PipeEnd) -> None:
        if "prompt" in fields:
            self.prompts[fields["prompt"]], self._ends[fields["prompt"]] = fields, end
        elif "cancel" in fields:
            self._withdraw(fields["cancel"])
        elif "refused" in fields:  # it stays open, and says why
            again = self._answered[fields["refused"]]
            self.prompts[fields["refused"]] = {
                **again, "text": f"{again['text']} ({fields['why']})"
            }  # fmt: skip

    def _withdraw(self, prompt: str) -> None:
        self.prompts.pop(prompt, None)
        self._ends.pop(prompt, None)
