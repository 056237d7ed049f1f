"""The stock file: what a lab has on hand for a night, and how much its waste containers still take."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from platectl.domain.doc import Doc
from platectl.domain.radioactivity import days_since, decayed
from platectl.domain.units import DurationS, RadioactivityMbq, VolumeUl

#: aqueous_radioactive: what passes the filters; organic_radioactive: scintillant and what holds it;
#: solid_radioactive: tips and plates that were in contact; ordinary: all else
WasteKind = Literal["aqueous_radioactive", "organic_radioactive", "solid_radioactive", "ordinary"]
WASTE_KINDS: tuple[WasteKind, ...] = get_args(WasteKind)


def _with_zone(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        raise ValueError(f'{moment} names no time zone; write it like "2026-01-05T16:00+01:00"')
    return moment


class Reagent(Doc):
    """A liquid that is there, ready to be loaded.

    `life` counts from `prepared`, or from the loading of each plate when that is not given.
    """

    liquid: str | None = Field(
        default=None, description="liquid of a protocol that it is; the entry's name when not given"
    )
    holds: tuple[str, ...] = Field(
        default=(), description="components; a liquid that holds others is not this one"
    )
    volume: VolumeUl = Field(ge=0)
    expires: dt.date | None = Field(default=None, description="last day on which it may be used")
    prepared: Annotated[dt.datetime, AfterValidator(_with_zone)] | None = None
    life: DurationS | None = Field(default=None, gt=0, description="after preparation")
    help: str = ""


class RadioactiveStock(Doc):
    """A vial of radioligand, with the activity that it had on a day."""

    substance: str
    activity: RadioactivityMbq = Field(ge=0)
    date: dt.date
    volume: VolumeUl = Field(ge=0)
    expires: dt.date | None = None
    help: str = ""

    def activity_mbq(self, at: dt.datetime) -> float:
        """Activity at an aware moment, MBq."""
        return decayed(self.activity, days=days_since(self.date, at))


class WasteStream(Doc):
    """A waste container: what it takes, how much of it, and how full it is.

    Liquids count in `volume`, plates and tip racks in `items`; a container without one of them
    takes none of that.
    """

    takes: WasteKind
    volume: VolumeUl | None = Field(default=None, ge=0, description="capacity for liquids")
    items: int | None = Field(default=None, ge=0, description="capacity for plates and racks")
    activity_limit: RadioactivityMbq | None = Field(default=None, ge=0)
    filled: VolumeUl = Field(default=0.0, ge=0, description="liquid that is in it")
    filled_items: int = Field(default=0, ge=0)
    activity: RadioactivityMbq = Field(default=0.0, ge=0, description="activity that is in it")
    help: str = ""

    @model_validator(mode="after")
    def _takes_something(self) -> WasteStream:
        if self.volume is None and self.items is None:
            raise ValueError("it takes nothing; give a capacity as volume, as items, or as both")
        return self


class Stock(Doc):
    """The content of a stock file."""

    platectl: Literal[1]
    name: str = ""
    counted: Annotated[dt.datetime, AfterValidator(_with_zone)] | None = Field(
        default=None, description="when this was on hand; what runs load after that is taken off"
    )
    reagents: dict[str, Reagent] = Field(
        default_factory=dict, description="liquid of a protocol, or compound stock -> what is there"
    )
    consumables: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="labware kind, heat_seal, bottom_seal -> number"
    )
    radioactive: dict[str, RadioactiveStock] = Field(default_factory=dict)
    waste: dict[str, WasteStream] = Field(default_factory=dict)
    occupied: tuple[str, ...] = Field(
        default=(), description="positions of the lab on which something stands already"
    )

    def activity_mbq(self, substance: str, at: dt.datetime) -> float:
        """Activity of all vials of a substance that may be used at an aware moment, MBq."""
        return sum(
            vial.activity_mbq(at)
            for vial in self.radioactive.values()
            if vial.substance == substance
            and (vial.expires is None or at.date() <= vial.expires)
        )  # fmt: skip
