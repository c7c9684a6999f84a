"""Techniques and export on the families for tables, series, masks, boxes and next tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.inputs import Shape, Tokens, random_example
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context, Step
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.quantization.graph import traced
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.task import Outputs

FAMILIES: dict[str, tuple[dict[str, Any], Shape, Outputs]] = {
    "mlp": ({"mlp": {"widths": [32, 16], "norm": "batch"}}, (10,), Outputs(2)),
    "conv1d": ({"conv1d": {"width": 16, "depth": 2}}, (3, 40), Outputs(4)),
    "conv1d-separable": (
        {"conv1d": {"width": 16, "depth": 2, "kind": "separable"}},
        (1, 17),
        Outputs(4),
    ),
    "unet": ({"unet": {"width": 8, "depth": 2}}, (3, 16, 24), Outputs(5, "pixel")),
    "unet-bilinear": (
        {"unet": {"width": 8, "depth": 2, "up": "bilinear", "kind": "separable"}},
        (1, 13, 9),
        Outputs(5, "pixel"),
    ),
    "segmenter": (
        {"segmenter": {"name": "lraspp_mobilenet_v3_large"}},
        (3, 32, 40),
        Outputs(4, "pixel"),
    ),
    "detector": ({"detector": {"width": 8, "neck": 16}}, (3, 48, 64), Outputs(7, "cell")),
    "detector-separable": (
        {"detector": {"width": 8, "neck": 16, "kind": "separable", "stride": 4}},
        (1, 21, 30),
        Outputs(6, "cell"),
    ),
    "text_decoder": (
        {"text_decoder": {"width": 32, "heads": 4}},
        Tokens(12, 30),
        Outputs(30, "position"),
    ),
    "text_decoder-tied": (
        {"text_decoder": {"width": 32, "heads": 4, "tied": True}},
        Tokens(12, 30),
        Outputs(30, "position"),
    ),
}

TECHNIQUES: dict[str, tuple[Any, dict[str, Any]]] = {
    "structured": (PRUNINGS, {"ratio": 0.5, "round_to": 4}),
    "unstructured": (PRUNINGS, {"ratio": 0.5}),
    "dynamic": (QUANTIZATIONS, {}),
    "static": (QUANTIZATIONS, {}),
}

SLOW = ("segmenter",)

EACH = pytest.mark.parametrize(
    "family",
    [pytest.param(f, marks=[pytest.mark.slow] if f in SLOW else []) for f in FAMILIES],
)


def made(family: str) -> Candidate:
    architecture, shape, outputs = FAMILIES[family]
    return initial_candidate(architecture, shape, outputs, seed=0)


def inputs_of(family: str, count: int = 3) -> torch.Tensor:
    inputs: torch.Tensor = random_example(FAMILIES[family][1], count, seed=1)
    return inputs


def outputs_of(model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        outputs: torch.Tensor = model.eval()(inputs)
    return outputs


def size_of(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@EACH
@pytest.mark.parametrize("name", TECHNIQUES)
def test_technique_can_be_applied_and_rebuilt(family: str, name: str) -> None:
    table, params = TECHNIQUES[name]
    technique = table.get(name)
    _, shape, outputs = FAMILIES[family]
    before = made(family)
    after = technique.apply(before, technique.Params.model_validate(params), Context(None))  # type: ignore[arg-type]
    history = [Step(**s) for s in json.loads(json.dumps([vars(s) for s in after.history]))]
    fresh = rebuild(history, shape, outputs)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    inputs = inputs_of(family)
    expected = outputs_of(after.model, inputs)
    assert torch.equal(outputs_of(fresh, inputs), expected)
    assert expected.shape == outputs_of(before.model, inputs).shape
    if name == "structured":
        assert size_of(after.model) < 0.75 * size_of(before.model)


@EACH
@pytest.mark.parametrize("pruned", [False, True], ids=["whole", "pruned"])
def test_exported_network_gives_the_outputs_of_the_network(
    family: str, pruned: bool, tmp_path: Path
) -> None:
    candidate = made(family)
    if pruned:
        structured = PRUNINGS.get("structured")
        params = structured.Params(ratio=0.5, round_to=4)
        candidate = structured.apply(candidate, params, Context(None))  # type: ignore[arg-type]
    for count in (1, 3):
        session = exported(candidate, tmp_path / f"{count}.onnx")
        inputs = inputs_of(family, count)
        expected = outputs_of(candidate.model, inputs).numpy()
        assert np.allclose(session(inputs.numpy()), expected, atol=1e-4)


@EACH
@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_int8_file_agrees_with_the_network(family: str, mode: str, tmp_path: Path) -> None:
    quantization = QUANTIZATIONS.get(mode)
    candidate = quantization.apply(made(family), quantization.Params(), Context(None))  # type: ignore[arg-type]
    session = exported(candidate, tmp_path / "int8.onnx", inputs_of(family, 16).numpy())
    inputs = inputs_of(family)
    expected = outputs_of(candidate.model, inputs).numpy()
    difference = session(inputs.numpy()) - expected
    assert np.abs(difference).mean() < 0.15 * np.abs(expected - expected.mean()).mean()


def exported(
    candidate: Candidate, path: Path, calibration: np.ndarray | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    def batches() -> Iterator[np.ndarray]:
        if calibration is not None:
            yield calibration

    OnnxRuntime.export(candidate.model, candidate.shape, path, candidate.quantization, batches())
    session: Callable[[np.ndarray], np.ndarray] = OnnxRuntime.load(path, OnnxRuntime.Params())
    return session


@EACH
def test_network_can_be_traced_for_training_in_int8(family: str) -> None:
    candidate = made(family)
    graph = traced(candidate.model, candidate.shape)
    inputs = inputs_of(family)
    assert torch.allclose(outputs_of(graph, inputs), outputs_of(candidate.model, inputs), atol=1e-4)
