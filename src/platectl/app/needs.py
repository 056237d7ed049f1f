"""What a compiled run needs, for whoever lends instruments to runs."""

from __future__ import annotations

from pathlib import Path

from platectl.app.drive import used_instruments
from platectl.domain.run import CompiledRun
from platectl.nights.submission import Needs


def needs_of(run: CompiledRun) -> Needs:
    """Instruments of its lab, which is known by its name, and the planned time in seconds."""
    return Needs(
        lab=run.lab.name,
        instruments=used_instruments(run),
        planned_s=run.planned_end_s,
        lasting=not run.lab.simulated,
        files={str(Path(file).resolve()): digest for file, digest in run.files.items()},
    )
