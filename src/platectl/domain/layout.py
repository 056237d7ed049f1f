"""Plate maps: what every well means. The map, never the position, defines a well."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from platectl.domain.wells import PlateFormat, expand_wells, parse_well

ControlRole = Literal[
    "total", "nsb", "blank", "vehicle", "positive", "stimulus", "unloaded", "rmax", "rmin"
]
Role = Literal["test", "reference", "empty"] | ControlRole
Along = Literal["by_row", "by_row_up"]
PLATE = PlateFormat.of(96)


def _expand(value: object) -> object:
    return expand_wells(value, PLATE) if isinstance(value, str) else value


Wells = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_expand),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""Wells as `A1:D1, E12`, or as a list."""


class Series(BaseModel):
    """One dilution series: wells from the highest concentration to the lowest.

    `slot` is `reference` or `test1`, `test2`, …: the sample sheet says which compound that is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str = Field(pattern=r"^(reference|test[1-9]\d?)$")
    replicate: int = Field(ge=1)
    wells: Wells


class Block(BaseModel):
    """Control wells. `levels` numbers their radioligand level, `times` their time point.

    Both go along the rows of the block, from the top when they are `by_row`, from the bottom when
    they are `by_row_up`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: ControlRole
    wells: Wells
    level: int | Along = 0
    time: int | Along | None = None
    lot: int = 0


class Layout(BaseModel):
    """A plate map before compounds are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    series: tuple[Series, ...] = ()
    controls: tuple[Block, ...] = ()

    @model_validator(mode="after")
    def _every_well_once(self) -> Layout:
        seen: set[str] = set()
        for wells in [s.wells for s in self.series] + [b.wells for b in self.controls]:
            for well in wells:
                PLATE.index(well)
                if well in seen:
                    raise ValueError(f"well {well} is used twice; give each well one meaning")
                seen.add(well)
        keys = [(s.slot, s.replicate) for s in self.series]
        if len(keys) != len(set(keys)):
            raise ValueError("two series have the same slot and replicate; number the replicates")
        return self

    @property
    def slots(self) -> tuple[str, ...]:
        """Test slots of the layout, in order."""
        return tuple(dict.fromkeys(s.slot for s in self.series if s.slot != "reference"))


class Randomise(BaseModel):
    """How layouts are drawn by lot; the same seed gives a plate the same layout again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(ge=0)
    scatter: Literal["series", "wells"] = Field(
        default="series", description="what is moved: whole series along their lines, or every well"
    )
    apart: int = Field(
        default=2, ge=1, le=12, description="wells between replicates of a concentration, 1 touch"
    )
    lines: bool = Field(
        default=True, description="with `wells`: such replicates share no row and no column"
    )
    balanced: bool = Field(
        default=True,
        description="each control as even over rows, columns, halves and edges as the wells allow",
    )

    def __str__(self) -> str:
        said = [
            f"randomised by {self.scatter} with seed {self.seed}",
            f"replicates {self.apart} apart",
        ]
        if self.lines and self.scatter == "wells":
            said.append("in rows and columns of their own")
        return ", ".join([*said, *(["controls balanced"] if self.balanced else [])])


class WellPlan(BaseModel):
    """What one well of one plate is: role, compound, final concentration, place in its series."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    well: str
    role: Role
    compound: str | None = None
    concentration_molar: float | None = None
    series: str | None = None
    dilution_step: int = 0
    replicate: int = 1
    level: int = 0
    radioligand_molar: float | None = None
    time_s: float | None = None
    lot: int = 0


def number_along(value: int | Along | None, block: Block, well: str) -> int:
    """Number of a level or time at a well: the one given, or its row from the block's top or bottom."""
    if not isinstance(value, str):
        return int(value or 0)
    rows = [parse_well(w)[0] for w in block.wells]
    row = parse_well(well)[0]
    return row - min(rows) if value == "by_row" else max(rows) - row
