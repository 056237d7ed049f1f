"""What the computer says: clock, disk, and the runs that the store has already."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from platectl.app.preflight.model import Check
from platectl.domain.errors import StoreError
from platectl.domain.run import CompiledRun
from platectl.store.index import RunIndex
from platectl.store.ledger import Ledger
from platectl.transport.kernel_clock import synchronised
from platectl.transport.wall_clock import WallClock

#: a ledger may be a moment ahead of the clock that reads it
TOLERANCE_S = 2.0
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The computer and the store at one moment.

    `barcodes` are those of earlier runs, with the run; `last_entry` is the latest entry of a ledger
    of a real lab; `zone` is the computer's time zone; `runs` are the folders of the store. None is
    what nobody can say.
    """

    now: datetime
    free_bytes: int | None = None
    synchronised: bool | None = None
    zone: str | None = None
    last_entry: datetime | None = None
    barcodes: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()


def surroundings_of(store: Path) -> Surroundings:
    """Look at this computer and at a store; nothing is written."""
    barcodes: dict[str, str] = {}
    last: datetime | None = None
    for folder in _runs(store):
        try:
            with Ledger.reading(folder / "ledger.db") as ledger:
                run = json.loads(ledger.frozen("run"))
                joined = [event.data["addition"] for event in ledger.of_kind("plate.added")]
                entry = None if run["lab"]["simulated"] else ledger.last()
        except StoreError:
            continue  # no ledger, or one that was never begun: it has used no barcode
        for part in (run, *joined):
            barcodes.update(dict.fromkeys(_frozen_barcodes(part), folder.name))
        if entry is not None:
            wall = datetime.fromisoformat(entry.wall)
            last = wall if last is None else max(last, wall)
    return Surroundings(
        WallClock().now(),
        _free_bytes(store),
        synchronised(),
        _zone(),
        last,
        barcodes,
        tuple(_runs(store)),
    )


def surrounding_checks(
    run: CompiledRun, around: Surroundings, *, disk_bytes: int, zone: str | None
) -> Iterator[Check]:
    """Disk, barcodes and clocks; a simulated lab has a clock of its own."""
    yield _disk(around.free_bytes, disk_bytes)
    yield _barcodes(run, around.barcodes)
    if run.lab.simulated:
        yield Check("clock", "virtual time", "virtual time", "yes")
        return
    yield _clock(around)
    yield _known("time zone", "known", zone or around.zone, "write `zone` into the night file")
    yield _followed(around.synchronised)


def _runs(store: Path) -> Iterator[Path]:
    if (store / "index.db").exists():
        yield from (Path(row["folder"]) for row in RunIndex(store).runs())


def _frozen_barcodes(run: Mapping[str, object]) -> Iterator[str]:
    """Barcodes of plates and of everything that was placed, in a run as it was frozen."""
    plates, steps = run["plates"], run["steps"]
    yield from (plate["barcode"] for plate in plates)  # type: ignore[attr-defined]  # JSON
    for step in steps:  # type: ignore[attr-defined]  # JSON
        if step["kind"] == "load":
            yield from (item["barcode"] for item in step["params"]["place"])


def _disk(free: int | None, needed: int) -> Check:
    short = free is not None and free < needed
    return Check(
        "disk", f"{needed / MEGABYTE:.0f} MB",
        "cannot be told" if free is None else f"{free / MEGABYTE:.0f} MB",
        "unknown" if free is None else "no" if short else "yes",
        "free some, or name another --store" if short else "",
    )  # fmt: skip


def _barcodes(run: CompiledRun, earlier: Mapping[str, str]) -> Check:
    placed = [
        str(item["barcode"])
        for step in run.steps
        if step.kind == "load"
        for item in step.params["place"]
    ]
    plates = {plate.barcode for plate in run.plates} - set(placed)
    tubes = {(sample.barcode, sample.compound) for sample in run.samples if sample.barcode}
    mine = Counter([*placed, *plates, *(barcode for barcode, _ in tubes)])
    wrong = [f"{barcode} twice" for barcode, number in mine.items() if number > 1]
    wrong += [f"{b} was in {earlier[b]}" for b in sorted({*placed, *plates}) if b in earlier]
    return Check(
        "barcodes", f"{len(mine)} of their own", "; ".join(wrong) or "all of them",
        "no" if wrong else "yes", "give each piece of labware a new barcode" if wrong else "",
    )  # fmt: skip


def _clock(around: Surroundings) -> Check:
    shown = f"{around.now:%Y-%m-%d %H:%M:%S} UTC"
    if around.last_entry is None:
        return Check("clock", "after the last entry of a ledger", shown, "unknown",
                     "no earlier run of a real lab to compare with")  # fmt: skip
    ahead_s = (around.last_entry - around.now).total_seconds()
    back = ahead_s > TOLERANCE_S
    needed = f"after {around.last_entry:%Y-%m-%d %H:%M:%S} UTC, the last entry of a ledger"
    return Check("clock", needed, shown, "no" if back else "yes", "set the clock" if back else "")


def _followed(synchronised: bool | None) -> Check:  # noqa: FBT001  # what the kernel says
    name, fix = "clock synchronised", "start the time service (systemd-timesyncd, chrony)"
    if synchronised is None:
        return Check(name, "yes", "cannot be told", "unknown", fix)
    return Check(name, "yes", "yes", "yes") if synchronised else Check(name, "yes", "no", "no", fix)


def _known(name: str, needed: str, value: str | None, fix: str) -> Check:
    if value is None:
        return Check(name, needed, "cannot be told", "unknown", fix)
    return Check(name, needed, value, "yes")


def _free_bytes(store: Path) -> int | None:
    """Free space where the store is, or will be."""
    place = store.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _zone() -> str | None:
    """Name of the computer's time zone."""
    if named := os.environ.get("TZ"):
        return named.removeprefix(":")
    link = Path("/etc/localtime")
    target = str(link.resolve()) if link.exists() else ""
    return target.partition("zoneinfo/")[2] or None
