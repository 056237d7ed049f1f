"""Hardware tests of what measures: balances, plate readers, counters."""

from __future__ import annotations

import math
import statistics
from typing import Any, Final

from platectl.app.qualify.bench import PLATE, Bench
from platectl.app.qualify.model import Outcome, Step
from platectl.domain.errors import RefusedError
from platectl.hal.reading import Channel, EndpointRead, EndpointReading, Frame, KineticRead

WELL_UL: Final = 100.0
WATER_NM: Final = 600.0
INTEGRATION_S: Final = 0.1
#: how far two reads of one plate may be apart, as a share of the first and in units
AGAIN: Final = (0.05, 0.02)


def balance(bench: Bench) -> list[Step]:
    """Zeroes, and weighs a check weight."""
    terms = bench.terms

    async def zero() -> Outcome:
        await bench.subject.zero()
        mass_g = await bench.subject.read_mass_g()
        return Outcome.of(abs(mass_g) < 1e-3, measured={"mass_g": mass_g}, limits={"mass_g": 1e-3})  # noqa: PLR2004  # a milligram

    async def weigh() -> Outcome:
        pan = bench.nest
        await bench.place("a calibrated check weight", pan)
        wanted_g = bench.console.number("Mass of the check weight in g")
        if wanted_g <= 0:
            return Outcome("declined", "there is no check weight")
        masses_g = [await bench.subject.read_mass_g() for _ in range(terms.repeats)]
        await bench.clear(PLATE, text=f"Take the check weight off {pan}. Is it gone?")
        off = 100.0 * (statistics.fmean(masses_g) - wanted_g) / wanted_g
        cv = 100.0 * statistics.stdev(masses_g) / wanted_g
        return Outcome.of(
            abs(off) <= terms.weight_percent and cv <= terms.weight_cv_percent,
            f"off by {off:+.4f} %, spread {cv:.4f} %",
            measured={
                "masses_g": masses_g,
                "weight_g": wanted_g,
                "off_percent": off,
                "cv_percent": cv,
            },
            limits={
                "weight_percent": terms.weight_percent,
                "weight_cv_percent": terms.weight_cv_percent,
            },
        )

    return [
        Step("zero", "measurement", f"Is the pan of {bench.name} empty and the balance level?", zero),
        Step("check weight", "gravimetric", "Is a calibrated check weight at hand, and the pan empty?", weigh),
    ]  # fmt: skip


async def read_once(bench: Bench, reader: Any, wells: tuple[str, ...]) -> list[float]:
    """First value of each well; a read as short as the reader makes one."""
    interval_s = bench.terms.interval_s or reader.features.least_interval_s
    columns = tuple(sorted({int(well[1:]) for well in wells}))
    read = KineticRead(
        title=f"qualify {bench.name} {bench.clock.now():%Y%m%d-%H%M%S}", plate=PLATE, wells=wells,
        channels=(Channel(bench.terms.excitation_nm, bench.terms.emission_nm),),
        interval_s=interval_s, baseline_s=0.0, record_s=bench.terms.record_s or interval_s,
        columns=columns if reader.features.geometry == "column" else (),
    )  # fmt: skip
    first: dict[str, float] = {}
    async for frame in reader.read_kinetic(read):
        if isinstance(frame, Frame) and frame.index == 0:
            values = dict(zip(frame.wells, frame.values, strict=True))
            first |= {
                well: math.nan if well in frame.flags else value for well, value in values.items()
            }
    return [first.get(well, math.nan) for well in wells]


def reader(bench: Bench) -> list[Step]:
    """Moves its carriage, reads water and dye."""
    terms, wells = bench.terms, bench.kind.format.by_row()

    async def move() -> Outcome:
        await bench.subject.open_drawer()
        out = bench.judge("Is the carriage out?")
        await bench.subject.close_drawer()
        good = bench.judge("Is it in again, and closed?")
        return Outcome.of(out and good)

    async def read() -> Outcome:
        light: dict[str, list[float]] = {}
        for what, contents in (("water", {}), ("dye", {terms.dye: 1e-6 * terms.dye_um})):
            await bench.subject.open_drawer()
            label = what if what == "water" else f"{terms.dye} {terms.dye_um:g} uM"
            await bench.place(
                f"a plate with {WELL_UL:g} uL {label} in each well", bench.nest,
                fills=dict.fromkeys(wells, WELL_UL), contents=contents,
            )  # fmt: skip
            await bench.subject.close_drawer()
            refused = ""
            try:
                light[what] = await read_once(bench, bench.subject, tuple(wells))
            except RefusedError as error:
                refused = str(error)
            await bench.subject.open_drawer()
            await bench.clear(PLATE)
            await bench.subject.close_drawer()
            if refused:
                return Outcome("left_out", f"the driver refuses: {refused}")
        usable = all(map(math.isfinite, light["water"] + light["dye"]))
        blank, bright = statistics.median(light["water"]), statistics.median(light["dye"])
        cv = 100.0 * statistics.stdev(light["dye"]) / bright if usable and bright > 0 else math.inf
        good = usable and bright >= terms.dye_above_blank * blank and cv <= terms.dye_cv_percent
        return Outcome.of(
            good,
            f"dye {bright:.4g}, blank {blank:.4g}, spread {cv:.2f} %"
            if usable
            else "wells without a number",
            measured={"blank": light["water"], "dye": light["dye"]} if usable else {},
            limits={
                "dye_above_blank": terms.dye_above_blank,
                "dye_cv_percent": terms.dye_cv_percent,
            },
        )

    return [
        Step("carriage", "movement", f"Is {bench.name} empty and its door free, and may the carriage move?", move),
        Step("read water and dye", "dye", f"Are plates with water and with {terms.dye} at hand?", read),
    ]  # fmt: skip


def endpoint_reader(bench: Bench) -> list[Step]:
    """Reads one plate of water twice alike, in its first mode."""
    wells, features = tuple(bench.kind.format.by_row()), bench.subject.endpoints
    mode, terms = features.modes[0], bench.terms

    async def once(number: int) -> tuple[float, ...]:
        title = f"qualify {bench.name} {number} {bench.clock.now():%Y%m%d-%H%M%S}"
        if features.started_by == "operator":
            bench.allow(f"Start {bench.name}: {mode}, title {title!r}. Started?")
        wavelengths = {
            "absorbance": {"excitation_nm": WATER_NM}, "luminescence": {"integration_s": INTEGRATION_S},
            "fluorescence": {"excitation_nm": terms.excitation_nm, "emission_nm": terms.emission_nm},
        }[mode]  # fmt: skip
        read = EndpointRead(title, PLATE, wells, mode, **wavelengths)
        found: EndpointReading = await bench.subject.read_endpoint(read)
        return found.values

    async def twice() -> Outcome:
        bench.allow(
            f"Put a plate with {WELL_UL:g} uL water in each well into {bench.name}. Is it in?"
        )
        first, second = await once(1), await once(2)
        share, units = AGAIN
        apart = [
            abs(a - b) - max(units, share * abs(a)) for a, b in zip(first, second, strict=True)
        ]
        good = all(math.isfinite(away) and away <= 0 for away in apart)
        return Outcome.of(
            good, f"{mode}, {len(wells)} wells", limits={"apart": f"{share:.0%} or {units:g}"}
        )

    return [Step("read water twice", "measurement", f"May {bench.name} read?", twice)]


def counter(bench: Bench) -> list[Step]:
    """Counts an empty plate, and a standard twice."""
    terms, wells = bench.terms, tuple(bench.kind.format.column(1))

    async def count(title: str) -> list[Any]:
        title = f"qualify {bench.name} {title} {bench.clock.now():%Y%m%d-%H%M%S}"
        if bench.subject.features.started_by == "operator":
            data = {
                "instrument": bench.name,
                "title": title,
                "wells": list(wells),
                "count_s": terms.count_s,
            }
            text = f"Start {bench.name}: {terms.count_s:g} s for each of {wells[0]} to {wells[-1]}, title {title!r}. Started?"
            await bench.person("start_counter", text, data)
        return list(await bench.subject.count(title=title, wells=wells, count_s=terms.count_s))

    async def background() -> Outcome:
        await bench.place("an empty plate", bench.nest)
        rows = await count("background")
        await bench.clear(PLATE)
        worst = max(row.cpm for row in rows)
        return Outcome.of(worst <= terms.background_cpm, measured={"cpm": [row.cpm for row in rows]},
                          limits={"background_cpm": terms.background_cpm})  # fmt: skip

    async def standard() -> Outcome:
        bench.allow(
            f"Put a plate with a standard in {wells[0]} to {wells[-1]} into {bench.name}. Is it there?"
        )
        first, second = await count("standard 1"), await count("standard 2")
        away = [
            abs(a.counts - b.counts) / math.sqrt(max(a.counts + b.counts, 1))
            for a, b in zip(first, second, strict=True)
        ]
        return Outcome.of(max(away) < 5.0, f"counted twice: {max(away):.1f} standard deviations apart at most",  # noqa: PLR2004  # beyond chance
                          measured={"away_sd": away}, limits={"away_sd": 5.0})  # fmt: skip

    return [
        Step(
            "background",
            "measurement",
            f"Is {bench.name} empty, and may its loader move?",
            background,
        ),
        Step("standard, twice", "measurement", "Is a plate with a standard at hand?", standard),
    ]
