"""What commands have in common: arguments, options, exit codes, JSON."""

from __future__ import annotations

import json
from typing import Any

import click

DONE, NOTHING, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; nothing usable, or a check failed; the input is wrong; interrupted."""

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


def print_json(value: Any) -> None:
    """Prints what JSON can hold, and mappings and tuples that are not quite dicts and lists."""
    click.echo(json.dumps(value, indent=2, default=_jsonable))


def _jsonable(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    if hasattr(value, "to_json"):
        return value.to_json()
    return str(value)
