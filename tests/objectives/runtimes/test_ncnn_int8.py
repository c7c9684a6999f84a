"""Static int8 of ncnn: ranges, weights, and layers that stay in float."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn import Ncnn
from paretune.objectives.runtimes.ncnn_file import BIN, PARAM
from paretune.objectives.runtimes.ncnn_graph import read_layers
from paretune.objectives.runtimes.ncnn_ranges import BINS, LEVELS, least_divergent
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

SHAPE = (4, 10, 10)
OPTIONS: dict[str, Any] = {"images": 8, "calibration": "minmax", "per_channel": True}


def divergence(shares: np.ndarray, count: int) -> float:
    """Returns what ncnn2table computes for one threshold, bin by bin."""
    clipped = shares[:count] + 1e-4
    clipped[-1] += shares[count:].sum()
    width = count / LEVELS
    spread = np.zeros(count)
    for level in range(LEVELS):
        begin, end = level * width, min((level + 1) * width, count)
        parts = [
            (k, min(end, k + 1) - max(begin, k))
            for k in range(int(begin), min(int(end) + 1, count))
        ]
        covered = sum(part for _, part in parts if part > 0)
        mean = sum(shares[k] * part for k, part in parts if part > 0) / covered
        for k, part in parts:
            spread[k] += mean * max(part, 0)
    return float(np.sum(clipped * np.log(clipped / (spread + 1e-4))))


@pytest.mark.parametrize("seed", [0, 1])
def test_entropy_keeps_the_bins_with_the_least_divergence(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.abs(random.normal(size=20_000)) * np.where(random.random(20_000) < 0.999, 1, 5)
    histogram = np.histogram(values, BINS)[0].astype(float)
    best = least_divergent(histogram)
    shares = histogram / histogram.sum()
    tried = sorted({LEVELS, best - 1, best, best + 1, best + 40, (best + BINS) // 2, BINS - 1})
    tried = [count for count in tried if LEVELS <= count < BINS]
    assert min(tried, key=lambda count: divergence(shares, count)) == best


class Layers(nn.Module):
    """A convolution of each kind, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.winograd = nn.Conv2d(4, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.head = nn.Linear(600, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.winograd(x))))
        x = self.pointwise(torch.relu(self.grouped(x)))
        scores: torch.Tensor = self.head(torch.relu(self.up(x)).flatten(1))
        return scores


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Layers().eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)


def deployed(network: nn.Module, images: np.ndarray, path: Path, **options: Any) -> Any:
    batches: Iterator[np.ndarray] = iter([images])
    return Ncnn.export(network, SHAPE, path, {"static": {**OPTIONS, **options}}, batches)


def layers_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as file:
        return {layer.name: layer for layer in read_layers(file.read(PARAM).decode())}


needs_ncnn = pytest.mark.skipif(Ncnn.unavailable() is not None, reason=str(Ncnn.unavailable()))


@needs_ncnn
@pytest.mark.heavy
@pytest.mark.parametrize("calibration", ["minmax", "entropy", "percentile"])
def test_int8_is_about_as_near_the_network_as_onnx_runtime_s(
    network: nn.Module, images: np.ndarray, tmp_path: Path, calibration: str
) -> None:
    artifact = deployed(network, images, tmp_path / "net", calibration=calibration)
    other = OnnxRuntime.export(
        network, SHAPE, tmp_path / "net.onnx", {"static": OPTIONS}, iter([images])
    )
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    error, usual = (
        float(np.sqrt(((entry.load(path, entry.Params())(images) - expected) ** 2).mean()))
        for entry, path in ((Ncnn, artifact.path), (OnnxRuntime, other.path))
    )
    assert 0 < error < 3 * usual
    assert artifact.info["int8_layers"] == 5
    assert artifact.info["float_layers"] == {"Deconvolution": 1}


@needs_ncnn
@pytest.mark.heavy
def test_convolutions_in_a_row_hand_on_int8(
    network: nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    layers = list(layers_of(deployed(network, images, tmp_path / "net").path).values())
    terms = [each.number(8) for each in layers if each.type.startswith(("Conv", "Inner"))]
    # The last convolution hands floats to the transposed one, which has no int8.
    assert terms == [102, 101, 101, 2, 2]


@needs_ncnn
@pytest.mark.heavy
def test_kept_layers_stay_in_float(network: nn.Module, images: np.ndarray, tmp_path: Path) -> None:
    artifact = deployed(network, images, tmp_path / "net", kept=["pointwise"], keep=["head"])
    assert artifact.info["kept"] == ["pointwise"]
    assert artifact.info["int8_layers"] == 3
    floats = [each.type for each in layers_of(artifact.path).values() if not each.number(8)]
    assert {"Convolution", "Deconvolution", "InnerProduct"} <= set(floats)
    with pytest.raises(Unmeasurable, match='the layer "other", which should stay in float'):
        deployed(network, images, tmp_path / "other", kept=["other"])
    with pytest.raises(Unmeasurable, match="other, which `keep` names, is not in the exported"):
        deployed(network, images, tmp_path / "other", keep=["other"])
    every = ["winograd", "depthwise", "grouped", "pointwise", "head"]
    with pytest.raises(Unmeasurable, match="no layer is left that ncnn can compute in int8"):
        deployed(network, images, tmp_path / "other", kept=every)


@needs_ncnn
@pytest.mark.heavy
def test_channel_of_zeros_has_finite_scales(images: np.ndarray, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].bias[:] = -100  # so the second convolution reads zeros only
    artifact = deployed(model, images, tmp_path / "net")
    outputs = Ncnn.load(artifact.path, Ncnn.Params())(images)
    with torch.inference_mode():
        expected = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@needs_ncnn
@pytest.mark.heavy
def test_static_without_calibration_is_unmeasurable(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="static quantization needs calibration inputs"):
        Ncnn.export(network, SHAPE, tmp_path / "net", {"static": OPTIONS}, iter([]))
    assert list(tmp_path.iterdir()) == []


@needs_ncnn
@pytest.mark.heavy
def test_equal_networks_have_equal_files(
    network: nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    first = deployed(network, images, tmp_path / "a")
    assert deployed(network, images, tmp_path / "b").sha256 == first.sha256


@needs_ncnn
@pytest.mark.heavy
@pytest.mark.parametrize("damage", ["truncated weights", "another layer", "missing file"])
def test_damage_inside_the_archive_is_unmeasurable(
    network: nn.Module, images: np.ndarray, tmp_path: Path, damage: str
) -> None:
    path = deployed(network, images, tmp_path / "net").path
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    if damage == "truncated weights":
        parts[BIN] = parts[BIN][:-8]
    elif damage == "another layer":
        parts[PARAM] = parts[PARAM].replace(b"InnerProduct", b"NoSuchLayer")
    else:
        del parts[BIN]
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(Unmeasurable, match="ncnn cannot load net"):
        Ncnn.load(path, Ncnn.Params())


@needs_ncnn
@pytest.mark.heavy
def test_operator_that_ncnn_lacks_is_named(tmp_path: Path) -> None:
    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cummax(x.flatten(1), 1)[0]

    with pytest.raises(Unmeasurable, match=r"ncnn has no operator for .*cummax|pnnx cannot"):
        Ncnn.export(Counting(), SHAPE, tmp_path / "net")


@needs_ncnn
@pytest.mark.heavy
def test_integer_output_is_refused(tmp_path: Path) -> None:
    class Best(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1).argmax(1)

    with pytest.raises(Unmeasurable, match="returns floats, but the output logits is int64"):
        Ncnn.export(Best(), SHAPE, tmp_path / "net")
