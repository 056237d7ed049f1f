"""Hardware tests of what shakes, heats, seals, stores and moves plates."""

from __future__ import annotations

import asyncio
from typing import Final

from platectl.app.qualify.bench import PLATE, Bench
from platectl.app.qualify.model import Outcome, Step
from platectl.domain.errors import InstrumentFaultError, RefusedError, UserInputError

SHORT_S: Final = 5.0
WATER_UL: Final = 100.0
LOOK_EVERY_S: Final = 10.0
JOURNEYS: Final = 3
READS: Final = 3


def thermal(bench: Bench) -> list[Step]:
    """Reaches a setpoint."""

    async def heat() -> Outcome:
        target_c, within_c = bench.terms.temperature, bench.terms.within_c
        try:
            await bench.subject.set_temperature(target_c)
        except RefusedError as error:
            return Outcome("left_out", str(error))
        begun_s = bench.clock.monotonic_s()
        actual_c = await bench.subject.read_temperature_c()
        while abs(actual_c - target_c) > within_c:
            if bench.clock.monotonic_s() - begun_s > bench.terms.heat_s:
                break
            await asyncio.sleep(LOOK_EVERY_S)
            actual_c = await bench.subject.read_temperature_c()
        took_s = bench.clock.monotonic_s() - begun_s
        await bench.subject.stop_heating()
        return Outcome.of(
            abs(actual_c - target_c) <= within_c,
            measured={"setpoint_c": target_c, "reached_c": actual_c, "took_s": took_s},
            limits={"within_c": within_c, "heat_s": bench.terms.heat_s},
        )

    asks = f"May {bench.name} go to {bench.terms.temperature:g} C?"
    return [Step("heat", "measurement", asks, heat)]


def shaker(bench: Bench) -> list[Step]:
    """Shakes empty at two speeds, heats, shakes water."""
    slowest, fastest = bench.subject.speed_range_rpm
    middle = (slowest + fastest) / 2.0

    async def move() -> Outcome:
        begun_s = bench.clock.monotonic_s()
        for speed_rpm in (slowest, middle):
            await bench.subject.shake(speed_rpm=speed_rpm, duration_s=SHORT_S)
        took_s = bench.clock.monotonic_s() - begun_s
        seen = bench.judge(
            "Did it shake slowly, then faster, and stop at home with the clamp open?"
        )
        return Outcome.of(
            seen and took_s >= 2 * SHORT_S, measured={"took_s": took_s},
            limits={"took_s": f"at least {2 * SHORT_S:g}"},
        )  # fmt: skip

    async def water() -> Outcome:
        wells = dict.fromkeys(bench.kind.format.by_row(), WATER_UL)
        await bench.place(
            f"a plate with {WATER_UL:g} uL water in each well", bench.nest, fills=wells
        )
        await bench.subject.shake(speed_rpm=middle, duration_s=30.0)
        dry = bench.judge("Are plate and nest dry between the wells, and can the plate be lifted?")
        await bench.clear(PLATE)
        return Outcome.of(dry, measured={"speed_rpm": middle, "volume_ul": WATER_UL})

    return [
        Step("shake without a plate", "movement", f"Is the nest of {bench.name} empty and may it shake?", move),
        *thermal(bench),
        Step("shake water", "water", "Is a plate with water at hand, and may it be shaken?", water),
    ]  # fmt: skip


def sealer(bench: Bench) -> list[Step]:
    """Seals a plate with water."""

    async def seal() -> Outcome:
        wells = dict.fromkeys(bench.kind.format.by_row(), WATER_UL)
        await bench.place(
            f"a plate with {WATER_UL:g} uL water in each well", bench.nest, fills=wells
        )
        await bench.subject.seal(temperature_c=bench.terms.seal, duration_s=bench.terms.seal_s)
        tight = bench.judge(
            "Take the plate, turn it upside down for a minute. Is every well tight?"
        )
        await bench.clear(PLATE)
        return Outcome.of(
            tight, measured={"temperature_c": bench.terms.seal, "duration_s": bench.terms.seal_s}
        )

    return [Step("seal water", "water", f"Is {bench.name} loaded with film, and may it heat and seal?", seal)]  # fmt: skip


def peeler(bench: Bench) -> list[Step]:
    """Peels a sealed plate."""

    async def peel() -> Outcome:
        bench.allow(f"Put a sealed plate with water on {bench.nest}. Is it there?")
        warnings = await bench.subject.peel(adhere_s=2.5)
        good = bench.judge("Is the seal off, in one piece, and is every well as full as before?")
        return Outcome.of(good, "; ".join(warnings))

    return [Step("peel", "water", f"Is {bench.name} loaded with tape, and may it peel?", peel)]


def barcode_reader(bench: Bench) -> list[Step]:
    """Reads a code that a person reads too."""

    async def read() -> Outcome:
        bench.allow(f"Put a plate with a barcode before {bench.name}. Is it there?")
        codes = [await bench.subject.read() for _ in range(READS)]
        wanted = bench.console.word("What does the label say?").strip()
        return Outcome.of(set(codes) == {wanted}, measured={"read": codes, "label": wanted})

    async def nothing() -> Outcome:
        bench.allow("Take the plate away. Is it gone?")
        try:
            code = await bench.subject.read()
        except InstrumentFaultError as error:
            return Outcome.of(
                error.code == "no_read", measured={"code": error.code}, limits={"code": "no_read"}
            )
        return Outcome.of(good=False, says=f"it read {code!r} where nothing stands")

    return [
        Step("read a known code", "measurement", "May it read? Its light can be a laser.", read),
        Step("read nothing", "measurement", "May it read where nothing stands?", nothing),
    ]


def mover(bench: Bench) -> list[Step]:
    """Finds that nothing is there, then carries a plate with water there and back."""
    source, target = bench.terms.plate_at, bench.terms.target_at
    if source is None or target is None:
        raise UserInputError(
            f"{bench.name} needs two stations: --set plate_at=POSITION --set target_at=POSITION; "
            f"there are {', '.join(bench.lab.positions)}"
        )

    async def grip_nothing() -> Outcome:
        try:
            await bench.subject.move_plate(source, target)
        except InstrumentFaultError as error:
            return Outcome.of(
                error.code == "no_plate", measured={"code": error.code}, limits={"code": "no_plate"}
            )
        return Outcome.of(good=False, says="it says that it moved a plate where none was")

    async def carry() -> Outcome:
        wells = dict.fromkeys(bench.kind.format.by_row(), WATER_UL)
        await bench.place(f"a plate with {WATER_UL:g} uL water in each well", source, fills=wells)
        for _ in range(JOURNEYS):
            await bench.subject.move_plate(source, target)
            await bench.subject.move_plate(target, source)
        good = bench.judge(
            f"Does the plate sit level on {source}, and is it dry between the wells?"
        )
        await bench.clear(PLATE)
        return Outcome.of(good, measured={"journeys": 2 * JOURNEYS})

    way = f"{source} and {target}"
    return [
        Step("grip where nothing stands", "movement", f"Are {way} empty, is the way free, and may {bench.name} move?", grip_nothing),
        Step("carry water", "water", f"Are {way} empty, and may {bench.name} carry a plate {2 * JOURNEYS} times?", carry),
    ]  # fmt: skip


def incubator(bench: Bench) -> list[Step]:
    """Stores and fetches a plate, and knows its temperature."""
    slot = bench.terms.slot

    async def there_and_back() -> Outcome:
        wells = dict.fromkeys(bench.kind.format.by_row(), WATER_UL)
        await bench.place(
            f"a plate with {WATER_UL:g} uL water in each well", bench.nest, fills=wells
        )
        await bench.subject.store(slot)
        gone = bench.judge(f"Is {bench.nest} empty and the door closed?")
        await bench.subject.fetch(slot)
        back = bench.judge(f"Is the plate on {bench.nest}, level and dry between the wells?")
        await bench.clear(PLATE)
        return Outcome.of(gone and back, measured={"slot": slot})

    async def climate() -> Outcome:
        said_c = (await bench.subject.read_climate()).temperature_c
        true_c = bench.console.number("Temperature by a thermometer inside, in C")
        return Outcome.of(
            abs(said_c - true_c) <= bench.terms.within_c,
            measured={"said_c": said_c, "thermometer_c": true_c},
            limits={"within_c": bench.terms.within_c},
        )

    return [
        Step("store and fetch", "water", f"Are {bench.nest} and slot {slot} empty, and may it move?", there_and_back),
        Step("climate", "measurement", "Is a calibrated thermometer inside, and at rest?", climate),
    ]  # fmt: skip
