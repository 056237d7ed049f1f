"""An export without any run: every well's trace with the times that the file states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platectl.hal.reading import Channel, ReadFlag
from platectl_drivers.softmax_file.export_file import PlateSection, parse_export


@dataclass(frozen=True, slots=True)
class WellTrace:
    """One well over time in one channel.

    `times_s` are those of the file, counted from the first point of the well's own read (0 in an
    endpoint read); both channels of a point carry the same time. `values` are NaN where `flags`,
    by the index of the point, says why. `source` names the file and the plate section.
    """

    plate: str
    well: str
    channel: Channel
    times_s: tuple[float, ...]
    values: tuple[float, ...]
    flags: Mapping[int, ReadFlag]
    temperature_c: float | None
    source: str


def read_traces(data: bytes, name: str = "export") -> tuple[WellTrace, ...]:
    """Read the fluorescence of every well of every plate section of a SoftMax Pro export.

    In the order of the file: plates, then wells by row, then channels. `temperature_c` is that of
    the first point.

    Raises:
        MalformedReplyError: As for `parse_export`.
    """
    return tuple(
        _trace(plate, well, index, name)
        for plate in parse_export(data, name).plates
        for well in plate.wells
        for index in range(len(plate.channels))
    )


def _trace(plate: PlateSection, well: str, channel: int, name: str) -> WellTrace:
    readings = [reading for reading in plate.readings if reading.channel == channel]
    first_s = readings[0].time_s or 0.0
    return WellTrace(
        plate=plate.name,
        well=well,
        channel=plate.channels[channel],
        times_s=tuple((reading.time_s or 0.0) - first_s for reading in readings),
        values=tuple(reading.values[well] for reading in readings),
        flags={r.point: r.flags[well] for r in readings if well in r.flags},
        temperature_c=readings[0].temperature_c,
        source=f"{name}: plate {plate.name}",
    )
