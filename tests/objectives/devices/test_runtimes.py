"""The runner's sessions give the outputs of the host's, for each runtime that devices have."""

import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from paretune.objectives.devices.device import open_device
from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.devices.runtimes import ON_DEVICES, check_on_device, options_on_device
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes import RUNTIMES
from paretune.objectives.runtimes.ncnn import Ncnn

SHAPE = (1, 8, 8)
IN_DEV = ("onnxruntime",)
MARKED = [
    pytest.param(name, marks=pytest.mark.slow if name in IN_DEV else pytest.mark.heavy)
    for name in ON_DEVICES
]


STATIC = {"static": {"images": 5, "calibration": "minmax", "per_channel": True}}
DYNAMIC = {"dynamic": {"per_channel": True}}


@pytest.mark.parametrize("int8", [False, True], ids=["float", "int8"])
@pytest.mark.parametrize("name", MARKED)
def test_outputs_are_those_of_the_host(
    name: str, int8: bool, model: nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    module, _, class_name = RUNTIMES[name].partition(":")
    runtime: Any = getattr(import_module(module), class_name)
    if reason := runtime.unavailable():
        pytest.skip(reason)
    options = runtime.Params()
    path = tmp_path / f"network{runtime.suffix}"
    int8_mode = STATIC if "static" in runtime.quantizations else DYNAMIC
    quantization = int8_mode if int8 else None
    artifact = runtime.export(model, SHAPE, path, quantization, iter([images]))
    network = DeviceNetwork(
        name, options.model_dump(), artifact.path, artifact.sha256, (images[:1],)
    )
    with open_device(f"local://?folder={tmp_path}/device") as device:
        [output] = device.run(network, [(images,)])
        with device.lease("test"), device.timing([network]) as timing:
            assert timing.block(0.01) > 0
    np.testing.assert_allclose(output, runtime.load(path, options)(images), rtol=1e-5, atol=1e-6)


@pytest.mark.heavy
@pytest.mark.parametrize("bytes_left", [-4, 0])
def test_short_weights_of_ncnn_are_refused_before_ncnn_reads_them(
    bytes_left: int, model: nn.Module, tmp_path: Path
) -> None:
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    path = tmp_path / "network.ncnn.zip"
    options = Ncnn.Params()
    artifact = Ncnn.export(model, SHAPE, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["model.ncnn.bin"] = parts["model.ncnn.bin"][:bytes_left]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    images = np.zeros((1, *SHAPE), np.float32)
    short = DeviceNetwork("ncnn", options.model_dump(), artifact.path)
    with open_device(f"local://?folder={tmp_path}/device") as device:
        with pytest.raises(Unmeasurable, match=r"model.ncnn.bin has \d+ bytes, not \d+"):
            list(device.run(short, [(images,)]))
        assert device.hello().python  # the runner lives


def test_runtime_without_a_session_on_devices_is_refused() -> None:
    with pytest.raises(DeviceRefused, match="'torch' does not run on devices; these do: onnx"):
        check_on_device("torch")


@pytest.mark.parametrize(
    ("provider", "full"),
    [("cpu", "CPUExecutionProvider"), ("CUDA", "CUDAExecutionProvider"), ("MyOwn", "MyOwn")],
)
def test_options_name_the_provider_as_onnx_runtime_does(provider: str, full: str) -> None:
    options = options_on_device("onnxruntime", {"provider": provider, "threads": 2})
    assert options == {"provider": full, "threads": 2}
