"""ONNX Runtime: calibration, providers, and errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_providers import provider_options
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """10 images of noise."""
    return np.random.default_rng(1).normal(size=(10, *SHAPE)).astype(np.float32)


def static(**more: Any) -> dict[str, Any]:
    return {"static": {"images": 10, "calibration": "minmax", "per_channel": True, **more}}


def batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (images[i : i + size] for i in range(0, len(images), size))


def exported(
    model: nn.Module, folder: Path, quantization: Any = None, calibration: Any = None
) -> Path:
    path = folder / "net.onnx"
    return OnnxRuntime.export(model, SHAPE, path, quantization, calibration).path


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_static_int8_takes_calibration_in_batches_of_any_sizes(
    model: nn.Module, tmp_path: Path, images: np.ndarray, method: str, per_channel: bool
) -> None:
    quantization = static(calibration=method, per_channel=per_channel)
    logits = []
    for size in (10, 4, 1):
        path = exported(model, tmp_path, quantization, batches(images, size))
        logits.append(OnnxRuntime.load(path, OnnxRuntime.Params())(images))
    assert np.array_equal(logits[0], logits[1])
    assert np.array_equal(logits[0], logits[2])


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_quantizer_prints_and_logs_nothing(
    model: nn.Module,
    tmp_path: Path,
    images: np.ndarray,
    method: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    exported(model, tmp_path, static(calibration=method), batches(images, 4))
    exported(model, tmp_path, {"dynamic": {"per_channel": False}})
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert logging.getLogger().level == logging.INFO


def test_static_int8_runs_every_layer_in_int8(
    model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path = exported(model, tmp_path, static(), batches(images, 10))
    settings = ort.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    settings.log_severity_level = 3
    ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(str(tmp_path / "optimized.onnx")).graph.node]
    assert kinds.count("QLinearConv") == 2
    assert kinds.count("QGemm") == 2
    assert not {"Conv", "FusedConv", "Gemm", "MatMul", "BatchNormalization"} & set(kinds)


def test_dynamic_int8_stores_unsigned_weights(model: nn.Module, tmp_path: Path) -> None:
    """ConvInteger with signed weights is several times slower on x86."""
    path = exported(model, tmp_path, {"dynamic": {"per_channel": False}})
    graph = onnx.load(str(path)).graph
    kinds = {node.op_type for node in graph.node}
    assert "ConvInteger" in kinds
    types = {onnx.TensorProto.DataType.Name(t.data_type) for t in graph.initializer if t.dims}
    assert "UINT8" in types
    assert "INT8" not in types


def test_static_int8_without_images_is_unmeasurable(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="static quantization needs calibration inputs"):
        exported(model, tmp_path, static())
    with pytest.raises(Unmeasurable, match="and there are none"):
        exported(model, tmp_path, static(), iter(()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_weights_that_are_not_finite_cannot_be_quantized(
    model: nn.Module, tmp_path: Path, images: np.ndarray, mode: str
) -> None:
    model.get_parameter("8.weight").data[0, 0] = float("nan")
    quantization = static() if mode == "static" else {"dynamic": {"per_channel": False}}
    with pytest.raises(Unmeasurable, match="is not finite: it cannot be quantized"):
        exported(model, tmp_path, quantization, batches(images, 10))


class LargestPixels(nn.Module):
    """A network that looks at half of its pixels: a mask of -inf hides the others."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        mask = torch.zeros(8, 8)
        mask[4:] = float("-inf")
        self.register_buffer("mask", mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = torch.softmax((x + self.mask).flatten(2), dim=2).unflatten(2, (8, 8))
        logits: torch.Tensor = self.network(x * shares)
        return logits


@pytest.mark.parametrize("mode", ["dynamic", "float16", "bfloat16"])
def test_infinite_mask_does_not_prevent_quantization(
    model: nn.Module, tmp_path: Path, images: np.ndarray, mode: str
) -> None:
    network = LargestPixels(model).eval()
    expected = OnnxRuntime.load(exported(network, tmp_path), OnnxRuntime.Params())(images)
    options: dict[str, Any] = {"per_channel": False} if mode == "dynamic" else {}
    path = exported(network, tmp_path, {mode: options})
    logits = OnnxRuntime.load(path, OnnxRuntime.Params())(images)
    assert np.isfinite(logits).all()
    assert np.abs(logits - expected).max() < 0.1 * np.abs(expected).max()


def test_error_lists_the_available_providers_when_one_is_missing(
    model: nn.Module, tmp_path: Path
) -> None:
    path = exported(model, tmp_path)
    reason = (
        r'no execution provider "qnn" here; it has: .*cpu.*pip install onnxruntime-qnn, in place'
    )
    with pytest.raises(Unmeasurable, match=reason):
        OnnxRuntime.load(path, OnnxRuntime.Params(provider="qnn"))


def test_options_of_openvino_s_provider_have_the_thread_count() -> None:
    assert provider_options("CPUExecutionProvider", 3) == {}
    assert provider_options("OpenVINOExecutionProvider", 3)["num_of_threads"] == "3"
    assert int(provider_options("OpenVINOExecutionProvider", 0)["num_of_threads"]) >= 1


def test_provider_that_falls_back_to_the_cpu_is_refused(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime lists a provider but does not use it if the provider's libraries are missing."""
    path = exported(model, tmp_path)
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: names)
    real = ort.InferenceSession

    def on_the_cpu(file: str, settings: Any, providers: Any) -> Any:
        assert providers == [("CUDAExecutionProvider", {})]
        return real(file, settings, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort, "InferenceSession", on_the_cpu)
    reason = "CUDAExecutionProvider could not be started here .*would use CPUExecutionProvider"
    with pytest.raises(Unmeasurable, match=reason):
        OnnxRuntime.load(path, OnnxRuntime.Params(provider="cuda"))


@pytest.mark.parametrize("provider", ["cpu", "CPU", "CPUExecutionProvider"])
def test_provider_may_have_its_short_or_full_name(
    model: nn.Module, tmp_path: Path, images: np.ndarray, provider: str
) -> None:
    path = exported(model, tmp_path)
    session = OnnxRuntime.load(path, OnnxRuntime.Params(provider=provider), threads=0)
    assert session(images).shape == (10, 3)


def test_damaged_file_is_unmeasurable(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"damaged")
    with pytest.raises(Unmeasurable, match=r"ONNX Runtime cannot load net\.onnx"):
        OnnxRuntime.load(path, OnnxRuntime.Params())


def test_batch_dimension_is_dynamic_and_names_are_fixed(model: nn.Module, tmp_path: Path) -> None:
    graph = onnx.load(str(exported(model, tmp_path))).graph
    [source], [target] = graph.input, graph.output
    assert (source.name, target.name) == ("input", "logits")
    dims = source.type.tensor_type.shape.dim
    assert dims[0].dim_param == "batch"
    assert [d.dim_value for d in dims[1:]] == list(SHAPE)
