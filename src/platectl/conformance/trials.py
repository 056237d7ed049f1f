"""What a driver is put to besides faults: pieces, strangers, aborts, repetitions, odd numbers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from platectl.conformance.journal import READS, Act
from platectl.conformance.replay import TimedReplay, answered
from platectl.conformance.stage import Scene
from platectl.conformance.strikes import HANG_S, ID, SETTLE_S, Found, alike, done, flat
from platectl.domain.errors import InstrumentFaultError, LinkError, PlatectlError, RefusedError
from platectl.domain.transcript import Turn
from platectl.hal.recovery import ACTION_ID, Action, Verdict

#: within which an abort returns, on a line that is dead too
ABORT_S: Final = 60.0
#: verbs of the interfaces that set a state
STATES: Final[dict[str, Mapping[str, Any]]] = {
    "open_drawer": {},
    "close_drawer": {},
    "set_temperature": {"temperature_c": 37.0},
    "stop_heating": {},
    "stop_vacuum": {},
}
Alter = Callable[[int, bytes], bytes]
Ask = Callable[[Any], Awaitable[None]]
NUMBER: Final = re.compile(rb"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
#: answers that are tried with odd numbers
TRIED: Final = 12


@dataclass
class Played:
    """An undisturbed verb: what it gave, what was done, what was said, how long it took."""

    result: list[Any]
    acts: list[Act]
    turns: list[Turn]
    took_s: float
    #: what files were read, by a driver that waits for files
    dropped: list[bytes]

    @property
    def answers(self) -> list[bytes]:
        """What came, over the wire or by files."""
        return [turn.data for turn in self.turns if turn.side == "<"] or self.dropped

    def said(self) -> bytes:
        """All that the driver said."""
        return b"".join(turn.data for turn in self.turns if turn.side == ">")


def action_of(scene: Scene, name: str = ID) -> Action:
    """The verb of the scene as the ledger has it, sent now."""
    sent_at = scene.stage.clock.now().astimezone(UTC)
    return Action(name, "it", scene.verb, scene.as_json(), sent_at)


@contextlib.contextmanager
def identified(name: str = ID) -> Iterator[None]:
    """Verbs belong to this action."""
    token = ACTION_ID.set(name)
    try:
        yield
    finally:
        ACTION_ID.reset(token)


async def undisturbed(scene: Scene) -> Played:
    """Connect, prepare, do the verb and close."""
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    start, begun_s = len(scene.stage.world.acts), scene.stage.clock.monotonic_s()
    async with asyncio.timeout(6 * HANG_S):
        result = flat(await scene.act())
    took_s = scene.stage.clock.monotonic_s() - begun_s
    acts = list(scene.stage.world.acts[start:])
    await scene.aclose()
    dropped = list(scene.stage.dropped.values())
    return Played(result, acts, list(scene.stage.turns), took_s, dropped)


def died(at: float, clean: Played, *, looked: bool) -> Callable[[Scene], Any]:
    """Let the process die at a share of the verb's time; what has been done in the end.

    With `looked`, a new process looks at once and asks what became of it, which changes nothing.
    """

    async def play(scene: Scene) -> Counter[Act]:
        await scene.driver.connect()
        await scene.prepare(scene.driver)
        with identified():
            doing = asyncio.create_task(scene.act())
        await asyncio.sleep(at * clean.took_s)
        action = action_of(scene)
        await scene.stage.cut()
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        if looked:
            heir = await scene.observer()
            await heir.observe()
            await heir.reconcile(action)
        await asyncio.sleep(clean.took_s + SETTLE_S)
        await scene.observer()
        acts = done(scene.stage.world.acts)
        await scene.aclose()
        return acts

    return play


async def looked_at(scene: Scene) -> list[str]:
    """Look twice without ever connecting; what is asked the second time is asked of a friend.

    Where a person presses start, nobody knows whether it runs, and `running` is honest.
    """
    for _ in range(2):
        await scene.observer()
    verdict = await scene.built[-scene.at_once].reconcile(action_of(scene))
    found = [f"did {act}" for act in scene.stage.world.acts]
    started_by = getattr(getattr(scene.driver, "features", None), "started_by", "driver")
    if verdict.fate in {"done", "partial"} or (verdict.fate, started_by) == ("running", "driver"):
        found.append(f"says {verdict.fate} of what was never begun")
    await scene.aclose()
    return found


def aborted(at: float, clean: Played, *, heard: bool = True) -> Callable[[Scene], Any]:
    """Abort at a share of the verb's time; if it is `heard`, nothing more is done afterwards."""

    async def play(scene: Scene) -> list[str]:
        found: list[str] = []
        with identified(), contextlib.suppress(LinkError, InstrumentFaultError):
            await scene.driver.connect()
            await scene.prepare(scene.driver)
        doing = asyncio.create_task(_ended(scene, clean.took_s))
        await asyncio.sleep(at * clean.took_s)
        await _abort(scene, found)
        outcome = await doing
        found += outcome.defects
        acts = len(scene.stage.world.acts)
        await asyncio.sleep(SETTLE_S)
        later = [act for act in scene.stage.world.acts[acts:] if act[0] not in READS]
        if heard and (more := done(later)):
            found.append(f"did {list(more)[:3]} after the abort")
        with contextlib.suppress(LinkError):
            async with asyncio.timeout(HANG_S):
                verdict: Verdict = await scene.driver.reconcile(action_of(scene))
                if verdict.fate == "not_done" and not verdict.remembered and acts:
                    found += [f"says not_done, and did {scene.stage.world.acts[:3]}"]
        await scene.aclose()
        return found

    return play


async def _abort(scene: Scene, found: list[str]) -> None:
    try:
        async with asyncio.timeout(ABORT_S):
            for driver in scene.built:
                await driver.abort()
    except TimeoutError:
        found.append(f"abort does not return within {ABORT_S:g} s")
    except Exception as error:  # noqa: BLE001  # whatever it is
        found.append(f"abort raises {error!r}")


async def _ended(scene: Scene, took_s: float) -> Found:
    """Do the verb to its end, whatever that is."""
    outcome = Found("ok")
    try:
        async with asyncio.timeout(took_s + HANG_S):
            with identified():
                outcome.result = flat(await scene.act())
    except TimeoutError:
        outcome.defects.append("the verb does not end")
    except PlatectlError as error:
        outcome.outcome = type(error).__name__
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        outcome.defects.append(f"not a typed error: {error!r}")
    return outcome


async def unopened(scene: Scene) -> list[str]:
    """Abort and close a driver that was never told to connect; an abort may open a line for itself."""
    found = [f"opened {len(scene.stage.lines)} conversations"] if scene.stage.lines else []
    for _ in range(2):
        await scene.aclose()
        await _abort(scene, found)
    await scene.aclose()
    return found


async def closed_in_any_state(scene: Scene) -> list[str]:
    """Abort and close before, between and after; closing twice is closing once."""
    found: list[str] = []
    for step in (None, "connect", "observe", None):
        if step is not None:
            await getattr(scene.driver, step)()
        for _ in range(2):
            await _abort(scene, found)
            await scene.driver.aclose()
    found += [f"did {act}" for act in done(scene.stage.world.acts)]
    await scene.aclose()
    return found


async def set_twice(scene: Scene) -> list[str]:
    """Say each verb that sets a state twice: it ends in the same way and does nothing more."""
    found: list[str] = []
    await scene.driver.connect()
    states = [(verb, how) for verb, how in STATES.items() if hasattr(scene.driver, verb)]
    for verb, how in [*states, *scene.states]:
        outcomes, before = [], 0
        for _ in range(2):
            before = len(scene.stage.world.acts)
            try:
                await getattr(scene.driver, verb)(**how)
                outcomes.append("ok")
            except (RefusedError, InstrumentFaultError) as error:
                outcomes.append(f"{type(error).__name__} {error}")
        if outcomes[0] != outcomes[1]:
            found.append(f"{verb} ends with {outcomes[0]}, then with {outcomes[1]}")
        if more := done(scene.stage.world.acts[before:]):
            found.append(f"{verb} said again did {list(more)[:3]}")
    await scene.aclose()
    return found


async def asked_afterwards(scene: Scene) -> list[str]:
    """Ask what became of a verb that was done."""
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    action = action_of(scene)
    with identified():
        await scene.act()
    verdict: Verdict = await scene.driver.reconcile(action)
    await scene.aclose()
    honest = verdict.fate in {"done", "unknown"} or verdict.remembered
    return [] if honest else [f"says {verdict.fate} of what was done"]


def odd_numbers(clean: Played) -> Iterator[tuple[str, Alter]]:
    """Answers in which one number is none, or a lenient reader would take it for another."""
    for number, (start, end), was in _places(clean):
        for odd in _odd(was):
            yield f"{was!r} as {odd!r} in answer {number}", _putting(number, start, end, odd)


def lenient_numbers(clean: Played) -> Iterator[tuple[str, Alter, Alter]]:
    """Answers in which one number is no number at all, and written as only a lenient reader takes it."""
    for number, (start, end), was in _places(clean):
        garbage = _putting(number, start, end, b"?" * len(was))
        lenient = _putting(number, start, end, b"0_" + was)
        yield f"{was!r} as {b'0_' + was!r} in answer {number}", garbage, lenient


async def succeeds(scene: Scene) -> bool:
    """Whether the verb can be done."""
    try:
        await scene.driver.connect()
        await scene.prepare(scene.driver)
    except PlatectlError:
        await scene.aclose()
        return False
    outcome = await _ended(scene, 0.0)
    await scene.aclose()
    return outcome.outcome == "ok" and not outcome.defects


def _places(clean: Played) -> list[tuple[int, tuple[int, int], bytes]]:
    found = [
        (n, m.span(), m[0]) for n, data in enumerate(clean.answers) for m in NUMBER.finditer(data)
    ]
    return found[:: max(1, len(found) // TRIED)]


def _odd(was: bytes) -> list[bytes]:
    free = [b"-inf", was[:1] + b"_9" + was[1:], b""]
    if len(was) < len(b"inf"):
        return free
    same_length = [b"inf".rjust(len(was)), was[:1] + b"_" + was[2:]]
    return [*free, *same_length]


def _putting(number: int, start: int, end: int, odd: bytes) -> Alter:
    def alter(n: int, data: bytes) -> bytes:
        return data[:start] + odd + data[end:] if n == number and len(data) >= end else data

    return alter


def read_with_odd_numbers(clean: Played) -> Callable[[Scene], Any]:
    """Do the verb on altered answers: a typed error, or all as if nothing had been altered."""

    async def play(scene: Scene) -> list[str]:
        try:
            await scene.driver.connect()
            await scene.prepare(scene.driver)
        except PlatectlError:
            await scene.aclose()
            return []
        except Exception as error:  # noqa: BLE001  # this is what is looked for
            return [f"not a typed error: {error!r}"]
        start = len(scene.stage.world.acts)
        outcome = await _ended(scene, clean.took_s)
        found = outcome.defects
        if outcome.outcome == "ok" and not found:
            if not alike(outcome.result, clean.result):
                found.append("succeeds with another result")
            if done(scene.stage.world.acts[start:]) != done(clean.acts):
                found.append("succeeds, and did something else")
        await scene.aclose()
        return found

    return play


async def replayed(scene: Scene, turns: Sequence[Turn], ask: Ask | None = None) -> list[str]:
    """Play a recording to the driver; without `ask` it does the verb of the scene."""
    recording = scene.stage.recording = TimedReplay(turns)
    if ask is None:
        await scene.driver.connect()
        await scene.prepare(scene.driver)
        await scene.act()
    else:
        await ask(scene.driver)
    await scene.aclose()
    return recording.wrong + [f"never said {data!r}" for data in recording.left()]


async def simulated(scene: Scene, turns: Sequence[Turn]) -> list[str]:
    """Say a recording to the simulator, which a person starts if that is how it is started."""
    scene.press()
    heard = await answered(scene.stage.simulator.serve, turns)
    await scene.aclose()
    return [
        f"answered {a.data!r}, recorded is {b.data!r}"
        for a, b in zip(heard, turns, strict=True)
        if a.data != b.data
    ]


def odd_arguments(scene: Scene) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Arguments of which one number is what the wire may not be able to say; whether nobody could mean it."""
    for name, value in scene.arguments.items():
        if isinstance(value, float):
            yield f"{name}=nan", {**scene.arguments, name: math.nan}, True
        elif isinstance(value, int) and not isinstance(value, bool):
            odd = (-1, 256) if name.endswith("_s") else (-1, 256, 2**16, 10**9)
            yield from ((f"{name}={n}", {**scene.arguments, name: n}, False) for n in odd)


async def says_odd_arguments(scene: Scene) -> list[str]:
    """Ask for odd numbers: they are said as they are or refused in so many words; what is no number is refused."""
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    found = []
    for what, arguments, never in list(odd_arguments(scene)):
        scene.arguments = arguments
        outcome = await _ended(scene, 0.0)
        found += [f"{what}: {defect}" for defect in outcome.defects]
        if never and outcome.outcome == "ok" and not outcome.defects:
            found.append(f"{what}: is done")
    await scene.aclose()
    return found
