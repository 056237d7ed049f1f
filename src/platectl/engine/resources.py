"""Hands out instruments and positions in planned order: no double use, no circle."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from platectl.domain.steps import Step


class ResourceQueues:
    """One queue for each resource, in the order of the plan.

    A step has its turn when it is at the head of all its queues. Since all queues follow one
    total order, the earliest unfinished step of the plan can always go on. What a step has its
    turn for but has not taken yet may be lent for a moment, unless `lending` is off.
    """

    def __init__(self, steps: Sequence[Step], *, lending: bool = True) -> None:
        self.lending = lending
        self._queues: dict[str, deque[str]] = defaultdict(deque)
        self._changed = asyncio.Condition()
        self._in_use: set[str] = set()
        self._lent: set[str] = set()
        self._turns: set[str] = set()
        for step in steps:
            for resource in step.resources:
                self._queues[resource].append(step.id)

    @asynccontextmanager
    async def turn(self, step: Step) -> AsyncIterator[None]:
        """Wait for the turn of a step, keep it for the block, and pass its resources on.

        A block that raises keeps its resources: what it left behind is unknown.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(self._queues[r][0] == step.id for r in step.resources)
            )
            self._turns.add(step.id)
        yield
        async with self._changed:
            self._turns.discard(step.id)
            self._in_use.difference_update(step.resources)
            for resource in step.resources:
                self._queues[resource].popleft()
            self._changed.notify_all()

    async def reorder(self, rank: Callable[[str], tuple[float, float]]) -> None:
        """Follow a new plan: those that wait are sorted by rank, those that have their turn keep it."""
        async with self._changed:
            for queue in self._queues.values():
                first = [name for name in queue if name in self._turns]
                rest = sorted((name for name in queue if name not in self._turns), key=rank)
                queue.clear()
                queue.extend([*first, *rest])
            self._changed.notify_all()

    async def take(self, step: Step) -> None:
        """Have the resources of a step whose turn it is; what is lent is waited for."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._lent.isdisjoint(step.resources))
            self._in_use.update(step.resources)

    def give_back(self, step: Step) -> None:
        """Let the resources of a step be lent again that has its turn and does not begin yet."""
        self._in_use.difference_update(step.resources)

    @asynccontextmanager
    async def borrow(self, resource: str) -> AsyncIterator[bool]:
        """Have a resource for a moment if no step uses it; False when one does."""
        if not self.lending or resource in self._in_use or resource in self._lent:
            yield False
            return
        self._lent.add(resource)
        try:
            yield True
        finally:
            async with self._changed:
                self._lent.discard(resource)
                self._changed.notify_all()
