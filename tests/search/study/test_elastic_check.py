"""The verdict on an elastic training, and what the user reads of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from paretune.search.study.elastic_check import (
    AloneComparison,
    ElasticCheck,
    Score,
    advice,
    median_score,
    rate_of,
)

TRAINING: dict[str, Any] = {
    "elastic": {"width": [0.25, 1.0], "depth": {"least": 0.5}},
    "recipe": {"epochs": 10, "optimizer": {"adam": {"lr": 1e-3}}},
}

GOOD = ElasticCheck(
    examples=512,
    subnets=20,
    full=Score(0.05, 0.99),
    source=Score(0.05, 0.99),
    median=Score(0.2, 0.95),
    best=0.98,
    chance=0.11,
    advice=advice(TRAINING, 2),
    rate=rate_of(TRAINING),
)

BEHIND = replace(GOOD, median=Score(0.6, 0.83))

WORSE = AloneComparison(
    "width 0.5", Score(0.6, 0.84), Score(0.2, 0.95), 2, Score(0.1, 0.97), 10, 448, 2.5, 10.0
)


def test_training_is_useful_if_its_subnets_are_near_the_full_network() -> None:
    assert (GOOD.verdict, GOOD.text()) == ("useful", "")


def test_training_is_doubtful_if_half_of_its_subnets_are_far_behind() -> None:
    assert BEHIND.verdict == "doubtful"
    assert "20 subnets are right on at most 83.0 % of 512 training examples" in BEHIND.text()
    assert (
        "Type one of these and run again: lr: 0.003 instead of 0.001; elastic: {epochs: 20} "
        "instead of 10; width: [0.5, 1]; depth: [0.75, 1]; more epochs in space.finetune than 2."
    ) in BEHIND.text()


def test_training_is_doubtful_if_the_full_network_became_worse() -> None:
    damaged = replace(GOOD, full=Score(0.4, 0.93))
    assert damaged.verdict == "doubtful"
    assert "was right on 99.0 % of 512 training examples before, and now on 93.0 %" in (
        damaged.text()
    )
    assert "lr: 0.00033 instead of 0.001" in damaged.text()


@pytest.mark.parametrize(("alone", "verdict"), [(0.97, "doubtful"), (0.955, "useful")])
def test_comparison_with_a_training_alone_decides_a_doubt(alone: float, verdict: str) -> None:
    compared = replace(BEHIND, comparison=replace(WORSE, alone=Score(0.1, alone)))
    assert compared.verdict == verdict


def test_comparison_is_told_with_its_figures() -> None:
    text = replace(BEHIND, comparison=WORSE).text()
    assert (
        "the subnet width 0.5 has 84.0 %, 95.0 % after 2 epochs of finetuning, and 97.0 % if it is "
        "trained alone for 10 epochs; the elastic training took as long as 4.0 such trainings."
    ) in text


@pytest.mark.parametrize(("loss", "loses"), [(0.19, True), (0.199, False)])
def test_comparison_by_losses_has_a_margin_of_5_per_cent(loss: float, loses: bool) -> None:
    compared = replace(WORSE, finetuned=Score(0.2, None), alone=Score(loss, None))
    assert compared.loses == loses


@pytest.mark.parametrize(("best", "verdict"), [(0.13, "useless"), (0.15, "doubtful")])
def test_training_is_useless_if_no_subnet_is_better_than_chance(best: float, verdict: str) -> None:
    check = replace(BEHIND, best=best, median=Score(2.3, 0.1))
    assert check.verdict == verdict


@pytest.mark.parametrize(("median", "verdict"), [(1.4, "useful"), (1.6, "doubtful")])
def test_training_of_a_task_without_correct_examples_is_judged_by_losses(
    median: float, verdict: str
) -> None:
    check = replace(
        GOOD,
        full=Score(1.0, None),
        source=Score(1.0, None),
        median=Score(median, None),
        best=None,
        chance=None,
    )
    assert check.verdict == verdict
    assert not check.text() or "have a loss of at least 1.6 on 512" in check.text()


def test_optimizer_without_a_learning_rate_gets_no_advice_on_it() -> None:
    plain = {"recipe": {"optimizer": {"python": {"path": "mine:make"}}}}
    assert rate_of(plain) is None
    assert "lr:" not in replace(BEHIND, rate=None).text()


def test_learning_rate_that_is_high_already_is_not_raised() -> None:
    assert "lr: 0.003 instead of 0.002" in replace(BEHIND, rate=2e-3).text()
    assert "lr:" not in replace(BEHIND, rate=3e-3).text()


def test_few_subnets_are_no_evidence() -> None:
    assert replace(BEHIND, subnets=2, best=0.1).verdict == "useful"


def test_check_survives_json() -> None:
    check = replace(BEHIND, comparison=WORSE)
    assert ElasticCheck.from_json(json.loads(json.dumps(check.to_json()))) == check


def test_median_has_no_share_if_a_score_lacks_it() -> None:
    assert median_score([Score(1.0, 0.5), Score(3.0, None)]) == Score(2.0, None)
