"""A plan in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study.plan import make_plan
from paretune.search.study.spec import Selection
from paretune.search.views.plan_text import architecture_text, plan_text

RUNTIME = Selection("onnxruntime", {"provider": "cpu", "threads": 1})
RECIPE = {"epochs": 2, "optimizer": {"adam": {"lr": 0.001}}}

CHOICES: dict[str, Any] = {
    "architecture": {"simple_cnn": {"width": 0.5}},
    "checkpoint": None,
    "pretrain": RECIPE,
    "pruning": {"structured": {"ratio": 0.4}},
    "distillation": {"logits": {"alpha": 0.5}},
    "finetune": {**RECIPE, "epochs": 1},
    "quantization": {"static": {"images": 64}},
}


def test_plan_text_names_architecture_and_techniques() -> None:
    text = plan_text(make_plan(CHOICES, RUNTIME).to_json())

    assert text == "simple_cnn width 0.5 · pruned 40 % · distilled · static int8"


def test_plan_without_techniques_is_its_architecture() -> None:
    choices = {"architecture": {"resnet": {"stages": 3, "width": 8}}, "finetune": RECIPE}

    assert plan_text(make_plan(choices, RUNTIME).to_json()) == "resnet stages 3 width 8"


@pytest.mark.parametrize(
    ("pruning", "text"),
    [
        ({"structured": {"ratio": 0.45}}, "pruned 45 %"),
        (
            {"structured": {"ratio": None, "macs": 0.47, "criterion": "taylor", "steps": 3}},
            "pruned to 47 % of the MACs by taylor in 3 steps",
        ),
        ({"structured": {"ratio": None, "per_layer": {"0": 0.5}}}, "pruned layer by layer"),
        ({"unstructured": {"ratio": 0.5}}, "50 % zeros"),
        ({"semi_structured": {}}, "2:4 sparse"),
        ({"depth": {"blocks": 1, "share": None}}, "1 block removed"),
        ({"depth": {"blocks": None, "share": 0.3}}, "30 % of the blocks removed"),
        ({"mine:Pruner": {"amount": 2, "args": {}, "flag": True}}, "mine:Pruner amount 2"),
    ],
    ids=str,
)
def test_pruning_text_names_the_amount(pruning: Any, text: str) -> None:
    assert plan_text([{"kind": "prune", "params": {"pruning": pruning}}]) == text


@pytest.mark.parametrize(
    ("quantization", "text"),
    [
        ({"dynamic": {"per_channel": False}}, "dynamic int8"),
        ({"static": {"keep_float": 0}}, "static int8"),
        ({"static": {"keep_float": 1}}, "static int8 except 1 layer"),
        ({"qat": {"keep_float": 2}}, "qat int8 except 2 layers"),
        ({"weight_only": {"bits": 4}}, "int4 weights"),
        ({"float16": {}}, "float16"),
    ],
    ids=str,
)
def test_quantization_text_names_the_format(quantization: Any, text: str) -> None:
    assert plan_text([{"kind": "quantize", "params": {"quantization": quantization}}]) == text


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("simple_cnn", {"width": 1.0}, "simple_cnn width 1"),
        ("mobilenet_v2", {"width": 0.35, "stem": "auto"}, "mobilenet_v2 width 0.35"),
        ("torchvision", {"name": "resnet18", "weights": "DEFAULT", "args": {}}, "resnet18"),
        ("python", {"factory": "my.nets:Net", "args": {"n": 3}}, "my.nets:Net"),
        ("custom", {"kind": "wide"}, "custom kind wide"),
    ],
)
def test_architecture_text_names_its_options(name: str, options: Any, text: str) -> None:
    assert architecture_text(name, options) == text
