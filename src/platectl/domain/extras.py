"""Libraries that only some need: missing or broken, the message has the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from platectl.domain.errors import PlatectlError, UserInputError


@contextmanager
def extra(name: str, need: str) -> Iterator[None]:
    """Around the import of what an extra brings; `need` says who needs what.

    Raises:
        UserInputError: It is not installed, or cannot be imported as it is.
    """
    try:
        yield
    except PlatectlError:
        raise
    except ModuleNotFoundError as error:
        raise UserInputError(f"{need}; install it: {install(name)}") from error
    except Exception as error:
        raise UserInputError(f"{need}, and {broken(name, error)}") from error


def install(name: str, *, anew: bool = False) -> str:
    """The command that installs an extra."""
    return f"python -m pip install {'--force-reinstall ' if anew else ''}'platectl[{name}]'"


def broken(name: str, error: Exception) -> str:
    """What is said of an installed extra that cannot be imported."""
    told = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return f"it is installed but broken ({told}); install it anew: {install(name, anew=True)}"
