"""A time sequence without any run: every well's trace, and when the compound came."""

from __future__ import annotations

import math
from pathlib import PureWindowsPath

from platectl.domain.errors import ForeignExportError, MalformedReplyError
from platectl.hal.reading import ExportedTrace
from platectl_drivers.flipr.export_file import TITLE, parse_time_sequence


def read_traces(data: bytes, name: str) -> tuple[ExportedTrace, ...]:
    """Read the fluorescence of every well of a time sequence that came to its end.

    Times are counted from the first exposure of the file. The plate is called as the data file.

    Raises:
        ForeignExportError: No such file.
        MalformedReplyError: Not whole, damaged, or of a run that was stopped.
    """
    if not data.startswith(TITLE.partition("\t")[0].encode()):
        raise ForeignExportError(f"{name}: no time sequence of a FLIPR")
    found = parse_time_sequence(data, name)
    if not found.ended:
        raise MalformedReplyError(f"{name}: the run was stopped before its end")
    if not any(found.frames.values()):
        raise MalformedReplyError(f"{name}: holds no frames")
    plate = PureWindowsPath(found.data_file).stem
    first_s = min(frames[0].time_s for frames in found.frames.values() if frames)
    added = {} if found.addition_s is None else found.addition_s
    return tuple(
        ExportedTrace(
            plate=plate,
            well=well,
            channel=channel,
            times_s=tuple(frame.time_s - first_s for frame in frames),
            values=tuple(frame.values.get(well, math.nan) for frame in frames),
            flags={n: frame.flags[well] for n, frame in enumerate(frames) if well in frame.flags},
            temperature_c=None,
            source=f"{name}: plate {plate}",
            added_s=added[well] - first_s if well in added else None,
        )
        for channel, frames in found.frames.items()
        for well in found.wells
        if any(well not in frame.flags for frame in frames)
    )
