"""A deployed file is compared with its network again, in every number format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.building.exporting import export
from paretune.search.building.file_comparison import DeployedComparison
from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset
from paretune.search.study.deployment import Deployment, placement
from paretune.search.study.tables import RUNTIMES
from paretune.spaces.base import Candidate, Context
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from support import odd_networks as odd

RECIPE = {"epochs": 3, "batch_size": 64, "optimizer": {"adam": {"lr": 5e-3}}}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_data("digits", {}, Path())


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Candidate:
    torch.manual_seed(0)
    network = initial_candidate({"simple_cnn": {"width": 0.25}}, data.shape, data.classes, 0)
    return train(network, Recipe.model_validate(RECIPE), Context(data), stage="pretrain")


def onnxruntime() -> Deployment:
    return Deployment(None, "onnxruntime", OnnxRuntime.Params())


def compared(candidate: Candidate, data: Dataset, folder: Path) -> dict[str, Any]:
    artifact = export(candidate, "onnxruntime", folder / "net.onnx", data)
    checked = DeployedComparison(data).checked(artifact, candidate, onnxruntime())
    assert {**checked.info, "agreement": None} == {**artifact.info, "agreement": None}
    return dict(checked.info["agreement"])


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        ("none", 1e-4),
        ("float16", 0.01),
        ("bfloat16", 0.1),
        ("dynamic", 0.5),
        ("static", 0.5),
        ("weight_only", 1.0),
    ],
)
def test_agreement_is_stored_for_every_number_format(
    name: str, largest: float, trained: Candidate, data: Dataset, tmp_path: Path
) -> None:
    technique = QUANTIZATIONS.get(name)
    context = Context(data, placement=placement("onnxruntime"))
    candidate = technique.apply(trained, technique.Params(), context)
    result = compared(candidate, data, tmp_path)
    assert result["examples"] == 64
    assert result["difference"] < largest
    assert result["classes"] > 0.9
    assert (result["tolerance"] is None) == (name in ("dynamic", "static", "weight_only"))


def test_reference_after_qat_is_the_network_with_its_rounding(
    trained: Candidate, data: Dataset, tmp_path: Path
) -> None:
    technique = QUANTIZATIONS.get("qat")
    context = Context(data, placement=placement("onnxruntime"))
    candidate = technique.apply(trained, technique.Params(epochs=1), context)
    with_rounding = compared(candidate, data, tmp_path)
    without = replace(candidate, model=trained.model)
    artifact = export(candidate, "onnxruntime", tmp_path / "again.onnx", data)
    against_float = DeployedComparison(data).checked(artifact, without, onnxruntime())
    assert with_rounding["difference"] < against_float.info["agreement"]["difference"]


def test_pruned_network_is_compared(trained: Candidate, data: Dataset, tmp_path: Path) -> None:
    pruned = Structured.apply(trained, Structured.Params(ratio=0.5, round_to=1), Context(data))
    result = compared(pruned, data, tmp_path)
    assert result["classes"] == 1.0
    assert result["difference"] < 1e-4


class Shifted:
    """A session whose outputs differ from the file's."""

    def __init__(self, session: Any, change: Any) -> None:
        self._session, self._change = session, change

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        changed: np.ndarray = self._change(self._session(inputs))
        return changed


@pytest.fixture
def break_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    real = OnnxRuntime.load

    def break_file(change: Any) -> None:
        monkeypatch.setattr(
            OnnxRuntime,
            "load",
            staticmethod(lambda *args, **options: Shifted(real(*args, **options), change)),
        )

    yield break_file


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("none", lambda y: y * 1.02, "computes something else than the network"),
        ("float16", lambda y: y * 1.2, "computes something else than the network"),
        ("static", lambda y: y * np.nan, "not finite for 64 of 64 examples"),
        ("static", lambda y: y * 0 + 1, "the same outputs for every example"),
        ("dynamic", lambda y: np.roll(y, 3, axis=1), "as by chance"),
        ("dynamic", lambda y: y[:, 1:], "gives outputs of shape [64, 9]"),
    ],
)
def test_file_that_differs_too_much_is_infeasible(
    name: str,
    change: Any,
    words: str,
    trained: Candidate,
    data: Dataset,
    tmp_path: Path,
    break_file: Any,
) -> None:
    technique = QUANTIZATIONS.get(name)
    candidate = technique.apply(trained, technique.Params(), Context(data))
    break_file(change)
    with pytest.raises(Unmeasurable) as caught:
        compared(candidate, data, tmp_path)
    assert words in str(caught.value)
    assert str(caught.value).startswith("the file for onnxruntime ")


def test_int8_file_that_is_only_worse_is_accepted(
    trained: Candidate, data: Dataset, tmp_path: Path, break_file: Any
) -> None:
    technique = QUANTIZATIONS.get("static")
    candidate = technique.apply(trained, technique.Params(), Context(data))
    noise = np.random.default_rng(0)
    break_file(lambda y: y + 2 * noise.normal(size=y.shape))
    assert compared(candidate, data, tmp_path)["classes"] < 1


def test_network_whose_outputs_are_not_finite_is_infeasible(
    trained: Candidate, data: Dataset, tmp_path: Path
) -> None:
    artifact = export(trained, "onnxruntime", tmp_path / "net.onnx", data)
    broken = replace(trained, model=torch.nn.Sequential(trained.model, Infinite()))
    with pytest.raises(Unmeasurable, match="outputs are not finite for 64 of 64 validation"):
        DeployedComparison(data).checked(artifact, broken, onnxruntime())


class Infinite(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 0.0


def test_file_that_decides_on_values_is_refused_after_training_too(
    data: Dataset, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    candidate = Candidate(odd.ItemAsScale().eval(), data.shape, data.classes)
    with pytest.raises(Unmeasurable) as caught:
        compared(candidate, data, tmp_path)
    assert odd.marked_line(odd.ItemAsScale) in str(caught.value)


@pytest.mark.parametrize("name", ["torchscript", "torch_export"])
def test_comparison_leaves_threads_and_denormals_of_the_process(
    name: str, trained: Candidate, data: Dataset, tmp_path: Path
) -> None:
    deployment = Deployment(None, name, RUNTIMES.get(name).Params())
    artifact = export(trained, name, tmp_path / "net.pt2", data)
    before = torch.get_num_threads()
    torch.set_flush_denormal(False)
    torch.set_num_threads(1)
    state = torch.get_rng_state()
    try:
        DeployedComparison(data).checked(artifact, trained, deployment)
        assert torch.get_num_threads() == 1
        assert float(torch.tensor(1e-310, dtype=torch.float64) * 1.0) > 0
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)
