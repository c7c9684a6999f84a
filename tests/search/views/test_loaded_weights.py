"""What was unwrapped in a checkpoint is said by the run, by `show` and by the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paretune.search.running.progress import ended_text
from paretune.search.study.records import Axis, Result, StudyRecord, TrialRecord
from paretune.search.trial.events import TrialEnded
from paretune.search.views.loaded_weights import loaded_weights, loaded_weights_of
from paretune.search.views.report import _facts
from paretune.search.views.trial_text import trial_text

MakeRecord = Callable[..., StudyRecord]
NOTES = ["unwrapped ema", "removed the prefix module. from 9 names"]
SENTENCE = "unwrapped ema; removed the prefix module. from 9 names"


def artifact(**info: Any) -> dict[str, Any]:
    return {"path": "a.onnx", "sha256": "0", "bytes": 1, "runtime": "onnxruntime", "info": info}


@pytest.fixture
def record(make_record: MakeRecord) -> StudyRecord:
    record = make_record(1)
    first, *rest = record.trials
    loaded = replace(first, artifact=artifact(weights=NOTES))
    return replace(record, trials=(loaded, *rest))


@pytest.mark.parametrize("stored", [None, {}, artifact(), artifact(weights=[])])
def test_nothing_is_said_when_the_file_was_loaded_as_it_is(stored: Any) -> None:
    assert loaded_weights(stored) == ""


def test_notes_of_a_trial_are_those_of_its_first_target() -> None:
    trial = TrialRecord(1, "complete", (), {}, 0.0, 0.0)
    targets = {"phone": artifact(weights=NOTES), "server": artifact(weights=NOTES)}
    assert loaded_weights_of(replace(trial, artifact=None, artifacts=targets)) == SENTENCE


def test_show_says_what_was_unwrapped(record: StudyRecord) -> None:
    assert f"\ncheckpoint: {SENTENCE}\n" in trial_text(record.trials[0])


def test_report_says_what_was_unwrapped(record: StudyRecord) -> None:
    assert ("the baseline's checkpoint", SENTENCE) in _facts(record)


def test_run_says_what_was_unwrapped_for_the_baseline_alone() -> None:
    axes = (Axis("size", "bytes", "lower"),)
    result = Result("complete", {"size": 1.0}, artifact=artifact(weights=NOTES))

    def text(number: int) -> str:
        return ended_text(
            TrialEnded(number, result, {"size": 1.0}, number, False, {}, None), axes, 3
        )

    assert text(0).splitlines()[1] == f"checkpoint: {SENTENCE}"
    assert SENTENCE not in text(1)
