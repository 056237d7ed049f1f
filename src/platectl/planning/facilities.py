"""What a lab can do: drivers built without talking, asked for interfaces, limits and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from platectl import registry
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.lab import Lab
from platectl.domain.qualification import Unit
from platectl.files.yaml_lines import Document, findings_of
from platectl.hal.instrument import DriverSetup
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import ByteStream
from platectl.transport.address import is_port, line_of


class _NoClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(0, tz=UTC)

    def monotonic_s(self) -> float:
        return 0.0


async def _refuse() -> ByteStream:
    raise DisconnectedError("an unconnected driver was asked to talk")


class Facilities:
    """The instruments of a lab by interface, and where labware can stand."""

    def __init__(
        self, lab: Lab, drivers: dict[str, Any], qualified: dict[str, tuple[Unit, ...]]
    ) -> None:
        self.lab = lab
        self.drivers = drivers
        #: units that may answer for an instrument whose driver is on paper otherwise
        self.qualified = qualified
        #: what does not forbid a run, and is hardly meant
        self.warnings: list[Finding] = []

    def having(self, interface: str) -> tuple[str, ...]:
        """Names of instruments that satisfy an interface, in the order of the lab file."""
        return tuple(n for n, d in self.drivers.items() if interface in d.info.interfaces)

    def first(self, interface: str) -> str | None:
        """First instrument of an interface."""
        return next(iter(self.having(interface)), None)

    def dispenser_of(self, liquid: str, interface: str = "BulkDispenser") -> str | None:
        """The dispenser that carries a liquid."""
        names = (n for n in self.having(interface) if liquid in self.lab.instruments[n].liquids)
        return next(names, None)

    def position_of(self, instrument: str) -> str:
        """Nest of an instrument; its own name when the lab file gives none."""
        return self.lab.instruments[instrument].position or instrument

    def positions_for(self, use: str) -> tuple[str, ...]:
        """Positions of a use (deck, hotel, dryer, lid_park), in the order of the lab file."""
        return tuple(n for n, p in self.lab.positions.items() if p.use == use)

    def hotels(self, *, radioactive: bool) -> tuple[str, ...]:
        """Hotel positions for a plate: those of the zone if it is radioactive and there is one."""
        places = self.positions_for("hotel")
        zone = tuple(name for name in places if self.lab.positions[name].radioactive)
        if radioactive:
            return zone or places
        return tuple(name for name in places if name not in zone)

    def instruments_at(self, positions: Sequence[str]) -> tuple[str, ...]:
        """Instruments whose nest is one of the positions."""
        return tuple(n for n, e in self.lab.instruments.items() if e.position in positions)


def build_facilities(
    lab: Lab, document: Document, qualified: Mapping[str, tuple[Unit, ...]]
) -> Facilities:
    """Load every driver class, validate its settings, and build it unconnected.

    `qualified` are the units of a driver whose hardware tests passed.

    Raises:
        InputRefusedError: Unknown drivers, wrong settings, paper drivers on real addresses.
    """
    findings: list[Finding] = []
    drivers: dict[str, Any] = {}
    relied: dict[str, tuple[Unit, ...]] = {}
    for name, entry in lab.instruments.items():
        place = ("instruments", name)
        try:
            driver_class = registry.load(registry.DRIVERS, entry.driver)
        except UserInputError as error:
            message, _, fix = str(error).partition("; ")
            findings.append(document.finding((*place, "driver"), message, fix))
            continue
        try:
            settings = driver_class.Settings.model_validate(entry.settings)
        except ValidationError as error:
            part = Document(document.name, entry.settings, {
                key[3:]: line for key, line in document.lines.items() if key[:3] == (*place, "settings")})  # fmt: skip
            findings += findings_of(error, part)
            continue
        drivers[name] = driver_class(DriverSetup(name, _NoClock(), _refuse, settings))
        simulated = entry.address.startswith("sim:") or (
            lab.simulated and entry.address.startswith(("drop:", "none:"))
        )
        if simulated or driver_class.info.maturity != "paper" or entry.allow_paper:
            continue
        relied[name] = tuple(
            unit
            for unit in qualified.get(entry.driver, ())
            if entry.serial_number in {"", unit.serial_number}
        )
        if not relied[name]:
            message = (
                f"driver {entry.driver!r} was never verified on a real instrument (maturity: paper)"
            )
            findings.append(
                document.finding(
                    (*place, "driver"),
                    message,
                    f"test it (platectl instruments qualify {name}), or set allow_paper: true to accept that",
                )
            )
    refuse_if_any(findings + _thermometers(lab, drivers, document))
    facilities = Facilities(lab, drivers, relied)
    facilities.warnings = _doubtful_addresses(lab, drivers, document)
    return facilities


def _doubtful_addresses(lab: Lab, drivers: dict[str, Any], document: Document) -> list[Finding]:
    """Ports that a simulated lab never opens, and lines that are set otherwise than those of the driver."""
    findings = []
    for name, entry in lab.instruments.items():
        if lab.simulated:
            findings += [
                document.finding(
                    ("instruments", name, *place),
                    f"the lab is simulated: nothing is ever sent to {address}, a simulator answers",
                    "write simulated: false at the top of the lab file for real instruments",
                )
                for place, address in entry.places.items()
                if is_port(address)
            ]
            continue
        line, driver = line_of(entry.address), drivers[name]
        known: tuple[SerialLine, ...] = getattr(driver, "lines", driver.info.lines)
        if line is None or not known:
            continue
        if entry.address.startswith("visa:"):  # VISA sends no break
            known = tuple(replace(one, break_ms=0) for one in known)
        if line not in known:
            port = entry.address.partition("?")[0]
            findings.append(
                document.finding(
                    ("instruments", name, "address"),
                    f"the line is set to {line}, and {entry.driver} has {' or '.join(map(str, known))}",
                    f"write {port}?{known[0].options}, unless the instrument itself is set so",
                )
            )
    return [replace(finding, severity="warning") for finding in findings]


def _thermometers(lab: Lab, drivers: dict[str, Any], document: Document) -> list[Finding]:
    """Suspenders that watch the temperature of an instrument which cannot say it."""
    able = [
        n
        for n, d in drivers.items()
        if hasattr(d, "read_temperature_c") or hasattr(d, "read_climate")
    ]
    return [
        document.finding(
            ("suspenders", name, "signal"),
            f"{where!r} cannot say its temperature",
            f"use one of: {', '.join(able)}",
        )
        for name, (kind, where) in ((n, s.parts) for n, s in lab.suspenders.items())
        if kind == "temperature" and where in drivers and where not in able
    ]
