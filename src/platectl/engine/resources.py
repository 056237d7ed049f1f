"""Hands out instruments and positions in planned order: no double use, no circle."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
        self._needs = {step.id: step.resources for step in steps}
        for step in steps:
            for resource in step.resources:
                self._queues[resource].append(step.id)

    @asynccontextmanager
    async def turn(self, step: Step) -> AsyncIterator[None]:
        """Wait for the turn of a step, keep it for the block, and pass its resources on.

        A block that raises keeps its resources: what it left behind is unknown.
        """
        await self.come(step)
        yield
        async with self._changed:
            self._turns.discard(step.id)
            self._in_use.difference_update(self._needs[step.id])
            for resource in self._needs[step.id]:
                self._queues[resource].popleft()
            self._changed.notify_all()

    async def come(self, step: Step) -> None:
        """Wait for the turn of a step; within a turn only after `let_pass`."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: all(self._queues[r][0] == step.id for r in self._needs[step.id])
            )
            self._turns.add(step.id)

    async def let_pass(self, step: Step, rank: Callable[[str], tuple[float, float]]) -> None:
        """Give up a turn in which nothing was taken; who comes next is sorted by rank."""
        self._turns.discard(step.id)
        await self.reorder(rank)

    def has_turn(self, step: str) -> bool:
        """Whether a step has its turn, so that its resources are its own."""
        return step in self._turns

    async def reseat(
        self, needs: Mapping[str, tuple[str, ...]], rank: Callable[[str], tuple[float, float]]
    ) -> None:
        """Give steps that have not had their turn other resources, in the order of their ranks."""
        async with self._changed:
            for name, resources in needs.items():
                before = self._needs.get(name, ())
                if name in self._turns or all(name not in self._queues[r] for r in before):
                    continue
                for resource in before:
                    self._queues[resource].remove(name)
                for resource in resources:
                    self._queues[resource].append(name)
                self._needs[name] = resources
        await self.reorder(rank)

    async def join(self, steps: Sequence[Step], rank: Callable[[str], tuple[float, float]]) -> None:
        """Take in further steps, and follow the plan that has them; those that are known stay."""
        async with self._changed:
            for step in (step for step in steps if step.id not in self._needs):
                self._needs[step.id] = step.resources
                for resource in step.resources:
                    self._queues[resource].append(step.id)
        await self.reorder(rank)

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
            await self._changed.wait_for(lambda: self._lent.isdisjoint(self._needs[step.id]))
            self._in_use.update(self._needs[step.id])

    def give_back(self, step: Step) -> None:
        """Let the resources of a step be lent again that has its turn and does not begin yet."""
        self._in_use.difference_update(self._needs[step.id])

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
