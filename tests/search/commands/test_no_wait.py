"""--no-wait: every command that measures has it, and it holds for that command alone."""

from __future__ import annotations

import os
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from paretune.objectives.calm import NO_WAIT, calm
from paretune.search.commands.shared import no_wait_option

MEASURING = (
    *("check", "export", "init", "optimize", "profile"),
    *("retarget", "run", "verify", "worker"),
)


@pytest.mark.parametrize("name", MEASURING)
def test_command_that_measures_has_the_option(name: str) -> None:
    command = import_module(f"paretune.search.commands.{name}").command
    assert any("--no-wait" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize(("options", "text"), [(["--no-wait"], "0.0"), ([], "60.0")])
def test_option_turns_waits_off_for_its_command_and_its_children(
    options: list[str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NO_WAIT, raising=False)

    @click.command()
    @no_wait_option
    def command() -> None:
        click.echo(f"{calm.limit(60.0)} {os.environ.get(NO_WAIT)}")

    printed = CliRunner().invoke(command, options).output
    assert printed.split() == [text, "1" if options else "None"]
    assert calm.waits and NO_WAIT not in os.environ
