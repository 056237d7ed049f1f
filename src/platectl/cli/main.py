"""The root command. Commands are imported when they are called, so that `--help` is fast."""

from __future__ import annotations

import importlib
import sys

import click

#: command -> (module, function, help in one line)
COMMANDS = {
    "run": ("platectl.cli.run", "run", "Run an assay and analyse it."),
    "resume": (
        "platectl.cli.resume",
        "resume",
        "Go on with a run that was cut off, held or paused.",
    ),
    "status": ("platectl.cli.control", "status", "Say what a run does now, and what it asks."),
    "answer": ("platectl.cli.control", "answer", "Answer a question or prompt of a run."),
    "add": ("platectl.cli.add", "add", "Add plates to a run that goes on."),
    "pause": ("platectl.cli.control", "pause", "Begin no further step."),
    "stop": ("platectl.cli.control", "stop", "Let begun steps end, then end the run."),
    "abort": ("platectl.cli.control", "abort", "Stop every instrument at once."),
    "watchdog": ("platectl.cli.watchdog", "watchdog", "Say when a run is silent, late or in need."),
    "serve": ("platectl.cli.serve", "serve", "Start runs by schedule and from the queue."),
    "schedule": ("platectl.cli.schedule", "schedule", "Say what is run when."),
    "queue": ("platectl.cli.queue", "queue", "Show and change what waits to be run."),
    "halt": ("platectl.cli.control", "halt", "End the engine without any clean-up."),
    "plan": ("platectl.cli.plan", "plan", "Plan a night: times, people, windows, bound."),
    "power": ("platectl.cli.power", "power", "Predict intervals; plan replicates."),
    "preflight": (
        "platectl.cli.preflight",
        "preflight",
        "Check that all is there; list what to prepare.",
    ),
    "layout": ("platectl.cli.layout", "layout", "Draw a random layout under constraints."),
    "check": ("platectl.cli.check", "check", "Check files; nothing is sent to any instrument."),
    "rehearse": ("platectl.cli.rehearse", "rehearse", "Rehearse a night, with faults."),
    "init": ("platectl.cli.init", "init", "Write a working set of files to start from."),
    "runs": ("platectl.cli.runs", "runs", "List the runs of the store."),
    "show": ("platectl.cli.runs", "show", "Show one run: results, windows, steps."),
    "analyse": (
        "platectl.cli.analyse",
        "analyse",
        "Analyse counts from a file, or a run anew.",
    ),
    "analyses": ("platectl.cli.review", "analyses", "List the versions of a run's analysis."),
    "diff": ("platectl.cli.review", "diff", "Say what differs between two versions."),
    "exclude": ("platectl.cli.review", "exclude", "Leave wells out, with name and reason."),
    "sign": ("platectl.cli.review", "sign", "Sign a version of the analysis."),
    "blind": ("platectl.cli.blind", "blind", "Put compounds of a study under codes."),
    "unblind": ("platectl.cli.review", "unblind", "Open the key of a blinded run."),
    "rules": ("platectl.cli.rules", "rules", "Show the rules of results in force."),
    "chart": ("platectl.cli.chart", "chart", "Chart the reference over runs; name broken rules."),
    "study": ("platectl.cli.study", "study", "Compare replicate runs; judge plate uniformity."),
    "report": (
        "platectl.cli.report",
        "report",
        "Write the report of one run, or of several side by side.",
    ),
    "export": (
        "platectl.cli.export",
        "export",
        "Write a run for Excel, Parquet, Allotrope, Prism, or as an archive.",
    ),
    "ledger": ("platectl.cli.runs", "ledger", "Verify the ledger of a run."),
    "replay": (
        "platectl.cli.replay",
        "replay",
        "Say a recorded night again to the simulators and compare.",
    ),
    "instruments": (
        "platectl.cli.instruments",
        "instruments",
        "List instruments, interfaces and maturity.",
    ),
    "schema": ("platectl.cli.schema", "schema", "Write JSON Schemas for editors."),
}

EPILOG = """\b
Exit codes:
  0  done
  1  a defect of platectl (please report it)
  2  input refused, or the preflight is short; nothing was sent
  3  the run failed or is in doubt; the ledger says how far it came
  4  done, but a plate failed its quality limits, or a chart or study its own
  5  held for a person, or stopped: `platectl resume` goes on
  6  `instruments ping`: the port opened, but nothing was asked
  130  stopped by the operator"""


class LazyGroup(click.Group):
    """Knows its commands by name and imports them when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """List commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG)
@click.version_option(package_name="platectl", prog_name="platectl")
def cli() -> None:
    """Plate assays in a pharmacology lab: checked, planned, rehearsed, run and analysed.

    `platectl run sigma1-binding` runs a whole night on the bundled simulated lab.
    """


def main() -> None:
    """Entry point: maps every deliberate error to one message and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("stopped by the operator", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # no traceback reaches an operator
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    from platectl.domain.errors import (  # only when something went wrong
        PlatectlError,
        UserInputError,
    )

    if isinstance(error, UserInputError):
        click.echo(str(error), err=True)
        return 2
    if isinstance(error, PlatectlError):
        click.echo(str(error), err=True)
        return 3
    if isinstance(error, OSError):
        click.echo(f"the computer refused: {error}", err=True)
        return 3
    log = _crash_file(error)
    click.echo(
        f"a defect of platectl: {type(error).__name__}: {error}\ndetails are in {log}; please report it",
        err=True,
    )
    return 1


def _crash_file(error: Exception) -> str:
    import tempfile  # only when something went wrong
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="platectl-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
        return file.name
