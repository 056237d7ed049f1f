"""`platectl instruments qualify`: hardware tests of one instrument, with a yes before each step."""

from __future__ import annotations

import getpass
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import yaml

from platectl.app.qualify import Terms
from platectl.app.qualify import qualify as perform
from platectl.app.truth import load_truth
from platectl.cli.options import FILE, emit_json, json_option, parse_overrides, store_option
from platectl.cli.render import print_table, say
from platectl.files.lab import load_lab


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question at once; asyncio would wait for the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Terminal:
    """The person at this terminal; satisfies `platectl.app.qualify.Console`."""

    def choose(self, text: str, options: tuple[str, ...]) -> str:
        """Ask until one of the options is typed, or as much of it as only it has."""
        while True:
            said = self.word(f"{text} [{'/'.join(options)}]").strip().lower()
            matches = [option for option in options if said and option.startswith(said)]
            if len(matches) == 1:
                return matches[0]

    def number(self, text: str) -> float:
        """Ask until a number is typed."""
        while True:
            with _interruptible():
                number = float(click.prompt(text, type=float, err=True))
            if math.isfinite(number):
                return number

    def word(self, text: str) -> str:
        """Ask for a text."""
        with _interruptible():
            return str(click.prompt(text, err=True))


@click.command()
@click.argument("name")
@click.option("--lab", type=FILE, help="Lab file (default: the bundled simulated lab).")
@click.option("--truth", type=FILE, help="Truth of the simulated lab (default: the bundled one).")
@click.option("--set", "terms", multiple=True, metavar="NAME=VALUE", help="Set a term, such as volume='50 uL' or repeats=10.")  # fmt: skip
@click.option("--terms", "listed", is_flag=True, help="Only list the terms and what they are.")
@click.option("--by", help="Who tests (default: the user of this computer).")
@store_option
@json_option
def qualify(
    name: str, lab: Path | None, truth: Path | None, terms: tuple[str, ...], listed: bool,
    by: str | None, store: Path, as_json: bool,
) -> int:  # fmt: skip
    """Test instrument NAME of the lab file: identity, movement, water, balance, dye.

    Every step is asked for here; nothing moves without a yes, `no` leaves a step out, `stop` ends.
    The record stands in the store. A test that passed lifts the flag of a paper driver for this
    serial number and firmware, and for no other.
    """
    wanted = Terms.of({key: yaml.safe_load(text) for key, text in parse_overrides(terms).items()})
    if listed:
        rows = [(key, str(getattr(wanted, key)), field.description or "") for key, field in Terms.model_fields.items()]  # fmt: skip
        print_table(("term", "value", ""), rows)
        return 0
    loaded, _ = load_lab(lab)
    truths = load_truth(truth) if loaded.simulated else None
    folder, record = perform(
        loaded, name, wanted, Terminal(), store=store, by=by or getpass.getuser(), truth=truths
    )
    if as_json:
        emit_json({**record.model_dump(mode="json"), "record": str(folder / "record.json")})
    else:
        print_table(
            ("step", "kind", "outcome", ""),
            [(s.name, s.kind, s.state.replace("_", " "), s.says) for s in record.steps],
        )
        say(f"{record.verdict}; record: {folder / 'record.html'}")
        if record.simulated:
            say("simulated: this record speaks for no real instrument")
        elif record.verdict == "passed" and record.unit is None:
            say(f"write serial_number: of {name} into the lab file, from its label, and test again: this record speaks for no unit")  # fmt: skip
    return {"passed": 0, "failed": 4, "incomplete": 5}[record.verdict]
