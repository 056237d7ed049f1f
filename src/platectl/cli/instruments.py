"""`platectl instruments`: what is installed, what it can do, how far it was verified, and tools."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from platectl.cli.options import emit_json, json_option, store_option
from platectl.cli.render import print_table

#: command -> (module, function); imported when called
TOOLS = {
    "discover": ("platectl.cli.instrument_tools", "discover"),
    "ping": ("platectl.cli.instrument_tools", "ping"),
    "talk": ("platectl.cli.instrument_tools", "talk"),
    "record": ("platectl.cli.instrument_tools", "record"),
    "serve": ("platectl.cli.instrument_tools", "serve"),
    "qualify": ("platectl.cli.qualify", "qualify"),
    "new": ("platectl.cli.new_instrument", "new"),
}


class ToolGroup(click.Group):
    """Knows its commands by name and imports them when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Names in the order of the table."""
        return list(TOOLS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import one command."""
        if cmd_name not in TOOLS:
            return None
        module, function = TOOLS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), function)
        return command


@click.group(cls=ToolGroup, invoke_without_command=True)
@store_option
@json_option
@click.pass_context
def instruments(ctx: click.Context, store: Path, as_json: bool) -> int:
    """List installed drivers with interfaces, wire, maturity and source of the wire facts.

    Units whose hardware tests are in the store are named with firmware and day.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from platectl.app.instrument_table import (  # not needed by the tools
        maturity_text,
        told_rows,
        wire_text,
    )

    rows = told_rows(store)
    if as_json:
        emit_json({"instruments": rows})
        return 0
    columns = ("name", "makes", "interfaces", "wire", "maturity", "source")
    print_table(
        ("name", "instrument", "interfaces", "wire", "maturity", "source"),
        [
            tuple(_cell(row[column]) for column in columns)
            for row in (
                {**row, "maturity": maturity_text(row), "wire": wire_text(row)} for row in rows
            )
        ],
    )
    return 0


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
