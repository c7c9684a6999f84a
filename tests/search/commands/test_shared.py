"""The width of the terminal, and whether it shows colours."""

from __future__ import annotations

import os

import pytest

from paretune.search.commands.shared import WIDTH, coloured, terminal_width


def test_width_is_the_environment_variable_columns_when_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    assert terminal_width() == 132


def test_width_is_that_of_the_first_stream_that_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    def size(stream: int) -> os.terminal_size:
        if stream != 1:
            raise OSError("not a terminal")
        return os.terminal_size((97, 20))

    monkeypatch.setattr(os, "get_terminal_size", size)
    assert terminal_width() == 97


def test_width_is_80_when_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_size(stream: int) -> os.terminal_size:
        raise OSError("not a terminal")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", no_size)
    assert terminal_width() == WIDTH == 80


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, None), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_off_when_no_color_is_set_or_the_terminal_is_dumb(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool | None
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert coloured() is expected
