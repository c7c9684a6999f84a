"""Trials of the baseline's own network: which are chosen, and how they are shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.front.final_front import trials_to_remeasure, with_final_front
from paretune.search.front.same_network import FLOAT, same_network_trials
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.views.front_table import front_info
from paretune.search.views.front_text import front_view
from paretune.search.views.headline import answer_text

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))


def measured(name: str, value: float) -> Measurement:
    unit, better = ("fraction", "higher") if name == "accuracy" else ("ms", "lower")
    return Measurement(name, value, unit, better, value - 0.001, value + 0.001, 1000, {})  # type: ignore[arg-type]


def trial(
    number: int, accuracy: float, latency: float, width: float = 1.0, **stages: Any
) -> TrialRecord:
    """Returns a complete trial; `quantize="static"` and the like add a stage."""
    plan = [{"kind": "pretrain", "params": {"architecture": {"simple_cnn": {"width": width}}}}]
    sections = {"prune": "pruning", "quantize": "quantization"}
    plan += [{"kind": k, "params": {sections[k]: {name: {}}}} for k, name in stages.items()]
    values = {"accuracy": accuracy, "latency": latency}
    measurements = {name: measured(name, value) for name, value in values.items()}
    return TrialRecord(number, "complete", {}, plan, values, measurements)


def study(*trials: TrialRecord, front: tuple[int, ...]) -> StudyRecord:
    return StudyRecord("made", {}, AXES, trials, (FrontPoint(9, 1e9, 0.5, frozenset(front)),))


BASELINE = trial(0, 0.90, 2.0)
SMALL = trial(1, 0.93, 0.5, width=0.25)


def test_best_trial_of_each_number_format_is_chosen() -> None:
    trials = (
        BASELINE,
        SMALL,
        trial(2, 0.91, 2.0),
        trial(3, 0.92, 2.0),
        trial(4, 0.915, 1.0, quantize="static"),
        trial(5, 0.94, 1.0, prune="structured"),
        trial(6, 0.90, 1.4, quantize="dynamic"),
    )
    chosen = same_network_trials(trials, BASELINE, AXES)
    assert {name: t.number for name, t in chosen.items()} == {FLOAT: 3, "dynamic": 6, "static": 4}


@pytest.mark.parametrize(
    "other",
    [
        trial(2, 0.99, 1.0, width=0.5),
        replace(trial(2, 0.99, 1.0), repeat_of=1),
        replace(trial(2, 0.99, 1.0), values={}),
        replace(trial(2, 0.99, 1.0), state="failed"),
        replace(trial(2, 0.99, 1.0), plan=[{"kind": "evaluate", "params": {}}]),
    ],
)
def test_other_networks_repeats_and_unmeasured_trials_are_left_out(other: TrialRecord) -> None:
    assert same_network_trials((BASELINE, SMALL, other), BASELINE, AXES) == {}


def test_study_without_baseline_or_score_has_none() -> None:
    assert same_network_trials((trial(2, 0.9, 1.0),), None, AXES) == {}
    assert same_network_trials((trial(2, 0.9, 1.0),), BASELINE, AXES[1:]) == {}


def test_lower_score_is_better_when_it_is_an_error() -> None:
    axes = (Axis("accuracy", "fraction", "lower"), AXES[1])
    trials = (BASELINE, trial(2, 0.91, 2.0), trial(3, 0.92, 2.0))
    assert same_network_trials(trials, BASELINE, axes)[FLOAT].number == 2


def final(trial: TrialRecord) -> TrialRecord:
    """Returns a trial after a final session that gave the same values."""
    test = {"accuracy": trial.measurements["accuracy"]}
    return replace(trial, final={"latency": trial.measurements["latency"]}, test=test)


def finished_study() -> StudyRecord:
    trials = [BASELINE, SMALL, trial(2, 0.945, 2.0), trial(3, 0.91, 1.0, quantize="static")]
    record = study(*trials, trial(4, 0.5, 1.9, width=0.5), front=(1,))
    numbers = trials_to_remeasure(record)
    assert numbers == (0, 1, 2, 3)
    return replace(
        record, trials=tuple(final(t) if t.number in numbers else t for t in record.trials)
    )


def test_headline_compares_with_the_retrained_baseline() -> None:
    text = answer_text(front_info(with_final_front(finished_study())))
    assert "Trial 1 is 4.0x faster than the baseline, for 3.0 points more accuracy" in text
    retrained = "trained as the candidates are (trial 2), has 94.50 %"
    assert f"{retrained}: trial 1 has 1.5 points less accuracy." in text


def test_rows_of_the_same_network_stand_below_the_front() -> None:
    info = front_info(with_final_front(finished_study()))
    assert [row.trial for row in info.rows] == [0, 2, 1]
    assert [row.trial for row in info.same_network] == [3]
    text = re.sub(r"\x1b\[\d*m", "", front_view(info, 160).text())
    assert "simple_cnn width 1 · static int8  (the baseline's network)" in text


def test_study_without_such_trials_says_nothing_of_them() -> None:
    record = study(BASELINE, SMALL, front=(1,))
    record = replace(record, trials=tuple(map(final, record.trials)))
    info = front_info(with_final_front(record))
    assert info.same_network == () and info.retrained is None
    assert "trained as" not in answer_text(info)
