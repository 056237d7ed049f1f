"""Where a hardware test is made: the instrument, its helpers, and the person at the console."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from platectl.analysis.gravimetry import verify
from platectl.app.qualify.model import DeclinedError, Outcome, Terms
from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.domain.lab import InstrumentEntry, Lab
from platectl.domain.labware import LabwareKind
from platectl.hal.handling import Prompt

PLATE: Final = "test_plate"
WATER: Final[Mapping[str, float]] = {}


class Console(Protocol):
    """The person in front of the instrument."""

    def choose(self, text: str, options: tuple[str, ...]) -> str:
        """Ask, and return one of the options."""
        ...

    def number(self, text: str) -> float:
        """Ask for a number."""
        ...

    def word(self, text: str) -> str:
        """Ask for a text."""
        ...


@dataclass(slots=True)
class Bench:
    """Everything that steps need.

    `instruments` are the connected drivers by name; `hands` is the lab's operator where it answers
    by a wire of its own: what a person was asked to do at the console is put to it, too.
    """

    name: str
    lab: Lab
    catalogue: Mapping[str, LabwareKind]
    terms: Terms
    console: Console
    clock: Clock
    instruments: Mapping[str, Any] = field(default_factory=dict)
    balance: str | None = None
    reader: str | None = None
    hands: str | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _water_c: float | None = None

    @property
    def subject(self) -> Any:
        """Driver of the instrument that is tested."""
        return self.instruments[self.name]

    @property
    def entry(self) -> InstrumentEntry:
        """Its entry of the lab file."""
        return self.lab.instruments[self.name]

    @property
    def kind(self) -> LabwareKind:
        """Catalogue entry of the test plate."""
        return self.labware(self.terms.plate)

    def labware(self, kind: str) -> LabwareKind:
        """One catalogue entry.

        Raises:
            UserInputError: There is none.
        """
        if kind not in self.catalogue:
            raise UserInputError(
                f"{kind!r} is no labware; known: {', '.join(sorted(self.catalogue))}"
            )
        return self.catalogue[kind]

    def room_for(self, strokes: float) -> None:
        """See to it that a well of the test plate holds so many strokes.

        Raises:
            UserInputError: It overflows.
        """
        if strokes * self.terms.volume > self.kind.max_volume:
            raise UserInputError(
                f"{strokes:.0f} strokes of {self.terms.volume:g} uL overflow a {self.terms.plate} "
                f"({self.kind.max_volume:g} uL); --set volume or repeats"
            )

    @property
    def nest(self) -> str:
        """Where the instrument works."""
        return self.entry.position or self.name

    # Person -------------------------------------------------------------------------------------
    def allow(self, text: str) -> None:
        """Ask for a yes.

        Raises:
            DeclinedError: The answer was no, or stop.
        """
        answer = self.console.choose(text, ("yes", "no", "stop"))
        if answer != "yes":
            raise DeclinedError(f"{answer!r} to: {text}", over=answer == "stop")

    def judge(self, text: str) -> bool:
        """Ask what a person sees.

        Raises:
            DeclinedError: The answer was stop.
        """
        answer = self.console.choose(text, ("yes", "no", "stop"))
        if answer == "stop":
            raise DeclinedError(f"'stop' to: {text}", over=True)
        return answer == "yes"

    async def person(self, kind: str, text: str, data: Mapping[str, Any]) -> None:
        """Have something done by hand.

        Raises:
            DeclinedError: It was not done.
        """
        self.allow(text)
        if self.hands is not None:
            prompt = Prompt(f"qualify-{next(self._numbers)}", kind, text, ("done", "cannot"), data)
            answer = await self.instruments[self.hands].ask(prompt)
            if answer.option != "done":
                raise DeclinedError(f"{answer.person}: {answer.option}: {answer.note}")

    async def place(
        self, what: str, position: str, *, kind: str | None = None, labware: str = PLATE,
        fills: Mapping[str, float] = WATER, contents: Mapping[str, float] = WATER,
    ) -> None:  # fmt: skip
        """Have labware set down; `fills` are volumes in uL by well."""
        item = {
            "labware": labware, "kind": kind or self.terms.plate, "position": position, "barcode": "",
            "fills": [{"well": w, "volume_ul": v, "contents": contents} for w, v in fills.items()],
        }  # fmt: skip
        await self.person("load", f"Put {what} on {position}. Is it there?", {"place": [item]})

    async def clear(self, *labware: str, text: str = "") -> None:
        """Have labware taken away."""
        await self.person("load", text or f"Take away: {', '.join(labware)}. Is it gone?",
                          {"remove": list(labware)})  # fmt: skip

    async def carry(self, source: str, target: str) -> None:
        """Have the test plate carried."""
        if source != target:
            text = f"Carry the plate from {source} to {target}. Done?"
            await self.person("move", text, {"source": source, "target": target})

    async def bottle(
        self, liquid: str, volume_ul: float, contents: Mapping[str, float] = WATER
    ) -> None:
        """Have the supply of a dispenser connected."""
        data = {
            "instrument": self.source_line,
            "liquid": liquid,
            "volume_ul": volume_ul,
            "contents": contents,
        }
        text = f"Connect at least {volume_ul / 1000:.3g} mL of {liquid} to {self.name}. Is it connected?"
        await self.person("load", text, {"bottles": [data]})

    @property
    def source_line(self) -> str:
        """What a bottle is connected to: the instrument, or the line of a washer."""
        washer = "PlateWasher" in self.subject.info.interfaces
        return f"{self.name}.{self.terms.buffer}" if washer else self.name

    # Balance ------------------------------------------------------------------------------------
    @property
    def pan(self) -> str:
        """Where the balance stands."""
        if self.balance is None:
            return "the balance"
        return self.lab.instruments[self.balance].position or self.balance

    async def weigh_g(self, source: str | None) -> float:
        """Mass of the test plate that stands at `source`; None: it stays on the pan."""
        if self.balance is None:
            where = "what stands on the balance" if source is None else f"the plate of {source}"
            mass_g = self.console.number(f"Weigh {where}: mass in g")
            if source is not None:
                self.allow(f"Put the plate back on {source}. Done?")
            return mass_g
        if source is not None:
            await self.carry(source, self.pan)
        mass_g = await self.instruments[self.balance].read_mass_g()
        if source is not None:
            await self.carry(self.pan, source)
        return float(mass_g)

    def water_c(self) -> float:
        """Temperature of the water, asked once."""
        if self._water_c is None:
            told = self.terms.water
            self._water_c = (
                self.console.number("Temperature of the water in C") if told is None else told
            )
        return self._water_c

    async def gravimetric(
        self, stroke: Callable[[int], Awaitable[None]], *, wells: int, source: str | None
    ) -> Outcome:
        """Weigh equal strokes, each of so many wells; what evaporates between is weighed first."""
        terms = self.terms
        temperature_c = self.water_c()
        blank_g = [await self.weigh_g(source), await self.weigh_g(source)]
        readings_g = [blank_g[-1]]
        for number in range(terms.repeats):
            await stroke(number)
            readings_g.append(await self.weigh_g(source))
        found = verify(
            readings_g, wanted_ul=wells * terms.volume, temperature_c=temperature_c,
            evaporation_g=max(blank_g[0] - blank_g[1], 0.0), pressure_hpa=terms.pressure_hpa,
            humidity_percent=terms.humidity_percent,
        )  # fmt: skip
        good = found.within(
            systematic_percent=terms.systematic_percent, cv_percent=terms.cv_percent
        )
        says = (
            f"{terms.repeats} strokes of {wells} x {terms.volume:g} uL: mean off by "
            f"{found.systematic_error_percent:+.2f} %, spread {found.cv_percent:.2f} %"
        )
        measured = {
            "readings_g": readings_g, "volumes_ul": [round(v, 4) for v in found.volumes_ul],
            "mean_ul": found.mean_ul, "systematic_error_percent": found.systematic_error_percent,
            "cv_percent": found.cv_percent, "evaporation_g": max(blank_g[0] - blank_g[1], 0.0),
            "water_c": temperature_c, "balance": self.balance or "typed in",
        }  # fmt: skip
        limits = {"systematic_percent": terms.systematic_percent, "cv_percent": terms.cv_percent}
        return Outcome.of(good, says, measured=measured, limits=limits)
