"""What commands have in common: how wide a terminal is, and whether it has colours."""

from __future__ import annotations

import os

import pytest

from paretune.search.commands.shared import WIDTH, coloured, terminal_width


def test_width_is_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    assert terminal_width() == 132


def test_width_is_that_of_a_stream_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    def size(stream: int) -> os.terminal_size:
        if stream != 1:
            raise OSError("not a terminal")
        return os.terminal_size((97, 20))

    monkeypatch.setattr(os, "get_terminal_size", size)
    assert terminal_width() == 97


def test_width_is_usual_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(stream: int) -> os.terminal_size:
        raise OSError("not a terminal")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", none)
    assert terminal_width() == WIDTH


@pytest.mark.parametrize(
    ("given", "expected"), [({}, None), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_left_out_where_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: bool | None
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert coloured() is expected
