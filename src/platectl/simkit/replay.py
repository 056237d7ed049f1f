"""Feeds the recorded questions of a transcript to a simulator and returns its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from platectl.domain.errors import ReplyTimeoutError
from platectl.domain.transcript import Turn
from platectl.simkit.pipe import pipe
from platectl.simkit.simulator import Simulator


async def answers(
    simulator: Simulator, turns: Sequence[Turn], *, timeout_s: float = 3600.0
) -> list[Turn]:
    """Say every `>` turn and collect, for every `<` turn, as many bytes as were recorded.

    Returns the turns as this simulator would have them; equal to `turns` when it agrees with
    the recording. An answer that stays short after `timeout_s` (virtual) is returned short.
    """
    ours, theirs = pipe()
    serving = asyncio.create_task(simulator.serve(theirs))
    heard: list[Turn] = []
    buffer = b""
    try:
        for turn in turns:
            if turn.side == ">":
                await ours.send(turn.data)
                heard.append(turn)
                continue
            try:
                while len(buffer) < len(turn.data):
                    buffer += await ours.receive(timeout_s=timeout_s)
            except ReplyTimeoutError:
                pass
            heard.append(Turn("<", buffer[: len(turn.data)], turn.at_s))
            buffer = buffer[len(turn.data) :]
        if buffer:
            heard.append(Turn("<", buffer))
    finally:
        await ours.aclose()
        await serving
    return heard
