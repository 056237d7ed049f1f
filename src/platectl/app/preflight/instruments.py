"""Whether the instruments of a night answer: each is only looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from platectl.app.desk import Desk
from platectl.app.drive import used_instruments
from platectl.app.night import site_of
from platectl.app.preflight.model import Check
from platectl.app.prepare import Night
from platectl.app.site import Site
from platectl.app.wire import Look, NotAsked, look_at, stranger
from platectl.domain.lab import Lab
from platectl.domain.run import CompiledRun
from platectl.hal.instrument import Identity
from platectl.store.lock import Owner
from platectl.transport.wall_clock import WallClock


def instrument_checks(night: Night) -> list[Check]:
    """Ask every instrument of a night who it is; nothing moves, and the conversations are closed."""
    run = night.compiled
    with tempfile.TemporaryDirectory(prefix="platectl-preflight-") as name:
        site = site_of(run, night.truth, night.seed, Path(name), None)
        said = site.run(_look(site, run.lab, used_instruments(run), Path(name)))
    return [_check(run, name, answer) for name, answer in said.items()]


async def _look(site: Site, lab: Lab, names: tuple[str, ...], folder: Path) -> Mapping[str, Look]:
    owner = Owner.me("platectl preflight", WallClock().now().isoformat(timespec="seconds"))
    async with site.behind() as behind:
        return await look_at(
            lab, names, clock=site.clock, folder=folder, behind=behind, owner=owner,
            console=Desk().connect,
        )  # fmt: skip


def _check(run: CompiledRun, name: str, answer: Look) -> Check:
    if isinstance(answer, NotAsked):
        return Check(f"instrument {name}", "ready", str(answer), "unknown")
    if isinstance(answer, Identity) and name in run.qualified:
        answer = stranger(run.lab.instruments[name], answer, run.qualified[name]) or answer
    if isinstance(answer, str):
        return Check(f"instrument {name}", "ready", answer, "no", "see to it, then check again")
    parts = (answer.model, answer.serial_number, answer.firmware)
    return Check(f"instrument {name}", "ready", " ".join(p for p in parts if p), "yes")
