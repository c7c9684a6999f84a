"""What the README shows works: its commands, its study, its loading example."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """The code block of a language."""
    [code] = re.findall(rf"```{language}\n(.*?)```", README, re.S)
    return str(code)


def commands() -> list[str]:
    """Every `paretune ...` command line, inline or in a block."""
    inline = re.findall(r"`(paretune [^`|]+)`", README)
    lines = re.findall(r"^    (?:\$ )?(?:.*&& \S*)?(paretune .+)$", README, re.M)
    return [c for c in (*inline, *lines) if "..." not in c]


def test_readme_shows_commands() -> None:
    assert len(commands()) >= 6


@pytest.mark.parametrize("command", commands())
def test_readme_shows_only_commands_that_exist(command: str) -> None:
    from paretune.search.cli import main

    arguments = shlex.split(command)[1:]
    click_command = main.get_command(click.Context(main), arguments[0])
    assert click_command is not None
    required = sum(p.required for p in click_command.params if p.param_type_name == "argument")
    arguments_needed = arguments[1:] or ["STUDY"] * required
    with contextlib.suppress(SystemExit):
        click_command.make_context(arguments[0], list(arguments_needed))


def test_study_of_the_readme_loads(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "photos").mkdir()
    file = tmp_path / "mine.yaml"
    file.write_text(block("yaml"))
    assert len(block("yaml").splitlines()) <= 16
    result = cli("check", file)
    assert result.code == 0, result.err


def test_loading_example_runs_on_an_exported_model(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished.parent / "exported"
    result = cli("export", finished, "--pick", "knee", "-o", folder, "--no-latency")
    assert result.code == 0, result.out + result.err
    monkeypatch.chdir(finished.parent)
    example = block("python")
    assert "paretune" not in example and "torch" not in example
    assert sum(bool(line.strip()) for line in example.splitlines()) <= 10
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "README.md", "exec"), {})
    assert re.fullmatch(r"\['\d'(, '\d'){4}\]\n", out.getvalue())
