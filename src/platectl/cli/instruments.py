"""`platectl instruments`: what is installed, what it can do, and how far it was verified."""

from __future__ import annotations

import click

from platectl import registry
from platectl.cli.options import emit_json, json_option
from platectl.cli.render import print_table


@click.command()
@json_option
def instruments(as_json: bool) -> int:
    """List installed drivers with interfaces, wire, maturity and source of the wire facts."""
    infos = [registry.load(registry.DRIVERS, name).info for name in registry.names()]
    if as_json:
        emit_json({"instruments": [
            {"name": i.name, "makes": i.makes, "interfaces": list(i.interfaces), "wire": i.wire, "source": i.source,
             "maturity": i.maturity, "unattested": list(i.unattested)} for i in infos]})  # fmt: skip
        return 0
    print_table(("name", "instrument", "interfaces", "wire", "maturity", "source"),
                [(i.name, i.makes, ", ".join(i.interfaces), i.wire, i.maturity, i.source) for i in infos])  # fmt: skip
    return 0
