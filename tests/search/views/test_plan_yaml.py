"""A plan in the keys of a study file."""

from __future__ import annotations

from typing import Any

import yaml

from paretune.search.views.plan_yaml import plan_lines
from paretune.spaces.training.recipe import Recipe


def stage(kind: str, **params: Any) -> dict[str, Any]:
    return {"kind": kind, "params": params}


def recipe(**options: Any) -> dict[str, Any]:
    """Returns the options of a training as a plan stores them."""
    return Recipe(**options).model_dump(mode="json")


def test_plan_is_written_with_the_keys_of_a_study_file() -> None:
    plan = [
        stage(
            "pretrain",
            architecture={"simple_cnn": {"width": 0.25}},
            checkpoint=None,
            recipe=recipe(epochs=4, batch_size=32),
        ),
        stage("finetune", recipe=recipe(epochs=2), distillation=None),
        stage("quantize", quantization={"dynamic": {}}),
        stage("deploy", runtime={"onnxruntime": {"threads": 1}}),
    ]
    assert yaml.safe_load("\n".join(plan_lines(plan))) == {
        "architecture": {"simple_cnn": {"width": 0.25}},
        "pretrain": {"epochs": 4, "batch_size": 32},
        "finetune": {"epochs": 2},
        "quantization": "dynamic",
        "runtime": {"onnxruntime": {"threads": 1}},
    }


def test_defaults_of_a_training_between_steps_are_left_out() -> None:
    options = {"ratio": 0.46578412, "per_layer": {}, "ignore": [], "between": recipe(epochs=1)}
    [_, *lines] = plan_lines([stage("prune", pruning={"structured": options})])
    assert [line.strip() for line in lines] == [
        "structured:",
        "ratio: 0.465784",
        "between: {epochs: 1}",
    ]


def test_distillation_of_two_stages_is_written_once() -> None:
    loss = {"logits": {"alpha": 0.5}}
    plan = [stage("finetune", distillation=loss), stage("quantize", distillation=loss)]
    assert plan_lines(plan) == ["distillation:", "  logits: {alpha: 0.5}"]


def test_choices_of_a_trainer_are_written_as_they_are() -> None:
    plan = [stage("evaluate", depth=3, mode={"deep": {"layers": 2}}, note="ü")]
    text = "\n".join(plan_lines(plan))
    assert yaml.safe_load(text) == {"depth": 3, "mode": {"deep": {"layers": 2}}, "note": "ü"}


def test_long_values_are_folded() -> None:
    plan = [stage("evaluate", words=[f"word{n}" for n in range(40)])]
    assert max(map(len, plan_lines(plan))) <= 78
