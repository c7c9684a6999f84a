"""Importance: the share of variance a parameter explains, conditional ones included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.views.importance import LEAST_TRIALS, importance_info

AXIS = Axis("accuracy", "fraction", "higher")


def study(params: list[dict[str, object]], values: np.ndarray) -> StudyRecord:
    trials = [TrialRecord(0, "complete", {}, [])]
    for number, (choices, value) in enumerate(zip(params, values, strict=True), 1):
        measured = Measurement("accuracy", float(value), "fraction", "higher", 0, 1, 1, {})
        trials.append(
            TrialRecord(
                number,
                "complete",
                choices,
                [],
                values={"accuracy": float(value)},
                measurements={"accuracy": measured},
            )
        )
    return StudyRecord("made-up", {}, (AXIS,), tuple(trials))


def shares(record: StudyRecord) -> dict[str, float]:
    return {i.parameter: i.shares["accuracy"] for i in importance_info(record)}


def test_parameter_explains_all_variance_when_it_alone_decides() -> None:
    params: list[dict[str, object]] = [{"a": "xy"[i % 2], "b": i // 2 % 2} for i in range(40)]
    result = shares(study(params, np.array([i % 2 for i in range(40)]) * 0.5))
    assert result == pytest.approx({"a": 1.0, "b": 0.0})


def test_independent_parameters_share_the_variance() -> None:
    params: list[dict[str, object]] = [{"a": i % 2, "b": i // 2 % 2} for i in range(400)]
    values = np.array([0.3 * (i % 2) + 0.1 * (i // 2 % 2) for i in range(400)])
    result = shares(study(params, values))
    assert result == pytest.approx({"a": 0.9, "b": 0.1}, abs=0.005)  # 3^2 : 1^2


def test_parameter_explains_nothing_when_values_are_noise() -> None:
    random = np.random.default_rng(0)
    params: list[dict[str, object]] = [{"a": float(v)} for v in random.uniform(0, 1, 300)]
    assert shares(study(params, random.normal(0.5, 0.1, 300)))["a"] < 0.03


def test_conditional_parameter_counts_trials_of_its_branch_only() -> None:
    # Half of the trials have the branch; all variance is within it and comes from the ratio.
    params: list[dict[str, object]] = []
    values = []
    for i in range(200):
        ratio = (i // 2 % 5) / 5
        params.append({"p": "on", "p.ratio": ratio} if i % 2 else {"p": "off"})
        values.append(ratio - 0.4 if i % 2 else 0.0)
    entries = {i.parameter: i for i in importance_info(study(params, np.array(values)))}
    assert entries["p.ratio"].trials == 100
    assert entries["p.ratio"].shares["accuracy"] == pytest.approx(1.0, abs=0.01)
    assert entries["p"].shares["accuracy"] == pytest.approx(0.0, abs=0.01)


def test_parameter_of_few_trials_has_no_importance() -> None:
    params: list[dict[str, object]] = [{"a": i % 2} for i in range(LEAST_TRIALS - 1)]
    assert importance_info(study(params, np.arange(LEAST_TRIALS - 1) / 10)) == ()


def test_constant_objective_has_no_share() -> None:
    params: list[dict[str, object]] = [{"a": i % 2} for i in range(20)]
    [entry] = importance_info(study(params, np.full(20, 0.5)))
    assert entry.shares == {}


def test_constant_parameter_is_left_out() -> None:
    params: list[dict[str, object]] = [{"a": 1} for _ in range(20)]
    assert importance_info(study(params, np.arange(20) / 20)) == ()


def test_importance_lists_the_deciding_width_first(
    make_record: Callable[..., StudyRecord],
) -> None:
    record = make_record(200)
    assert importance_info(record)[0].parameter == "architecture.simple_cnn.width"
    assert all(
        0 <= share <= 1 for entry in importance_info(record) for share in entry.shares.values()
    )
    without = replace(record, trials=record.trials[:1])
    assert importance_info(without) == ()
