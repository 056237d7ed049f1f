"""An export without any run: every well's trace with the times that the file states."""

from __future__ import annotations

from platectl.hal.reading import ExportedTrace
from platectl_drivers.softmax_file.export_file import PlateSection, parse_export


def read_traces(data: bytes, name: str = "export") -> tuple[ExportedTrace, ...]:
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


def _trace(plate: PlateSection, well: str, channel: int, name: str) -> ExportedTrace:
    readings = [reading for reading in plate.readings if reading.channel == channel]
    first_s = readings[0].time_s or 0.0
    return ExportedTrace(
        plate=plate.name,
        well=well,
        channel=plate.channels[channel],
        times_s=tuple((reading.time_s or 0.0) - first_s for reading in readings),
        values=tuple(reading.values[well] for reading in readings),
        flags={r.point: r.flags[well] for r in readings if well in r.flags},
        temperature_c=readings[0].temperature_c,
        source=f"{name}: plate {plate.name}",
    )
