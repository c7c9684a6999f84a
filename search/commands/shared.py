"""What commands have in common: arguments, options, exit codes, JSON."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

import click

DONE, NOTHING, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; nothing usable, or a check failed; the input is wrong; interrupted."""

WIDTH = 80
"""Columns where there is no terminal."""

study_argument = click.argument("study", metavar="STUDY")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="A.B=C", help="Change a value of the study file."
)
storage_option = click.option(
    "--storage", metavar="URL", help="Database: sqlite, sqlite:///FILE, postgresql://USER@HOST/DB."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
latency_option = click.option(
    "--latency/--no-latency", default=True, help="Run it beside the baseline's file, or not."
)
strict_option = click.option(
    "--strict", is_flag=True, help="Fail for a latency that differs a little, too."
)


def terminal_width() -> int:
    """Columns of the terminal that any of the streams is at, or as COLUMNS says; as rich has it."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit():
        return int(given)
    for stream in (0, 1, 2):
        with suppress(OSError):
            return os.get_terminal_size(stream).columns or WIDTH
    return WIDTH


def coloured() -> bool | None:
    """False where the user wants no colours; None leaves it to click, which knows a terminal."""
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
    return False if unwanted else None


def print_json(value: Any) -> None:
    """Prints what JSON can hold, and mappings and tuples that are not quite dicts and lists."""
    click.echo(json.dumps(value, indent=2, default=_jsonable))


def _jsonable(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    if hasattr(value, "to_json"):
        return value.to_json()
    return str(value)
