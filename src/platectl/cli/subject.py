"""What is to be run, as words of `platectl run` that mean the same wherever they are said."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from platectl.nights.submission import Needs, Subject

#: options of `platectl run` that belong to whoever begins it
_NOT_THEIRS: Final = {"store", "name", "due", "needs", "quiet", "as_json"}
WORDS: Final = {"ignore_unknown_options": True, "allow_interspersed_args": True}
words_argument = click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED,
                                metavar="PROTOCOL [OPTIONS OF run]")  # fmt: skip


def subject_of(words: Sequence[str]) -> Subject:
    """Read arguments of `platectl run`; paths become absolute.

    Raises:
        click.UsageError: `platectl run` does not know them, or they are not the submitter's.
    """
    from platectl.cli.run import run

    context = run.make_context("run", list(words))
    given = [p for p in run.params if _is_given(context, p)]
    if wrong := [p.opts[0] for p in given if p.name in _NOT_THEIRS]:
        raise click.UsageError(f"{', '.join(wrong)} cannot be submitted")
    arguments: list[str] = []
    files: list[str] = []
    for parameter in sorted(given, key=lambda p: isinstance(p, click.Option)):
        value = context.params[str(parameter.name)]
        if isinstance(parameter, click.Option) and parameter.is_flag:
            arguments.append(parameter.opts[0])
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(parameter, click.Option):
                arguments.append(parameter.opts[0])
            arguments.append(_absolute(item, files))
    if len(context.params["protocols"]) != 1:
        raise click.UsageError("submit one protocol or night file at a time")
    return Subject(tuple(arguments), tuple(files))


def examine(subject: Subject, due: datetime) -> Needs:
    """Compile it, as it will be due, in a process of its own.

    Raises:
        UserInputError: It is refused.
    """
    from platectl.app.processes import RunProcesses

    processes = RunProcesses(Path(), (sys.executable, "-m", "platectl"))
    return asyncio.run(processes.examine(subject, due))


def wake(store: Path) -> None:
    """Have the daemon look at once; it looks by itself soon, and there may be none."""
    from contextlib import suppress

    from platectl.app.channel import tell
    from platectl.domain.errors import DisconnectedError

    with suppress(DisconnectedError):
        tell(store, "look")


def _is_given(context: click.Context, parameter: click.Parameter) -> bool:
    source = context.get_parameter_source(str(parameter.name))
    return source is click.core.ParameterSource.COMMANDLINE


def _absolute(value: Any, files: list[str]) -> str:
    """A value as text; a file by its whole path, and put on the list."""
    text = str(value)
    path = Path(text)
    if path.is_file():
        files.append(str(path.resolve()))
        return files[-1]
    return str(path.resolve()) if isinstance(value, Path) else text
