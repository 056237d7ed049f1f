"""A small SiLA 2 server for tests: a heated shaker with a story, and the ErrorRecoveryService."""

from __future__ import annotations

import queue
import threading
import uuid
from typing import Any

from platectl.transport.sila_protoc import keep_compiler_apart

keep_compiler_apart()
from sila2.framework import DefinedExecutionError, Feature  # noqa: E402
from sila2.server import FeatureImplementationBase, SilaServer  # noqa: E402

HEAD = (
    'xmlns="http://www.sila-standard.org" SiLA2Version="1.0" FeatureVersion="1.0" '
    'Originator="org.platectl" Category="test"'
)


def _named(identifier: str, rest: str, kind: str) -> str:
    return (
        f"<{kind}><Identifier>{identifier}</Identifier><DisplayName>{identifier}</DisplayName>"
        f"<Description>{identifier}</Description>{rest}</{kind}>"
    )


def _basic(identifier: str, basic: str, kind: str = "Parameter") -> str:
    return _named(identifier, f"<DataType><Basic>{basic}</Basic></DataType>", kind)


def _command(
    identifier: str, *parts: str, observable: str = "No", errors: tuple[str, ...] = ()
) -> str:
    defined = "".join(f"<Identifier>{error}</Identifier>" for error in errors)
    listed = f"<DefinedExecutionErrors>{defined}</DefinedExecutionErrors>" if errors else ""
    return _named(
        identifier, f"<Observable>{observable}</Observable>{''.join(parts)}{listed}", "Command"
    )


def _feature(identifier: str, *parts: str) -> str:
    return (
        f"<Feature {HEAD}><Identifier>{identifier}</Identifier><DisplayName>{identifier}</DisplayName>"
        f"<Description>{identifier}</Description>{''.join(parts)}</Feature>"
    )


def _typed(identifier: str, name: str, kind: str, *, many: bool = False) -> str:
    data = f"<DataType><DataTypeIdentifier>{name}</DataTypeIdentifier></DataType>"
    return _named(identifier, f"<DataType><List>{data}</List></DataType>" if many else data, kind)


SHAKING = Feature(
    _feature(
        "Shaking",
        _command(
            "Shake", _basic("Speed", "Integer"), _basic("Duration", "Real"),
            _basic("Turns", "Integer", "Response"), _basic("Turned", "Integer", "IntermediateResponse"),
            observable="Yes", errors=("ClampOpen",),
        ),
        _command("Halt"),
        _command("Heat", _basic("Kelvin", "Real"), errors=("ClampOpen",)),
        _command("HeatOff"),
        _named("Kelvin", "<Observable>No</Observable><DataType><Basic>Real</Basic></DataType>", "Property"),
        _named("ClampOpen", "", "DefinedExecutionError"),
    )
)  # fmt: skip
RECOVERY = Feature(
    _feature(
        "ErrorRecoveryService",
        _command("ExecuteContinuationOption", _basic("CommandExecutionUUID", "String"),
                 _basic("ContinuationOption", "String"), _basic("InputData", "String")),
        _command("AbortErrorHandling", _basic("CommandExecutionUUID", "String")),
        _named("RecoverableErrors", "<Observable>Yes</Observable><DataType><List><DataType>"
               "<DataTypeIdentifier>RecoverableError</DataTypeIdentifier></DataType></List></DataType>",
               "Property"),
        _named("ContinuationOption", "<DataType><Structure>" + "".join(
            _basic(n, "String", "Element") for n in ("Identifier", "Description", "RequiredInputData")
        ) + "</Structure></DataType>", "DataTypeDefinition"),
        _named("RecoverableError", "<DataType><Structure>" + "".join(
            _basic(n, "String", "Element")
            for n in ("ErrorIdentifier", "CommandIdentifier", "CommandExecutionUUID", "ErrorTime", "ErrorMessage")
        ) + _typed("ContinuationOptions", "ContinuationOption", "Element", many=True)
          + _basic("DefaultOption", "String", "Element")
          + _basic("AutomaticSelectionTimeout", "Integer", "Element")
          + "</Structure></DataType>", "DataTypeDefinition"),
    )
)  # fmt: skip


class Shaker(FeatureImplementationBase):
    """Shakes until it is let go; what goes wrong is in `fault`."""

    def __init__(self, server: SilaServer, recovery: Recovery) -> None:
        super().__init__(server)
        self.recovery = recovery
        self.kelvin = 295.15
        self.begun: list[tuple[int, float]] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.fault = ""
        self.halted = False

    def Shake(self, Speed: int, Duration: float, *, metadata: Any, instance: Any) -> int:  # noqa: N802, N803  # SiLA's names
        self.begun.append((Speed, Duration))
        instance.begin_execution()
        instance.progress = 0.5
        instance.send_intermediate_response(7)
        if not self.may_end.wait(10.0):
            raise RuntimeError("nobody let it go")
        if self.fault == "recoverable" and self.recovery.ask(instance.execution_uuid) != "retry":
            self.fault = "ClampOpen"
        if self.fault == "ClampOpen":
            raise DefinedExecutionError(
                SHAKING.defined_execution_errors["ClampOpen"], "the clamp is open"
            )
        if self.fault == "undefined":
            raise RuntimeError("something smells")
        return Speed

    def Halt(self, *, metadata: Any) -> None:  # noqa: N802  # SiLA's name
        self.halted = True
        self.may_end.set()

    def Heat(self, Kelvin: float, *, metadata: Any) -> None:  # noqa: N802, N803  # SiLA's names
        self.kelvin = Kelvin

    def HeatOff(self, *, metadata: Any) -> None:  # noqa: N802  # SiLA's name
        self.kelvin = 295.15

    def get_Kelvin(self, *, metadata: Any) -> float:  # noqa: N802  # SiLA's name
        return self.kelvin


class Recovery(FeatureImplementationBase):
    """Lists errors and waits for an option."""

    def __init__(self, server: SilaServer) -> None:
        super().__init__(server)
        self._RecoverableErrors_producer_queue: queue.Queue[Any] = queue.Queue()
        self.chosen: queue.Queue[str] = queue.Queue()
        self._RecoverableErrors_producer_queue.put([])

    def RecoverableErrors_on_subscription(self, *, metadata: Any) -> None:  # noqa: N802  # SiLA's name
        return None

    def ask(self, execution: uuid.UUID) -> str:
        option = ("retry", "Close the clamp, then shake again", "")
        other = ("adjust", "Shake at another speed", "<Basic>Integer</Basic>")
        error = ("ClampOpen", "Shake", str(execution), "2026-01-01T00:00:00Z", "the clamp is open",
                 [option, other], "retry", 0)  # fmt: skip
        self._RecoverableErrors_producer_queue.put([error])
        chosen = self.chosen.get(timeout=10.0)
        self._RecoverableErrors_producer_queue.put([])
        return chosen

    def ExecuteContinuationOption(  # noqa: N802  # SiLA's name
        self, CommandExecutionUUID: str, ContinuationOption: str, InputData: str, *, metadata: Any  # noqa: N803  # SiLA's names
    ) -> None:  # fmt: skip
        self.chosen.put(ContinuationOption)

    def AbortErrorHandling(self, CommandExecutionUUID: str, *, metadata: Any) -> None:  # noqa: N802, N803  # SiLA's names
        self.chosen.put("")


class Served:
    """The server, with its device."""

    def __init__(self, port: int) -> None:
        self.uuid = str(uuid.uuid4())
        self.server = SilaServer("Test shaker", "TestShaker", "for tests", "1.2", "https://example.org", self.uuid)  # fmt: skip
        self.recovery = Recovery(self.server)
        self.shaker = Shaker(self.server, self.recovery)
        self.server.set_feature_implementation(SHAKING, self.shaker)
        self.server.set_feature_implementation(RECOVERY, self.recovery)
        self.address = f"sila:127.0.0.1:{port}?insecure=1"
        self.server.start_insecure("127.0.0.1", port, enable_discovery=False)

    def stop(self) -> None:
        self.shaker.may_end.set()
        self.server.stop(0)
