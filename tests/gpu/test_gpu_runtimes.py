"""The runtimes that compute on an NVIDIA GPU: outputs, batches, standalone code, figures.

They are skipped without a GPU; tests/gpu/run.sh runs them on a machine with one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes import RUNTIMES
from paretune.spaces.rebuild import initial_candidate

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

SHAPE = (3, 32, 32)

STATIC: dict[str, Any] = {"images": 64, "calibration": "minmax", "per_channel": True}

EXACT, HALF, INT8 = 1e-3, 2e-2, 1e-1
"""Largest difference of an output, as a share of the spread; a GPU may multiply in TF32."""

DEPLOYMENTS = {
    "torch cuda": ("torch", {"device": "cuda"}, None, EXACT),
    "torch cuda graph": ("torch", {"device": "cuda", "graph": True}, None, EXACT),
    "onnxruntime cuda": ("onnxruntime", {"provider": "cuda"}, None, EXACT),
    "onnxruntime cuda float16": ("onnxruntime", {"provider": "cuda"}, {"float16": {}}, HALF),
    "onnxruntime cuda static": ("onnxruntime", {"provider": "cuda"}, {"static": STATIC}, INT8),
    "onnxruntime tensorrt": ("onnxruntime", {"provider": "tensorrt"}, None, EXACT),
    "tensorrt": ("tensorrt", {}, None, EXACT),
}


def runtime(name: str) -> Any:
    module, _, attribute = RUNTIMES[name].partition(":")
    return getattr(import_module(module), attribute)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A residual network with running statistics of its inputs."""
    architecture = {"resnet": {"stages": 3, "blocks": 2, "width": 16}}
    model = initial_candidate(architecture, SHAPE, 10, seed=0).model.train()
    with torch.no_grad():
        for seed in range(3):
            model(torch.rand(32, *SHAPE, generator=torch.Generator().manual_seed(seed)))
    return model.eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((64, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def deployed(
    request: Any, network: nn.Module, images: np.ndarray, tmp_path_factory: Any
) -> tuple[str, Any, Any, Any, Any, float]:
    """Name, runtime, its options, the artifact, the session and the tolerance."""
    name, values, quantization, allowed = DEPLOYMENTS[request.param]
    entry = runtime(name)
    if reason := entry.unavailable():
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("gpu") / f"net{entry.suffix}"
    options = entry.Params.model_validate(values)
    artifact = entry.export(network, SHAPE, path, quantization, iter([images]))
    try:
        session = entry.load(artifact.path, options)
    except Unmeasurable as error:
        if "no execution provider" not in str(error):
            raise
        pytest.skip(str(error))
    return request.param, entry, options, artifact, session, allowed


def logits_of(model: nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        logits: np.ndarray = model(torch.from_numpy(inputs)).numpy()
    return logits


def test_outputs_are_the_network_s_for_every_batch(
    deployed: Any, network: nn.Module, images: np.ndarray
) -> None:
    *_, session, allowed = deployed
    for batch in (1, 3, 64):
        expected = logits_of(network, images[:batch])
        outputs = session(images[:batch])
        assert (outputs.dtype, outputs.shape) == (np.float32, expected.shape)
        assert np.abs(outputs - expected).max() <= allowed * np.ptp(expected)
        kept = outputs.copy()
        session(images[::-1][:batch].copy())
        assert np.array_equal(outputs, kept)  # the next call does not overwrite the last result


def test_standalone_code_has_the_session_s_outputs(
    deployed: Any, images: np.ndarray, tmp_path: Path
) -> None:
    _, entry, options, artifact, session, allowed = deployed
    np.save(tmp_path / "x.npy", images[:8])
    code = f"""
import numpy as np
{entry.standalone(options)}
np.save("y.npy", load({str(artifact.path)!r})(np.load("x.npy")))
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert process.returncode == 0, process.stderr.decode()
    expected = session(images[:8])
    assert np.abs(np.load(tmp_path / "y.npy") - expected).max() <= allowed * np.ptp(expected)


def test_figures_are_printed(deployed: Any, images: np.ndarray) -> None:
    name, _, _, artifact, session, _ = deployed
    for batch in (1, 64):
        inputs = images[:batch]
        for _ in range(10):
            session(inputs)
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            session(inputs)
            times.append(time.perf_counter() - begun)
        milliseconds = 1000 * float(np.median(times))
        print(f"{name:28} batch {batch:3}  {milliseconds:8.3f} ms  {artifact.bytes} bytes")
        assert milliseconds > 0
