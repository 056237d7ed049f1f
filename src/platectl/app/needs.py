"""What a compiled run needs, for whoever lends instruments to runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from platectl.app.drive import used_instruments
from platectl.domain.run import CompiledRun
from platectl.nights.submission import Needs
from platectl.registry import DRIVERS, load

_PERSON: Final = "Operator"


def needs_of(run: CompiledRun) -> Needs:
    """Instruments of its lab, which is known by its name, and the planned time in seconds.

    People are not lent: one person may serve two runs.
    """
    return Needs(
        lab=run.lab.name,
        instruments=tuple(
            name
            for name in used_instruments(run)
            if _PERSON not in load(DRIVERS, run.lab.instruments[name].driver).info.interfaces
        ),
        planned_s=run.planned_end_s,
        lasting=not run.lab.simulated,
        files={str(Path(file).resolve()): digest for file, digest in run.files.items()},
    )
