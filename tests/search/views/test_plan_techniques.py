"""Techniques of a plan, and the plan without each of them."""

from __future__ import annotations

from typing import Any

from paretune.search.study.plan import make_plan
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import Selection
from paretune.search.views.plan_techniques import plan_without, techniques_of

RUNTIME = Selection("onnxruntime", {"threads": 1})
RECIPE = {"optimizer": {"adam": {"lr": 1e-3}}, "epochs": 5}
CHOICES: dict[str, Any] = {
    "architecture": {"simple_cnn": {"width": 0.5}},
    "pretrain": RECIPE,
    "pruning": {"structured": {"ratio": 0.5, "round_to": 8}},
    "distillation": {"logits": {"temperature": 4.0}},
    "finetune": RECIPE,
    "quantization": {"qat": {"recipe": RECIPE}},
}


def plan(**changed: Any) -> list[dict[str, Any]]:
    return make_plan({**CHOICES, **changed}, RUNTIME).to_json()


BASELINE = make_plan(
    {"architecture": {"simple_cnn": {"width": 1.0}}, "pretrain": RECIPE}, RUNTIME
).to_json()


def test_plan_without_a_technique_is_the_plan_that_the_study_would_make() -> None:
    for technique, choice in (
        ("pruning", "pruning"),
        ("quantization", "quantization"),
        ("distillation", "distillation"),
    ):
        assert plan_without(plan(), technique, BASELINE) == plan(**{choice: {"none": {}}})
    assert plan_without(plan(), "architecture", BASELINE) == plan(
        architecture={"simple_cnn": {"width": 1.0}}
    )


def test_techniques_are_named_with_their_words() -> None:
    trial = TrialRecord(1, "complete", {}, plan())
    texts = {t.name: t.text for t in techniques_of(trial, TrialRecord(0, "complete", {}, BASELINE))}
    assert texts == {
        "architecture": "simple_cnn width 0.5 instead of simple_cnn width 1",
        "pruning": "pruned 50 %",
        "finetuning": "fine-tuned 5 epochs",
        "quantization": "qat int8",
        "distillation": "distilled",
    }


def test_technique_is_in_plans_with_any_parameters() -> None:
    trial = TrialRecord(1, "complete", {}, plan())
    techniques = techniques_of(trial, TrialRecord(0, "complete", {}, BASELINE))
    other = plan(pruning={"unstructured": {"ratio": 0.9}}, distillation=None)
    having = {t.name: t.is_in(other) for t in techniques}
    assert having["pruning"] and not having["distillation"]
    assert not any(t.is_in(BASELINE) for t in techniques)
