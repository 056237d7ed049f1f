"""Every deliberate exception, sorted by what is known about the physical world.

::

    PlatectlError
    ├── UserInputError               a file, option or layout is wrong; nothing was attempted
    │   └── NoPlanError                    no times keep all windows, or none were found
    ├── RefusedError                 checked before sending; the world is unchanged
    ├── InstrumentError (.instrument)
    │   ├── InstrumentFaultError (.code)   the instrument answered with a fault; state known
    │   └── LinkError                      the conversation broke; state UNKNOWN
    │       ├── ReplyTimeoutError
    │       ├── MalformedReplyError
    │       │   └── ForeignExportError  the file is no export of this instrument at all
    │       ├── DisconnectedError
    │       └── OutcomeUnknownError        nobody can say whether an action took place
    ├── RunAbortedError              an operator or an interlock stopped the run
    ├── RunHeldError                 the run waits for a person and can be resumed
    └── StoreError                   the ledger or the index cannot be read or written
        └── FencedError              another engine owns the run by now; nothing may be sent
"""

from __future__ import annotations

from platectl.domain.codes import Code


class PlatectlError(Exception):
    """Root of every error that platectl raises on purpose."""


class UserInputError(PlatectlError):
    """A file, option or layout is wrong; nothing was attempted.

    `code` names the finding where it is one of data.
    """

    def __init__(self, message: str, *, code: Code | None = None) -> None:
        super().__init__(message)
        self.code = code


class NoPlanError(UserInputError):
    """No plan keeps all hard windows, or none was found in the time given; nothing was attempted.

    `proved` says that there is none.
    """

    def __init__(self, message: str, *, proved: bool = False) -> None:
        super().__init__(message)
        self.proved = proved


class RefusedError(PlatectlError):
    """The request was checked before anything was sent; the world is unchanged."""


class InstrumentError(PlatectlError):
    """Something went wrong in talking to an instrument.

    `instrument` is the name in the lab file; drivers leave it empty and the engine fills it in.
    """

    def __init__(self, message: str, *, instrument: str = "") -> None:
        super().__init__(message)
        self.instrument = instrument


class InstrumentFaultError(InstrumentError):
    """The instrument answered with a fault of its own; its state is known.

    `code` is the maker's code, as text, exactly as it stood on the wire.
    """

    def __init__(self, message: str, *, code: str = "", instrument: str = "") -> None:
        super().__init__(message, instrument=instrument)
        self.code = code


class LinkError(InstrumentError):
    """The conversation broke; what the instrument did is unknown."""


class ReplyTimeoutError(LinkError):
    """No complete answer within the allowed time."""


class MalformedReplyError(LinkError):
    """An answer arrived that the published format does not allow."""


class ForeignExportError(MalformedReplyError):
    """The file is no export of this instrument at all, rather than a damaged one."""


class DisconnectedError(LinkError):
    """The other side closed the connection or the port vanished."""


class OutcomeUnknownError(LinkError):
    """An action was sent, and neither the instrument nor a person has said what became of it."""


class RunAbortedError(PlatectlError):
    """An operator or an interlock stopped the run."""


class RunHeldError(PlatectlError):
    """The run waits for a person: begun steps end, instruments stay as they are, it can be resumed."""


class StoreError(PlatectlError):
    """The ledger or the index cannot be read or written."""


class FencedError(StoreError):
    """Another engine has taken the run over; this one must not send or write anything more."""
