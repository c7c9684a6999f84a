"""The progress of a run in one output of a notebook."""

from __future__ import annotations

import re
from typing import Any

import pytest

from paretune.search.interface import notebook_progress
from paretune.search.interface.notebook_progress import NotebookProgress, shown_progress
from paretune.search.running.progress import PlainProgress
from paretune.search.study.records import Axis, Result
from paretune.search.trial.events import (
    Event,
    Notice,
    RunEnded,
    RunStarted,
    StageStarted,
    TrialEnded,
    TrialStarted,
)

AXES = (Axis("error", "fraction", "lower"),)


class Display:
    """IPython's `display`: keeps what is shown, and each update."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, output: Any, display_id: bool) -> Display:
        assert display_id
        self.update(output)
        return self

    def update(self, output: Any) -> None:
        self.shown.append(re.sub("<[^>]+>", "", output._repr_html_()))


def ended(trial: int) -> TrialEnded:
    values = {"error": 0.1}
    result = Result("complete", values, duration=1.0)
    return TrialEnded(trial, result, values, trial, True, {trial: values}, 0.5)


def shown_after(*events: Event) -> list[str]:
    display = Display()
    with NotebookProgress(display) as progress:
        for event in events:
            progress(event)
    return display.shown


def test_output_shows_the_check_then_trial_and_stage_then_lines_alone() -> None:
    first, *_, last = shown = shown_after(
        RunStarted("s", AXES, 3, 0, None, "a host"),
        TrialStarted(1, {}, ("pretrain", "measure")),
        StageStarted(1, "pretrain"),
        ended(1),
        RunEnded("all is done", 1, 3),
    )
    assert first.strip() == "checking the study ..."
    assert any("1 of 3 trials" in text for text in shown)
    assert last.split() == shown_lines(last)
    assert "trial   1 [1/3]  error 10.00 %" in last and "all is done" in last
    assert "hypervolume" not in last


def shown_lines(text: str) -> list[str]:
    return [word for line in text.splitlines() if line.strip() for word in line.split()]


def test_old_lines_are_left_out_and_counted() -> None:
    notices = [Notice(f"notice {n}") for n in range(30)]
    last = shown_after(*notices)[-1]
    assert "... 18 lines before" in last
    assert "notice 29" in last and "notice 17" not in last


def test_text_of_a_study_cannot_add_html() -> None:
    display = Display()
    with NotebookProgress(display) as progress:
        progress(Notice("<script>alert(1)</script>"))
        assert "<script>" not in progress._html()


def test_view_is_that_of_the_notebook_only_in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(shown_progress(True), PlainProgress)
    with shown_progress(False) as nothing:
        assert nothing is None
    monkeypatch.setattr(notebook_progress, "_notebook_display", lambda: Display())
    assert isinstance(shown_progress(True), NotebookProgress)
