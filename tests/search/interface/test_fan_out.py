"""Events go to every reporter; one that fails is left out."""

from __future__ import annotations

import pytest

from paretune.search.interface.fan_out import FanOut
from paretune.search.trial.events import Event, Notice, StageStarted

EVENT = StageStarted(1, "prune")


def broken(event: Event) -> None:
    raise ValueError("no disk")


def test_every_reporter_receives_each_event() -> None:
    first: list[Event] = []
    second: list[Event] = []
    FanOut([first.append, second.append])(EVENT)
    assert first == second == [EVENT]


def test_reporter_that_raises_is_left_out_and_the_others_are_told() -> None:
    events: list[Event] = []
    report = FanOut([broken, events.append])
    report(EVENT)
    report(EVENT)
    assert events.count(EVENT) == 2
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert notice.text == (
        "the reporter broken raised ValueError: no disk; it gets no further events, and the run "
        "goes on"
    )


def test_reporter_can_stop_a_run_with_keyboard_interrupt() -> None:
    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FanOut([stop])(EVENT)
