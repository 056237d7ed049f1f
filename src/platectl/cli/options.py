"""Options that several commands share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from platectl.domain.errors import UserInputError

if TYPE_CHECKING:
    from platectl.domain.layout import Randomise

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)


class _NewFile(click.Path):
    """A file to be written; where that cannot be is said before the work is done."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        folder = path.absolute().parent
        what = param.opts[0] if param else "the file"
        if not folder.is_dir():
            raise UserInputError(
                f"{what} {path}: there is no folder {folder}; make it, or name another"
            )
        if not os.access(folder, os.W_OK):
            raise UserInputError(
                f"{what} {path}: nothing may be written into {folder}; name another folder"
            )
        return path


NEW_FILE = _NewFile(path_type=Path, dir_okay=False, writable=True)
PRIORITY = click.IntRange(-1000, 1000)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="End with one JSON line on standard output."
)
policy_option = click.option(
    "--policy",
    type=FILE,
    help="Night orders: what is done about errors (default: the bundled policy.yaml).",
)
stock_option = click.option(
    "--stock",
    type=FILE,
    help="Stock file: what is on hand (default: the one that the night file names, if any).",
)
rules_option = click.option(
    "--rules",
    type=FILE,
    help="Rules of results (default: rules.yaml of the store, or the bundled ones).",
)
randomise_option = click.option(
    "--randomise",
    "randomise",
    multiple=True,
    metavar="NAME=VALUE",
    help="Draw a layout for each plate: seed=7, scatter=series or wells, apart=2, lines=yes, balanced=yes.",
)
study_option = click.option(
    "--study", help="Run blinded: compounds stand under the codes of this study (platectl blind)."
)
keys_option = click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PLATECTL_KEYS",
    help="Folder of the keys of blinded studies (default: keys in the store; environment: PLATECTL_KEYS).",
)
store_option = click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), envvar="PLATECTL_STORE",
    show_default=True, help="Folder of run folders and their index (environment: PLATECTL_STORE).",
)  # fmt: skip


def look_options(command: F) -> F:
    """Who looks at results that are withheld, and why."""
    by = click.option(
        "--by", help="Who looks, where that is recorded (default: the user of this computer)."
    )
    reason = click.option(
        "--reason", default="", help="Why; of a run that is not over or under codes it is recorded."
    )
    return by(reason(command))


def file_options(command: F) -> F:
    """Options that name the three files of a run."""
    for option in (
        click.option(
            "--layout",
            help="Name of a layout of the protocol, or a plate map (.csv, .xlsx, .yaml).",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="NAME=VALUE",
            help="Set a parameter of the protocol.",
        ),
        click.option(
            "--truth", type=FILE, help="Truth of the simulated lab (default: the bundled one)."
        ),
        click.option(
            "--samples", type=FILE, help="Sample sheet (default: (+)-igmesine and SA4503)."
        ),
        click.option("--lab", type=FILE, help="Lab file (default: the bundled simulated lab)."),
    ):
        command = option(command)
    return command


def parse_overrides(pairs: tuple[str, ...], option: str = "--set") -> dict[str, str]:
    """Split NAME=VALUE pairs of an option.

    Raises:
        click.UsageError: No equals sign.
    """
    result = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            like = {"--cv": "well=8%", "--expect": "SA4503='5 nM'", "--randomise": "seed=7"}.get(
                option, "temperature='25 C'"
            )
            raise click.UsageError(f"{option} {pair}: write NAME=VALUE, like {option} {like}")
        result[name.strip()] = value.strip()
    return result


def parse_randomise(pairs: tuple[str, ...]) -> Randomise | None:
    """Constraints of random layouts; None where none are wanted.

    Raises:
        click.UsageError: No seed, an unknown name, or a value that it cannot take.
    """
    if not pairs:
        return None
    from pydantic import ValidationError  # heavy

    from platectl.domain.layout import Randomise

    try:
        return Randomise.model_validate(parse_overrides(pairs, "--randomise"))
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(map(str, item["loc"]))
        raise click.UsageError(f"--randomise {where}: {item['msg']}") from error


def emit_json(value: Mapping[str, Any]) -> None:
    """Print the one JSON line."""
    sys.stdout.write(json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()
