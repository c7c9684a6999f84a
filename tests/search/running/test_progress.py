"""A run prints plain lines into a pipe, and a live view on a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from paretune.objectives.base import Measurement
from paretune.objectives.calm import Wait
from paretune.search.running.progress import LiveProgress, PlainProgress, make_progress
from paretune.search.study.records import Axis, Result
from paretune.search.trial.events import (
    CalmAwaited,
    DeviceAwaited,
    EpochDone,
    Notice,
    RunEnded,
    RunStarted,
    StageStarted,
    TrialEnded,
    TrialStarted,
)

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
BASE = {"accuracy": 0.95, "latency": 2.0}


def ended(number: int, result: Result) -> TrialEnded:
    return TrialEnded(
        trial=number,
        result=result,
        baseline=BASE,
        done=number,
        grew=True,
        front={number: dict(result.values)},
        hypervolume=0.5,
    )


def lines(terminal: bool, *events: object) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, highlight=False)
    with make_progress(console) as progress:
        assert isinstance(progress, LiveProgress if terminal else PlainProgress)
        report: Callable[[object], None] = progress  # type: ignore[assignment]
        for event in events:
            report(event)
    return out.getvalue()


def trial_line(*events: object) -> str:
    """Returns the line of a terminal's view that tells the trial and its stages."""
    progress = LiveProgress(Console(file=io.StringIO()))
    report: Callable[[object], None] = progress  # type: ignore[assignment]
    for event in events:
        report(event)
    return progress._trial_view().plain


STARTED = RunStarted("made-up", AXES, 10, 2, None, "a host")
DONE = Result(
    "complete",
    {"accuracy": 0.94, "latency": 0.5},
    measured=(Measurement("accuracy", 0.94, "fraction", "higher", 0.9, 0.96, 400, {}),),
    duration=3.2,
)


def test_pipe_gets_one_line_per_trial() -> None:
    text = lines(False, STARTED, ended(3, DONE), Notice("a notice"), RunEnded("done", 3, 10))
    assert text.splitlines() == [
        "study made-up: 10 trials, 2 done already; a host",
        "trial   3 [3/10]  accuracy 94.00 %  latency 0.500 ms (4.0x faster)  on the front  (3.2 s)",
        "a notice",
        "done",
    ]


def test_cost_within_noise_of_the_baseline_is_marked() -> None:
    event = replace(ended(3, DONE), within_noise=frozenset({"accuracy", "latency"}))
    assert "latency 0.500 ms (≈4.0x faster)" in lines(False, STARTED, event)


def test_infeasible_failed_and_constraint_breaking_trials_print_the_reason() -> None:
    reason = {"stage": "prune", "type": "RuntimeError", "text": "no layer [left]\nmore"}
    text = lines(
        False,
        STARTED,
        ended(1, Result("infeasible", reason=reason)),
        ended(2, Result("failed", reason=reason)),
        ended(3, Result("complete", dict(BASE), {"latency <= 1 ms": 1.0})),
        ended(4, Result("failed", reason={**reason, "attempts": 2})),
    )
    assert "infeasible in prune: no layer [left]" in text
    assert "FAILED in prune: RuntimeError: no layer [left]" in text
    assert "breaks latency <= 1 ms" in text
    assert "FAILED again in prune: RuntimeError: no layer [left]" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_repeated_plans_become_one_line(terminal: bool) -> None:
    repeated = [ended(n, Result("complete", dict(BASE), repeat_of=3)) for n in (4, 5, 6)]
    text = lines(terminal, STARTED, ended(3, DONE), *repeated, ended(7, DONE))
    assert "trials 4 to 6 repeat earlier plans: nothing to run" in text
    assert text.index("trial   3 [") < text.index("trials 4 to 6") < text.index("trial   7 [")


def test_one_repeated_plan_and_scattered_ones_are_counted() -> None:
    repeated = [ended(n, Result("complete", dict(BASE), repeat_of=3)) for n in (4, 6, 9)]
    text = lines(False, STARTED, *repeated, RunEnded("done", 3, 10))
    assert "3 of trials 4 to 9 repeat earlier plans: nothing to run\ndone" in text
    text = lines(False, STARTED, repeated[0], RunEnded("done", 3, 10))
    assert "trial   4  repeats an earlier plan: nothing to run\ndone" in text


def test_run_of_a_finite_space_begins_with_its_number_of_plans() -> None:
    event = replace(STARTED, trial_limit=3, plans=3)
    assert lines(False, event).startswith("study made-up: all 3 plans of the space, 2 done")
    event = replace(STARTED, trial_limit=1, plans=1)
    assert lines(False, event).startswith("study made-up: a single plan, 2 done")


@pytest.mark.parametrize(
    ("left", "text"),
    [(True, "trial 3: it was stopped before its end"), (False, "trial 3: its worker died")],
)
def test_trial_that_is_taken_over_says_whether_its_worker_was_stopped(
    left: bool, text: str
) -> None:
    event = TrialStarted(3, {}, ["evaluate"], taken_over=True, left=left)
    assert f"{text}; going on with it" in lines(False, STARTED, event)
    baseline = lines(False, STARTED, replace(event, trial=0))
    assert f"{text.replace('trial 3', 'baseline')}; going on with it" in baseline


def test_terminal_shows_that_a_trial_waits_for_its_device() -> None:
    begun = (STARTED, TrialStarted(4, {}, ["measure"], False), StageStarted(4, "measure"))
    wait = DeviceAwaited("waits for ssh://pi@cam, which is lost")
    assert "measure  waits for ssh://pi@cam, which is lost" in trial_line(*begun, wait)
    assert "waits for" not in trial_line(*begun, wait, DeviceAwaited(None))


def test_terminal_counts_down_a_wait_for_calm() -> None:
    begun = (STARTED, TrialStarted(4, {}, ["measure"], False), StageStarted(4, "measure"))
    wait = CalmAwaited(Wait("waits until others pause", 41.2))
    assert "waits until others pause, for 41 s at most; --no-wait" in trial_line(*begun, wait)
    assert "waits" not in trial_line(*begun, wait, CalmAwaited(None))


def test_plain_lines_tell_waits_for_calm_at_most_once_a_minute() -> None:
    waits = [CalmAwaited(Wait("waits", left)) for left in (60.0, 59.0)]
    text = lines(False, STARTED, *waits, CalmAwaited(None), waits[0])
    assert text.count("waits, for 60 s at most; --no-wait does not wait") == 1
    assert "59 s" not in text


def test_trial_that_is_tried_again_is_announced() -> None:
    text = lines(False, STARTED, TrialStarted(3, {}, ["evaluate"], taken_over=True, attempt=2))
    assert "trial 3: it failed before; running it again" in text


def test_terminal_shows_trial_stage_epoch_and_front() -> None:
    expected = lines(
        True,
        STARTED,
        ended(3, DONE),
        TrialStarted(4, {}, ["pretrain", "finetune", "measure"], False),
        StageStarted(4, "finetune"),
        EpochDone(4, "finetune", 2, 6, 0.123, 0.9, 1.0),
        RunEnded("done", 3, 10),
    )
    for text in ("3 of 10 trials", "trial 4", "finetune", "2/6 loss 0.123", "hypervolume 0.5000"):
        assert text in expected
