"""Calm: limits of waits, how they are shown, and how they are turned off."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from paretune.objectives import calm as module
from paretune.objectives.calm import (
    NO_WAIT,
    Calm,
    CountdownLine,
    Wait,
    was_calm,
    without_waiting,
)


class Clock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    monkeypatch.delenv(NO_WAIT, raising=False)
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    yield clock


def counted_down(calm: Calm, seconds: float) -> list[Wait | None]:
    """Returns what is shown of a wait that ends by its limit."""
    shown: list[Wait | None] = []
    with calm.shown_by(shown.append), calm.waiting("waits", seconds) as wait:
        while wait.goes_on(0.25):
            pass
    return shown


def test_wait_counts_down_each_second_and_ends_at_its_limit(clock: Clock) -> None:
    shown = counted_down(Calm(), 3.0)
    assert [wait and wait.seconds_left for wait in shown] == [2.0, 1.0, None]
    assert clock.now == 3.0


def test_longer_work_is_shown_until_its_end() -> None:
    shown: list[Wait | None] = []
    calm = Calm()
    with calm.shown_by(shown.append):
        calm.tell("looks", 2.0, -1.0)
        calm.tell_end()
        assert shown == []
        calm.tell("looks", 2.0, 1.5)
        calm.tell_end()
    assert shown == [Wait("looks", 2.0), None]


def test_short_wait_is_not_shown() -> None:
    assert counted_down(Calm(), 0.5) == []


def test_limit_is_zero_without_waiting_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = Calm()
    assert calm.limit(60) == 60
    with without_waiting():
        assert not calm.waits and calm.limit(60) == 0
        with without_waiting(unless=True):
            assert not calm.waits  # an outer wish holds
    assert calm.waits and calm.limit(60) == 60
    monkeypatch.setenv(NO_WAIT, "1")
    with without_waiting(unless=True):
        assert calm.limit(60) == 0
    assert not calm.waits


@pytest.mark.parametrize("text", ["", "0", "no", "False"])
def test_variable_that_says_no_leaves_the_waits(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_WAIT, text)
    assert Calm().waits


def test_quick_check_shortens_each_wait() -> None:
    calm = Calm()
    with calm.at_most(2), calm.at_most(5):
        assert calm.limit(60) == 2 and calm.limit(1) == 1
    assert calm.limit(60) == 60


def test_line_is_printed_once_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    line = CountdownLine()
    for wait in (Wait("waits", 59.6), Wait("waits", 58.6), None, Wait("waits", 3.0)):
        line(wait)
    assert sys.stderr.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "waits, for 60 s at most; --no-wait does not wait",
        "waits, for 3 s at most; --no-wait does not wait",
    ]


def test_line_counts_down_and_goes_away_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    line = CountdownLine()
    line(Wait("waits", 10.0))
    line(Wait("waits", 9.0))
    line(None)
    first, second, last = (part for part in screen.getvalue().split("\r") if part)
    assert "for 10 s" in first and "for 9 s" in second and not last.strip()
    assert len(first) == len(second) > len(last)  # each covers the one before


@pytest.mark.parametrize(
    ("conditions", "calm"),
    [
        ({}, True),
        ({"alone": None}, True),
        ({"alone": True, "disturbed_host": False}, True),
        ({"alone": False}, False),
        ({"alone": True, "disturbed_host": True}, False),
    ],
)
def test_measurement_is_calm_unless_its_conditions_deny_it(
    conditions: dict[str, object], calm: bool
) -> None:
    assert was_calm(conditions) is calm
