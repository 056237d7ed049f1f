"""Looking at a plate before it goes on: is it the right one, and did it get what it should?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import Field

from platectl.domain.errors import InstrumentFaultError
from platectl.domain.steps import Effect
from platectl.domain.water import z_ul_per_mg
from platectl.hal.handling import BarcodeReader
from platectl.hal.weighing import Balance
from platectl.steps.bench import Bench, Outcome
from platectl.steps.kind import LiquidMove, Params


class Scan(Params):
    """Read the barcode of the plate in front of a reader."""

    name: ClassVar[str] = "scan"
    effect: ClassVar[Effect] = "query"

    reader: str
    labware: str
    barcode: str = Field(description="what stands on the plate of the run")

    @property
    def duration_s(self) -> float:
        """Two readings."""
        return 5.0

    def instruments(self) -> tuple[str, ...]:
        """The reader."""
        return (self.reader,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Read it, and compare.

        Raises:
            InstrumentFaultError: `wrong_plate`: another code stands there; or as the reader says.
        """
        reader: BarcodeReader = bench.instrument(self.reader)
        found = str(await bench.act(self.reader, "read", reader.read, labware=self.labware))
        if found != self.barcode:
            raise InstrumentFaultError(
                f"{self.labware} should be {self.barcode!r}; {found!r} stands at {self.reader}",
                code="wrong_plate",
                instrument=self.reader,
            )
        return Outcome({"barcode": found})


class Weigh(Params):
    """Weigh the plate on a balance, and judge what it gained since an earlier weighing."""

    name: ClassVar[str] = "weigh"
    effect: ClassVar[Effect] = "query"

    balance: str
    labware: str
    since: str | None = Field(default=None, description="step that weighed it before")
    expected_ul: float = Field(default=0.0, ge=0, description="what was poured in between")
    poured_by: tuple[str, ...] = ()
    tolerance: float = Field(default=0.05, gt=0)
    temperature_c: float = 22.0
    density: float = Field(default=1.0, gt=0, description="over that of water")
    outside: Literal["note", "hold", "fault"] = "hold"

    @property
    def duration_s(self) -> float:
        """Until it has settled."""
        return 10.0

    def instruments(self) -> tuple[str, ...]:
        """The balance."""
        return (self.balance,)

    def liquid_moves(self) -> Iterable[LiquidMove]:
        """None."""
        return ()

    async def execute(self, bench: Bench) -> Outcome:
        """Weigh, and compare with the earlier mass if it is known.

        Raises:
            InstrumentFaultError: `volume`: outside the tolerance, and that counts as a fault; or as
                the balance says.
        """
        balance: Balance = bench.instrument(self.balance)
        mass_g = float(
            await bench.act(self.balance, "read_mass_g", balance.read_mass_g, labware=self.labware)
        )
        evidence: dict[str, Any] = {"mass_g": mass_g}
        if self.since is None:
            return Outcome(evidence)
        before_g = bench.told(self.since, "read_mass_g")
        if before_g is None:
            return Outcome(evidence | {"verdict": "unknown", "why": "it was not weighed before"})
        gained_ul = (
            1e3 * (mass_g - float(before_g)) * z_ul_per_mg(self.temperature_c) / self.density
        )
        error = gained_ul / self.expected_ul - 1.0
        good = abs(error) <= self.tolerance
        evidence |= {
            "gained_ul": round(gained_ul, 2),
            "expected_ul": round(self.expected_ul, 2),
            "error_percent": round(100 * error, 3),
            "tolerance_percent": round(100 * self.tolerance, 3),
            "poured_by": list(self.poured_by),
            "verdict": "pass" if good else "fail",
        }
        if good:
            return Outcome(evidence)
        text = (
            f"{self.labware} gained {gained_ul / 1000:.3f} mL of {self.expected_ul / 1000:.3f} mL "
            f"({100 * error:+.1f} %, {100 * self.tolerance:g} % allowed) from {', '.join(self.poured_by)}"
        )
        if self.outside == "fault":
            bench.note(**evidence)
            raise InstrumentFaultError(text, code="volume", instrument=self.balance)
        return Outcome(evidence, doubt=text if self.outside == "hold" else "")
