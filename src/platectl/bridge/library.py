"""PyLabRobot, imported when it is used: its version, what a lab file may name of it, its exceptions."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

from platectl.domain.errors import UserInputError
from platectl.domain.extras import broken, install

VERSION: Final = "0.2.2"
INSTALL: Final = install("pylabrobot")
OWN: Final = "pylabrobot."
#: parts of PyLabRobot that raise about bookkeeping or the line, not for the device
NOT_THE_DEVICE: Final = ("pylabrobot.io", "pylabrobot.resources", "pylabrobot.serializer")


class BridgeFaultError(Exception):
    """The device, or the bookkeeping about it, says no; `code` is its word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class BridgeRefusalError(Exception):
    """Checked before anything was done."""


def require() -> None:
    """See to it that the right PyLabRobot is installed; imports nothing of it.

    Raises:
        UserInputError: It is missing, or another version.
    """
    try:
        there = metadata.version("pylabrobot")
    except metadata.PackageNotFoundError:
        raise UserInputError(
            f"a bridged instrument needs PyLabRobot {VERSION}; install it: {INSTALL}"
        ) from None
    if there != VERSION:
        raise UserInputError(
            f"PyLabRobot {there} is installed, the bridge needs {VERSION}; install it: {INSTALL}"
        )


def load(name: str, trusted: Iterable[str] = ()) -> Any:
    """What stands behind a dotted name in PyLabRobot, or in a package that the lab file trusts.

    Raises:
        BridgeRefusalError: Neither of them, or there is no such thing.
    """
    if not name.startswith((OWN, *(f"{package}." for package in trusted))):
        raise BridgeRefusalError(f"{name!r} is not in pylabrobot, nor in a package under `trusted`")
    module, _, attribute = name.rpartition(".")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise BridgeRefusalError(f"{name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise BridgeRefusalError(
            f"{name!r} is needed, and {broken('pylabrobot', error)}"
        ) from error


def make(name: str, trusted: Iterable[str], /, *args: Any, **how: Any) -> Any:
    """Call what stands behind a dotted name.

    Raises:
        BridgeRefusalError: It does not take these arguments.
    """
    try:
        return load(name, trusted)(*args, **how)
    except BridgeRefusalError:
        raise
    except Exception as error:
        raise BridgeRefusalError(f"{name} cannot be made: {error!r}") from error


def judge(error: Exception, *, handed: bool) -> tuple[str, str, str]:
    """Kind, code and text of an exception; `handed` says that a call had reached the backend.

    What reaches no backend has changed nothing. An exception class of a device's own module is the
    device's word, unless some channels failed and others did not; all else leaves the world unknown.
    """
    code, text = type(error).__name__, str(error) or type(error).__name__
    if isinstance(error, BridgeFaultError):
        return ("fault", error.code, text)
    if isinstance(error, BridgeRefusalError) or not handed:
        return ("refused", code, text)
    module = type(error).__module__
    own = module.startswith(OWN) and not module.startswith(NOT_THE_DEVICE)
    if not own:
        return ("unknown", code, text)
    parts = getattr(error, "errors", None)
    if isinstance(parts, dict) and parts:
        code = "+".join(sorted({type(part).__name__ for part in parts.values()}))
    return ("fault", code, text)
