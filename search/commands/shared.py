"""Arguments, options, exit codes and output that several commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from paretune.search.shell import STORAGE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

F = TypeVar("F", bound="Callable[..., Any] | click.Command")

DONE, NOTHING, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; no usable result or a failed check; wrong input; interrupted."""

SCHEMA = 1
"""Version of the forms that --json prints. New keys come without a new version; docs/agents.md."""

WIDTH = 80
"""Columns of the output if there is no terminal."""

MOST_TRIALS = 1_000_000_000
"""The largest number of trials, and of a trial: databases store it in 32 bits."""

MOST_THREADS = 1024

THREADS = click.IntRange(0, MOST_THREADS)

study_argument = click.argument("study", metavar="STUDY")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=C",
    help="Replace a value of the study file; can be repeated.",
)
storage_option = click.option(
    "--storage",
    metavar="URL",
    envvar=STORAGE_VARIABLE,
    help="Database of the study: sqlite, sqlite:///FILE or postgresql://USER@HOST/DB; also by the "
    f"variable {STORAGE_VARIABLE}.",
)
files_option = click.option(
    "--files",
    metavar="URL",
    help="Store of the study's files, which several hosts reach: s3://BUCKET/STUDY or a path.",
)
trials_option = click.option(
    "--trials",
    type=click.IntRange(1, MOST_TRIALS),
    metavar="N",
    help="Number of trials in all: finished ones count, the baseline does not.",
)
time_option = click.option("--time", metavar="30m", help="Time limit of this run.")
retry_option = click.option(
    "--retry-failed",
    is_flag=True,
    help="Run the trials that failed before once more, under their numbers.",
)


def cluster_option(text: str) -> Callable[[F], F]:
    """Returns the option `--cluster` with its help."""
    return click.option("--cluster", metavar="ray[://HOST:PORT]", help=text)


def with_files(overrides: tuple[str, ...], files: str | None) -> tuple[str, ...]:
    """Returns the --set options with that of --files, if the user gave it."""
    return overrides if files is None else (*overrides, f"files={files}")


def _measure_at_once(context: click.Context, option: click.Parameter, no_wait: bool) -> None:
    """Turns off the waits for calm until the command ends."""
    from paretune.objectives.calm import without_waiting

    context.with_resource(without_waiting(unless=not no_wait))


no_wait_option = click.option(
    "--no-wait",
    is_flag=True,
    expose_value=False,
    callback=_measure_at_once,
    help="Measure without waiting for calm on a busy host; the conditions of the measurements say "
    "so. Also by the variable PARETUNE_NO_WAIT=1.",
)
latency_option = click.option(
    "--latency/--no-latency",
    default=True,
    show_default=True,
    help="Compare the latency with that of the baseline's file.",
)
strict_option = click.option(
    "--strict", is_flag=True, help="Treat even a small difference in latency as an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def output_option(metavar: str, text: str, **options: Any) -> Callable[[F], F]:
    """Returns the option `-o` of a command that writes a file or folder."""
    options.setdefault("type", click.Path(path_type=Path))
    return click.option("-o", "--output", metavar=metavar, help=text, **options)


def console(stderr: bool = False) -> Console:
    """Returns the console that tables and progress are printed on.

    Args:
        stderr: Print on standard error, as standard output is for JSON.
    """
    from rich.console import Console

    return Console(highlight=False, stderr=stderr)


def terminal_width() -> int:
    """Returns the width in columns: COLUMNS, else the terminal's, else 80; the same as rich."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        return int(columns)
    for stream in (0, 1, 2):
        with suppress(OSError):
            return os.get_terminal_size(stream).columns or WIDTH
    return WIDTH


def coloured() -> bool | None:
    """Returns False if the user wants no colours; None lets click look for a terminal."""
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return False if unwanted else None


def print_json(value: Any, schema: int | None = SCHEMA) -> None:
    """Prints a value as JSON; mappings and objects with `to_json` are converted.

    Args:
        value: The value.
        schema: Version of the form, the first key of a mapping that has none; None adds no key.
    """
    if schema is not None and isinstance(value, Mapping) and "schema" not in value:
        value = {"schema": schema, **value}
    click.echo(json.dumps(value, indent=2, default=_jsonable))


def json_line(value: Mapping[str, Any], schema: int = SCHEMA) -> str:
    """Returns a value as one line of JSON.

    Args:
        value: The value.
        schema: Version of the form, its first key.
    """
    return json.dumps({"schema": schema, **value}, default=_jsonable)


def _jsonable(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    if hasattr(value, "to_json"):
        return value.to_json()
    return str(value)
