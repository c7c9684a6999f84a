"""The command line: a table of commands, and exit codes for errors.

A command's module is imported when the command is called. It parses, makes one library call and
prints.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from paretune.objectives.idle_threads import let_idle_threads_sleep
from paretune.search.commands.shared import DONE, INTERRUPTED, NOTHING, WRONG_INPUT
from paretune.search.errors import UserError
from paretune.search.interruption import exit_on_signals, interrupted, watch_interrupts
from paretune.search.shell import without_password

COMMANDS = {
    "Search": {
        "init": "Write a first study file for a model and its data.",
        "check": "Check a study file and show what a run would do.",
        "optimize": "Make a model meet goals, and export it verified: one command.",
        "run": "Run a study, or continue one that was interrupted.",
        "pause": "Let the workers of a study pause, without losing their trials.",
        "resume": "Let the workers of a paused study go on.",
        "stop": "Let the workers of a study leave; the study can go on later.",
    },
    "Results": {
        "status": "Show the progress of a study: finished, running and failed trials.",
        "front": "Show the best trade-offs (the Pareto front) and the baseline.",
        "show": "Show one trial: plan, measurements, files, or why it failed.",
        "compare": "Compare studies: fronts, hypervolume, and what differs beyond noise.",
        "report": "Write the report: one HTML file that opens offline.",
        "serve": "Show studies as live pages in a browser, and steer them.",
    },
    "Deploy": {
        "export": "Export a trial's model, checked, with a model card.",
        "verify": "Check an exported model against its manifest.",
        "monitor": "Compare the log of a deployed model with its export.",
        "profile": "Show which layers take time and memory, and what to change.",
        "track": "Send a study to MLflow or Weights & Biases.",
        "retarget": "Measure the models of a study in another runtime or machine, or on a device.",
    },
    "Look up": {
        "list": "List the names and parameters that a study file can use.",
        "schema": "Print the JSON Schema of study files, for editors.",
        "setup": "Make an environment that a runtime needs beside Paretune's.",
    },
    "Several machines": {
        "worker": "Join a running study from another process or machine.",
        "workers": "List the workers of a study: host, trial, stage, last sign of life.",
        "devices": "Try devices, or list those that were tried before.",
    },
}
"""Group -> command -> first line of its help. A command is `command` in its module of the package
`commands`. The lines are repeated here so that `paretune --help` imports none of the modules."""

NAMES = tuple(name for commands in COMMANDS.values() for name in commands)


STOPPED = "interrupted; what is done is kept, the same command continues"


class _Group(click.Group):
    """Imports a command when it is needed, and turns errors into texts and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        command: click.Command = import_module(f"paretune.search.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, NAMES))
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])

    def main(self, args: Sequence[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        if args is not None:  # of another program
            self._run(args, **kwargs)
        try:
            self._run(None, **kwargs)
        except SystemExit as end:
            exit_on_signals(end.code if isinstance(end.code, int) else DONE)
            raise

    def _run(self, args: Sequence[str] | None, **kwargs: Any) -> NoReturn:
        kwargs["standalone_mode"] = False
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments  # before or after the command
        watch_interrupts()
        let_idle_threads_sleep()
        try:
            result = super().main([a for a in arguments if a != "--debug"], **kwargs)
        except (KeyboardInterrupt, click.exceptions.Abort):  # click turns the first into the second
            _fail(STOPPED, INTERRUPTED)
        except Exception as error:
            if interrupted():  # an import or a library has turned it into an error of its own
                _fail(STOPPED, INTERRUPTED)
            if debug and not isinstance(error, click.ClickException | BrokenPipeError):
                raise
            _report(error)
        sys.exit(result if isinstance(result, int) else DONE)


def _report(error: Exception) -> NoReturn:
    """Prints an error, and ends the process with its exit code."""
    match error:
        case UserError():
            _fail(str(error))
        case click.ClickException():
            error.show()
            sys.exit(WRONG_INPUT)
        case BrokenPipeError():
            sys.stderr.close()  # the process that reads our output has ended
            sys.exit(DONE)
        case _:
            _fail(
                f"paretune: an internal error of Paretune: {type(error).__name__}: {error}\n"
                "Type the command again with --debug for the traceback.",
                NOTHING,
            )


def _fail(text: str, code: int = WRONG_INPUT) -> NoReturn:
    click.echo(without_password(text), err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="paretune", prog_name="paretune")
@click.option(
    "--debug", is_flag=True, expose_value=False, help="Show tracebacks; before or after COMMAND."
)
def main() -> None:
    """Search architecture, pruning, quantization, distillation and training together.

    Start with `paretune check STUDY.yaml`, then `paretune run STUDY.yaml`.
    """


if __name__ == "__main__":
    main()
