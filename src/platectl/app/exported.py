"""Files that instruments exported: by our own readers first, then by allotropy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from platectl import registry
from platectl.app import vendor_files
from platectl.app.vendor_files import VendorsMissingError
from platectl.domain.codes import Code
from platectl.domain.errors import ForeignExportError, MalformedReplyError, UserInputError
from platectl.domain.findings import Finding, InputRefusedError
from platectl.files.lab import load_lab
from platectl.files.table import read_bytes
from platectl.hal.counting import CountReading
from platectl.hal.reading import ExportedTrace

T = TypeVar("T")
_PLACE = re.compile(r"(?s):(\d+): (.*)")


def of_own_readers(
    group: str, data: bytes, path: Path, vendor: str | None
) -> tuple[Sequence[Any] | None, list[str]]:
    """What the reader that knows a file makes of it, else what each said; none if a vendor is named.

    Raises:
        InputRefusedError: One of them knows the file, and it is damaged.
    """
    problems: list[str] = []
    for name in () if vendor else registry.names(group):
        try:
            return registry.load(group, name)(data, path.name), []
        except ForeignExportError as error:
            problems.append(f"{name}: {error}")
        except MalformedReplyError as error:
            raise InputRefusedError([_damage(path, name, str(error))]) from error
    return None, problems


def _damage(path: Path, reader: str, message: str) -> Finding:
    told = message.removeprefix(path.name)
    match = _PLACE.fullmatch(told)
    line, what = (int(match[1]), match[2]) if match else (None, told.removeprefix(": "))
    message = f"is a damaged export of {reader}: {what}"
    return Finding(message, str(path), line, "", "export it again", code=Code.EXPORT_DAMAGED)


def as_declared(
    data: bytes, path: Path, lab_file: Path | None, counter: str, count_s: float, plate: str | None
) -> Sequence[CountReading]:
    """Counts in the layout that a lab file declares for one of its counters.

    Raises:
        InputRefusedError: No such counter, or the file is not of its layout.
    """
    lab, document = load_lab(lab_file)
    drivers = {
        name: registry.load(registry.DRIVERS, entry.driver)
        for name, entry in lab.instruments.items()
    }
    readers = {name: driver for name, driver in drivers.items() if hasattr(driver, "read_file")}
    if counter not in readers:
        message = f"declares no layout of files for {counter!r}"
        fix = (
            f"use one of: {', '.join(readers)}" if readers else "add a counter of delimited_counts"
        )
        raise InputRefusedError(
            [document.finding(("instruments",), message, fix, Code.NAME_UNKNOWN)]
        )
    driver, declared = readers[counter], lab.instruments[counter].settings
    try:
        settings = driver.Settings.model_validate(declared)
        found: Sequence[CountReading] = driver.read_file(
            data, path.name, settings, count_s=count_s, plate=plate
        )
    except ValidationError as error:
        where = ("instruments", counter, "settings")
        raise InputRefusedError(
            [document.finding(where, str(error.errors()[0]["msg"]), "", Code.VALUE_OUT_OF_RANGE)]
        ) from error
    except MalformedReplyError as error:
        fix = f"correct the settings of {counter}, or the file (--plate)"
        raise InputRefusedError(
            [Finding(str(error), str(path), fix=fix, code=Code.EXPORT_DAMAGED)]
        ) from error
    return found


def by_allotropy(read: Callable[[], T], path: Path, problems: list[str], fix: str) -> T:
    """What allotropy makes of a file that is none of ours.

    Raises:
        InputRefusedError: It is not installed, or reads no such file; with what our own readers said.
    """
    try:
        return read()
    except VendorsMissingError as error:
        message, _, install = str(error).partition("; ")
        problems, fix = [*problems, message], f"{fix}, or {install}"
    except UserInputError as error:
        raise InputRefusedError(
            [Finding(str(error), str(path), fix="see --vendor", code=Code.NAME_UNKNOWN)]
        ) from error
    except MalformedReplyError as error:
        problems = [*problems, str(error)]
    message = f"is no export that can be read ({'; '.join(problems)})"
    raise InputRefusedError([Finding(message, str(path), fix=fix, code=Code.NOT_AN_EXPORT)])


def of_plate(path: Path, plates: Collection[str], wanted: str | None) -> str:
    """The plate of a file that is meant.

    Raises:
        InputRefusedError: There are several and none was named, or not the one that was.
    """
    if wanted is None and len(plates) == 1:
        return next(iter(plates))
    if wanted is not None and wanted in plates:
        return wanted
    there = ", ".join(map(repr, sorted(plates)))
    message = f"holds no plate {wanted!r}" if wanted else "holds several plates"
    raise InputRefusedError(
        [
            Finding(
                message,
                str(path),
                None,
                "",
                f"choose with --plate: {there}",
                code=Code.PLATE_UNKNOWN,
            )
        ]
    )


def refuse_doubled(path: Path, wells: Sequence[Any]) -> None:
    """Refuse a file that states something twice.

    Raises:
        InputRefusedError: A well, or a well and its channel, is there more than once.
    """
    if twice := [what for what, times in Counter(wells).items() if times > 1]:
        findings = [
            Finding(f"states {_named(what)} more than once", str(path), None, _named(what), "export it once",
                    code=Code.WELL_TWICE)
            for what in twice
        ]  # fmt: skip
        raise InputRefusedError(findings)


def _named(what: Any) -> str:
    """A well, or a well in a channel."""
    if isinstance(what, tuple):
        well, excitation, emission = what
        return f"{well} at {excitation:g}/{emission:g} nm"
    return str(what)


def traces_of(path: Path, plate: str | None, vendor: str | None) -> tuple[ExportedTrace, ...]:
    """Fluorescence over time of one plate of a file.

    Raises:
        InputRefusedError: No such export, several plates, or a well and channel twice.
    """
    found, problems = of_own_readers(registry.TRACES, read_bytes(path), path, vendor)
    traces: Sequence[ExportedTrace] = (
        by_allotropy(
            lambda: vendor_files.read_traces(path, vendor),
            path,
            problems,
            "give an export of a kinetic read",
        )
        if found is None
        else found
    )
    name = of_plate(path, {trace.plate for trace in traces}, plate)
    chosen = tuple(trace for trace in traces if trace.plate == name)
    refuse_doubled(path, [(t.well, t.channel.excitation_nm, t.channel.emission_nm) for t in chosen])
    return chosen
