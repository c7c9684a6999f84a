"""Commands that are shown can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from paretune.search.shell import command_text

NAMES = ["plain.yaml", "st udy.yaml", "it's.yaml", 'a"b.yaml', "$HOME.yaml", "grün & co;.yaml", "*"]


@pytest.mark.parametrize("name", NAMES)
def test_shell_reads_the_arguments_that_were_given(name: str) -> None:
    text = command_text("run", Path(name), "--trials", 40)
    assert shlex.split(text) == ["paretune", "run", name, "--trials", "40"]
    script = text.replace("paretune", "printf '%s\\n'", 1)
    printed = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines() == ["run", name, "--trials", "40"]


def test_path_with_a_leading_dash_is_no_option() -> None:
    assert command_text("show", Path("-x.yaml"), 1) == "paretune show ./-x.yaml 1"
    assert command_text("run", "--trials", 1) == "paretune run --trials 1"


def test_windows_gets_double_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("my study.yaml")
    monkeypatch.setattr(os, "name", "nt")
    assert command_text("run", path) == 'paretune run "my study.yaml"'
