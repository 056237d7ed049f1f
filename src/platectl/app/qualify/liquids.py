"""Hardware tests of what moves liquid: water runs, a balance, a dye."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from platectl.app.qualify.bench import PLATE, Bench
from platectl.app.qualify.deck import SOURCE, TIPS, Deck
from platectl.app.qualify.model import Outcome, Step
from platectl.app.qualify.sensors import read_once
from platectl.domain.errors import UserInputError

PRIME_UL: Final = 1000.0
PRIME_ML: Final = 5.0
REACHED: Final = 0.9


def dispenser(bench: Bench) -> list[Step]:
    """Primes, fills one column, is weighed, and fills a plate with dye."""
    form, volume_ul = bench.kind.format, bench.terms.volume
    rows, columns = len(form.column(1)), range(1, len(form.by_row()) // len(form.column(1)) + 1)
    bench.room_for(bench.terms.repeats / len(columns) + 1)

    async def fill(*which: int) -> None:
        await bench.subject.dispense_columns(
            dict.fromkeys(which, volume_ul), height_mm=bench.kind.height_mm
        )

    async def water() -> Outcome:
        need_ul = PRIME_UL + rows * volume_ul * (bench.terms.repeats + 2)
        await bench.bottle("water", 2 * need_ul)
        await bench.subject.prime(volume_ul=PRIME_UL)
        await bench.place("an empty plate", bench.nest)
        await fill(1)
        good = bench.judge(
            "Are all wells of column 1 filled alike, all others dry, and nothing drips?"
        )
        return Outcome.of(good, measured={"wells": rows, "volume_ul": volume_ul})

    async def weigh() -> Outcome:
        async def stroke(number: int) -> None:
            await fill(columns[number % len(columns)])

        found = await bench.gravimetric(stroke, wells=rows, source=bench.nest)
        await bench.clear(PLATE)
        return found

    async def dye() -> Outcome:
        need_ul = PRIME_UL + len(form.by_row()) * volume_ul
        await bench.bottle(_dye(bench), 2 * need_ul, _dyed(bench))
        await bench.subject.prime(volume_ul=PRIME_UL)
        await bench.place("a new empty plate", bench.nest)
        await fill(*columns)
        return await _read_dye(bench, form.by_row(), bench.nest)

    return [
        Step("prime and fill a column", "water", f"Is the nest of {bench.name} empty, does it stand over waste, and may it prime?", water),
        Step("weigh strokes", "gravimetric", f"Is the balance levelled and zeroed, and may {bench.name} dispense {bench.terms.repeats} times?", weigh),
        _dye_step(bench, dye),
    ]  # fmt: skip


def handler(bench: Bench) -> list[Step]:
    """Takes tips and gives them back, transfers water, is weighed, and transfers dye."""
    on, terms, name = Deck.of(bench), bench.terms, bench.name

    async def move() -> Outcome:
        await on.load()
        await bench.subject.pick_up_tips(TIPS, "A1")
        await bench.subject.return_tips(TIPS, "A1")
        good = bench.judge("Did it fit the tips straight, and are all of them back in the rack?")
        return Outcome.of(good, measured={"channels": on.channels})

    async def water() -> Outcome:
        await on.transfer(0)
        seen = f"Are the {on.served} wells filled alike, all others dry, and nothing drips?"
        return Outcome.of(
            bench.judge(seen), measured={"wells": on.served, "volume_ul": terms.volume}
        )

    async def weigh() -> Outcome:
        found = await bench.gravimetric(on.transfer, wells=on.served, source=on.plate_at)
        await bench.clear(PLATE, SOURCE)
        return found

    async def dye() -> Outcome:
        await on.fill(_dye(bench), _dyed(bench))
        await bench.place("a new empty plate", on.plate_at)
        for number in range(len(on.firsts)):
            await on.transfer(number)
        found = await _read_dye(bench, bench.kind.format.by_row(), on.plate_at)
        await bench.clear(SOURCE)
        return found

    return [
        Step("fit and return tips", "movement", f"Is the deck of {name} empty, is the door closed, and may it move?", move),
        Step("transfer water", "water", "May it transfer water?", water),
        Step("weigh transfers", "gravimetric", f"Is the balance levelled and zeroed, and may {name} transfer {terms.repeats} times?", weigh),
        _dye_step(bench, dye),
    ]  # fmt: skip


def finisher(bench: Bench) -> list[Step]:
    """Gets the last drop off its tips."""
    on = Deck.of(bench)

    async def finish() -> Outcome:
        await on.fill("water")
        await bench.place("an empty plate", on.plate_at)
        await on.transfer(0, finish=True)
        good = bench.judge("Did it blow out and touch the wall, and does no drop hang at a tip?")
        await bench.clear(PLATE, SOURCE)
        return Outcome.of(good)

    asks = f"Does the rack of the test still stand on {on.tips_at}, and may it move?"
    return [Step("blow out and touch", "water", asks, finish)]


def washer(bench: Bench) -> list[Step]:
    """Aspirates nothing, primes, is weighed when it fills plates and when it has emptied one."""
    form, volume_ul, buffer = bench.kind.format, bench.terms.volume, bench.terms.buffer
    wells, empty_g = len(form.by_row()), list[float]()
    bench.room_for(bench.terms.repeats + 1)

    async def move() -> Outcome:
        await bench.place("an empty plate", bench.nest)
        await bench.subject.aspirate(height_mm=bench.terms.height_mm, rate=1)
        return Outcome.of(
            bench.judge("Did the manifold go down to all rows without touching a well?")
        )

    async def water() -> Outcome:
        await bench.bottle(
            "water", 2 * (1000 * PRIME_ML + wells * volume_ul * (bench.terms.repeats + 2))
        )
        await bench.subject.prime(buffer=buffer, volume_ml=PRIME_ML)
        return Outcome.of(bench.judge("Does every tube of the manifold run, without bubbles?"))

    async def weigh() -> Outcome:
        async def stroke(_: int) -> None:
            await bench.subject.dispense(buffer=buffer, volume_ul=volume_ul, flow=5)

        found = await bench.gravimetric(stroke, wells=wells, source=bench.nest)
        empty_g.append(found.measured["readings_g"][0])
        return found

    async def empty() -> Outcome:
        if not empty_g:
            return Outcome("left_out", "the mass of the empty plate is not known")
        await bench.subject.aspirate(height_mm=bench.terms.height_mm, rate=1)
        left_ul = (await bench.weigh_g(bench.nest) - empty_g[0]) * 1000.0 / wells
        await bench.clear(PLATE)
        return Outcome.of(
            left_ul <= bench.terms.residual_ul, measured={"left_ul": left_ul},
            limits={"residual_ul": bench.terms.residual_ul},
        )  # fmt: skip

    return [
        Step("aspirate an empty plate", "movement", f"Is {bench.nest} free, and may {bench.name} move?", move),
        Step("prime", "water", f"Is the waste empty, and may {bench.name} prime line {buffer}?", water),
        Step("weigh fills", "gravimetric", f"Is the balance levelled and zeroed, and may {bench.name} fill the plate {bench.terms.repeats} times?", weigh),
        Step("weigh what is left", "gravimetric", "May it empty the plate?", empty),
    ]  # fmt: skip


def filtration(bench: Bench) -> list[Step]:
    """Draws a filter plate with water dry and reaches its pressure."""
    kinds = [name for name, kind in bench.catalogue.items() if kind.role == "filter_plate"]

    async def draw() -> Outcome:
        kind = bench.labware(kinds[0])
        wells = dict.fromkeys(kind.format.by_row(), 200.0)
        await bench.place(
            f"a new {kinds[0]} with 200 uL water in each well",
            bench.nest,
            kind=kinds[0],
            fills=wells,
        )
        target_mbar = bench.terms.vacuum_mbar
        reached_mbar = await bench.subject.apply_vacuum(gauge_mbar=target_mbar, hold_s=30.0)
        dry = bench.judge("Are all wells drawn through, and is the manifold vented?")
        await bench.clear(PLATE)
        return Outcome.of(
            dry and reached_mbar <= REACHED * target_mbar,
            measured={"reached_mbar": reached_mbar},
            limits={"reached_mbar": f"at most {REACHED * target_mbar:g}"},
        )

    return [Step("draw water through", "water", f"Is the waste of {bench.name} empty, and may it draw a vacuum?", draw)]  # fmt: skip


def pump(bench: Bench) -> list[Step]:
    """Finds zero, pumps water, and is weighed with its outlet over a vessel on the balance."""
    terms = bench.terms
    whole_ul = min(bench.subject.capacity_ul, terms.volume * terms.repeats)
    if terms.volume > bench.subject.capacity_ul:
        raise UserInputError(f"the syringe holds {bench.subject.capacity_ul:g} uL; --set volume")

    async def move() -> Outcome:
        await bench.subject.initialise()
        held_ul = await bench.subject.held_ul()
        return Outcome.of(abs(held_ul) < terms.volume / 100, measured={"held_ul": held_ul})

    async def water() -> Outcome:
        await bench.bottle("water", 20 * terms.volume * terms.repeats)
        for _ in range(3):
            await bench.subject.aspirate(volume_ul=whole_ul, flow_ul_per_s=terms.flow_ul_per_s)
            await bench.subject.dispense(volume_ul=whole_ul, flow_ul_per_s=terms.flow_ul_per_s)
        return Outcome.of(bench.judge("Is the tubing full of water, without bubbles?"))

    async def weigh() -> Outcome:
        async def stroke(_: int) -> None:
            await bench.subject.aspirate(volume_ul=terms.volume, flow_ul_per_s=terms.flow_ul_per_s)
            await bench.subject.dispense(volume_ul=terms.volume, flow_ul_per_s=terms.flow_ul_per_s)

        bench.allow("Is the outlet over a vessel with water on the balance, touching neither?")
        return await bench.gravimetric(stroke, wells=1, source=None)

    return [
        Step("find zero", "movement", f"Is the outlet of {bench.name} over waste, and may the plunger move?", move),
        Step("pump water", "water", "May it draw water and push it out three times?", water),
        Step("weigh strokes", "gravimetric", f"Is the balance levelled and zeroed, and may it dispense {terms.repeats} times?", weigh),
    ]  # fmt: skip


def _dye(bench: Bench) -> str:
    return f"{bench.terms.dye} {bench.terms.dye_um:g} uM"


def _dyed(bench: Bench) -> dict[str, float]:
    """What is in it, molar."""
    return {bench.terms.dye: 1e-6 * bench.terms.dye_um}


def _dye_step(bench: Bench, do: Callable[[], object]) -> Step:
    async def nothing() -> Outcome:
        return Outcome("left_out", "the lab file has no plate reader")

    if bench.reader is None:
        return Step("read dye", "dye", "", nothing)
    asks = f"Is {_dye(bench)} at hand, and may {bench.name} and {bench.reader} move?"
    return Step("read dye", "dye", asks, do)  # type: ignore[arg-type]  # a coroutine function of the caller


async def _read_dye(bench: Bench, wells: Sequence[str], source: str) -> Outcome:
    """How evenly a dye was given, by a reader."""
    assert bench.reader is not None  # noqa: S101  # the step is left out without one
    reader = bench.instruments[bench.reader]
    await reader.open_drawer()
    await bench.carry(source, bench.lab.instruments[bench.reader].position or bench.reader)
    await reader.close_drawer()
    values = await read_once(bench, reader, tuple(wells))
    await reader.open_drawer()
    await bench.clear(PLATE)
    await reader.close_drawer()
    missing = sum(not math.isfinite(value) for value in values)
    if missing:
        says = f"{missing} of {len(values)} wells without a number: too bright, too dim or not read"
        return Outcome("failed", says, {"reader": bench.reader})
    mean = statistics.fmean(values)
    cv = 100.0 * statistics.stdev(values) / max(mean, 1e-9)
    return Outcome.of(
        cv <= bench.terms.dye_cv_percent, f"{len(values)} wells, spread {cv:.2f} %",
        measured={"values": values, "mean": mean, "cv_percent": cv, "reader": bench.reader},
        limits={"dye_cv_percent": bench.terms.dye_cv_percent},
    )  # fmt: skip
