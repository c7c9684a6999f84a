"""Commands that are shown can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from paretune.search.shell import command_text, without_password

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pa@ss@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql+psycopg://me:p:q@host/db", "postgresql+psycopg://me:***@host/db"),
        ("storage=postgresql://me:a/b@host/db", "storage=postgresql://me:***@host/db"),
        ("postgresql://h/db?user=me&password=pw&x=1", "postgresql://h/db?user=me&password=***&x=1"),
        ("postgresql://h/db?sslpassword=pw", "postgresql://h/db?sslpassword=***"),
        ("s3://key:secret@bucket/study: away", "s3://key:***@bucket/study: away"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://me:@/db?host=/run", "postgresql://me:@/db?host=/run"),
        ("sqlite:////a/b@c/study.db", "sqlite:////a/b@c/study.db"),
    ],
)
def test_password_is_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


@pytest.mark.parametrize(
    ("storage", "typed"),
    [
        ("postgresql://me:p@w@host/db", "postgresql://me@host/db"),
        ("postgresql://host/db?user=me&password=pw", "postgresql://host/db?user=me"),
        ("postgresql://h/db?password=pw&sslpassword=x", "postgresql://h/db"),
        ("postgresql://h/db?password=pw&sslmode=require", "postgresql://h/db?sslmode=require"),
        ("postgresql://me:@/db?host=/run", "postgresql://me:@/db?host=/run"),
    ],
)
def test_command_takes_the_password_of_the_environment(storage: str, typed: str) -> None:
    words = shlex.split(command_text("run", Path("a.yaml"), "--storage", storage))
    assert words == ["paretune", "run", "a.yaml", "--storage", typed]


def test_command_leaves_out_the_storage_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:pw@host/db"
    monkeypatch.setenv("PARETUNE_STORAGE", url)
    for same in (url, url.replace("postgresql", "postgresql+psycopg")):
        assert command_text("run", Path("a.yaml"), "--storage", same) == "paretune run a.yaml"
