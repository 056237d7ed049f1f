"""The deck of a handler in a hardware test: tips, water, the test plate, and how it is filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platectl.app.qualify.bench import PLATE, WATER, Bench
from platectl.domain.errors import UserInputError
from platectl.hal.liquids import DeckItem

TIPS: Final = "test_tips"
SOURCE: Final = "test_source"
SOURCE_UL: Final = 100_000.0
PLACES: Final = 3
HEIGHT_MM: Final = 2.0


@dataclass(frozen=True, slots=True)
class Deck:
    """Three positions and a set of channels; `firsts` names the wells of each stroke."""

    bench: Bench
    tips_at: str
    source_at: str
    plate_at: str
    channels: str
    firsts: tuple[str, ...]

    @classmethod
    def of(cls, bench: Bench) -> Deck:
        """Choose what the terms leave open.

        Raises:
            UserInputError: Too few positions, or the plate does not hold all strokes.
        """
        terms, form = bench.terms, bench.kind.format
        chosen = (terms.tips_at, terms.source_at, terms.plate_at)
        slots = [n for n, p in bench.lab.positions.items() if p.handler == bench.name and p.slot]
        if strange := [place for place in chosen if place and place not in slots]:
            raise UserInputError(
                f"{strange[0]!r} is no deck position of {bench.name}: {', '.join(slots)}"
            )
        free = (slot for slot in slots if slot not in chosen)
        places = [place or next(free, "") for place in chosen]
        if "" in places or len(set(places)) < PLACES:
            raise UserInputError(
                f"the test of {bench.name} needs {PLACES} deck positions of their own"
            )
        channels = bench.subject.limits.channels[0]
        wells, column = form.by_row(), form.column(1)
        firsts = {
            "full": wells[:1], "column": wells[: len(wells) // len(column)], "row": column, "single": wells,
        }[channels]  # fmt: skip
        bench.room_for(terms.repeats / len(firsts) + 1)
        tips_at, source_at, plate_at = places
        return cls(bench, tips_at, source_at, plate_at, channels, tuple(firsts))

    @property
    def served(self) -> int:
        """Wells that one stroke fills."""
        return len(self.bench.kind.format.by_row()) // len(self.firsts)

    async def fill(self, what: str, contents: Mapping[str, float] = WATER) -> None:
        """Have the reservoir put there."""
        kind = self.bench.terms.source
        await self.bench.place(
            what,
            self.source_at,
            kind=kind,
            labware=SOURCE,
            fills={"A1": SOURCE_UL},
            contents=contents,
        )

    async def load(self) -> None:
        """Have tips, water and the plate put there, and tell the handler."""
        bench, terms = self.bench, self.bench.terms
        await bench.place(f"a full rack {terms.tips}", self.tips_at, kind=terms.tips, labware=TIPS)
        await self.fill("water")
        await bench.place("an empty plate", self.plate_at)
        things = (
            (TIPS, terms.tips, self.tips_at), (SOURCE, terms.source, self.source_at),
            (PLATE, terms.plate, self.plate_at),
        )  # fmt: skip
        items = [
            DeckItem(name, bench.labware(kind).load_name, bench.lab.positions[at].slot or at)
            for name, kind, at in things
        ]
        await bench.subject.load_deck(items)
        await bench.subject.use_channels(self.channels)

    async def transfer(self, number: int, *, finish: bool = False) -> None:
        """One stroke into the next wells of the plate, with the first tips; `finish` gets the drop off."""
        terms, subject = self.bench.terms, self.bench.subject
        how = {
            "volume_ul": terms.volume, "flow_ul_per_s": terms.flow_ul_per_s, "height_mm": HEIGHT_MM,
        }  # fmt: skip
        await subject.pick_up_tips(TIPS, "A1")
        await subject.aspirate(SOURCE, "A1", **how)
        well = self.firsts[number % len(self.firsts)]
        await subject.dispense(PLATE, well, **how)
        if finish:
            flow_ul_per_s = terms.flow_ul_per_s
            await subject.blow_out(PLATE, well, flow_ul_per_s=flow_ul_per_s, height_mm=HEIGHT_MM)
            await subject.touch_tip(PLATE, well)
        await subject.return_tips(TIPS, "A1")
