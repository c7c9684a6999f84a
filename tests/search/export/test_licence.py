"""Licences of weights: those that libraries state, or a note that none is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.export.licence import licences
from paretune.search.tasks.python import NETWORK


def plan(architecture: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"kind": "pretrain", "params": {"architecture": architecture, **more}}]


def test_weights_trained_from_scratch_belong_to_the_user() -> None:
    lines = licences(plan({"simple_cnn": {"width": 1.0}}, checkpoint=None))
    assert lines == ["You trained it from scratch: you choose the licence of the weights."]
    assert licences(plan({"torchvision": {"name": "resnet18", "weights": None}})) == lines
    assert licences(plan({"timm": {"name": "resnet10t", "pretrained": False}})) == lines


def task(factory: str, **args: Any) -> dict[str, Any]:
    """Returns the network of a task that brings its own."""
    return {"python": {"factory": NETWORK, "args": {"factory": factory, "args": args}}}


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        (
            {"torchvision": {"name": "vit_b_16", "weights": "IMAGENET1K_SWAG_E2E_V1"}},
            "licence: https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
        ),
        (
            {"torchvision": {"name": "mobilenet_v2", "weights": "DEFAULT"}},
            "BSD-3-Clause and names no licence for these weights",
        ),
        ({"torchvision": {"name": "resnet18", "weights": "GONE_V9"}}, "no licence is recorded"),
        (
            {"timm": {"name": "resnet10t", "pretrained": True}},
            "pretrained resnet10t weights (timm/resnet10t.c3_in1k), licence: apache-2.0.",
        ),
        ({"python": {"factory": "my.nets:Net"}}, "your own code, my.nets:Net; if that loads"),
        (task("plates:Plates"), "your own code, plates:Plates; if that loads"),
        (
            task("paretune.search.tasks.lightning:lightning_task", module="m:Net"),
            "your own code, lightning m:Net; if that loads",
        ),
    ],
)
def test_licence_is_that_of_the_library(architecture: dict[str, Any], expected: str) -> None:
    assert any(expected in line for line in licences(plan(architecture)))


def test_network_of_ultralytics_is_not_the_users_to_license() -> None:
    factory = "paretune.search.tasks.ultralytics:ultralytics_task"
    lines = licences(plan(task(factory, model="yolo11n.yaml", data="cells.yaml")))
    assert len(lines) == 1
    assert "AGPL-3.0" in lines[0] and "Enterprise licence" in lines[0]


def test_checkpoints_are_named_without_their_path(tmp_path: Path) -> None:
    [line] = licences(plan({"resnet": {}}, checkpoint=str(tmp_path / "mine.safetensors")))
    assert "starts from your checkpoint mine.safetensors: no licence is recorded" in line
    assert str(tmp_path) not in line


def test_licence_of_a_transformers_checkpoint_comes_from_its_card(tmp_path: Path) -> None:
    architecture = {"transformers": {"model": "bert", "checkpoint": str(tmp_path)}}
    [line] = licences(plan(architecture))
    assert "no licence is recorded" in line
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# A model\n")
    [line] = licences(plan(architecture))
    assert line.endswith("licence: mit.") and str(tmp_path) not in line


def test_teachers_are_included() -> None:
    student = plan({"simple_cnn": {}})
    student.append(
        {
            "kind": "finetune",
            "params": {
                "distillation": {"logits": {}},
                "teacher": {
                    "architecture": {"torchvision": {"name": "resnet18", "weights": "DEFAULT"}}
                },
            },
        }
    )
    assert "It learned from a teacher. It starts from torchvision's" in " ".join(licences(student))
