"""The estimate adds up training, deploying and measuring, and says them in words."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.preflight.estimate import Estimate, _is_known, _mean_work, duration
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.spaces.training.recipe import Recipe


class Work:
    """The width of a network is its work for one epoch."""

    def cost(self, stage: Stage, plan: Plan) -> float:
        width = plan.stages[0].params["architecture"]["simple_cnn"]["width"]
        return float(stage.epochs * width)


def plan(width: int, finetuned: int = 0, seed: float = 0.1) -> Plan:
    recipe = Recipe(epochs=10).to_json()
    first: dict[str, Any] = {"architecture": {"simple_cnn": {"width": width}}, "checkpoint": None}
    stages = [Stage("pretrain", {**first, "recipe": recipe})]
    if finetuned:
        tuned = Recipe(epochs=finetuned, label_smoothing=seed).to_json()
        stages.append(Stage("finetune", {"recipe": tuned, "distillation": None}))
    return Plan((*stages, Stage("deploy", {"runtime": {"onnxruntime": {}}})))


def mean(plans: list[Plan], cheap_half: bool = False) -> float:
    work: Any = Work()
    return _mean_work(work, plans, cheap_half)


def test_shared_first_stage_is_trained_once() -> None:
    assert mean([plan(2)]) == 20
    assert mean([plan(2), plan(2)]) == 10
    assert mean([plan(2, 5, 0.1), plan(2, 5, 0.2)]) == (20 + 10 + 10) / 2


def test_cheaper_half_counts_for_a_sampler_that_weighs_costs() -> None:
    plans = [plan(width) for width in (1, 2, 3, 4)]
    assert mean(plans) == 25
    assert mean(plans, cheap_half=True) == 15
    assert mean([plan(7)], cheap_half=True) == 70


def test_study_without_training_has_no_training_work() -> None:
    assert mean([]) == 0


def test_text_names_times_and_shares() -> None:
    shares = {"training": 0.8, "deploying": 0.05, "measuring": 0.15}
    estimate = Estimate(40.0, 60.0, 1980.0, 50, shares, 8)
    assert estimate.text() == (
        "about 40 s per trial, 33 min for 50 trials; of it training 80 %, deploying 5 %, "
        "measuring 15 %"
    )
    assert estimate.to_json()["total"] == 1980.0
    assert estimate.to_json()["shares"] == shares


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99, "99 s"),
        (110, "2 min"),
        (5400, "90 min"),
        (6001, "1.7 h"),
        (400_000, "4.6 days"),
    ],
)
def test_duration_has_the_unit_that_people_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "known"),
    [([], False), ([2.0, 2.0], False), ([1.0, 2.0, 1.5], True), ([0.5, 4.0, 1.0], False)],
)
def test_time_of_a_plan_is_known_when_enough_plans_agree(seconds: list[float], known: bool) -> None:
    assert _is_known(seconds) is known
