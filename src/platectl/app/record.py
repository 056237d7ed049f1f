"""One verb of one instrument, done for the sake of its transcript."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from platectl.app.instrument_tools import build, reaching
from platectl.domain.clock import Clock
from platectl.domain.errors import UserInputError
from platectl.domain.findings import InputRefusedError
from platectl.domain.transcript import Side, Turn, format_transcript
from platectl.files.yaml_lines import Document, findings_of
from platectl.hal.instrument import DriverInfo, Identity
from platectl.hal.stream import ByteStream
from platectl.transport.address import open_connector
from platectl.transport.record import RecordingStream

#: what `record` does itself, and what needs more than a command line says
_NOT_ASKED_FOR: Final = {
    "connect", "observe", "take_over", "aclose", "reconcile", "reattach",
}  # fmt: skip
_NOBODY: Final = Identity("nobody who said a name")


async def record(
    driver: str, address: str, verb: str, arguments: Mapping[str, Any],
    settings: Mapping[str, Any], clock: Clock, *, keep: Callable[[str], Any],
) -> None:  # fmt: skip
    """Connect, do one verb (none if it is empty) and close; `keep` gets the transcript, also of what failed.

    Raises:
        UserInputError: The driver has no such verb, or it takes other arguments; nothing was sent.
        LinkError: The conversation broke; what was recorded is kept.
    """
    turns: list[Turn] = []
    begun_s = clock.monotonic_s()

    def note(side: Side, data: bytes) -> None:
        turns.append(Turn(side, data, clock.monotonic_s() - begun_s))

    port = open_connector(address)

    async def connect() -> ByteStream:
        return RecordingStream(await port(), note)

    subject = build(driver, connect, settings, clock)
    doing = _asked(subject, verb, arguments) if verb else None
    identity, ended = _NOBODY, ""
    try:
        async with reaching(driver, subject, address, None):
            identity = await subject.connect()
        if doing is not None:
            await _to_its_end(doing())
    except BaseException as error:
        ended = f"\nended with: {_one_line(error)}"
        raise
    finally:
        await subject.aclose()
        if turns:
            said = " ".join([verb or "connect", *(f"{n}={v}" for n, v in arguments.items())])
            text = _header(subject.info, said, identity, clock) + ended
            keep(format_transcript(turns, header=text))


def verbs_of(subject: Any) -> dict[str, Any]:
    """What a driver can be asked to do, by name: its public coroutines and iterators."""
    return {
        name: function
        for name, function in inspect.getmembers(type(subject), inspect.isfunction)
        if not name.startswith("_") and name not in _NOT_ASKED_FOR
        and (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))
    }  # fmt: skip


def _asked(subject: Any, verb: str, arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """The verb with its arguments as it wants them.

    The only argument of a verb may be a record, such as an `EndpointRead`, whose fields are given instead of it.

    Raises:
        UserInputError: No such verb, or other arguments.
    """
    verbs = verbs_of(subject)
    if verb not in verbs:
        name = subject.info.name
        raise UserInputError(f"{name} has no verb {verb!r}; there is {', '.join(verbs)}")
    hints = get_type_hints(verbs[verb])
    wanted = list(inspect.signature(verbs[verb]).parameters.values())[1:]
    given = dict(arguments)
    if len(wanted) == 1 and is_dataclass(hints.get(wanted[0].name)) and wanted[0].name not in given:
        given = {wanted[0].name: given}
    fields: dict[str, Any] = {
        one.name: (hints.get(one.name, Any), ... if one.default is one.empty else one.default)
        for one in wanted
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, Document(verb, given))) from error
    told = {name: getattr(made, name) for name in made.model_fields_set}
    return lambda: getattr(subject, verb)(**told)


async def _to_its_end(work: AsyncIterator[Any] | Awaitable[Any]) -> None:
    if isinstance(work, AsyncIterator):
        async for _ in work:
            pass
    else:
        await work


def _header(info: DriverInfo, said: str, identity: Identity, clock: Clock) -> str:
    return (
        f"{info.makes}: {said}\nsource: captured on {clock.now():%Y-%m-%d} from {identity.model}, "
        f"serial number {identity.serial_number or 'unknown'}, "
        f"firmware {identity.firmware or 'unknown'}, with the driver {info.name}"
    )


def _one_line(error: BaseException) -> str:
    """An error as a comment of a transcript, which is ASCII."""
    text = " ".join(f"{type(error).__name__} {error}".split())
    return text.encode("ascii", "backslashreplace").decode("ascii")
