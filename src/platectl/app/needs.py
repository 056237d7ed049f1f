"""What a prepared run needs, for whoever lends instruments to runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from platectl.app.drive import used_instruments
from platectl.app.prepare import Night
from platectl.nights.submission import Needs
from platectl.registry import DRIVERS, load
from platectl.transport.address import is_port

_PERSON: Final = "Operator"


def needs_of(night: Night) -> Needs:
    """Instruments, their ports, and the planned time in seconds.

    People are not lent: one person may serve two runs.
    """
    run = night.compiled
    entries = {name: run.lab.instruments[name] for name in used_instruments(run)}
    lent = {
        name: entry
        for name, entry in entries.items()
        if _PERSON not in load(DRIVERS, entry.driver).info.interfaces
    }
    ports = {a for entry in lent.values() for a in (entry.address, *entry.wires.values())}
    return Needs(
        lab=run.lab.name if night.lab_file is None else str(night.lab_file.resolve()),
        instruments=tuple(lent),
        planned_s=run.planned_end_s,
        lasting=not run.lab.simulated,
        files={str(Path(file).resolve()): digest for file, digest in run.files.items()},
        starts=None if run.lab.simulated else run.starts,
        addresses=tuple(sorted(a for a in ports if is_port(a))),
    )
