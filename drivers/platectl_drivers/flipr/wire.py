"""Commands and answers of the remote protocol, without any conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from platectl.domain.errors import InstrumentFaultError, MalformedReplyError, RefusedError

LONGEST_BARCODE: Final = 20
#: where plates and tips go, and what the status calls the place
PLACES: Final = {
    "re": "readplate", "s1": "sourceplate1", "s2": "sourceplate2", "s3": "sourceplate3", "ti": "tips",
}  # fmt: skip
CONDITIONS: Final = {
    "c00": "instrument not functional", "c05": "invalid location", "c10": "plate handler busy",
    "c15": "the location has a plate already", "c16": "no plate at the location",
    "c20": "landing pad empty", "c21": "landing pad has a plate", "c25": "experiment running",
    "c30": "protocol not found", "c35": "could not open", "c36": "invalid protocol name",
    "c47": "invalid data file name", "c50": "not a valid protocol", "c68": "tips not loaded",
    "c69": "command not recognised", "c72": "hold time too small", "c73": "hold time too large",
    "c77": "parameter out of range", "c78": "wrong number of parameters",
    "c79": "volume too low or high",
}  # fmt: skip

_CONDITION: Final = re.compile(r"([cC]\d\d)(?:, *(.*))?")
_BAND: Final = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) nm")
_PLATE: Final = re.compile(r"(\S+),? (have|empty)")


@dataclass(frozen=True, slots=True)
class Status:
    """What `statusex` says.

    `trouble` is empty, or what `function` or `inst_status` says is wrong. `plates` maps a place of
    `PLACES` to the barcode of what is there, empty text without a barcode, None for nothing.
    """

    instrument: str
    version: str
    state: str
    trouble: str
    remote: bool
    online: bool
    running: bool
    plates: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Bands of the light sources and of the emission filters, in nanometres."""

    excitation_nm: tuple[tuple[float, float], ...]
    emission_nm: tuple[tuple[float, float], ...]


def write_command(name: str, *parameters: str) -> str:
    """Write a command without its end.

    Raises:
        RefusedError: A parameter cannot stand on this wire.
    """
    for parameter in parameters:
        plain = parameter.isascii() and parameter.isprintable()
        if not parameter or "," in parameter or not plain or parameter != parameter.strip():
            raise RefusedError(f"{parameter!r} cannot be a parameter of {name}")
    return f"{name}\t{', '.join(parameters)}" if parameters else name


def check_condition(answer: str, command: str) -> str:
    """Return an answer that is no condition code.

    Raises:
        InstrumentFaultError: It is one; `code` is as it stood on the wire.
    """
    if match := _CONDITION.fullmatch(answer):
        meaning = CONDITIONS.get(match[1].lower(), "unknown condition")
        raise InstrumentFaultError(
            f"FLIPR refused {command}: {meaning} ({answer[:80]})", code=match[1]
        )
    return answer


def check_ok(answer: str, command: str) -> None:
    """Check that a command was taken.

    Raises:
        InstrumentFaultError: A condition code.
        MalformedReplyError: Anything else but `ok`.
    """
    if check_condition(answer, command) != "ok":
        raise MalformedReplyError(f"FLIPR answered {answer[:60]!r} to {command}")


def parse_status(answer: str) -> Status:
    """Read the answer to `statusex`; fields that are not known are passed over.

    Remote and online are looked for as a word of their own or as the value of any key.

    Raises:
        MalformedReplyError: A field that matters is missing, there twice, or damaged.
    """
    fields, words = _pairs(answer)
    function, state = _one(fields, "function"), _one(fields, "inst_status")
    if state not in {"busy", "fault", "error", "resetting", "abort", "idle"}:
        raise MalformedReplyError(f"FLIPR has an unknown inst_status {state[:40]!r}")
    if function != "ok" and not re.fullmatch(r"(error|fatal) \S+", function):
        raise MalformedReplyError(f"FLIPR has an unknown function {function[:40]!r}")
    stopped = state if state in {"fault", "error", "abort"} else ""
    return Status(
        instrument=_one(fields, "instrument"),
        version=_one(fields, "version"),
        state=state,
        trouble=stopped if function == "ok" else function,
        remote=_either(words, "remote", "manual"),
        online=_either(words, "online", "offline"),
        running=_yes(_one(fields, "exp_running")),
        plates={place: _plate(_one(fields, key)) for place, key in PLACES.items()},
    )


def parse_configuration(answer: str) -> Configuration:
    """Read the answer to `configuration`; only `wave…` and `emfilt…` matter here.

    Raises:
        MalformedReplyError: One of these is no band such as `470-495 nm`.
    """
    fields, _ = _pairs(answer)

    def bands(prefix: str) -> tuple[tuple[float, float], ...]:
        values = [value for key, value in fields if re.fullmatch(rf"{prefix}\d+", key)]
        return tuple(_band(value) for value in values)

    return Configuration(bands("wave"), bands("emfilt"))


def _pairs(answer: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Pairs of key and value, and all single words and values."""
    fields = [field.strip() for field in answer.split("\t")]
    split = [field.partition(" ") for field in fields if field]
    pairs = [(key, value.strip()) for key, _, value in split]
    return pairs, [value or key for key, value in pairs]


def _one(fields: list[tuple[str, str]], key: str) -> str:
    found = [value for name, value in fields if name == key]
    if len(found) != 1 or not found[0]:
        raise MalformedReplyError(f"FLIPR's status has {len(found)} values for {key}, not one")
    return found[0]


def _either(words: list[str], yes: str, no: str) -> bool:
    found = [word for word in words if word in {yes, no}]
    if len(found) != 1:
        raise MalformedReplyError(f"FLIPR's status says neither {yes} nor {no}, or both")
    return found[0] == yes


def _yes(value: str) -> bool:
    if value not in {"yes", "no"}:
        raise MalformedReplyError(f"{value[:20]!r} is neither yes nor no")
    return value == "yes"


def _plate(value: str) -> str | None:
    match = _PLATE.fullmatch(value)
    if not match:
        raise MalformedReplyError(f"{value[:40]!r} is not like 'BARCODE have' or 'none empty'")
    if match[2] == "empty":
        return None
    return "" if match[1] == "none" else match[1]


def _band(value: str) -> tuple[float, float]:
    match = _BAND.fullmatch(value)
    if not match or float(match[1]) > float(match[2]):
        raise MalformedReplyError(f"{value[:40]!r} is no band like '470-495 nm'")
    return float(match[1]), float(match[2])
