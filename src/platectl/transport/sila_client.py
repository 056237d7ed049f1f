"""The client of one SiLA 2 server; everything here blocks and belongs into a thread.

The package sila2 is imported when it is used. What it raises is sorted by what is known about the
device: see `platectl.transport.sila`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any, Final, Literal
from uuid import UUID

from platectl.domain.errors import UserInputError
from platectl.domain.extras import extra, install
from platectl.transport.sila_protoc import keep_compiler_apart

VERSION: Final = "0.14.0"
INSTALL: Final = install("sila2")
RECOVERY: Final = "ErrorRecoveryService"
Kind = Literal["refused", "fault", "unknown"]


class SilaFailure(Exception):  # noqa: N818  # it is what a server answers, and no error of ours
    """What a server or its connection says instead of an answer."""

    def __init__(self, kind: Kind, code: str, says: str) -> None:
        super().__init__(says)
        self.kind = kind
        self.code = code


def require() -> None:
    """See to it that the right sila2 is installed; imports nothing of it.

    Raises:
        UserInputError: It is missing, or another version.
    """
    try:
        there = metadata.version("sila2")
    except metadata.PackageNotFoundError:
        raise UserInputError(
            f"a SiLA server needs sila2 {VERSION}; install it: {INSTALL}"
        ) from None
    if there != VERSION:
        raise UserInputError(
            f"sila2 {there} is installed, {VERSION} is needed; install it: {INSTALL}"
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """A command with parameters that it takes; `start` gives the UUID of an execution."""

    observable: bool
    call: Callable[[], Any]
    start: Callable[[], str]


class SilaServer:
    """One server. Commands and properties are named `Feature.Name`, or by fully qualified identifier."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._intermediates: dict[str, Any] = {}
        self._errors: list[Any] = []
        self._watched: dict[str, Any] = {}
        self.uuid = str(client.SiLAService.ServerUUID.get())

    @classmethod
    def connect(cls, host: str, port: int, ca: bytes | None, *, insecure: bool) -> SilaServer:
        """Connect and learn the features.

        Raises:
            UserInputError: The extra is missing.
            SilaFailure: Nobody answers as a SiLA server does.
        """
        require()
        keep_compiler_apart()
        with extra("sila2", f"a SiLA server needs sila2 {VERSION}"):
            from sila2.client import SilaClient

        how: dict[str, Any] = {"insecure": True} if insecure else {"root_certs": ca}
        made: SilaServer = _sorted(lambda: cls(SilaClient(host, port, **how)))
        return made

    def close(self) -> None:
        """Close the connection; executions go on."""
        for watched in self._watched.values():
            watched.cancel()
        self._client.close()

    def about(self) -> dict[str, Any]:
        """Who it is."""

        def ask() -> dict[str, Any]:
            service = self._client.SiLAService
            return {
                "name": service.ServerName.get(), "type": service.ServerType.get(),
                "version": service.ServerVersion.get(), "uuid": str(service.ServerUUID.get()),
                "features": sorted(map(str, service.ImplementedFeatures.get())),
            }  # fmt: skip

        told: dict[str, Any] = _sorted(ask)
        return told

    def get(self, name: str) -> Any:
        """Value of a property."""
        return _plain(_sorted(self._found(name).get))

    def prepare(self, command: str, parameters: dict[str, Any]) -> Ready:
        """Find a command and see whether it takes the parameters; nothing is sent.

        Raises:
            SilaFailure: refused.
        """
        found = self._found(command)
        wrapped = getattr(found, "_wrapped_command", None)
        if wrapped is None:
            raise SilaFailure("refused", "command", f"{command} is no command")
        try:
            wrapped.parameters.to_message(**parameters)
        except Exception as error:  # whatever conversion and constraints raise; nothing was sent
            raise SilaFailure("refused", "parameters", f"{command}: {error}") from error
        observable = hasattr(wrapped, "intermediate_responses")
        return Ready(
            observable,
            lambda: _plain(_sorted(partial(found, **parameters))),
            lambda: self._started(found, parameters),
        )

    def look(self, command: str, execution: str) -> dict[str, Any]:
        """State of an execution: `over`, `state`, `progress` in per cent, `remaining_s`, and more.

        Raises:
            SilaFailure: `connection`, or the server has forgotten it (unknown).
        """
        instance = self._instance(command, execution)
        stub = self._found(command)._parent_feature._grpc_stub  # noqa: SLF001  # the package has no other way to ask once
        wrapped = self._found(command)._wrapped_command  # noqa: SLF001  # as above
        message = instance._get_execution_uuid_message()  # noqa: SLF001  # as above

        def ask() -> Any:
            from sila2.framework.command.execution_info import ExecutionInfo

            stream = getattr(stub, f"{wrapped._identifier}_Info")(message)  # noqa: SLF001  # as above
            try:
                framework = wrapped.parent_feature._pb2_module.SiLAFramework__pb2  # noqa: SLF001  # as above
                return ExecutionInfo(framework).to_native_type(next(stream))
            finally:
                stream.cancel()

        info = _sorted(ask, client=self._client)
        state = info.status.name
        left = info.estimated_remaining_time
        look = {
            "over": state.startswith("finished"), "state": state,
            "progress": None if info.progress is None else round(100.0 * info.progress, 1),
            "remaining_s": None if left is None else left.total_seconds(),
        }  # fmt: skip
        if state == "running" and wrapped.intermediate_responses:
            self._watch(
                execution,
                instance.subscribe_to_intermediate_responses,
                partial(self._intermediates.__setitem__, execution),
            )
            look["intermediate"] = _plain(self._intermediates.get(execution))
        if not look["over"] and (error := self._recoverable(execution)) is not None:
            look["recoverable"] = error
        return look

    def result(self, command: str, execution: str) -> Any:
        """Responses of an execution that is over, or its error."""
        return _plain(_sorted(self._instance(command, execution).get_responses))

    def recover(self, execution: str, option: str) -> None:
        """Take a continuation option; an empty one gives the handling up."""
        service = self._found(RECOVERY)
        if option:
            data = {
                "CommandExecutionUUID": execution,
                "ContinuationOption": option,
                "InputData": "",
            }
            _sorted(partial(service.ExecuteContinuationOption, **data))
        else:
            _sorted(partial(service.AbortErrorHandling, CommandExecutionUUID=execution))

    def _started(self, found: Any, parameters: dict[str, Any]) -> str:
        instance = _sorted(partial(found, **parameters))
        instance.cancel_execution_info_subscription()
        return str(instance.execution_uuid)

    def _instance(self, command: str, execution: str) -> Any:
        from sila2.client.client_observable_command_instance import (
            ClientObservableCommandInstance,
            ClientObservableCommandInstanceWithIntermediateResponses,
        )

        found = self._found(command)
        more = found._wrapped_command.intermediate_responses  # noqa: SLF001  # as in `look`
        kind = (
            ClientObservableCommandInstanceWithIntermediateResponses
            if more
            else ClientObservableCommandInstance
        )
        instance = kind(self._client, found, UUID(execution))
        instance.cancel_execution_info_subscription()
        return instance

    def _watch(self, what: str, subscribe: Callable[[], Any], note: Callable[[Any], None]) -> None:
        """Keep the last value of a stream; a server need not send one at once."""
        if what not in self._watched:
            values = self._watched[what] = _sorted(subscribe)

            def keep() -> None:
                with contextlib.suppress(
                    Exception
                ):  # whatever ends a stream; it is looked at elsewhere
                    for value in values:
                        note(value)

            threading.Thread(target=keep, name=f"sila-{what}", daemon=True).start()

    def _recoverable(self, execution: str) -> dict[str, Any] | None:
        if not hasattr(self._client, RECOVERY):
            return None
        self._watch(
            RECOVERY, getattr(self._client, RECOVERY).RecoverableErrors.subscribe, self._note
        )
        errors = self._errors
        return next((_plain(e) for e in errors if e.CommandExecutionUUID == execution), None)

    def _note(self, errors: Any) -> None:
        self._errors = errors

    def _found(self, name: str) -> Any:
        """A feature, command or property."""
        wanted = name
        if "/" in name:
            parts = name.split("/")  # originator/category/Feature/version/Command/Name
            wanted = ".".join([parts[2], *parts[5:6]])
        thing = self._client
        for part in wanted.split("."):
            thing = getattr(thing, part, None)
        if thing is None:
            raise SilaFailure("refused", "command", f"the server has no {name}")
        return thing


def _sorted(ask: Callable[[], Any], *, client: Any = None) -> Any:
    """Ask, and sort what comes instead of an answer.

    Raises:
        SilaFailure: Always this.
    """
    import grpc
    from sila2.client.utils import rpcerror_to_silaerror
    from sila2.framework import errors

    try:
        return ask()
    except Exception as error:  # the package and gRPC raise what they like
        found = error
        if isinstance(error, grpc.RpcError):
            found = rpcerror_to_silaerror(error, [], client)
        raise _failure(found, errors) from error


def _failure(error: Exception, errors: Any) -> SilaFailure:
    says = str(error) or type(error).__name__
    if isinstance(error, errors.defined_execution_error.DefinedExecutionError):
        return SilaFailure(
            "fault", str(error.fully_qualified_identifier).rpartition("/")[2], error.message
        )
    if isinstance(error, errors.validation_error.ValidationError):
        return SilaFailure("refused", "validation", says)
    if isinstance(error, errors.command_execution_not_accepted.CommandExecutionNotAccepted):
        return SilaFailure("refused", "not_accepted", says)
    if isinstance(error, errors.undefined_execution_error.UndefinedExecutionError):
        return SilaFailure("unknown", "undefined", says)
    if isinstance(error, errors.framework_error.FrameworkError):
        return SilaFailure("unknown", type(error).__name__, says)
    return SilaFailure("unknown", "connection", says)


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON has not, as text."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
