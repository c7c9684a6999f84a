"""The outline of an untrained network has the structure of the trained one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.macs import count_macs
from paretune.search.building.network_structure import key_of, outline, shapes_of, structure_of
from paretune.search.building.pipeline import export
from paretune.search.building.watch import Watch
from paretune.search.data import digits
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, make_plan
from paretune.search.study.spec import Selection
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.training.recipe import Recipe

RECIPE = Recipe.model_validate(
    {"epochs": 1, "batch_size": 256, "optimizer": {"adam": {"lr": 3e-3}}}
).model_dump()

NETWORKS: dict[str, dict[str, Any]] = {
    "simple_cnn": {"width": 0.25},
    "separable_cnn": {"width": 0.5},
    "resnet": {"blocks": 1, "width": 16},
    "mobilenet_v2": {"width": 0.25},
    "mobilenet_v3": {"width": 0.5},
    "efficientnet": {"width": 0.25, "depth": 0.5},
    "squeezenet": {},
    "regnet": {},
    "vit": {"patch": 2, "depth": 2, "heads": 2, "width": 32},
    "staged": {},
}

PRUNINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "structured": {"ratio": 0.4, "round_to": 4},
    "unstructured": {"ratio": 0.6},
}

FORMATS: dict[str, dict[str, Any]] = {
    "none": {},
    "dynamic": {},
    "static": {"images": 32},
    "static percentile": {"images": 32, "calibration": "percentile", "symmetric": True},
    "qat": {"epochs": 1, "batch_size": 256, "images": 32},
    "float16": {},
    "bfloat16": {},
    "weight_only": {"bits": 8, "block": 16},
}

QUICK = {
    ("simple_cnn", "structured", "none"),
    ("simple_cnn", "none", "static"),
    ("resnet", "structured", "static"),
    ("separable_cnn", "unstructured", "dynamic"),
    ("simple_cnn", "structured", "qat"),
    ("vit", "structured", "weight_only"),
}

SLOW = {
    *((network, "structured", "static") for network in NETWORKS if network != "squeezenet"),
    ("mobilenet_v3", "none", "dynamic"),
    ("vit", "structured", "static percentile"),
    ("resnet", "none", "qat"),
    ("mobilenet_v2", "structured", "float16"),
    ("efficientnet", "none", "bfloat16"),
}

SIZE = 2e-4
"""Share by which the size of a trained network's file may differ from the untrained one's."""


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    """Returns a study of few digits: the structure of a network does not depend on them."""
    parts = {"train": "train", "val": "validation", "test": "test"}
    with np.load(digits.FILE) as arrays:
        few = {f"{k}_{to}": arrays[f"{k}_{part}"][:160] for k in "xy" for to, part in parts.items()}
    np.savez(tiny.parent / "few.npz", **few)
    open_study = StageStudy(load_study(tiny, ["data={npz: few.npz}"]))
    yield open_study
    open_study.close()


def plan_of(network: str, pruning: dict[str, Any], quantization: dict[str, Any]) -> Plan:
    choices = {
        "architecture": {network: NETWORKS[network]},
        "pretrain": RECIPE,
        "pruning": pruning,
        "finetune": RECIPE,
        "quantization": quantization,
    }
    return make_plan(choices, Selection("onnxruntime", {}))


CASES = [
    pytest.param(*case, marks=[] if case in QUICK else [pytest.mark.slow], id="-".join(case))
    for case in sorted(QUICK | SLOW)
]


@pytest.mark.parametrize(("network", "pruning", "form"), CASES)
def test_untrained_network_has_the_size_and_shapes_of_the_trained_one(
    network: str, pruning: str, form: str, study: StageStudy, tmp_path: Path
) -> None:
    plan = plan_of(network, {pruning: PRUNINGS[pruning]}, {form.partition(" ")[0]: FORMATS[form]})
    untrained = outline(plan, study.workbench.data)
    trained = study.workbench.pipeline.candidate(plan, Watch())
    assert untrained is not None
    assert count_macs(untrained.model, study.workbench.data.shape) == count_macs(
        trained.model, study.workbench.data.shape
    )
    assert shapes_of(untrained.model) == shapes_of(trained.model)
    before = export(untrained, "onnxruntime", tmp_path / "untrained.onnx", study.workbench.data)
    after = export(trained, "onnxruntime", tmp_path / "trained.onnx", study.workbench.data)
    assert before.bytes == pytest.approx(after.bytes, rel=SIZE)
    [deployment] = deployments(plan)
    keys = {
        key_of(plan, structure_of(c.model), (1, 8, 8), deployment, None)
        for c in (untrained, trained)
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    "pruning",
    [
        {"structured": {"ratio": 0.4, "scope": "global"}},
        {"structured": {"ratio": 0.4, "scope": "sensitivity"}},
        {"structured": {"macs": 0.5, "steps": 2}},
        {"depth": {"blocks": 1}},
    ],
    ids=["global", "sensitivity", "macs-in-steps", "depth"],
)
def test_no_outline_when_the_structure_depends_on_the_weights(
    pruning: dict[str, Any], study: StageStudy
) -> None:
    assert outline(plan_of("resnet", pruning, {"none": {}}), study.workbench.data) is None


def test_outline_leaves_the_layers_that_the_task_keeps(study: StageStudy) -> None:
    data = study.workbench.data
    kept: Any = SimpleNamespace(
        shape=data.shape, task=SimpleNamespace(outputs=data.task.outputs, keep=("3",))
    )
    plan = plan_of("simple_cnn", {"structured": {"ratio": 0.5, "round_to": 1}}, {"dynamic": {}})
    free, after = outline(plan, data), outline(plan, kept)
    assert free is not None
    assert after is not None
    sizes = [list(c.model.get_submodule("3").weight.shape[:2]) for c in (free, after)]  # type: ignore[union-attr]
    assert sizes == [[16, 8], [32, 16]]
    assert after.quantization == {"dynamic": {**free.quantization["dynamic"], "keep": ["3"]}}  # type: ignore[index]


def test_no_outline_when_layers_stay_in_float(study: StageStudy) -> None:
    for mode in ("static", "dynamic", "qat"):
        plan = plan_of("simple_cnn", {"none": {}}, {mode: {"keep_float": 1}})
        assert outline(plan, study.workbench.data) is None
        [deployment] = deployments(plan)
        assert key_of(plan, "", (1, 8, 8), deployment, None) is None


@pytest.mark.parametrize(
    "pruning",
    [
        {"structured": {"ratio": 0.5, "criterion": "taylor", "steps": 2, "round_to": 4}},
        {"structured": {"macs": 0.6, "criterion": "hessian", "images": 8, "round_to": 1}},
        {"structured": {"per_layer": {"2/3": 0.5}, "scope": "global", "round_to": 4}},
        {"structured": {"ratio": 0.5, "criterion": "bn_scale", "round_to": 4}},
        {"depth": {"share": 1.0, "criterion": "last"}},
    ],
    ids=["steps", "macs", "per-layer", "bn-scale", "depth-last"],
)
def test_outline_equals_the_structure_of_the_trained_network(
    pruning: dict[str, Any], study: StageStudy
) -> None:
    plan = plan_of("resnet", pruning, {"none": {}})
    untrained = outline(plan, study.workbench.data)
    assert untrained is not None
    assert shapes_of(untrained.model) == shapes_of(
        study.workbench.pipeline.candidate(plan, Watch()).model
    )


def test_key_differs_by_structure_and_deployment_only(study: StageStudy) -> None:
    def key(ratio: float, mode: dict[str, Any], host: str | None = None, **options: Any) -> Any:
        plan = plan_of("simple_cnn", {"structured": {"ratio": ratio, "round_to": 8}}, mode)
        candidate = outline(plan, study.workbench.data)
        assert candidate is not None
        runtime = Selection("onnxruntime", options)
        [deployment] = deployments(make_plan({"architecture": {}}, runtime))
        return key_of(plan, structure_of(candidate.model), (1, 8, 8), deployment, host)

    first = key(0.52, {"static": {}})
    assert first == key(0.54, {"static": {"images": 7, "calibration": "entropy"}})
    others = [
        key(0.2, {"static": {}}),
        key(0.52, {"dynamic": {}}),
        key(0.52, {"static": {"per_channel": False}}),
        key(0.52, {"static": {}}, threads=2),
        key(0.52, {"static": {}}, host="another"),
    ]
    assert len({first, *others}) == 6


def test_outline_leaves_the_global_random_state_alone(study: StageStudy) -> None:
    state = torch.get_rng_state()
    outline(plan_of("resnet", {"structured": {"ratio": 0.5}}, {"static": {}}), study.workbench.data)
    assert torch.equal(torch.get_rng_state(), state)
