r"""Beckman LS 6000 and 6500 liquid scintillation counters, by what they push over RS-232.

Source: operating manual PN 247971-F, appendix C, pages C-2 to C-4 (readers 5.3): messages of at most 96 characters
`SOH length sequence type items checksum CR LF`; the length counts all but SOH, itself, CR and LF; the sequence runs
through the printable characters from blank; `S` begins and `B` ends a transmission; items are separated by `;`, each
an id of two characters, a letter of type (B, H, I, R, T), a blank and a value; data of a sample stand between the
ids 910 and 911; the checksum is the low byte of the sum of all characters but SOH, itself, CR and LF. Host and
counter hold one another by XON and XOFF. Nothing is acknowledged, and nothing can be asked. Maturity: paper.

The list of datum ids is not public. What a number means is therefore declared by the lab, from appendix C of
its own manual (`datums`); without that declaration a count is refused. Not responsible for starting the counter, which
a person does, for loading vials, or for stopping it.

Decisions: vials stand in the order of the wells asked for, and each states its position, so that the rest of an
earlier run is never taken. Any damaged, lost or repeated message ends the count: the counter does not repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import (
    LinkError,
    MalformedReplyError,
    RefusedError,
)
from platectl.hal.checks import check_counting
from platectl.hal.counting import CounterFeatures, CountReading
from platectl.hal.instrument import DriverInfo, DriverSetup, Identity
from platectl.hal.recovery import Action, Verdict
from platectl.hal.serial_line import SerialLine
from platectl.transport.codec import integer, number
from platectl.transport.drop_watch import Patience
from platectl.transport.line import InstrumentLine, LineLink

SOH, XON = b"\x01", b"\x11"
BLANK, LAST = 0x20, 0x7E
BEGIN, END = "S", "B"
SAMPLE_BEGINS, SAMPLE_ENDS = 910, 911
TYPES: Final = "BHIRT"
LONGEST: Final = 96
#: length, sequence, type and two characters of the checksum
SHORTEST: Final = 5
DIGIT, BYTE = 64, 256
MINUTE_S: Final = 60.0
TIME_WITHIN_S: Final = 0.6
NOT_PUBLIC: Final = (
    "which datum of a Beckman LS holds the position, the rate and the time is not public; declare `datums` from "
    "appendix C of its manual"
)

Meaning = Literal["position", "cpm", "count_min"]


class Settings(BaseModel):
    """What the numbers of data mean, and patience.

    `datums` names the ids, as numbers, of the sample's position from 1 (`position`), of its counts per
    minute (`cpm`), and, if it is sent, of the counting time in minutes (`count_min`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    datums: dict[Meaning, int] = Field(default_factory=dict)
    overhead_s: float = Field(default=20.0, ge=0, description="vial change, beside counting")
    margin_s: float = Field(default=3600.0, ge=0, description="covers a hold by XOFF of 30 min")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its place in the sequence (0 is blank), its type, and its items by datum number."""

    sequence: int
    kind: str
    items: tuple[tuple[int, str, str], ...]


class BeckmanLS:
    """Listens to one counter; satisfies `platectl.hal.counting.Counter`."""

    info: ClassVar[DriverInfo] = DriverInfo(
        name="beckman_ls",
        makes="Beckman LS 6000 and 6500",
        interfaces=("Counter",),
        wire="serial",
        lines=(SerialLine(9600, xonxoff=True), SerialLine(9600)),
        source="operating manual PN 247971-F, pages C-2 to C-4 (readers 5.3)",
        unattested=(
            "the list of datum ids: the lab declares it, and without it a count is refused",
            "letters of the types of messages other than S and B: they are taken as data",
            "meaning of the types of data, after their letters",
            "what follows the last printable character in the sequence: blank is expected",
        ),
        transcripts=("beckman_ls_three_vials",),
    )
    Settings = Settings

    def __init__(self, setup: DriverSetup) -> None:
        self._settings = setup.settings_as(Settings)
        self._setup = setup
        self._line = InstrumentLine(
            setup.open_stream, "the counter", tx_end=b"", rx_end=b"\r\n", longest=2 * LONGEST
        )
        self._patience = Patience(setup.clock)

    @property
    def features(self) -> CounterFeatures:
        """One vial at a time; a person presses start."""
        return CounterFeatures(
            started_by="operator", detectors=1, overhead_s=self._settings.overhead_s,
            notes=("vials stand in the order of the wells",),
        )  # fmt: skip

    async def connect(self) -> Identity:
        """Open the line; the counter cannot be asked anything.

        Raises:
            DisconnectedError: The line cannot be opened.
        """
        await self.aclose()
        return await self.observe()

    async def observe(self) -> Identity:
        """Open the line; nothing is said."""
        await self._line.open()
        return Identity("Beckman LS")

    async def take_over(self) -> Identity:
        """As `observe`; a counter that counts goes on."""
        return await self.observe()

    async def count(
        self, *, title: str, wells: Sequence[str], count_s: float
    ) -> tuple[CountReading, ...]:
        """Hear the samples of these wells, which a person has started.

        Raises:
            RefusedError: No `datums` are declared, or no wells; nothing was awaited.
            InstrumentFaultError: `abort` was called; the counter may go on counting.
            ReplyTimeoutError: Not all samples in time.
            MalformedReplyError: A message is damaged, lost or repeated, or of another sample.
        """
        del title  # the counter states none
        if not {"position", "cpm"} <= self._settings.datums.keys():
            raise RefusedError(NOT_PUBLIC)
        check_counting(wells, count_s)
        link = self._line.link
        self._patience.abort.clear()
        timeout_s = len(wells) * (count_s + self._settings.overhead_s) + self._settings.margin_s
        try:
            return await self._samples(link, wells, count_s, timeout_s)
        except LinkError:
            await self.aclose()  # what the counter goes on to say belongs to nobody
            raise

    async def reconcile(self, action: Action) -> Verdict:
        """What was sent while nobody listened is lost; counting again is harmless.

        Raises:
            LinkError: The line cannot be opened.
        """
        await self.observe()
        if action.verb != "count":
            return Verdict("unknown", {"not_a_verb_of_this_counter": action.verb})
        return Verdict("not_done", {"messages": "are not repeated"}, remembered=True)

    async def abort(self) -> None:
        """Stop listening; the counter cannot be stopped from here."""
        self._patience.abort.call()

    async def aclose(self) -> None:
        """Close the line."""
        await self._line.aclose()

    async def _samples(
        self, link: LineLink, wells: Sequence[str], count_s: float, timeout_s: float
    ) -> tuple[CountReading, ...]:
        until_s = self._setup.clock.monotonic_s() + timeout_s
        await link.drain(quiet_s=0.0)
        await link.send_line(XON)
        readings: list[CountReading] = []
        data: dict[int, str] | None = None
        before: int | None = None
        while len(readings) < len(wells):
            so_far = f"{len(readings)} of {len(wells)} samples"
            message = parse_message(await self._patience.next_line(link, until_s, so_far))
            if before is not None and message.sequence != following(before):
                raise MalformedReplyError(
                    f"message {message.sequence} follows message {before}: one is lost or repeated"
                )
            before = message.sequence
            if message.kind == END:
                raise MalformedReplyError(f"the transmission ended after {len(readings)} samples")
            for datum, kind, value in () if message.kind == BEGIN else message.items:
                if datum == SAMPLE_BEGINS:
                    data = {}
                elif datum == SAMPLE_ENDS:
                    readings.append(self._reading(data, len(readings), wells, count_s))
                    data = None
                elif data is not None:
                    self._keep(data, datum, kind, value)
        return tuple(readings)

    def _keep(self, data: dict[int, str], datum: int, kind: str, value: str) -> None:
        if datum in data:
            raise MalformedReplyError(f"datum {datum} stands twice in a sample")
        if datum in self._settings.datums.values() and kind not in "IR":
            raise MalformedReplyError(f"datum {datum} is declared as a number, and has type {kind}")
        data[datum] = value

    def _reading(
        self, data: Mapping[int, str] | None, index: int, wells: Sequence[str], count_s: float
    ) -> CountReading:
        if data is None:
            raise MalformedReplyError("a sample ends that did not begin")
        missing = [name for name, datum in self._settings.datums.items() if datum not in data]
        if missing:
            raise MalformedReplyError(f"a sample without {', '.join(missing)}, which are declared")
        told = {name: data[datum] for name, datum in self._settings.datums.items()}
        position, cpm = integer(told["position"]), number(told["cpm"])
        if position != index + 1:
            raise MalformedReplyError(f"sample {position} came, {index + 1} is next")
        live_s = number(told["count_min"]) * MINUTE_S if "count_min" in told else count_s
        if cpm < 0 or live_s <= 0:
            raise MalformedReplyError(f"sample {position}: {cpm:g} cpm in {live_s:g} s")
        return CountReading(
            wells[index], cpm, round(cpm * live_s / MINUTE_S), live_s,
            source=f"{self._setup.name}: sample {position}",
            flags=("count_time",) if abs(live_s - count_s) > TIME_WITHIN_S else (),
        )  # fmt: skip


def following(sequence: int) -> int:
    """The place after one in the sequence."""
    return (sequence + 1) % (LAST - BLANK + 1)


def parse_message(line: bytes) -> Message:
    """Read one message, without its CR LF.

    Raises:
        MalformedReplyError: Another frame, length or checksum, or an item of another form.
    """
    if not line.startswith(SOH):
        raise MalformedReplyError(f"{line[:20]!r} begins no message")
    said = line[len(SOH) :]
    if not all(BLANK <= byte <= LAST for byte in said) or not SHORTEST <= len(said) <= LONGEST:
        raise MalformedReplyError(f"{line[:40]!r} is no message of printable characters")
    if said[0] - BLANK != len(said) - 1:
        raise MalformedReplyError(
            f"the length of a message is {len(said) - 1}, stated is {said[0] - BLANK}"
        )
    stated, found = _pair(said[-2:]), sum(said[:-2]) % BYTE
    if stated != found:
        raise MalformedReplyError(f"the checksum of a message is {found}, stated is {stated}")
    text = said[:-2].decode("ascii")
    return Message(said[1] - BLANK, text[2], tuple(_items(text[3:])))


def _items(text: str) -> list[tuple[int, str, str]]:
    """Number, type and value of each item; an id may contain the separator."""
    found, rest = [], text
    while rest:
        name, kind, blank = rest[:2], rest[2:3], rest[3:4]
        value, _, after = rest[4:].partition(";")
        if not kind or kind not in TYPES or blank != " ":
            raise MalformedReplyError(f"{rest[:20]!r} is no datum")
        found.append((_pair(name.encode("ascii")), kind, value))
        rest = after
    return found


def _pair(two: bytes) -> int:
    """A number of two characters to the base of 64."""
    return (two[0] - BLANK) * DIGIT + two[1] - BLANK
