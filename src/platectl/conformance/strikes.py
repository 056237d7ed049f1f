"""What does a driver say when its line fails? One verb, struck by every fault at several places."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any, Final

from platectl import registry
from platectl.conformance.folder import folder_places
from platectl.conformance.journal import Act
from platectl.conformance.stage import Scene, Stage
from platectl.domain.errors import LinkError, PlatectlError, RefusedError
from platectl.hal.recovery import ACTION_ID, Action, Verdict
from platectl.simkit.line_faults import DIRECTIONS, KINDS, LineFault, LineFaultKind, LineFaults
from platectl.simkit.virtual_time import run_virtual

HANG_S: Final = 1800.0
SETTLE_S: Final = 900.0
#: conversations that are so short are struck at every piece
FEW_PIECES: Final = 20
LATE_S: Final = 600.0
DELAY_S: Final = 0.5
ALIKE: Final = 0.1
PASSED_OVER: Final = ("_s", "_at", "source", "flags", "temperature_c")
ID: Final = "a-1"
#: by class of an error, its word in the matrix
SHORT: Final = {
    "ok": "ok", "RefusedError": "refused", "InstrumentFaultError": "fault", "LinkError": "link",
    "ReplyTimeoutError": "timeout", "MalformedReplyError": "malformed", "DisconnectedError": "broken",
}  # fmt: skip


@dataclass(frozen=True)
class Clean:
    """An undisturbed verb: bytes before it, its pieces, what it did, its result, its time."""

    sends: int
    out_bytes: int
    in_bytes: int
    said: tuple[tuple[str, int, int], ...]
    acts: tuple[Act, ...]
    result: list[Any]
    took_s: float
    acts_again: tuple[Act, ...] = ()
    result_again: tuple[Any, ...] = ()
    #: which of the sends is the command that does it
    command: int = 0

    @property
    def outs(self) -> list[int]:
        """Bytes of each send."""
        return [size for side, size, _ in self.said if side == ">"]

    @property
    def waits(self) -> int:
        """Which of the sends is the last one before the world changes."""
        acts = [acts for side, _, acts in self.said if side == ">"]
        return max(i for i, number in enumerate(acts) if number == acts[0])


@dataclass
class Found:
    """What became of one verb under one fault."""

    outcome: str
    message: str = ""
    verdicts: list[str] = field(default_factory=list)
    again: str = ""
    result: list[Any] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)


def flat(result: Any) -> list[Any]:
    """The values in a result, in order; not when and where from, and flags stand at a NaN."""
    if is_dataclass(result) and not isinstance(result, type):
        fields = {k: getattr(result, k) for k in result.__dataclass_fields__}
        return flat([v for k, v in fields.items() if not k.endswith(PASSED_OVER)])
    if isinstance(result, Mapping):
        return flat(list(result.items()))
    if isinstance(result, list | tuple):
        return [value for item in result for value in flat(item)]
    return [result]


def alike(found: list[Any], clean: list[Any]) -> bool:
    """Whether two results are the same but for noise; a NaN is a value that is told as missing."""
    return len(found) == len(clean) and all(
        math.isnan(a) or math.isclose(a, b, rel_tol=ALIKE, abs_tol=ALIKE)
        if isinstance(a, int | float) and isinstance(b, int | float)
        else a == b
        for a, b in zip(found, clean, strict=True)
    )


def done(acts: Iterable[Act]) -> Counter[Act]:
    """What counts as done; switching a vacuum off is what a driver does to be safe."""
    return Counter(act for act in acts if act[0] != "vacuum" or act[1].endswith("on=True"))


def places(clean: Clean, kind: LineFaultKind) -> dict[str, LineFault]:
    """Where a fault of this kind strikes, by the name of the place."""
    outs, at = clean.outs, clean.command
    ins = [size for side, size, _ in clean.said if side == "<"]
    first, act, last = clean.sends, clean.sends + at, clean.sends + len(outs) - 1
    wait = clean.sends + clean.waits
    half = clean.out_bytes + sum(outs[:at]) + outs[at] // 2
    tail = clean.in_bytes + sum(ins[:-1])
    middle = tail + ins[-1] // 2
    if kind == "delay":
        return {"all": LineFault(kind, first, None, delay_s=DELAY_S)}
    if kind in {"lose_reply", "answer_late"}:
        sends = {"first": first, "act": act, "wait": wait, "end": last}
        return {name: LineFault(kind, n, delay_s=LATE_S) for name, n in sends.items()}
    if kind in {"duplicate", "garble", "truncate"}:
        end = middle if kind == "truncate" else tail
        return {"first": LineFault(kind, first), "answer": LineFault(kind, act),
                "wait": LineFault(kind, wait), "end": LineFault(kind, end, counts="bytes")}  # fmt: skip
    found = {"first": LineFault(kind, first), "act": LineFault(kind, act),
             "half": LineFault(kind, half, counts="bytes"), "wait": LineFault(kind, wait),
             "last": LineFault(kind, last)}  # fmt: skip
    if kind != "drop":
        found["answer"] = LineFault(kind, act, direction="in")
        found["end"] = LineFault(kind, middle, counts="bytes", direction="in")
    return found


def everywhere(clean: Clean, kind: LineFaultKind) -> dict[str, LineFault]:
    """A fault at every send, and one in every answer, where the kind has them."""
    found: dict[str, LineFault] = {}
    sends, byte = clean.sends, clean.in_bytes
    for side, size, _ in clean.said:
        if side == ">":
            if kind not in {"duplicate", "garble", "truncate"}:
                found[f"send {sends - clean.sends}"] = LineFault(kind, sends, delay_s=LATE_S)
            sends += 1
            continue
        if "in" in DIRECTIONS[kind]:
            where = byte + (0 if kind == "duplicate" else size // 2)
            found[f"byte {where - clean.in_bytes}"] = LineFault(
                kind, where, counts="bytes", direction="in", delay_s=LATE_S
            )
        byte += size
    return found


async def rehearse(scene: Scene) -> Clean:
    """Do both verbs on a line without faults."""
    stage = scene.stage
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    count, said, acts = stage.faults.count, len(stage.said), len(stage.world.acts)
    begun = count.sends, count.out_bytes, count.in_bytes
    begun_s = stage.clock.monotonic_s()
    result = flat(await asyncio.wait_for(scene.act(), 6 * HANG_S))
    took_s = stage.clock.monotonic_s() - begun_s
    pieces, first = tuple(stage.said[said:]), tuple(stage.world.acts[acts:])
    await asyncio.sleep(SETTLE_S)
    again = tuple(flat(await asyncio.wait_for(scene.act_again(), 6 * HANG_S)))
    acts_again = tuple(stage.world.acts[acts + len(first) :])
    await scene.aclose()
    return Clean(*begun, pieces, first, result, took_s, acts_again, again)


async def cut_off(scene: Scene) -> bool:
    """Do the verb on a line that goes dead; whether something is done."""
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    start = len(scene.stage.world.acts)
    await _verb(scene.act(), HANG_S, Found("ok"))
    await asyncio.sleep(SETTLE_S)
    await scene.aclose()
    return bool(done(scene.stage.world.acts[start:]))


async def strike(scene: Scene, clean: Clean) -> Found:
    """Do the verb on a line with a fault, ask what became of it, and do the second verb."""
    world, clock = scene.stage.world, scene.stage.clock
    await scene.driver.connect()
    await scene.prepare(scene.driver)
    start = len(world.acts)
    action = Action(ID, "it", scene.verb, scene.as_json(), clock.now().astimezone(UTC))
    token = ACTION_ID.set(ID)
    found = Found("ok")
    await _verb(scene.act(), clean.took_s, found)
    if found.outcome == "ok":
        _compare(found, "", clean.result, clean.acts, world.acts[start:])
    driver, verdict = await _ask(scene, action, clean, start, found)
    final = done(world.acts[start:])
    if twice := final - done(clean.acts):
        found.defects.append(f"more was done than asked: {list(twice)[:3]}")
    if final and found.outcome == RefusedError.__name__:
        found.defects.append("refused, and did something")
    if verdict is not None:
        await _redo(scene, clean, start, found, driver)
    ACTION_ID.reset(token)
    if found.outcome == "ok" or (scene.repeatable and verdict is None):
        await _again(scene, clean, found)
    await _close(scene, found)
    return found


async def _verb(doing: Any, took_s: float, found: Found) -> None:
    """Await a verb, note how it ends."""
    try:
        async with asyncio.timeout(took_s + HANG_S):
            found.result = flat(await doing)
    except TimeoutError:
        found.outcome = "HANG"
        found.defects.append(f"no end within {took_s + HANG_S:g} s")
    except PlatectlError as error:
        found.outcome, found.message = type(error).__name__, str(error)
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        found.outcome, found.message = type(error).__name__, str(error)
        found.defects.append(f"not a typed error: {error!r}")


def _compare(
    found: Found, when: str, result: Iterable[Any], wanted: Iterable[Act], acts: Iterable[Act]
) -> None:
    """Whether what succeeded was done, and gave what it gives."""
    if missing := done(wanted) - done(acts):
        found.defects.append(f"succeeds{when}, and did not do {list(missing)[:3]}")
    if twice := done(acts) - done(wanted):
        found.defects.append(f"succeeds{when}, and did more: {list(twice)[:3]}")
    if not alike(found.result, list(result)):
        found.defects.append(f"succeeds{when} with another result")


async def _ask(
    scene: Scene, action: Action, clean: Clean, start: int, found: Found
) -> tuple[Any, Verdict | None]:
    """Ask what became of it: at once, when all is over, and in a new process.

    Returns the last driver that lets it be done again, and what it said.
    """
    world, wanted = scene.stage.world, done(clean.acts)
    asked = found.outcome != "ok" and hasattr(scene.driver, "reconcile")
    answered: tuple[Any, Verdict | None] = (scene.driver, None)
    never: list[str] = []
    for when in ("at once", "later", "in a new process"):
        if when != "at once":
            await asyncio.sleep(SETTLE_S)
        if not asked:
            continue
        driver, verdict = await _fate(scene, action, found, fresh=when == "in a new process")
        if verdict is None:
            continue
        if verdict.fate == "done" and wanted - done(world.acts[start:]):
            found.defects.append(f"says done {when}, and it is not")
        if verdict.remembered or verdict.fate == "not_done":
            answered = (driver, verdict)
        if verdict.fate == "not_done":
            never += [] if verdict.remembered else [when]
    if never and (final := done(world.acts[start:])):
        found.defects.append(f"says not_done {never[0]}, and did {list(final)[:3]}")
    return answered


async def _fate(
    scene: Scene, action: Action, found: Found, *, fresh: bool
) -> tuple[Any, Verdict | None]:
    verdict: Verdict | None = None
    driver, shown = scene.driver, "DEFECT"
    try:
        async with asyncio.timeout(HANG_S):
            driver = await scene.observer() if fresh else scene.driver
            verdict = await driver.reconcile(action)
        shown = verdict.fate + ("*" if verdict.remembered else "")
    except LinkError as error:
        shown = SHORT[type(error).__name__]
    except TimeoutError:
        found.defects.append("reconcile does not end")
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        found.defects.append(f"reconcile raises {error!r}")
    found.verdicts.append(shown)
    return driver, verdict


#: verbs that change nothing, so that doing them twice is no defect
HARMLESS: Final = {"count"}


async def _redo(scene: Scene, clean: Clean, start: int, found: Found, driver: Any) -> None:
    """Do what was not done, under its identity; then it has happened once."""
    second = Found("ok")
    try:
        if driver is not scene.driver:
            await scene.take_over()
    except PlatectlError as error:
        found.again = type(error).__name__
        return
    await _verb(scene.act(), clean.took_s, second)
    if second.outcome == "ok":
        harmless = scene.verb in HARMLESS
        acts = clean.acts if harmless else scene.stage.world.acts[start:]
        _compare(second, " when done after not_done", clean.result, clean.acts, acts)
    found.again = second.outcome
    found.defects += [f"{line} ({second.message})" for line in second.defects]


async def _again(scene: Scene, clean: Clean, found: Found) -> None:
    """Do the second verb; it succeeds truly, or says why not."""
    start, second = len(scene.stage.world.acts), Found("ok")
    await _verb(scene.act_again(), clean.took_s, second)
    if second.outcome == "ok":
        acts = scene.stage.world.acts[start:]
        _compare(second, " the second time", clean.result_again, clean.acts_again, acts)
    found.again = second.outcome
    found.defects += [f"{line} ({second.message})" for line in second.defects]


async def _close(scene: Scene, found: Found) -> None:
    try:
        async with asyncio.timeout(HANG_S):
            await scene.aclose()
    except TimeoutError:
        found.defects.append("aclose does not end")
    except Exception as error:  # noqa: BLE001  # as above
        found.defects.append(f"aclose raises {error!r}")


def on_stage(
    scene: str | Callable[[Stage], Scene], work: Any, *faults: LineFault, **how: Any
) -> Any:
    """Play one scene, or the enrolled one of a name, in virtual time; `how` are fields of the stage."""
    play_on = registry.load(registry.SCENES, scene) if isinstance(scene, str) else scene

    async def play() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(LineFaults(faults), Path(folder), **how)
            try:
                return await work(play_on(stage))
            finally:
                await stage.aclose()

    return run_virtual(play())


def command_of(name: str, clean: Clean) -> int:
    """The first send after which the line may go dead and the world changes all the same."""
    low, high = 0, clean.waits
    while low < high:
        middle = (low + high) // 2
        dead = LineFault("drop", clean.sends + middle + 1, None)
        if on_stage(name, cut_off, dead):
            high = middle
        else:
            low = middle + 1
    return low


def row_of(
    name: str, *, all_places: bool = False, kinds: Iterable[LineFaultKind] = KINDS
) -> dict[str, dict[str, Found]]:
    """All faults of one instrument: by kind, then by place."""
    clean: Clean = on_stage(name, rehearse)
    if clean.outs:
        clean = replace(clean, command=command_of(name, clean))
    return {
        kind: {
            place: on_stage(name, lambda scene: strike(scene, clean), fault)
            for place, fault in _where(clean, kind, all_places=all_places).items()
        }
        for kind in kinds
    }


def _where(clean: Clean, kind: LineFaultKind, *, all_places: bool) -> dict[str, LineFault]:
    if not clean.outs:
        return folder_places(kind, DELAY_S if kind == "delay" else LATE_S)
    if all_places:
        return everywhere(clean, kind)
    few = len(clean.said) <= FEW_PIECES
    return {**places(clean, kind), **(everywhere(clean, kind) if few else {})}


def defects_of(name: str, row: Mapping[str, Mapping[str, Found]]) -> list[str]:
    """One line for each defect."""
    return [
        f"{name}, {kind} at {place}: {defect} [{found.outcome}: {found.message}]"
        for kind, cells in row.items()
        for place, found in cells.items()
        for defect in found.defects
    ]
