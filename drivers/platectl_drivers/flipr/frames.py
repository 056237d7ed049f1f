"""Turns a time sequence into frames and additions on the host's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from platectl.domain.errors import (
    InstrumentError,
    InstrumentFaultError,
    MalformedReplyError,
    ReplyTimeoutError,
)
from platectl.hal.reading import Addition, Frame, KineticRead
from platectl.transport.drop_watch import Found
from platectl_drivers.flipr.export_file import TimeSequence, parse_time_sequence
from platectl_drivers.flipr.settings import FmpProtocol
from platectl_drivers.flipr.watch import ExportWatch


def sequence_of(
    found: Found, read: KineticRead, protocol: FmpProtocol, *, broken: bool
) -> TimeSequence | None:
    """Read and check an export; damage in that of a broken run gives None, not an error.

    Raises:
        MalformedReplyError: The export breaks its layout, or is not that of this read.
    """
    try:
        sequence = parse_time_sequence(found.data, found.name, partial=broken)
        _check_sequence(sequence, read, protocol, found.name)
    except MalformedReplyError:
        if not broken:
            raise
        return None
    return sequence


def _check_sequence(
    sequence: TimeSequence, read: KineticRead, protocol: FmpProtocol, name: str
) -> None:
    if sequence.protocol != protocol.path:
        raise MalformedReplyError(f"{name} comes from {sequence.protocol}, not {protocol.path}")
    if missing := set(read.wells) - set(sequence.wells):
        raise MalformedReplyError(f"{name} has no well {min(missing)}")
    if not set(sequence.frames) <= set(read.channels):
        raise MalformedReplyError(f"{name} has other wavelengths than those asked for")
    counts = {channel: len(sequence.frames.get(channel, ())) for channel in read.channels}
    if sequence.ended and set(counts.values()) != {read.passes}:
        raise MalformedReplyError(
            f"{name} has {list(counts.values())} frames, not {read.passes} in each channel"
        )


def items_of(
    sequence: TimeSequence, read: KineticRead, *, begun_s: float, name: str
) -> Iterator[Frame | Addition]:
    """Frames and the addition in the order in which they happened.

    The addition names all wells of the plate: 96 tips add at once, whatever wells are read.
    An addition that the export does not state is taken to be at the end of the baseline, and its
    source says so; of a run that did not come to its end it is left out.
    """
    addition = _addition(sequence, read, begun_s=begun_s, name=name)
    frames = [
        Frame(
            index=index,
            channel=read.channels.index(channel),
            wells=read.wells,
            at_s=(begun_s + frame.time_s,) * len(read.wells),
            values=tuple(frame.values[well] for well in read.wells),
            flags={well: frame.flags[well] for well in read.wells if well in frame.flags},
            source=f"{name}:{frame.line}",
        )
        for channel, block in sequence.frames.items()
        for index, frame in enumerate(block)
    ]
    for item in sorted(frames, key=lambda frame: frame.at_s[0]):
        if addition is not None and item.at_s[0] > min(addition.at_s.values()):
            yield addition
            addition = None
        yield item
    if addition is not None:
        yield addition


def _addition(
    sequence: TimeSequence, read: KineticRead, *, begun_s: float, name: str
) -> Addition | None:
    if sequence.addition_s is not None:
        at_s = {well: begun_s + time_s for well, time_s in sequence.addition_s.items()}
        return Addition(at_s, f"{name}: as the export states it") if at_s else None
    if read.injection is None or not sequence.ended:
        return None
    first_s = min(block[0].time_s for block in sequence.frames.values())
    return Addition(
        dict.fromkeys(sequence.wells, begun_s + first_s + read.baseline_s),
        f"{name}: {read.baseline_s:g} s baseline as declared; the export does not state it",
    )


async def collect(
    watch: ExportWatch,
    read: KineticRead,
    protocol: FmpProtocol,
    *,
    begun_s: float,
    failure: InstrumentError | None,
    within_s: float,
) -> AsyncIterator[Frame | Addition]:
    """Yield what a run has exported, whole or not; then say what broke it off, if anything.

    Raises:
        InstrumentError: `failure`, or `stopped`, or no whole export within `within_s`.
    """
    found = None
    if failure is None and (found := await watch.until_whole(within_s)) is None:
        failure = ReplyTimeoutError(
            f"the run is over, but no whole export came within {within_s:g} s"
            + (f"; {watch.unreadable}" if watch.unreadable else "")
        )
    if failure is not None:
        found = await watch.remains()
    if found is not None and (
        sequence := sequence_of(found, read, protocol, broken=failure is not None)
    ):
        for item in items_of(sequence, read, begun_s=begun_s, name=found.name):
            yield item
        if failure is None and not sequence.ended:
            failure = InstrumentFaultError(f"{found.name}: the run was stopped", code="stopped")
    if failure is not None:
        raise failure
