"""Interfaces of instruments that shake, heat, seal and move plates, and of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platectl.hal.instrument import Instrument


class ThermalNest(Instrument, Protocol):
    """A nest for one plate that is held at a temperature."""

    async def set_temperature(self, temperature_c: float) -> None:
        """Switch on to a setpoint; returns at once, repeating is harmless.

        Raises:
            RefusedError: Outside the instrument's range; nothing changed.
            LinkError: The setpoint may have been taken.
        """
        ...

    async def read_temperature_c(self) -> float:
        """Return the actual nest temperature."""
        ...

    async def stop_heating(self) -> None:
        """Switch off; harmless when it is off."""
        ...


class Shaker(ThermalNest, Protocol):
    """A heated shaking nest for one plate."""

    @property
    def speed_range_rpm(self) -> tuple[float, float]:
        """Slowest and fastest speed."""
        ...

    async def shake(self, *, speed_rpm: float, duration_s: float) -> None:
        """Clamp the plate, shake for the duration, stop at home and release the plate.

        Raises:
            RefusedError: Speed outside the range; nothing moved.
            InstrumentFaultError: The plate may be shaken for part of the time.
            LinkError: The plate may still be shaking.
        """
        ...


class Sealer(Instrument, Protocol):
    """A heat sealer."""

    async def seal(self, *, temperature_c: float, duration_s: float) -> None:
        """Heat up, seal the plate on the tray and put it out again.

        Raises:
            RefusedError: Temperature or time outside the limits; nothing moved.
            InstrumentFaultError: The plate may be unsealed; it is inside or on the tray.
            LinkError: The plate may be sealed and may be inside.
        """
        ...


class Peeler(Instrument, Protocol):
    """An instrument that takes the seal off a plate."""

    async def peel(
        self, *, adhere_s: float, begin_mm: float = 0.0, fast: bool = False
    ) -> tuple[str, ...]:
        """Press tape on the seal for `adhere_s`, pull both off from `begin_mm` before or behind the edge.

        Returns what the peeler warns of, such as tape that runs out.

        Raises:
            RefusedError: A time or place that the instrument does not have; nothing moved.
            InstrumentFaultError: The maker's code says why; the seal may be there, off or torn.
            LinkError: The plate may be open and may be inside.
        """
        ...


class BarcodeReader(Instrument, Protocol):
    """A fixed reader in front of which a plate stands."""

    async def read(self) -> str:
        """Return the code of what stands there; reading changes nothing.

        Raises:
            InstrumentFaultError: `code` "no_read" if there is none that can be read, "disagree" if it was
                not read twice in the same way; otherwise the maker's code.
            LinkError: No usable answer.
        """
        ...


class PlateMover(Instrument, Protocol):
    """An arm between taught stations."""

    async def move_plate(self, source: str, target: str) -> None:
        """Take what stands at `source` (topmost) and set it down at `target`.

        Raises:
            RefusedError: A station is not taught; nothing moved.
            InstrumentFaultError: `code` "no_plate" when nothing was gripped; otherwise the maker's
                code, with the plate at the source, in the gripper or at the target.
            LinkError: The plate may be anywhere between the two.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request to a person.

    `kind` is one of load, confirm, move, refill, start_counter, harvest. `data` lists the
    objects in machine-readable form (what to place where), `options` the allowed answers. A
    `barcode` among the data is to be scanned with the first option. `due` is when it must be done
    so that no window breaks, ISO 8601; empty: any time.
    """

    id: str
    kind: str
    text: str
    options: tuple[str, ...] = ("done",)
    data: Mapping[str, Any] = field(default_factory=dict)
    due: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answered: the option, their name, a note, and the barcode that was scanned."""

    option: str
    person: str
    note: str = ""
    barcode: str = ""


class Operator(Instrument, Protocol):
    """A person at a terminal."""

    async def ask(self, prompt: Prompt) -> Answer:
        """Show the prompt and wait, without limit, for one of its options, and its barcode if it has one.

        Raises:
            LinkError: No answer can come any more; what the person did is unknown.
        """
        ...


class Harvester(Instrument, Protocol):
    """A cell harvester: aspirates a plate onto a filter and washes it."""

    async def harvest(self, *, plate: str, filter_plate: str, washes: int, wash_ml: float) -> None:
        """Aspirate, filter and wash the whole plate.

        Raises:
            InstrumentFaultError: Wells may be partly filtered.
            LinkError: Assume the plate was harvested.
        """
        ...
