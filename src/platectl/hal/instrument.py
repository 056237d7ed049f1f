"""What every instrument promises, and what a driver says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel

from platectl.domain.clock import Clock
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.hal.stream import Connector, DropFolder

S = TypeVar("S", bound=BaseModel)
Maturity = Literal["paper", "captured", "bench", "field"]


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """What `platectl instruments` prints about a driver.

    `interfaces` are names of the HAL interfaces it satisfies (`LiquidHandler`, `Counter`, …).
    `source` says where the wire facts come from; `unattested` lists the parts that have none.
    `transcripts` are recorded conversations that driver and simulator are tested against.
    `usb` are vendor and product identities (`0403:BB68`) under which a computer may find it.
    `lines` are the settings of its serial line, as delivered first, then others that it may be set to; a driver
    whose settings decide that has a property `lines` of its own.
    `firmware` and `seen_on` (ISO date) are those of the unit that was captured or verified.
    """

    name: str
    makes: str
    interfaces: tuple[str, ...]
    wire: Literal["serial", "tcp", "http", "files", "console", "child", "grpc", "none"]
    source: str
    maturity: Maturity = "paper"
    lines: tuple[SerialLine, ...] = ()
    unattested: tuple[str, ...] = ()
    transcripts: tuple[str, ...] = ()
    usb: tuple[str, ...] = ()
    firmware: str = ""
    seen_on: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: model, serial number and firmware as the instrument states them."""

    model: str
    serial_number: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class DriverSetup:
    """What a driver is built with.

    `settings` is the validated `Settings` model of the driver class; `open_stream` opens a
    conversation and may be called again for a second one; `folder` is there for instruments
    that answer by dropped files.
    """

    name: str
    clock: Clock
    open_stream: Connector
    settings: BaseModel
    folder: DropFolder | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def settings_as(self, kind: type[S]) -> S:
        """The settings, as the `Settings` of the driver.

        Raises:
            TypeError: They are of another driver; the registry builds them from the right model.
        """
        if not isinstance(self.settings, kind):
            raise TypeError(f"{self.name} is built with {type(self.settings).__name__}")
        return self.settings


class Instrument(Protocol):
    """Promises common to all instruments.

    Lifetime: built without talking; `connect` starts the conversation and moves nothing;
    `aclose` may be called twice and in any state. After the death of an earlier owner it is
    `observe`, any number of `reconcile`, then `take_over` instead of `connect`.
    Concurrency: one verb at a time, except `abort`, which may be called while a verb runs.
    """

    info: ClassVar[DriverInfo]

    async def connect(self) -> Identity:
        """Open the conversation, take remote control and say who answered; nothing moves.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: It answered with a standing fault.
        """
        ...

    async def observe(self) -> Identity:
        """Open the conversation only to look, and say who answered.

        Nothing is sent that changes a state: no control is taken, no error acknowledged, no run
        created, and what is under way goes on. May be repeated.

        Raises:
            LinkError: No usable answer; nothing was changed.
        """
        ...

    async def take_over(self) -> Identity:
        """Take control in the middle of a run, after an earlier owner died.

        What is heated stays heated, what runs goes on, what was declared stays declared.

        Raises:
            LinkError: No usable answer; nothing was moved.
            InstrumentFaultError: It answered with a standing fault, or lost what was declared.
        """
        ...

    async def reconcile(self, action: Action) -> Verdict:
        """Say what became of an action that was sent and whose end nobody saw; only looks.

        May be asked after `observe`, `connect` and `take_over`, also after a `LinkError`, and
        opens the conversation anew where that is needed. `unknown` is an honest answer: a wrong
        `done` loses a well, a wrong `not_done` doubles one.

        Raises:
            LinkError: No usable answer now; asking again is harmless.
        """
        ...

    async def abort(self) -> None:
        """Stop motion and flow at once, by the fastest way the instrument has; never raises LinkError.

        What had been dispensed or moved by then stays so; the engine marks the step in doubt.
        """
        ...

    async def aclose(self) -> None:
        """Give back remote control and close; harmless when repeated."""
        ...
