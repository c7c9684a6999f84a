"""Importance: the share of variance a parameter explains, conditional ones included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.views.importance import FEWEST, importance_info

AXIS = Axis("accuracy", "fraction", "higher")


def study(params: list[dict[str, object]], values: np.ndarray) -> StudyRecord:
    trials = [TrialRecord(0, "complete", {}, [])]
    for number, (given, value) in enumerate(zip(params, values, strict=True), 1):
        measured = Measurement("accuracy", float(value), "fraction", "higher", 0, 1, 1, {})
        trials.append(
            TrialRecord(
                number,
                "complete",
                given,
                [],
                values={"accuracy": float(value)},
                measurements={"accuracy": measured},
            )
        )
    return StudyRecord("made-up", {}, (AXIS,), tuple(trials))


def shares(record: StudyRecord) -> dict[str, float]:
    return {i.parameter: i.shares["accuracy"] for i in importance_info(record)}


def test_parameter_that_decides_everything_explains_everything() -> None:
    params: list[dict[str, object]] = [{"a": "xy"[i % 2], "b": i // 2 % 2} for i in range(40)]
    found = shares(study(params, np.array([i % 2 for i in range(40)]) * 0.5))
    assert found == pytest.approx({"a": 1.0, "b": 0.0})


def test_two_independent_parameters_share_by_their_variances() -> None:
    params: list[dict[str, object]] = [{"a": i % 2, "b": i // 2 % 2} for i in range(400)]
    values = np.array([0.3 * (i % 2) + 0.1 * (i // 2 % 2) for i in range(400)])
    found = shares(study(params, values))
    assert found == pytest.approx({"a": 0.9, "b": 0.1}, abs=0.005)  # 3^2 : 1^2


def test_noise_explains_nothing() -> None:
    random = np.random.default_rng(0)
    params: list[dict[str, object]] = [{"a": float(v)} for v in random.uniform(0, 1, 300)]
    assert shares(study(params, random.normal(0.5, 0.1, 300)))["a"] < 0.03


def test_conditional_parameter_counts_its_branch_only() -> None:
    # Half of the trials have the branch; all variance is within it and comes from the ratio.
    params: list[dict[str, object]] = []
    values = []
    for i in range(200):
        ratio = (i // 2 % 5) / 5
        params.append({"p": "on", "p.ratio": ratio} if i % 2 else {"p": "off"})
        values.append(ratio - 0.4 if i % 2 else 0.0)
    found = {i.parameter: i for i in importance_info(study(params, np.array(values)))}
    assert found["p.ratio"].trials == 100
    assert found["p.ratio"].shares["accuracy"] == pytest.approx(1.0, abs=0.01)
    assert found["p"].shares["accuracy"] == pytest.approx(0.0, abs=0.01)


def test_nothing_is_said_of_few_trials() -> None:
    params: list[dict[str, object]] = [{"a": i % 2} for i in range(FEWEST - 1)]
    assert importance_info(study(params, np.arange(FEWEST - 1) / 10)) == ()


def test_objective_that_never_varies_has_no_share() -> None:
    params: list[dict[str, object]] = [{"a": i % 2} for i in range(20)]
    [found] = importance_info(study(params, np.full(20, 0.5)))
    assert found.shares == {}


def test_parameter_that_never_varies_is_left_out() -> None:
    params: list[dict[str, object]] = [{"a": 1} for _ in range(20)]
    assert importance_info(study(params, np.arange(20) / 20)) == ()


def test_made_up_study_puts_width_first(make_record: Callable[..., StudyRecord]) -> None:
    record = make_record(200)
    assert importance_info(record)[0].parameter == "architecture.simple_cnn.width"
    assert all(
        0 <= share <= 1 for entry in importance_info(record) for share in entry.shares.values()
    )
    without = replace(record, trials=record.trials[:1])
    assert importance_info(without) == ()
