"""Short plans train a few epochs, at any depth, and keep everything else."""

from __future__ import annotations

from typing import Any

from paretune.search.preflight.short_plans import EPOCHS, batch_size, short_plan
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.spaces.training.recipe import Recipe


def plan(epochs: int, freeze: int = 0) -> Plan:
    recipe = Recipe(epochs=epochs, freeze_epochs=freeze, batch_size=32).to_json()
    teacher: dict[str, Any] = {
        "architecture": {"simple_cnn": {}},
        "checkpoint": None,
        "recipe": recipe,
    }
    finetune = {**recipe, "batch_size": 128}
    return Plan(
        (
            Stage("pretrain", {**teacher}),
            Stage("finetune", {"recipe": finetune, "distillation": None, "teacher": teacher}),
            Stage("quantize", {"quantization": {"qat": {"epochs": epochs}}}),
            Stage("deploy", {"runtime": {"onnxruntime": {}}}),
        )
    )


def test_all_stages_and_teachers_train_a_few_epochs() -> None:
    first, second, third, last = short_plan(plan(50, freeze=20)).stages
    assert first.params["recipe"]["epochs"] == EPOCHS
    assert first.params["recipe"]["freeze_epochs"] == 1
    assert second.params["recipe"]["epochs"] == EPOCHS
    assert second.params["teacher"]["recipe"]["epochs"] == EPOCHS
    assert third.params["quantization"]["qat"]["epochs"] == EPOCHS
    assert last == plan(50).stages[-1]


def test_shorter_trainings_keep_their_epochs() -> None:
    assert short_plan(plan(1)) == plan(1)
    assert short_plan(plan(0)) == plan(0)


def test_batch_size_is_the_largest_of_all_stages() -> None:
    assert batch_size(plan(2)) == 128
    assert batch_size(Plan((plan(2).stages[-1],))) == 0
